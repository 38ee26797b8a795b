"""Owns taking in what people and programs did to the page, and repairing what they broke.

`reconcile` decides, entry by entry. This module carries the decisions out under the writer lock, in an order in
which a kill at any point loses nothing: save the damaged page, record in the ledger what is new and what became of
known messages, repair the page, and last write the base. Whoever comes next finds all of it done, or makes the same
decisions again.

`system` announces a repair in the log, to `user`, and says how to undo it. A message that was never on the page is
owed to it, and is added without an announcement.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from intercom.core.config import Config
from intercom.core.errors import UsageError
from intercom.core.message import SYSTEM, USER, Message, local_stamp, new_id, utc
from intercom.format import MESSAGE, digest, hand_id, render
from intercom.format.record import LEFT, REMOVED, RETURNED, as_is, by_hand, control, is_control, seal, time_of
from intercom.format.roster import Roster
from intercom.format.utf16 import as_utf8
from intercom.repair import rules, unheard
from intercom.repair.becomes import Becomes
from intercom.repair.follow import followed
from intercom.repair.received import received
from intercom.repair.rules import Damage, Decision, Judgement, Outcome, Thresholds, Verdict
from intercom.repair.sides import Expected, Pastime, View, former_texts, identified
from intercom.store.index import query
from intercom.store.log.base import Base, Mark
from intercom.store.log.log import Log
from intercom.store.log.replace import shared, swap
from intercom.store.log.template import fresh_log
from intercom.store.log.unfinished import (
    Read,
    Tail,
    as_it_was,
    completed,
    entries_of,
    filled,
    last_compaction,
    topped,
    trimmed,
    unbroken,
)
from intercom.store.state import known as names
from intercom.store.state.db import State
from intercom.system.files import make_private_folder, read_from, replace, storage

_MODES = ("on", "ask", "off")
_UNREPAIRED = "what was done to the log by hand is not taken in. Use"

_SAID = {
    Damage.REMOVED: "the log was removed",
    Damage.EMPTIED: "the log was emptied",
    Damage.TRUNCATED: "the end of the log was cut off",
    Damage.OVERWRITTEN: "most of the log was overwritten",
    Damage.STALE_SAVE: "the log was saved from an old copy",
    Damage.RESURFACED: "a redacted text came back",
}
_REBUILT = {Damage.REMOVED, Damage.EMPTIED, Damage.TRUNCATED, Damage.OVERWRITTEN}


def repair_settings(config: Config) -> tuple[str, Thresholds]:
    """Read the `[repair]` settings: the mode (on, ask or off) and the thresholds. UsageError."""
    found, default = config.settings.get("repair", {}), Thresholds()
    if not isinstance(found, Mapping):
        raise UsageError(
            f"`repair` in .claude/intercom.toml is {found!r}; {_UNREPAIRED} [repair] with mode, few, most."
        )
    if unknown := ", ".join(map(repr, found.keys() - {"mode", "few", "most"})):
        raise UsageError(f"[repair] in .claude/intercom.toml has {unknown}; {_UNREPAIRED} mode, few, most.")
    mode, few, most = found.get("mode", "on"), found.get("few", default.few), found.get("most", default.most)
    if mode not in _MODES:
        raise UsageError(f"`mode` of [repair] in .claude/intercom.toml is {mode!r}; {_UNREPAIRED} on, ask or off.")
    if type(few) is not int or few < 0:
        raise UsageError(f"`few` of [repair] in .claude/intercom.toml is {few!r}; {_UNREPAIRED} a number of messages.")
    if type(most) not in {int, float} or not 0 <= most <= 1:
        raise UsageError(f"`most` of [repair] in .claude/intercom.toml is {most!r}; {_UNREPAIRED} a share from 0 to 1.")
    return mode, Thresholds(few, float(most))


def _filled(page: bytes, log: Log, base: Base | None, tail: Tail) -> bytes:
    """The page with the holes of a power cut filled, if what it should hold or what was sent lately explains them."""
    if b"\0" not in page:
        return page
    recent = [read_from(log.ledger.path(segment)) or b"" for segment in log.ledger.segments()[-2:]]
    texts = [*([base.page, *(data for _, data in tail)] if base else []), *recent]
    found = (one for text in texts for one in entries_of(text))
    return filled(page, list(dict.fromkeys(one.raw for one in found if one.kind == MESSAGE and not is_control(one))))


class Repair:
    """One reconciliation of the page. Created and carried out under the writer lock, with the index up to date."""

    def __init__(self, config: Config, log: Log, state: State, db: sqlite3.Connection) -> None:
        self._config = config
        self._state = state
        self._db = db
        self._log = log
        self._on_page = set(query.on_page(db))
        base = log.base.read(log.ledger.id)
        present = read_from(log.live)
        self._exists = present is not None
        self.live = present or b""  #: the page as it was read
        page = as_utf8(self.live)
        roster = names.roster(config, state, page)
        self._roster = roster = (base.roster if base else Roster(query.proven_names(db))).and_(roster.names)
        self._tail: Tail = log.ledger.since(base.head.at) if base else ()
        rebooted = base is None or base.head.rebooted
        # First finish silently what a kill or a power cut left unfinished.
        doubtful = False
        page = _filled(page, log, base, self._tail) if rebooted else page
        whole = completed(page, base, self._tail, torn=rebooted) if self._exists else None
        former = base.page if base else b""
        self._former = base.page if base else None
        if whole is None:
            whole = unbroken(page, base, self._tail)
            doubtful = rebooted
            if rebooted:
                whole = topped(whole, former, lambda: fresh_log(config.machine, config.agents), roster)
        whole = followed(whole, base, self._tail, db, roster)
        self._mode, self._limits = repair_settings(config)
        self._began = base is not None
        self._unpurged = set(query.unfinished(db))
        self._who = received(config, state, db)
        self._look(db, base, whole, doubtful=doubtful)
        if self._doubtful and base is not None and not self._written:
            # What holds nothing by hand is an old page that the power cut brought back.
            older = as_it_was(base, self._tail, whole, roster)
            if older is not None:
                self._look(db, base, older, doubtful=False)
        self._new = self._named()  # place of each new message -> its id
        self._becomes = Becomes(config, self._view, self._outcome, self._expected, self._record, self._new, former)

    def _look(self, db: sqlite3.Connection, base: Base | None, page: bytes, *, doubtful: bool) -> None:
        """Compare a page with what is expected of it, and keep the outcome."""
        self._view = View(page, self._roster)
        self._expected = Expected(db, base, self._tail, self._who)
        self._expected.drop_trimmed(self._on_page, self._view.found)
        self._past = Pastime(db, self._expected.ids, self._expected.copies)
        self._doubtful = doubtful and bool(self._expected.known)
        self._outcome = self._reconcile()

    @property
    def _written(self) -> bool:
        """Whether somebody wrote something on the page by hand that is not known yet."""
        return bool(self._outcome.count(Verdict.ADDED) + self._outcome.count(Verdict.EDITED))

    def _reconcile(self) -> Outcome:
        known, found = self._expected.known, self._view.found
        marks = {mark for one in known for mark in (one.digest, *one.versions)}
        self._past.recall([one.header.stamp for one in found if one.id is None and one.digest not in marks])
        return rules.reconcile(
            known,
            found,
            history=self._past,
            body_of=self._body_of,
            former_of=lambda ident: former_texts(self._db, ident),
            thresholds=self._limits,
            # A page that never existed, or may never have reached the disk, cannot have been removed.
            exists=self._exists or self._doubtful or bool(self._view.data) or not (self._began and known),
            broken=self._view.broken,
            doubtful=self._doubtful,
        )

    def _body_of(self, ident: str) -> str | None:
        found = self._past.entry(ident)
        return found[0].body if found else None

    @property
    def harmless(self) -> bool:
        """Whether nothing needs repair, so that there is no need to wait for an editor to finish."""
        return self._outcome.judgement != Judgement.REPAIR or self._mode == "off"

    @property
    def can_wait(self) -> bool:
        """Whether who is writing the page should finish first: it would be rewritten, or its last text is not whole."""
        if not self.harmless or self._outcome.owed or self._unheard:
            return True
        last = self._view.found[-1] if self._outcome.entries else None
        if last is None or self._outcome.entries[-1].verdict not in {Verdict.ADDED, Verdict.EDITED}:
            return False
        return not last.closed and not (last.body and self._view.data.endswith(b"\n"))

    @property
    def _silent(self) -> bool:
        """Whether a crash explains all that needs repair: nothing that was on the page is missing."""
        outcome, unseen = self._outcome, {one.id for one in self._expected.known if not one.agreed}
        if self._doubtful and (b"\0" in self.live or not outcome.lost or not self._written):
            return outcome.judgement == Judgement.REPAIR
        left = [one.id for verdict in (Verdict.CUT, Verdict.DROPPED) for one in outcome.having(verdict)]
        secret = [one.id for one in outcome.having(Verdict.REDACTED)]
        torn = bool(left or secret) and unseen.issuperset(left) and self._unpurged.issuperset(secret)
        return torn and not outcome.lost

    def carry_out(self) -> list[str] | None:
        """Carry out the decisions; returns what to tell a person, or None if somebody saved meanwhile: look again then.

        StorageError if a file cannot be written.
        """
        learned = []
        for decision in self._outcome.entries:
            records = self._learned(decision)
            learned += records
            if records and decision.verdict == Verdict.ARCHIVED:
                self._becomes.joins(decision)
        notices: list[str] = []
        said = list(self._unheard)
        mend = self._silent or (self._mode == "on" and not self.harmless)
        if not (self.harmless or self._silent):
            sentence = self._sentence(self._keep_damaged(), mend=mend)
            if not self._outcome.quiet:
                notices.append(sentence)
                said.insert(0, _announcement(sentence))
        if not self._log.ledger.exists():
            self._log.ledger.begin()
        self._log.learn([*learned, *said, *self._noted(mend=mend)])
        data, marks = self._trimmed(*self._becomes.mended(said, mend=mend))
        if not self._exists and not data:
            data = self._becomes.top()
        if data != self.live:
            parted = shared(self._log.live)
            with storage(f"write {self._log.live}", "the log is as it was; what it lost is still delivered"):
                if not swap(self._log.live, self.live, data, sync=not self._began):
                    return None
            if parted:
                notices.append(f"{self._log.live} had another name (a hard link): that file is no longer the log")
        self._agree(data, marks)
        return notices

    @cached_property
    def _unheard(self) -> list[bytes]:
        """The notices about text that reaches nobody; none for a page that a power cut tore."""
        torn = any(one.verdict in {Verdict.CUT, Verdict.DROPPED} for one in self._outcome.entries)
        torn |= any(one.id and not one.closed for one in self._view.found[-1:])
        if self._mode == "off" or (self._doubtful and (torn or self._outcome.lost)):
            return []
        changed = []
        for one in self._outcome.entries:
            if one.verdict in {Verdict.ADDED, Verdict.EDITED}:
                entry, ident = self._view.entry(one.place), self._new.get(one.place) or one.id or ""
                if one.verdict == Verdict.EDITED or entry.id is None:  # otherwise a tool sent it once
                    changed.append((ident, entry))
        there = unheard.present(self._config, self._state, self._view.data)
        return unheard.to_say(self._db, self._view.data, self._former, changed, self._roster, there)

    # -- what the ledger learns -------------------------------------------------------------------

    def _named(self) -> dict[int, str]:
        """By place, the id of each new message: the one it claims if it is free, else one made from its content."""
        new: dict[int, str] = {}
        taken = set(self._expected.ids)
        for entry, decision in zip(self._view.found, self._outcome.entries, strict=True):
            if decision.verdict != Verdict.ADDED:
                continue
            ident, number = entry.id, max(1, decision.occurrence)
            while ident is None or ident in taken or self._past.get(ident) is not None:
                ident, number = hand_id(entry.digest, number), number + 1
            new[decision.place] = ident
            taken.add(ident)
        return new

    def _learned(self, decision: Decision) -> list[bytes]:
        """The records that the ledger needs because of this decision."""
        if decision.verdict == Verdict.ADDED:
            entry = self._view.entry(decision.place)
            return [by_hand(entry, self._new[decision.place], time_of(entry))]
        if decision.verdict not in _TELLING and not decision.version:
            return []
        if decision.id is None:
            return self._rival(decision)
        entry, found = self._view.entry(decision.place), self._past.entry(decision.id)
        if found is None:
            return []
        known, own = found
        at = known.at or time_of(entry)
        if decision.verdict == Verdict.ARCHIVED and not own:
            return [by_hand(entry, decision.id, at)]  # from now on ours; whoever pasted it may have changed it
        undone = decision.verdict == Verdict.EDITED and digest(known) != digest(entry)
        if not decision.version and not undone:
            return []
        version = by_hand(entry, decision.id, at)
        if decision.verdict != Verdict.DUPLICATE:
            return [version]
        edited = next((one for one in self._outcome.having(Verdict.EDITED) if one.id == decision.id), None)
        if edited is None:
            return [version, as_is(known)]  # the rival goes into the history; the current text stays current
        counts = self._view.entry(edited.place)
        return [version, by_hand(counts, decision.id, at)] if digest(counts) != digest(entry) else []

    def _rival(self, decision: Decision) -> list[bytes]:
        """The record for a second text of a new message: it goes into the history, the first stays current."""
        if not decision.version or decision.of is None:
            return []
        first = self._view.entry(decision.of)
        both = (self._view.entry(decision.place), first)
        return [by_hand(entry, self._new[decision.of], time_of(first)) for entry in both]

    def _noted(self, *, mend: bool) -> list[bytes]:
        """The control records to write: messages deleted, put back, or left out."""
        outcome, now = self._outcome, time.time()
        back = [decision.id for decision in outcome.having(Verdict.RETURNED) if decision.id]
        said = {
            REMOVED: outcome.deleted,
            RETURNED: (*back, *(outcome.lost if mend else ())),
            LEFT: () if mend else outcome.lost,
        }
        return [control(tag, names, now) for tag, names in said.items() if names]

    def _record(self, ident: str) -> bytes:
        """The current record of a known message."""
        found = self._past.entry(ident)
        assert found is not None, "what is expected on the page, the index has"
        return as_is(found[0])

    def _keep_damaged(self) -> Path | None:
        """Save the file as it is, beside the archive; None if there is no file."""
        if not self._exists:
            return None
        folder = self._config.archive / "damaged"
        make_private_folder(folder)
        stamp = time.strftime("%Y%m%d-%H%M%S")
        for number in range(1, 1000):
            path = folder / f"{self._log.live.stem}-{stamp}-{number:03d}.md"
            if not path.exists():
                secrets = self._outcome.having(Verdict.REDACTED)  # redacted texts must not be saved again
                replace(path, self._becomes.rewritten(secrets))
                return path
        return None

    def _sentence(self, kept: Path | None, *, mend: bool) -> str:
        outcome = self._outcome
        what = _SAID[outcome.kind] if outcome.kind else "the log was damaged"
        back, cut, new = len(outcome.lost), outcome.count(Verdict.CUT), outcome.count(Verdict.ADDED)
        one = back + cut == 1
        was = ("was" if one else "were") + " put back" if mend else ("is" if one else "are") + " missing"
        done = f"{back + cut} of its messages {was}, {new} new taken in"
        copy = f"; the file as it was is kept in {kept.relative_to(self._config.folder).as_posix()}" if kept else ""
        way = "" if mend else "; `intercom restore --all` puts them back"
        return f"{what}: {done}{copy}{way}."

    # -- what both agree on -----------------------------------------------------------------------

    def _trimmed(self, data: bytes, marks: dict[int, Mark] | None) -> tuple[bytes, dict[int, Mark] | None]:
        """The page without what a compaction that was killed still had to remove."""
        back = {one.id for one in self._outcome.having(Verdict.RETURNED)}
        gone = {ident for ident in self._expected.ids if ident not in self._on_page and ident not in back}
        gone -= set(self._outcome.lost)
        found = last_compaction(self._tail) if gone else None
        if found is None or marks is None:
            return data, marks
        return trimmed(data, Read(self._roster, marks), gone, found.archived, found.stamp)

    def _agree(self, data: bytes, marks: dict[int, Mark] | None) -> None:
        """Write the base of a page that now holds these bytes."""
        end = self._log.ledger.end()
        if marks is None or end is None:
            self._log.base.drop()
            return
        own = {ident: None for ident, copy in identified(data, Read(self._roster, marks)) if ident and not copy}
        known = dict.fromkeys(ident for ident in self._expected.arrived if ident in own)
        back = [one.id for one in self._outcome.having(Verdict.RETURNED) if one.id]
        returned = [*self._outcome.lost, *self._outcome.owed, *back]
        late = [ident for ident in self._expected.late if ident in own and ident not in returned] + returned
        self._log.base.write(self._log.ledger.id, end, data, marks, {**known, **own}, late, self._roster.names)


_TELLING = {Verdict.ARCHIVED, Verdict.EDITED}  #: verdicts that may change a message without giving it a new version


def _announcement(sentence: str) -> bytes:
    now = time.time()
    message = Message(new_id(), None, utc(now), SYSTEM, USER, "WARN", "warn", sentence)
    return seal(render(message, local_stamp(now)))
