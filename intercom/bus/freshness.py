"""Owns freshness: before every read the index is updated to what the files hold.

Two steps. First the page and the ledger must *agree* (`_agree`): each holds everything in the other. As long as only
tools append, the bytes alone show that; anything else is the work of a person or another program, and `Repair` takes
it in under the writer lock. Then the index reads what is new in its sources (`intercom.bus.indexing`).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress

from intercom.bus.indexing import Indexing
from intercom.bus.unchanged import Unchanged
from intercom.core.config import Config, log_name
from intercom.core.errors import LockTimeout, StorageError
from intercom.core.pace import Pace
from intercom.store.index import Index, IndexLost
from intercom.store.log.checkpoint import Grown, quick
from intercom.store.log.log import Log
from intercom.store.sources.inventory import File
from intercom.store.sources.tail import Rewritten
from intercom.store.state.db import State
from intercom.store.state.known import roster
from intercom.system.files import being_written, storage
from intercom.system.folders import fingerprint, is_settled
from intercom.system.lock import WAIT
from intercom.system.still import SETTLE_DAMAGE, in_hand, quiet, settle

_TRIES = 4
_UNSETTLED = 10  #: how often a damaged file that keeps changing is looked at before it is repaired as it is
_LONGEST = 5.0  #: seconds for which that goes on: each time the lock may have to be waited for


class Freshness:
    """Updates the index of one bus. `notices` collects what to tell a person."""

    def __init__(
        self,
        config: Config,
        log: Log,
        index: Index,
        state: State,
        notices: list[str],
        pace: Pace,
        indexing: Indexing | None = None,
    ) -> None:
        self._config = config
        self._pace = pace
        self._log = log
        self._index = index
        self._state = state
        self._notices = notices
        self._indexing = indexing or Indexing(config, log, index, state, notices, pace)
        self._unchanged = Unchanged(config, log, self._indexing.listing)
        self._verified: tuple[sqlite3.Connection, int] | None = None  # the connection, and the state attached to it
        self._moment = 0, 0  # the moment of the last check, and how often we had written by then
        self._patient = False  # whether the page may be left to whoever writes it just now
        self.put_off = False  #: whether it was
        self._others: dict[str, Freshness] = {}  # for our pages under other machine names, by name
        self._caught_up_at = ""  # fingerprint of such a page when it held nothing but what the ledger has

    def db(self, *, patient: bool = False) -> sqlite3.Connection:
        """A connection to an up-to-date index; once per `moment` of the state. StorageError, LockTimeout, NotNow.

        `patient`: the page may stay as it is while somebody is in the middle of writing it; the caller only reads.
        """
        db, beside = self._verified or (None, 0)
        known = db is not None and self._index.unchanged(db) and beside == self._state.opened()
        if db is None or not known or not (self.just_verified() or self._unchanged.holds()):
            taken = self._unchanged.take()
            self._patient, self.put_off = patient, False
            try:
                db = self._brought_up()
            finally:
                self._patient = False
            self._unchanged.note(None if self.put_off else taken)
            self._verified = None if self.put_off else (db, self._state.opened())
        self._moment = self._state.this_moment(), self._log.turns
        return db

    def just_verified(self) -> bool:
        """Whether it was checked in this moment and we changed nothing since: writes by others count as later."""
        return self._moment[0] != 0 and self._moment == (self._state.this_moment(), self._log.turns)

    def _brought_up(self) -> sqlite3.Connection:
        """The same, by comparing the files' content."""
        self._agree()
        caught_up = False
        for _ in range(_TRIES):
            try:
                db = self._indexing.current()
                if self._indexing.pending:
                    self._finish()
                elif caught_up or not self._others_caught_up():
                    return db
                else:
                    caught_up = True
                    self._agree()
            except IndexLost as lost:
                self._indexing.rebuild(because=str(lost))
            except Rewritten:
                with self._log.locked():
                    self._log.mend()
                    self._renew(own=False)
                self._agree()
        self._state.verify()
        raise StorageError(
            f"the index {self._index.path} keeps being changed by another program; nothing was read. "
            "Exclude .claude/local/.intercom from whatever does it."
        )

    # -- our other pages --------------------------------------------------------------------------

    def _others_caught_up(self) -> bool:
        """Take in what people did to our pages under other machine names; returns whether there was anything.

        Nothing is shown before the ledger has it: those pages are not synced.
        """
        found = False
        for machine in self._indexing.listing.pages:
            if not self._indexing.usable(File(log_name(machine))):
                continue
            if machine not in self._others:
                config = self._config.under(machine)
                parts = self._index, self._state, self._notices, self._pace, self._indexing
                self._others[machine] = Freshness(config, self._log.beside(config), *parts)
            other = self._others[machine]
            found |= other.caught_up(patient=self._patient)
            self.put_off |= other.put_off
        return found

    def caught_up(self, *, patient: bool) -> bool:
        """The same for this page; what it lacks is put there when it is used."""
        self._patient, self.put_off = patient, False
        mark, at = fingerprint(self._log.live), time.time()
        if mark in {"", self._caught_up_at}:  # it is gone, or as it was
            return False
        if quick(self._log) is None:
            self._take_in()
            return True
        self._caught_up_at = mark if is_settled(mark, at) else ""
        return False

    # -- the page and the ledger ------------------------------------------------------------------

    def _agree(self) -> None:
        """Make page and ledger hold the same messages."""
        if self._log.long():
            self._pace.long()
        if not self._log.ledger.exists():
            self._log.ledger.bring_back()
        found = quick(self._log)
        if found and not found.behind:
            self._indexing.grown = found
            return
        self._pace.long()
        try:
            with self._log.locked(0.0 if found else WAIT):  # a tool may be between its two writes
                if self._agreed():
                    return
        except LockTimeout:
            if found is None:
                raise
            self._indexing.grown = found  # somebody is sending: use what both have
        else:
            self._take_in()

    def meet(self) -> None:
        """Read the page again after a name became known; if that fails, a later call does it."""
        try:
            with storage(f"look at {self._config.log}", "what people wrote with that name in it comes later"):
                self.reconsider()
        except StorageError as error:
            self._notices.append(str(error))

    def reconsider(self) -> bool:
        """Read the page again if a new name changes how it parses; returns whether it did. StorageError."""
        from intercom.repair import reread

        base = self._log.base.read(self._log.ledger.id)
        differs = base is not None and reread.differs(base, roster(self._config, self._state, base.page))
        if differs:
            self._patient = True
            try:
                self._take_in(anew=True)
            finally:
                self._patient = False
        return differs

    def _take_in(self, *, anew: bool = False) -> None:
        """Take in what anything but tools did to the page, and what a crash left; `anew`: also apply new names."""
        # Imported on demand: most reads never need them.
        from intercom.repair import intake, repair, reread, takeover, unheard

        settle(self._log.live)
        before: bytes | None = None
        until = 0.0  # when the file has been looked at for long enough
        for last in (False,) * _UNSETTLED + (True,):
            with self._log.locked():
                if self._log.has_journal():
                    takeover.take_over(self._log, self._state)
                self._log.mend()
                if self._agreed() and not anew:
                    return
                self._log.ledger.settle()
                self._refill()
                self._to_end()
                past = self._past()
                repair.repair_settings(self._config)
                if reread.take_names(self._config, self._log, self._state, past):
                    self._to_end()
                    past = self._past()
                names = roster(self._config, self._state, b"")
                if intake.adopt(self._log, past, names, unheard.present(self._config, self._state, b"")):
                    self._to_end()
                    return
                try:
                    with self._index.guarded():
                        before = self._repaired(past, before, last=last or 0.0 < until < time.monotonic())
                except IndexLost as lost:
                    if last:
                        raise StorageError(f"{lost}, again and again; nothing was read.") from lost
                    continue  # the next round sees what has been done
                if before is None or self.put_off:
                    self._to_end()
                    return
            until = until or time.monotonic() + _LONGEST
            time.sleep(SETTLE_DAMAGE)  # an editor may be saving

    def _repaired(self, past: sqlite3.Connection, before: bytes | None, *, last: bool) -> bytes | None:
        """Repair the page and return None, if it holds still; else the page as seen. `before` is the previous one.

        Callers that only read leave a page that somebody is writing to a later look: the ledger has what it lacks, and
        what we put into it now could end up in the middle of what is still to be written.
        """
        from intercom.repair import repair

        found = repair.Repair(self._config, self._log, self._state, past)
        if self._patient and in_hand(self._log.live) and found.can_wait:
            self.put_off = True
            return found.live
        settled = before is not None and found.live.startswith(before)
        settled = settled or quiet(self._log.live, SETTLE_DAMAGE)
        settled = settled and not being_written(self._log.live)
        if found.harmless or settled or last:
            told = found.carry_out()
            if told is not None:
                self._notices += told
                return None
        return found.live

    def _refill(self) -> None:
        """Restore what the ledger lost and the index still has; the caller holds the writer lock."""
        from intercom.repair import refill

        with suppress(IndexLost):
            db = self._index.db()
            with self._index.guarded():
                count = refill.refill(self._log, db)
            if count is None:
                return
            self._index.condemn()
            if count:
                self._notices.append(
                    "part of the ledger in archive/ was deleted or cut off: "
                    f"{'1 message was' if count == 1 else f'{count} messages were'} written back; "
                    "`intercom redact ID` destroys a text"
                )

    def _renew(self, *, own: bool) -> None:
        """After somebody changed a segment: save what it lost, rebuild the index; the caller holds the writer lock."""
        self._refill()
        self._index.condemn()
        self._indexing.rebuild(because="the index had read a segment of the ledger that was changed", own=own)

    def _finish(self) -> None:
        """Complete redactions that were killed. StorageError, LockTimeout."""
        from intercom.bus.purge import Purge
        from intercom.store.index import query

        with self._log.locked():
            self._agree()
            db = self._past()
            for texts in [query.texts(db, ident) for ident in query.unfinished(db)]:
                Purge(self._config, self._log, self._indexing.listing, db).run(texts)
            self._index.discard()
        self._agree()

    def _agreed(self) -> bool:
        """Whether page and ledger agree by their bytes; the caller holds the writer lock."""
        found = quick(self._log)
        if found is None or found.behind:
            return False
        self._indexing.grown = found
        return True

    def _to_end(self) -> None:
        """Let everything in the ledger count; the caller holds the writer lock."""
        end = self._log.ledger.end()
        self._indexing.grown = Grown(end, end.offset if end else 0)

    def _past(self) -> sqlite3.Connection:
        """The index of our own ledger; the caller holds the writer lock.

        Other machines' logs wait: a copy of ours among them must not bring in our messages before our own ledger
        does.
        """
        for _ in range(_TRIES):
            try:
                return self._indexing.current(own=True)
            except IndexLost as lost:
                self._log.promise(self._indexing.size())
                self._indexing.rebuild(because=str(lost), own=True)
            except Rewritten:
                self._renew(own=True)
        self._state.verify()
        raise StorageError(f"the index {self._index.path} keeps being changed by another program; nothing was read.")

    def remake(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Rebuild the index on request."""
        with storage(f"look at the files in {self._config.folder}", "nothing was rebuilt"):
            self._agree()
            with self._log.locked():
                self._log.mend()
                self._refill()
            return self._indexing.rebuild(progress)
