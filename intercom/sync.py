"""Owns freshness: before every read the index is brought up to what the files hold.

Two steps. First the live log and the journal must *agree* (`_agree`): everything in the one is in the
other. As long as only tools append this is seen from the bytes alone; anything else is a person's or
another program's doing, and `heal` takes it in under the writer lock. Then the index reads what is
new in the journal, the archive and the logs of other machines. It never reads the live log itself.

Content proves, times hint: a source that grew is read from where we were if the bytes before are the
ones we knew; otherwise it is read again from its start, and ids tell what is new.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

from intercom import agreement
from intercom.config import Config
from intercom.errors import StorageError
from intercom.files import being_written, make_private_folder, storage
from intercom.index import Builder, Index, IndexLost, Source, add_entries, add_source
from intercom.index.query import attach_state
from intercom.listing import JOURNAL, Listing
from intercom.log import Log
from intercom.segments import Ahead, load, mostly_new
from intercom.sources import (
    file_mark,
    file_size,
    follows,
    parsed,
    pieces,
    proof_after,
    proof_before,
    uncollected,
    young,
)
from intercom.state import TRACES, State

_SWEEP = 2.0  #: seconds between looks at every single archive segment; the folder is looked at each time
_SEEN = "SELECT path, seen FROM sources"
#: By the index; and what was noted with them. No source has one of those keys for a path.
_SEEN_BESIDE = (
    "SELECT path, seen FROM sources WHERE path < 'archive/' OR path >= 'archive0' "
    "UNION ALL SELECT key, value FROM meta WHERE key IN ('archive', 'traces')"
)
_READ = "UPDATE sources SET seen = ?, settled = ?, proof = ? WHERE src = ?"
_NOTE = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
_TRIES = 4
_UNSETTLED = 10  #: looks at a damaged file that keeps changing before it is repaired as it is


class _JournalMoved(Exception):  # a condition, not a fault
    """A compaction replaced the journal between two steps of ours: begin again."""


class _Row(NamedTuple):
    src: int
    seen: str
    settled: int
    proof: str


class Sync:
    """Brings the index of one bus up to date. `notices` collects what a person should be told."""

    def __init__(self, config: Config, log: Log, index: Index, state: State, notices: list[str]) -> None:
        self._config = config
        self._log = log
        self._index = index
        self._state = state
        self._notices = notices
        self._listing = Listing(config)
        self._root = os.fspath(config.folder)
        self._attached: tuple[sqlite3.Connection, int] | None = None  # which has which state beside it
        self._swept = -_SWEEP
        self._agreed: agreement.Agreement | None = None
        self._grown: agreement.Grown | None = None  # what the last look showed to be new

    def db(self) -> sqlite3.Connection:
        """A connection to the index, up to date. StorageError, LockTimeout."""
        self._agree()
        for _ in range(_TRIES):
            try:
                return self._current()
            except IndexLost as lost:
                with suppress(_JournalMoved):
                    self.rebuild(because=str(lost))
            except _JournalMoved:
                self._agree()
        self._state.verify()
        raise StorageError(
            f"the index {self._index.path} keeps being changed by another program; nothing was read. "
            "Exclude .claude/local/.intercom from whatever does it."
        )

    def _current(self, *, own: bool = False) -> sqlite3.Connection:
        """A connection to the index after reading what its sources (or only our `own`) have that it has not."""
        db = self._index.db()
        # Before the archive is looked at: see _opened.
        self._agreed = self._grown.agreed if self._grown else agreement.agreement(self._state)
        with self._index.guarded():
            if self._attached != (beside := (db, self._state.turn)):
                attach_state(db, self._state.path)
                self._attached = beside
            noted = dict(db.execute(_SEEN_BESIDE).fetchall())
            changed = [(path, ours) for path, ours in self._changed(db, noted) if ours or not own]
            self._swept = -_SWEEP if own else self._swept  # the others' archives were not looked at
            own_ones = [path for path, ours in changed if ours]
            if (own_ones != [JOURNAL] or not self._grown) and mostly_new(db, self._root, own_ones):
                self.rebuild(own=own)
                return self._current(own=own)
            traces = str(self._state.meta(TRACES) or 0)
            if changed or noted.get("traces") != traces:
                self._read(changed, traces, noted)
        return self._index.db()

    # -- the live log and the journal -------------------------------------------------------------

    def _agree(self) -> None:
        """Make sure that live log and journal hold the same messages."""
        self._grown = agreement.quick(self._log, self._state)
        if self._grown:
            return
        with self._log.locked():  # a tool may have been between its two writes
            self._grown = agreement.quick(self._log, self._state)
            if self._grown:
                return
        from intercom import heal, keeping  # only now: most reads never need them

        heal.settle(self._log.live)
        before: bytes | None = None
        for last in (False,) * _UNSETTLED + (True,):
            with self._log.locked():
                self._log.mend(agreement.reach(self._state, self._log.journal))
                keeping.take_over(self._log, self._state)
                self._grown = agreement.quick(self._log, self._state)
                if self._grown:
                    return
                agreement.renew(self._state, self._log.journal)
                past = self._past()
                if heal.unseen(self._config, self._log, self._state, past):
                    return
                doctor = heal.Heal(self._config, self._log, self._state, past, JOURNAL)
                settled = before is not None and doctor.live.startswith(before)
                settled = settled or heal.quiet(self._log.live, heal.SETTLE_DAMAGE)
                settled = settled and not being_written(self._log.live)
                if doctor.harmless or settled or last:
                    told = doctor.carry_out()
                    if told is not None:
                        self._notices += told
                        return
                before = doctor.live
                del doctor  # a long log is not to be held twice
            time.sleep(heal.SETTLE_DAMAGE)  # an editor may be in the middle of saving

    def _past(self) -> sqlite3.Connection:
        """What the index knows of messages outside the live log; the caller holds the writer lock.

        Other machines' logs wait: a copy of ours among them must not have our messages before we have.
        """
        for _ in range(_TRIES):
            try:
                return self._current(own=True)
            except IndexLost as lost:
                self._log.promise(sum(file_size(Path(self._root, path)) for path, _ in self._listing.all()))
                self.rebuild(because=str(lost), own=True)
        self._state.verify()
        raise StorageError(f"the index {self._index.path} keeps being changed by another program; nothing was read.")

    # -- the index and its sources ----------------------------------------------------------------

    def _changed(self, db: sqlite3.Connection, seen: dict[str, str]) -> list[tuple[str, bool]]:
        """The sources that are not as the index last saw them.

        Every segment is looked at now and then; in between, where the archive was touched, those that compaction
        may have written (the last that is known, and new ones) and those of other machines.
        """
        archive = file_mark(f"{self._root}/archive")
        sweep = time.monotonic() - self._swept > _SWEEP
        known = seen.get(JOURNAL)
        compacted = known is None or known.split()[:2] != self._seen_mark(JOURNAL).split()[:2]
        touched = sweep or compacted or seen.get("archive", "") != archive
        sources, last = self._listing.all(), ""
        if touched:
            seen = dict(db.execute(_SEEN).fetchall())
            last = next((path for path, own in reversed(sources) if own and path != JOURNAL and path in seen), "")
        changed = []
        for path, own in sources if touched else self._listing.near():
            if path.startswith("archive/") and not (sweep or not own or path not in seen or path == last):
                continue
            mark = self._seen_mark(path)
            if mark and seen.get(path) != mark:
                changed.append((path, own))
        if sweep:
            self._swept = time.monotonic()
        return changed

    def _read(self, changed: list[tuple[str, bool]], traces: str, noted: dict[str, str]) -> None:
        """Take in what is new in these sources, in one transaction, and the `traces`, where not `noted` already."""
        archive = file_mark(f"{self._root}/archive")
        numbers = self._state.numbers()
        fixed: list[tuple[str, int]] = []
        with uncollected(), self._index.writing() as db:
            for path, own in changed:
                added = self._read_source(db, path, numbers, own=own)
                if not own:
                    fixed += added
            if noted.get("archive") != archive:
                db.execute(_NOTE, ("archive", archive))
            if not traces == noted.get("traces") == "0":
                self._hide(db, traces)
            # Through this connection: the transaction holds the attached state, too.
            if fixed:
                db.executemany("INSERT OR IGNORE INTO state.numbers VALUES (?, ?)", fixed)

    def _read_source(
        self, db: sqlite3.Connection, path: str, numbers: dict[str, int], *, own: bool
    ) -> list[tuple[str, int]]:
        found = db.execute("SELECT src, seen, settled, proof FROM sources WHERE path = ?", (path,)).fetchone()
        row = _Row(*found) if found else None
        grown = self._grown
        if path == JOURNAL and row and grown and self._turned(row.seen) and follows(grown, row.settled, row.proof):
            return self._take_in_hand(db, row, grown, numbers)
        mark = self._seen_mark(path)
        file = self._opened(path)
        if file is None:
            return []
        with file, storage(f"read {path}", "nothing was read"):
            start = row.settled if row and proof_before(file, row.settled, whole=not own) == row.proof else 0
            if row is None:
                db.execute("INSERT INTO sources VALUES (NULL, ?, ?, '', 0, '')", (path, self._listing.shown(path)))
                row = _Row(db.execute("SELECT src FROM sources WHERE path = ?", (path,)).fetchone()[0], "", 0, "")
            source = Source(row.src, own, path != JOURNAL, *self._listing.copy(path))
            hold = not own and young(file)
            read = partial(pieces, file, start, self._end(path), hold=hold)
            added, settled = add_source(db, source, read, reserved=numbers, fresh=start == 0)
            proof = proof_before(file, settled, whole=not own)
            db.execute(_READ, ("" if hold and not settled else mark, settled, proof, row.src))
        return added

    def _turned(self, seen: str) -> bool:
        """Whether a mark that was made of the journal is of the file that is agreed on."""
        agreed = self._agreed
        return agreed is not None and seen.split()[:2] == [str(agreed.journal_inode), agreed.round]

    def _take_in_hand(
        self, db: sqlite3.Connection, row: _Row, grown: agreement.Grown, numbers: dict[str, int]
    ) -> list[tuple[str, int]]:
        """Take in what the journal has grown by, as it was when it was compared with the live log.

        Should a compaction move it to the archive at this moment, it is known by its ids there.
        """
        entries, settled = parsed(grown)
        source = Source(row.src, trusted=True, final=False)
        added = add_entries(db, source, entries, reserved=numbers, fresh=row.settled == 0)
        db.execute(_READ, (self._seen_mark(JOURNAL), settled, proof_after(grown), row.src))
        return added

    def _opened(self, path: str) -> BinaryIO | None:
        """A source, opened; None if it is gone. StorageError.

        _JournalMoved if the journal is not the one agreed on before the archive was looked at: then
        what was moved since may be in neither.
        """
        try:
            file = open(f"{self._root}/{path}", "rb")  # noqa: SIM115  # the caller closes it
        except FileNotFoundError:
            if path == JOURNAL:
                raise _JournalMoved from None
            return None
        except OSError as error:
            raise StorageError(f"cannot read {path}: {error.strerror}; nothing was read.") from error
        if path == JOURNAL:
            agreed, now = self._agreed, agreement.agreement(self._state)
            inode = os.fstat(file.fileno()).st_ino
            if agreed is None or now is None or agreed.journal_inode != inode or now.round != agreed.round:
                file.close()
                raise _JournalMoved
        return file

    def _seen_mark(self, path: str) -> str:
        """What tells whether a source changed: for the journal how far it is agreed, else the file's own times."""
        if path != JOURNAL:
            return file_mark(f"{self._root}/{path}")
        agreed = self._agreed
        return f"{agreed.journal_inode} {agreed.round} {agreed.journal_size}" if agreed else ""

    def _end(self, path: str) -> int | None:
        """How much of a source counts: of the journal, what the live log is known to hold too."""
        if path != JOURNAL:
            return None
        return self._agreed.journal_size if self._agreed else 0

    def _hide(self, db: sqlite3.Connection, traces: str) -> None:
        """Mark what people deleted by hand, and only that; `traces` counts the changes to that.

        Should it count too few by now, the next look finds that.
        """
        if traces != "0":
            hidden = [(name,) for name in self._state.hidden()]
            db.execute("UPDATE messages SET hidden = 0 WHERE hidden = 1")
            db.executemany("UPDATE messages SET hidden = 1 WHERE id = ?", hidden)
        db.execute(_NOTE, ("traces", traces))

    # -- rebuilding -------------------------------------------------------------------------------

    def remake(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Rebuild because somebody asked for it."""
        self._agree()
        for _ in range(_TRIES):
            try:
                return self.rebuild(progress)
            except _JournalMoved:
                self._agree()
        raise StorageError("the log was compacted again and again meanwhile; the index is as it was. Try again.")

    def rebuild(
        self, progress: Callable[[int, int], None] | None = None, *, because: str = "", own: bool = False
    ) -> int:
        """Make the index anew from the logs; return the number of messages. `progress(done, total)` in bytes.

        With `own` from ours alone: the others are read when next the index is brought up to date.
        """
        make_private_folder(self._config.private)
        with self._index.locked():
            if because and self._index.sound():
                return 0  # another process was quicker
            temporary = self._index.path.with_name(f"index.{os.getpid()}.new")
            try:
                with self._index.guarded():
                    count = self._build(temporary, progress, alone=own)
                self._index.install(temporary)
            except IndexLost as lost:
                raise StorageError(f"cannot build {self._index.path}: {lost}; nothing was read.") from lost
            except OSError as error:
                raise StorageError(f"cannot write {self._index.path}: {error.strerror}; nothing was read.") from error
            finally:
                temporary.unlink(missing_ok=True)
        if because and because != "there is no index yet":
            self._notices.append(f"{because}; it was rebuilt from the logs")
        return count

    def _build(self, temporary: Path, progress: Callable[[int, int], None] | None, *, alone: bool) -> int:
        db = self._index.create(temporary)
        try:
            # The journal is read first and added after the archive: a compaction meanwhile moves
            # messages from the one to the other, and ids make those seen twice one.
            self._agreed = agreement.agreement(self._state)
            journal, journal_mark = b"", self._seen_mark(JOURNAL)
            if self._agreed is not None and (opened := self._opened(JOURNAL)) is not None:
                with opened:
                    journal = opened.read(self._agreed.journal_size)
            traces = str(self._state.meta(TRACES) or 0)
            archive = file_mark(self._config.archive)
            self._listing.forget()
            sources = [(path, ours) for path, ours in self._listing.all() if ours or not alone]
            total = sum(file_size(self._config.folder / path) for path, _ in sources)
            builder = Builder(db, self._state.numbers())
            done = 0

            def tell(upto: int) -> None:
                if progress is not None:
                    progress(done + upto, max(total, done + upto))

            segments = [self._config.folder / path for path, ours in sources if ours and path != JOURNAL]
            with closing(Ahead(segments)) as ahead:
                for src, (path, own) in enumerate(sources, 1):
                    source = Source(src, own, path != JOURNAL, *self._listing.copy(path))
                    if own and (segment := ahead.next(self._config.folder / path)) is not None:
                        builder.put(source, segment.rows, segment.hands)
                        found: tuple[str, int, str] | None = segment[:3]
                        tell(segment.settled)
                    elif path == JOURNAL:
                        found = load(builder, source, BytesIO(journal), journal_mark, tell)
                    else:
                        mark, opened = file_mark(self._config.folder / path), self._opened(path)
                        found = load(builder, source, opened, mark, tell) if opened is not None else None
                    if found is not None:
                        row = (src, path, self._listing.shown(path), *found)
                        db.execute("INSERT INTO sources VALUES (?, ?, ?, ?, ?, ?)", row)
                        done += found[1]
            db.execute("INSERT OR REPLACE INTO meta VALUES ('archive', ?)", (archive,))
            count = builder.finish()
            self._hide(db, traces)
            foreign = [src for src, (_, own) in enumerate(sources, 1) if not own]
            marks = ",".join("?" * len(foreign))
            numbered = f"SELECT id, seq FROM messages WHERE src IN ({marks})"
            self._state.add_numbers(db.execute(numbered, foreign).fetchall())
            return count
        finally:
            db.close()
