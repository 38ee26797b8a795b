"""Owns taking in what people and programs did to the live log, and putting right what they broke.

`reconcile` decides, entry by entry; this module carries it out, under the writer lock, in an order in which
a kill at any point loses nothing: the damaged copy is kept, the journal learns what is new, the live log is
repaired, the state notes what is hidden, and last the agreement is made. Whoever comes next finds the
whole, or decides the same again.

A repair is announced in the log by `system`, to `user`, with the way back.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Container, Iterable, Mapping
from pathlib import Path

from intercom import reconcile
from intercom.adopt import adopt
from intercom.agreement import agree, agreement
from intercom.config import Config
from intercom.errors import UsageError
from intercom.files import joined, make_private_folder, read_from, replace, storage
from intercom.format import Entry, digest, hand_id, render, rendered
from intercom.log import Log
from intercom.model import SYSTEM, USER, Message, local_stamp, new_id, utc, utc_of_stamp
from intercom.reconcile import Decision, Outcome, Thresholds
from intercom.setup import fresh_log
from intercom.state import State
from intercom.swap import swap
from intercom.window import Pastime, View, Window, elsewhere

SETTLE = 0.02  #: seconds without a change after which a file counts as written
SETTLE_DAMAGE = 0.15  #: seconds between two looks at a file that seems damaged, before it is repaired
_SETTLE_MOST = 1.0

_ORDER = "order"  #: in the state: ids in the order in which the live log has them, where that is not the journal's
_MODES = ("on", "ask", "off")
_UNREPAIRED = "what was done to the log by hand is not taken in. Use"

_SAID = {
    reconcile.REMOVED: "the log was removed",
    reconcile.EMPTIED: "the log was emptied",
    reconcile.TRUNCATED: "the end of the log was cut off",
    reconcile.OVERWRITTEN: "most of the log was overwritten",
    reconcile.STALE_SAVE: "the log was saved from an old copy",
    reconcile.RESURFACED: "a redacted text came back",
}
_REBUILT = {reconcile.REMOVED, reconcile.EMPTIED, reconcile.TRUNCATED, reconcile.OVERWRITTEN}


def settle(live: Path) -> None:
    """Wait, a moment, until nobody has written to the live log for a moment."""
    deadline = time.monotonic() + _SETTLE_MOST
    while live.exists() and not quiet(live, SETTLE) and time.monotonic() < deadline:
        time.sleep(SETTLE / 4)


def quiet(live: Path, seconds: float) -> bool:
    """Whether nobody has written to the live log, or removed it, for so long, as far as its times tell."""
    try:
        changed = live.stat().st_mtime
    except FileNotFoundError:
        changed = live.parent.stat().st_mtime if live.parent.exists() else 0.0
    except OSError:
        return True
    return not 0 <= time.time() - changed < seconds


def repair_settings(config: Config) -> tuple[str, Thresholds]:
    """What `[repair]` in the settings says: the mode (on, ask or off) and the thresholds. UsageError."""
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


def unseen(config: Config, log: Log, state: State, db: sqlite3.Connection) -> bool:
    """Take in a live log that nobody knows yet, if it is plain; whether that was done. UsageError, StorageError.

    The caller holds the writer lock.
    """
    repair_settings(config)
    return adopt(log, state, db)


class Heal:
    """One reconciliation of the live log. Made and carried out under the writer lock."""

    def __init__(self, config: Config, log: Log, state: State, db: sqlite3.Connection, journal: str) -> None:
        self._config = config
        self._log = log
        self._state = state
        self._traces = state.traces()
        self._window = Window(read_from(log.journal) or b"", agreement(state), self._traces)
        self._past = Pastime(db, journal, self._traces, self._window.latest)
        present = read_from(log.live)
        self._exists = present is not None
        self._view = View(present or b"")
        self._mode, self._limits = repair_settings(config)
        self._outcome = self._reconcile()
        self._new: dict[int, str] = {}  # place of a new message -> its id
        self._given: set[str] = set()  # those ids

    @property
    def live(self) -> bytes:
        """The live log that was looked at."""
        return self._view.data

    def _reconcile(self) -> Outcome:
        order = str(self._state.meta(_ORDER) or "").split()
        known, found = self._window.known(self._past, order), self._view.found
        marks = {mark for one in known for mark in (one.digest, *one.versions)}
        self._past.recall([one.header.stamp for one in found if one.id is None and one.digest not in marks])
        return reconcile.reconcile(
            known,
            found,
            history=self._past,
            body_of=self._body_of,
            thresholds=self._limits,
            exists=self._exists or not known,
            broken=self._view.broken,
        )

    def _body_of(self, ident: str) -> str | None:
        known = self._window.body(ident)
        if known is not None:
            return known
        past = self._past.entry(ident)
        return past[0].body if past else None

    @property
    def harmless(self) -> bool:
        """Whether nothing is to be repaired: then there is no need to wait for an editor to finish."""
        return self._outcome.judgement != reconcile.REPAIR or self._mode == "off"

    def carry_out(self) -> list[str] | None:
        """Do what was decided; return what a person should be told, or None if somebody saved meanwhile: look again.

        StorageError if a file cannot be written.
        """
        self._name()
        learned = [block for decision in self._outcome.entries if (block := self._learned(decision))]
        live, notices, mend = self.live, [], False
        if self.harmless:
            self._log.adopt(learned)
        else:
            mend = self._mode == "on"
            sentence = self._sentence(self._keep_damaged(), mend=mend)
            notices.append(sentence)
            said = _announcement(sentence)
            self._log.adopt([*learned, said])
            live = self._mended(said) if mend else joined([self.live, said])
            with storage(f"write {self._log.live}", "the log is as it was; what it lost is still delivered"):
                if not swap(self._log.live, self.live, live):
                    return None
        self._note(mend=mend)
        self._state.set_meta(_ORDER, " ".join(self._order(mend=mend)))
        agree(self._state, self._log.journal, live)
        return notices

    # -- what the journal learns ------------------------------------------------------------------

    def _name(self) -> None:
        """Give each new message its id: the one it claims, if that is free, else derived from its content."""
        for entry, decision in zip(self._view.found, self._outcome.entries, strict=True):
            if decision.verdict != reconcile.ADDED:
                continue
            ident, number = entry.id, max(1, decision.occurrence)
            while ident is None or self._taken(ident):
                ident, number = hand_id(entry.digest, number), number + 1
            self._new[decision.place] = ident
            self._given.add(ident)

    def _taken(self, ident: str) -> bool:
        return ident in self._window.latest or ident in self._given or self._past.get(ident) is not None

    def _learned(self, decision: Decision) -> bytes:
        """What the journal must hold after this decision that it did not before."""
        if decision.verdict == reconcile.ADDED:
            entry = self._view.entry(decision.place)
            return rendered(entry, self._new[decision.place], "hand", _time_of(entry))
        if decision.verdict not in _TELLING and not decision.version:
            return b""
        if decision.id is None:
            return self._rival(decision)
        entry, past = self._view.entry(decision.place), self._past.entry(decision.id)
        known = self._window.latest.get(decision.id)
        if decision.verdict == reconcile.ARCHIVED and known is None and past and elsewhere(past[1]):
            return rendered(entry, decision.id, past[0].via or "hand", past[0].at or _time_of(entry))  # ours now, too
        undone = decision.verdict == reconcile.EDITED and known is not None and known.digest != digest(entry)
        if not decision.version and not undone:
            return b""
        at = (known.at if known else past[0].at if past else None) or _time_of(entry)
        version = rendered(entry, decision.id, "hand", at)
        if decision.verdict == reconcile.DUPLICATE and known is not None:
            version += self._window.raw(decision.id)  # the rival is kept in the history; what counted goes on counting
        return version

    def _rival(self, decision: Decision) -> bytes:
        """A second text of a message that is itself new: kept in its history; the first goes on counting."""
        if not decision.version or decision.of is None:
            return b""
        first = self._view.entry(decision.of)
        both = (self._view.entry(decision.place), first)
        return b"".join(rendered(entry, self._new[decision.of], "hand", _time_of(first)) for entry in both)

    # -- what the live log becomes ----------------------------------------------------------------

    def _mended(self, said: bytes) -> bytes:
        """The live log with what it lost, and the announcement."""
        outcome = self._outcome
        lost = [self._window.raw(ident) for ident in outcome.lost]
        if outcome.kind not in _REBUILT:
            return joined([self._rewritten(outcome.entries), *lost, said])
        held = {decision.id: decision for decision in outcome.entries if decision.id and decision.verdict in _HOLDING}
        known = [self._text_of(held[name]) if name in held else self._window.raw(name) for name in self._kept(held)]
        added = [self._text_of(decision) for decision in outcome.entries if self._joins(decision)]
        return joined([self._top(), *known, *added, said])

    def _rewritten(self, decisions: Iterable[Decision]) -> bytes:
        """The log as it is, but for those of these entries of which it must not have its own text."""
        texts = {one.place: self._text_of(one) for one in decisions if one.verdict in _NOT_ITS_OWN}
        if not texts:
            return self.live
        return b"".join(texts[at] if at in texts else self._view.raw(at) for at in range(len(self._view)))

    def _joins(self, decision: Decision) -> bool:
        """Whether an entry is one that the journal did not hold and has just learned."""
        if decision.verdict == reconcile.ADDED:
            return True
        back = decision.verdict in {reconcile.ARCHIVED, reconcile.RETURNED}
        return back and decision.id not in self._window.latest and self._learned(decision) != b""

    def _kept(self, held: Container[str]) -> list[str]:
        lost = set(self._outcome.lost)
        return [name for name in self._window.latest if name in held or name in lost]

    def _top(self) -> bytes:
        """What stands above the messages: what the file has there, else a new beginning."""
        messages = {one.place for one in self._view.found}
        top = b"".join(self._view.raw(place) for place in range(len(self._view)) if place not in messages)
        return top if top.strip() else fresh_log(self._config.machine, self._config.agents)

    def _text_of(self, decision: Decision) -> bytes:
        """The text of an entry in the mended log: the known one where the file's is cut or must not be."""
        if decision.verdict in _NOT_ITS_OWN and decision.id in self._window.latest:
            return self._window.raw(decision.id)
        return self._view.raw(decision.place)

    def _keep_damaged(self) -> Path | None:
        """Keep the file as it is beside the archive; None if there is no file."""
        if not self._exists:
            return None
        folder = self._config.archive / "damaged"
        make_private_folder(folder)
        stamp = time.strftime("%Y%m%d-%H%M%S")
        for number in range(1, 1000):
            path = folder / f"{self._log.live.stem}-{stamp}-{number:03d}.md"
            if not path.exists():
                replace(path, self._without_secrets())
                return path
        return None

    def _without_secrets(self) -> bytes:
        """The file as it is, but for texts that were redacted: those are not kept a second time."""
        return self._rewritten(self._outcome.having(reconcile.REDACTED))

    def _sentence(self, kept: Path | None, *, mend: bool) -> str:
        outcome = self._outcome
        what = _SAID.get(outcome.kind or "", "the log was damaged")
        back, cut, new = len(outcome.lost), outcome.count(reconcile.CUT), outcome.count(reconcile.ADDED)
        done = f"{back + cut} of its messages {'were put back' if mend else 'are missing'}, {new} new taken in"
        copy = f"; the file as it was is kept in {kept.relative_to(self._config.folder)}" if kept else ""
        way = "" if mend else "; `intercom restore --all` puts them back"
        return f"{what}: {done}{copy}{way}."

    def _order(self, *, mend: bool) -> list[str]:
        """The ids of the live log in the order in which they stand there now; nothing if that is the journal's.

        The journal is in order of arrival. People write at the top, move what they wrote, and put it back.
        """
        outcome = self._outcome
        journal = [*self._window.latest, *self._new.values()]
        ids = (self._new.get(d.place) or d.id for d in outcome.entries if d.verdict not in _NOT_LIVE)
        order = [ident for ident in ids if ident]
        if mend:
            order += outcome.lost
        held = set(order)
        plain = [ident for ident in journal if ident in held]
        return [] if order == plain or (mend and outcome.kind in _REBUILT) else order

    def _readdressed(self, decision: Decision) -> bool:
        known = self._window.latest.get(decision.id or "")
        return known is not None and known.header.to != self._view.entry(decision.place).to

    def _note(self, *, mend: bool) -> None:
        outcome = self._outcome
        copies: dict[str, int] = {}
        for decision in outcome.entries:
            if decision.verdict in {reconcile.DUPLICATE, reconcile.ARCHIVED} and decision.id:
                copies[decision.id] = copies.get(decision.id, 0) + 1
        self._state.note_traces(
            hide=outcome.deleted,
            unhide=[decision.id for decision in outcome.having(reconcile.RETURNED) if decision.id],
            repaired=outcome.lost if mend else (),
            copies=copies,
            left=() if mend else outcome.lost,
            readdressed=any(self._readdressed(decision) for decision in outcome.having(reconcile.EDITED)),
        )


_TELLING = {reconcile.ARCHIVED, reconcile.EDITED}  #: may say something new of a message without a new version
_NOT_LIVE = {reconcile.DUPLICATE, reconcile.ARCHIVED}
_NOT_ITS_OWN = {reconcile.CUT, reconcile.REDACTED}
_HOLDING = {
    reconcile.UNCHANGED,
    reconcile.MOVED,
    reconcile.EDITED,
    reconcile.CUT,
    reconcile.RETURNED,
    reconcile.REDACTED,
}


def _time_of(entry: Entry) -> str:
    """When a hand-written message was written, UTC: what it says, else now."""
    return entry.at or utc_of_stamp(entry.stamp) or utc()


def _announcement(sentence: str) -> bytes:
    now = time.time()
    message = Message(new_id(), None, utc(now), SYSTEM, USER, "WARN", "warn", sentence)
    return render(message, local_stamp(now))
