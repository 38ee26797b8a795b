"""Owns the working table of one reconciliation: which entry stands for which message so far, and what is open.

The rules fill it in, one after the other, each only where earlier rules left a place open.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

from intercom.format.likeness import similarity
from intercom.repair.rules import torn
from intercom.repair.rules.values import Decision, Found, History, Known, Past, Thresholds, Verdict

OPEN = -1
NONE: frozenset[str] = frozenset()


class Gaps(NamedTuple):
    """Positions relative to the anchors (see `Table.gaps`): equal numbers mean the same place."""

    known: list[int]
    found: list[int]
    anchors: frozenset[int]  #: positions in `found`


class Table:
    """Matches positions (not indexes) of `known` and `found`, step by step."""

    def __init__(
        self,
        known: Sequence[Known],
        found: Sequence[Found],
        history: History,
        body_of: Callable[[str], str | None],
        former_of: Callable[[str], Iterable[str]],
        limits: Thresholds,
        *,
        doubtful: bool,
    ) -> None:
        self.known = known
        self.history = history
        self.limits = limits
        self.doubtful = doubtful
        self.position = {one.id: k for k, one in enumerate(known)}
        self.holder = [OPEN] * len(known)  #: the position in `found` of the entry that stands for each
        self.decided: list[Decision | None] = [None] * len(found)
        self.returned: dict[str, int] = {}  #: deleted messages that are back, by id: position in `found`
        self.text = body_of
        self.former = former_of
        self.frayed: dict[int, str] = {}  #: entries that are a known text plus a torn piece, by position: own digest
        self.found = self._trimmed(found) if any(entry.trimmed for entry in found) else found

    def _trimmed(self, found: Sequence[Found]) -> list[Found]:
        """The entries; a frayed one gets the digest of its text without the torn piece."""
        whole = {entry.digest for entry in found if not entry.trimmed}
        before = set(self.texts)
        out = list(found)
        for f, entry in enumerate(found):
            if entry.trimmed and entry.digest not in whole and self._is_frayed(entry, entry.trimmed, before):
                out[f] = entry._replace(digest=entry.trimmed)
                self.frayed[f] = entry.digest
            before.add(out[f].digest)
        return out

    def _is_frayed(self, entry: Found, short: str, before: set[str]) -> bool:
        """Whether the text with digest `short` is known or occurs earlier, while the entry's full text does not."""
        k = self.position.get(entry.id or "")
        one = self.history.get(entry.id or "") if k is None else self.known[k]
        if one is not None and one.digest in {short, entry.digest}:
            return one.digest == short
        if entry.digest in self.texts or self.history.having(entry.digest):
            return False
        return short in before or bool(self.history.having(short))

    @cached_property
    def texts(self) -> set[str]:
        """The digests of all present and former texts of messages on the page."""
        return {digest for one in self.known for digest in (one.digest, *one.versions)}

    @cached_property
    def _twice(self) -> set[str]:
        return {digest for one in self.known if one.copies for digest in (one.digest, *one.versions)}

    def copied(self, f: int) -> bool:
        """Whether entry `f` has the text of some message and an exact stamp, or was agreed to occur more than once."""
        digest, exact = self.found[f].digest, self.found[f].header.exact
        if digest in (self.texts if exact else self._twice):
            return True
        return any(exact or one.copies for one in self.history.having(digest))

    def open_found(self) -> list[int]:
        """Positions of entries that no rule has decided on, in file order."""
        return [f for f, decision in enumerate(self.decided) if decision is None]

    def missing(self) -> list[int]:
        """Positions of known messages without an entry, in log order."""
        return [k for k, f in enumerate(self.holder) if f == OPEN]

    def hold(self, k: int, f: int, verdict: Verdict = Verdict.UNCHANGED) -> None:
        """Let entry `f` stand for known message `k`."""
        if verdict == Verdict.UNCHANGED and f in self.frayed:  # unless rule 5 finds that the end was cut off there
            verdict = Verdict.REDACTED if self.known[k].redacted else Verdict.EDITED
        self.holder[k] = f
        new = verdict == Verdict.EDITED and (f in self.frayed or self._unseen(f, k))
        self.decided[f] = Decision(self.found[f].place, verdict, self.known[k].id, version=new)

    def copy(self, f: int, k: int) -> None:
        """Mark entry `f` as a further copy of known message `k`, which has an entry already."""
        self.copy_of(f, self.holder[k], version=self._unseen(f, k))

    def copy_of(self, f: int, original: int, *, version: bool = False) -> None:
        """Mark entry `f` as a further copy of whatever entry `original` stands for."""
        stands = self.decided[original]
        id = stands.id if stands else None
        place, of = self.found[f].place, self.found[original].place
        self.decided[f] = Decision(place, Verdict.DUPLICATE, id, of, version=version)

    def _unseen(self, f: int, k: int) -> bool:
        digest = self.found[f].digest
        return digest != self.known[k].digest and digest not in self.known[k].versions

    def past(self, f: int, verdict: Verdict, id: str | None, *, version: bool = False) -> None:
        """Decide that entry `f` relates to message `id`, which is not on the page."""
        self.decided[f] = Decision(self.found[f].place, verdict, id, version=version)

    def back(self, f: int, past: Past, *, version: bool = False) -> None:
        """Let entry `f` undo a deletion, except on a doubtful page."""
        if self.doubtful:
            self.past(f, Verdict.DROPPED, past.id)
        elif past.id in self.returned:
            self.copy_of(f, self.returned[past.id], version=version)
        else:
            self.past(f, Verdict.RETURNED, past.id, version=version)
            self.returned[past.id] = f

    def add(self, f: int, occurrence: int) -> None:
        """Mark entry `f` as a new message."""
        self.decided[f] = Decision(self.found[f].place, Verdict.ADDED, occurrence=occurrence)

    def alike(self, id: str, f: int) -> float:
        """How similar the known text of `id` and entry `f` are, 0 to 1."""
        text = self.text(id)
        return 0.0 if text is None else similarity(text, self.found[f].body)

    def similar(self, id: str, f: int) -> bool:
        """Whether they are versions of one text."""
        return self.alike(id, f) >= self.limits.similar

    def shaken(self, f: int) -> bool:
        """Whether entry `f` may be what a power cut left."""
        return self.doubtful or self.found[f].holed

    def rest(self, id: str, f: int) -> bool:
        """Whether the text of entry `f` is what a cut or a power cut left of message `id`."""
        entry, text = self.found[f], self.text(id)
        if text is None:
            return False
        if entry.holed and torn.holed(text, entry.body if "\0" in entry.body else "\0" + entry.body):
            return True
        if entry.holed and (start := torn.holed_meta(entry.body)) is not None:
            return id.startswith(start)
        if (self.doubtful or not entry.closed) and torn.beginning(text, entry.body):
            return True
        return self.doubtful and any(torn.beginning(older, entry.body) for older in self.former(id))

    def remnant(self, id: str, f: int, versions: frozenset[str] = NONE) -> bool:
        """Whether entry `f`, which claims to be message `id`, holds no text that somebody gave it (rule 13)."""
        entry = self.found[f]
        return (self.doubtful and (entry.holed or entry.digest in versions)) or self.rest(id, f)

    def sides_differ(self, f: int, g: int) -> bool:
        """Whether two entries are on different sides of a conflict."""
        one, other = self.found[f].side, self.found[g].side
        return bool(one and other and one != other)

    def unmoved(self) -> list[int]:
        """Positions in `known` of the longest run of matched messages in unchanged order.

        Of several the one that ends earliest in the log: the end is what a cut takes.
        """
        of = {f: k for k, f in enumerate(self.holder) if f != OPEN}
        return _rising([of[f] for f in sorted(of)])

    def gaps(self) -> Gaps:
        """Split both orders at the anchors: the longest run of matched messages in unchanged order.

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
