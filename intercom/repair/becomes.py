"""Owns what a page will hold after it was taken in: its new bytes, and which message each entry is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise

from intercom.core.config import Config
from intercom.format import MESSAGE, seam
from intercom.repair.rules import Damage, Decision, Outcome, Verdict
from intercom.repair.sides import Expected, View
from intercom.store.log.base import Mark
from intercom.store.log.template import fresh_log
from intercom.store.log.unfinished import BEGUN_LINE, entries_of, top_of
from intercom.system.files import joined

#: A page and the marks of its messages; None if those are uncertain.
Marked = tuple[bytes, dict[int, Mark] | None]

_REBUILT = {Damage.REMOVED, Damage.EMPTIED, Damage.TRUNCATED, Damage.OVERWRITTEN}
_COPIES = {Verdict.DUPLICATE, Verdict.ARCHIVED, Verdict.DROPPED}
_NOT_ITS_OWN = {Verdict.CUT, Verdict.REDACTED, Verdict.DROPPED}
_HOLDING = {
    Verdict.UNCHANGED,
    Verdict.MOVED,
    Verdict.EDITED,
    Verdict.CUT,
    Verdict.RETURNED,
    Verdict.REDACTED,
}


class Becomes:
    """The result of one reconciliation. `record` returns a known message's record, `new` has the ids of new ones."""

    def __init__(
        self,
        config: Config,
        view: View,
        outcome: Outcome,
        expected: Expected,
        record: Callable[[str], bytes],
        new: Mapping[int, str],
        former: bytes,
    ) -> None:
        self._config = config
        self._view = view
        self._outcome = outcome
        self._expected = expected
        self._record = record
        self._new = new
        self._former = former
        self._joining: list[Decision] = []

    def joins(self, decision: Decision) -> None:
        """Note that this entry belongs to a past message that is on the page again, or has a new text there."""
        self._joining.append(decision)

    def mended(self, said: list[bytes], *, mend: bool) -> Marked:
        """The page with what was owed to it and the notices `said`; if it needs repair, also with what it lost."""
        outcome = self._outcome
        owed = [self._record(ident) for ident in outcome.owed]
        if mend and outcome.kind in _REBUILT:
            return self._rebuilt(owed, said)
        lost = [self._record(ident) for ident in outcome.lost] if mend else []
        data = self.rewritten(outcome.entries) if mend else self._view.data
        count, marks = self._marks(dropped=mend)
        if not data.strip() and (owed or lost):
            data = self.top()
        if added := [*lost, *owed, *said]:
            begun = self._begun() or self._begun_line(data)  # whoever writes it goes on behind it
            data = joined([data.removesuffix(begun), *added, begun])
            return data, self._certain(data, count + len(added), marks)
        return data, marks

    def _begun(self) -> bytes:
        """The header at the end of the page below which somebody is still writing, if there is one."""
        return b"".join(self._view.raw(one.place) for one in self._outcome.having(Verdict.BEGUN))

    def _begun_line(self, data: bytes) -> bytes:
        """The same, where it is the beginning of a line yet, and so not an entry."""
        match = BEGUN_LINE.search(data)
        return match[0] if match and self._view.data.endswith(match[0]) else b""

    def _rebuilt(self, owed: list[bytes], said: list[bytes]) -> Marked:
        """The page made anew: the text above its messages, the known messages, the new ones."""
        outcome, lost = self._outcome, set(self._outcome.lost)
        held = {one.id: one for one in outcome.entries if one.id and one.verdict in _HOLDING}
        known = dict.fromkeys((*self._expected.arrived, *held))  # `held` adds those that had been deleted and are back
        kept = [name for name in known if name in held or name in lost]
        pieces = [(self._text_of(held[name]) if name in held else self._record(name), name) for name in kept]
        joining = {one.place for one in self._joining}
        joins = [one for one in outcome.entries if one.verdict == Verdict.ADDED or one.place in joining]
        copies = {len(pieces) + number for number, one in enumerate(joins) if one.verdict in _COPIES}
        pieces += [(self._text_of(one), self._new.get(one.place) or one.id or "") for one in joins]
        begun = self._begun()
        texts = [raw for raw, _ in pieces]
        texts[:-1] = [above + seam(above, below) for above, below in pairwise(texts)]
        data = joined([self.top(), *texts, *owed, *said, begun])
        marks = {number: Mark(name, number in copies) for number, (_, name) in enumerate(pieces)}
        return data, self._certain(data, len(pieces) + len(owed) + len(said) + bool(begun), marks)

    def rewritten(self, decisions: Iterable[Decision]) -> bytes:
        """The page unchanged, except for those of these entries whose own text must not stay."""
        texts = {one.place: self._text_of(one) for one in decisions if one.verdict in _NOT_ITS_OWN}
        if not texts:
            return self._view.data
        return b"".join(texts[at] if at in texts else self._view.raw(at) for at in range(len(self._view)))

    def top(self) -> bytes:
        """The text above the messages: the file's, else the former one, else a new beginning."""
        messages = {one.place for one in self._view.found}
        top = b"".join(self._view.raw(place) for place in range(len(self._view)) if place not in messages)
        if top.strip() and b"\0" not in top:
            return top
        return top_of(self._former, self._view.roster) or fresh_log(self._config.machine, self._config.agents)

    def _text_of(self, decision: Decision) -> bytes:
        """The text of an entry on the repaired page: the known one if the file's is cut or must not stay."""
        if decision.verdict == Verdict.DROPPED:
            return b""
        if decision.verdict in _NOT_ITS_OWN and decision.id:
            return self._record(decision.id)
        return self._view.raw(decision.place)

    def _marks(self, *, dropped: bool) -> tuple[int, dict[int, Mark]]:
        """The number of messages on the page, and which message each is whose meta line does not say so.

        `dropped`: whether entries that belong to no message have been removed.
        """
        marks: dict[int, Mark] = {}
        number = -1
        for entry, decision in zip(self._view.found, self._outcome.entries, strict=True):
            if dropped and decision.verdict == Verdict.DROPPED:
                continue
            number += 1
            if decision.verdict == Verdict.BEGUN:
                continue
            copy = decision.verdict in _COPIES
            ident = self._new.get(decision.place) or decision.id or self._new_at(decision.of)
            if copy or ident != entry.id:
                marks[number] = Mark(ident, copy)
        return number + 1, marks

    def _new_at(self, place: int | None) -> str:
        return "" if place is None else self._new.get(place, "")

    def _certain(self, data: bytes, count: int, marks: dict[int, Mark]) -> dict[int, Mark] | None:
        """The marks, if the page parses to exactly that many messages; otherwise one could be mistaken for another."""
        found = entries_of(data, self._view.roster)
        return marks if sum(entry.kind == MESSAGE for entry in found) == count else None
