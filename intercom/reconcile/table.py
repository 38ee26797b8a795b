"""Owns the working table of one reconciliation: who stands for whom so far, and what is still open.

The rules fill it in, one after the other, each only where those before it left a place open.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import NamedTuple

from intercom.reconcile.likeness import similarity
from intercom.reconcile.values import (
    ADDED,
    DUPLICATE,
    EDITED,
    UNCHANGED,
    Decision,
    Found,
    History,
    Known,
    Thresholds,
)

OPEN = -1


class Gaps(NamedTuple):
    """Where things stand relative to the anchors (see `Table.gaps`): equal numbers mean the same place."""

    known: list[int]
    found: list[int]
    anchors: frozenset[int]  #: positions in `found`


class Table:
    """Positions (not indexes) of `known` and `found`, matched step by step."""

    def __init__(
        self,
        known: Sequence[Known],
        found: Sequence[Found],
        history: History,
        body_of: Callable[[str], str | None],
        limits: Thresholds,
    ) -> None:
        self.known = known
        self.found = found
        self.history = history
        self.limits = limits
        self.position = {one.id: k for k, one in enumerate(known)}
        self.holder = [OPEN] * len(known)  #: position in `found` of the entry that stands for it
        self.decided: list[Decision | None] = [None] * len(found)
        self.returned: dict[str, int] = {}  #: deleted messages that are back: id -> position in `found`
        self.echo: dict[int, frozenset[tuple[str, int]]] = {}  #: copies: position -> where originals stand
        self._body_of = body_of

    def open_found(self) -> list[int]:
        """Positions of entries that no rule has spoken on, in file order."""
        return [f for f, decision in enumerate(self.decided) if decision is None]

    def missing(self) -> list[int]:
        """Positions of known messages that no entry stands for, in log order."""
        return [k for k, f in enumerate(self.holder) if f == OPEN]

    def hold(self, k: int, f: int, verdict: str = UNCHANGED) -> None:
        """Let entry `f` stand for known message `k`."""
        self.holder[k] = f
        new = verdict == EDITED and self._unseen(f, k)
        self.decided[f] = Decision(self.found[f].place, verdict, self.known[k].id, version=new)

    def copy(self, f: int, k: int) -> None:
        """Entry `f` is one more copy of known message `k`, which an entry stands for."""
        self.copy_of(f, self.holder[k], version=self._unseen(f, k))

    def copy_of(self, f: int, original: int, *, version: bool = False) -> None:
        """Entry `f` is one more copy of what entry `original` stands for."""
        stands = self.decided[original]
        id = stands.id if stands else None
        of = self.found[original].place
        self.decided[f] = Decision(self.found[f].place, DUPLICATE, id, of, version=version)
        self.echo[f] = frozenset({("file", original)})

    def _unseen(self, f: int, k: int) -> bool:
        digest = self.found[f].digest
        return digest != self.known[k].digest and digest not in self.known[k].versions

    def past(self, f: int, verdict: str, id: str, *, version: bool = False) -> None:
        """Entry `f` is the past message `id`, with this verdict."""
        self.decided[f] = Decision(self.found[f].place, verdict, id, version=version)

    def add(self, f: int, occurrence: int) -> None:
        """Entry `f` is a new message."""
        self.decided[f] = Decision(self.found[f].place, ADDED, occurrence=occurrence)

    def alike(self, id: str, f: int) -> float:
        """How alike the known text of `id` and the text of entry `f` are, 0 to 1."""
        text = self._body_of(id)
        return 0.0 if text is None else similarity(text, self.found[f].body)

    def similar(self, id: str, f: int) -> bool:
        """Whether they are versions of one text."""
        return self.alike(id, f) >= self.limits.similar

    def text(self, id: str) -> str | None:
        """The known text of `id`, if it can be had."""
        return self._body_of(id)

    def unmoved(self) -> list[int]:
        """Positions in `known` of the longest run of matched messages in unchanged order.

        Of several the one that ends earliest in the log: the end is what a cut takes.
        """
        of = {f: k for k, f in enumerate(self.holder) if f != OPEN}
        return _rising([of[f] for f in sorted(of)])

    def gaps(self) -> Gaps:
        """Cut both orders at the anchors: the longest run of matched messages in unchanged order.

        What has the same gap number before and after stands between the same neighbours: in its place.
        """
        anchors = frozenset(self.holder[k] for k in self.unmoved())
        known, gap = [], 0
        for f in self.holder:
            gap += f in anchors
            known.append(gap)
        found, gap = [], 0
        for f in range(len(self.found)):
            gap += f in anchors
            found.append(gap)
        return Gaps(known, found, anchors)


def _rising(numbers: Sequence[int]) -> list[int]:
    """A longest strictly rising subsequence, by patience sorting: O(n log n)."""
    tops: list[int] = []
    at: list[int] = []
    before = [OPEN] * len(numbers)
    for i, number in enumerate(numbers):
        pile = bisect_left(tops, number)
        if pile == len(tops):
            tops.append(number)
            at.append(i)
        else:
            tops[pile] = number
            at[pile] = i
        if pile:
            before[i] = at[pile - 1]
    out: list[int] = []
    i = at[-1] if at else OPEN
    while i != OPEN:
        out.append(numbers[i])
        i = before[i]
    return out[::-1]
