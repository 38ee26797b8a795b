"""Owns updating the index from its sources: the ledger, which only grows, and other machines' files.

Content decides; times are only hints. Another machine's file that grew is read from where we were if the bytes
before that are unchanged; otherwise it is read again from the start, and ids tell what is new. If a segment of ours
has changed (by a redaction, or by hand), the index is rebuilt. The page itself is never read here.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from intercom.core.config import Config
from intercom.core.errors import StorageError
from intercom.core.message import utc
from intercom.core.pace import Pace
from intercom.store.index import Index, IndexLost, Source, add_records, add_source, split
from intercom.store.index.db import RESTARTED
from intercom.store.index.ingest import DATED, SEEN, UNDATED
from intercom.store.index.query import attach_state
from intercom.store.log.checkpoint import Grown
from intercom.store.log.log import Log
from intercom.store.sources.inventory import MOST, UPTO, File, Listing, beyond
from intercom.store.sources.tail import (
    Rewritten,
    digest_at,
    digest_before,
    opened_segment,
    parsed,
    pieces,
    records,
    uncollected,
    young,
)
from intercom.store.state.db import State
from intercom.system.files import make_private_folder, opened, storage
from intercom.system.folders import file_size, fingerprint

_LITTLE = 256 * 1024  #: bytes that are indexed without a noticeable wait
_SWEEP = 2.0  #: seconds between checks of every archive segment; the folder is checked each time
_SEEN = "SELECT path, seen FROM sources"
#: The index's rows for files outside the archive and for the open segment, with what was recorded about them.
_SEEN_NEAR = (
    "SELECT path, seen FROM sources WHERE path < 'archive/' OR path >= 'archive0' OR path = ? "
    "UNION ALL SELECT key, value FROM meta WHERE key IN ('archive', 'log', 'pending')"
)
_READ = "UPDATE sources SET seen = ?, settled = ?, proof = ? WHERE src = ?"
_NOTE = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
_PENDING = "SELECT value FROM meta WHERE key = 'pending'"
_EXPECTED = {"there is no index yet", RESTARTED}  #: reasons to rebuild an index without telling anybody


class _Row(NamedTuple):
    src: int
    seen: str
    settled: int
    proof: str


class _Left(NamedTuple):
    """What our last look found or left in the index, true as long as the index has the same fingerprint."""

    of: tuple[int, ...]  #: that fingerprint
    path: str  #: of the open segment
    noted: dict[str, Any]  #: as from `_SEEN_NEAR`
    row: _Row | None = None  #: of the open segment, where it is known


class Indexing:
    """The index of one bus and its sources. `notices` collects what to tell a person."""

    def __init__(self, config: Config, log: Log, index: Index, state: State, notices: list[str], pace: Pace) -> None:
        self.grown = Grown(None)  #: what page and ledger agreed on at the last look
        self.pending = False  #: whether a redaction is unfinished
        self.listing = Listing(config, log.ledger)
        self._config = config
        self._pace = pace
        self._log = log
        self._index = index
        self._state = state
        self._notices = notices
        self._root = os.fspath(config.folder)
        self._attached: tuple[sqlite3.Connection, int] | None = None  # the connection, and the state attached to it
        self._left: _Left | None = None
        self._swept = -_SWEEP

    def current(self, *, own: bool = False) -> sqlite3.Connection:
        """A connection to the index, after reading what is new in its sources (or only in our `own`)."""
        db = self._index.db()
        with self._index.guarded():
            if self._attached != (beside := (db, self._state.opened())):
                self._state.instances()  # raises here if the state is damaged, so the index is not blamed
                attach_state(db, self._state.path)
                self._attached = beside
            open_path = self._open_path()
            noted = self._noted(db, open_path)
            changed = [file for file in self._changed(db, noted, open_path) if file.own or not own]
            self._swept = -_SWEEP if own else self._swept  # others' archives were not checked
            own_ones = [file.path for file in changed if file.own]
            if own_ones and (len(own_ones) > 1 or not self.grown.data) and self._mostly_new(db, own_ones):
                self.rebuild(own=own)
                return self.current(own=own)
            pending = noted.get("pending", 0)
            if changed or noted.get("log") != self._config.log.name:
                pending = self._read(changed, noted)
            self.pending = pending not in {0, "0"}
        return self._index.db()

    def _noted(self, db: sqlite3.Connection, open_path: str) -> dict[str, Any]:
        """What the index noted of the sources that may change, and of the bus."""
        left = self._left
        if left is None or left[:2] != (self._index.fingerprint, open_path):
            noted = dict(db.execute(_SEEN_NEAR, (open_path,)).fetchall())
            left = self._left = _Left(self._index.fingerprint, open_path, noted)
        return left.noted

    def _mostly_new(self, db: sqlite3.Connection, paths: list[str]) -> bool:
        """Whether so much of our segments is new that a rebuild is faster."""
        from intercom.store.sources.readahead import mostly_new  # imported on demand, as everything for rebuilding

        return mostly_new(db, self._root, paths)

    # -- its sources ------------------------------------------------------------------------------

    def size(self) -> int:
        """Total bytes of all sources."""
        return sum(file_size(f"{self._root}/{file.path}") for file in self.listing.all())

    def _open_path(self) -> str:
        """The path of the open segment; "" while there is no ledger."""
        segment = self._log.ledger.open()
        return f"archive/{segment.name}" if segment else ""

    def _end(self, file: File) -> int | None:
        """How much of a source counts, if that is less than all of it."""
        end = self.grown.end
        return end.offset if end is not None and file.sealed and file.number == end.number else None

    def _changed(self, db: sqlite3.Connection, seen: dict[str, str], open_path: str) -> list[File]:
        """The sources that differ from what the index last saw.

        Every segment is checked now and then; in between, if the archive changed, new segments and those of other
        machines.
        """
        sweep = time.monotonic() - self._swept > _SWEEP
        touched = sweep or seen.get("archive", "") != fingerprint(f"{self._root}/archive")
        touched = touched or open_path not in seen
        files = self.listing.near()
        if touched:
            files, seen = self.listing.all(), dict(db.execute(_SEEN).fetchall())
            self._check_all_there(db)
        changed = []
        for file in files:
            known = seen.get(file.path)
            if touched and file.own and not sweep and known is not None and not known.startswith(UPTO):
                continue  # a closed segment that was read completely
            mark = self._mark(file)
            if mark and known != mark and not beyond(known, mark) and self.usable(file):
                changed.append(file)
        if sweep:
            self._swept = time.monotonic()
        return changed

    def _check_all_there(self, db: sqlite3.Connection) -> None:
        """Raise Rewritten if a segment that the index has read is gone."""
        read = {row[0] for row in db.execute("SELECT path FROM sources WHERE own")}
        if not read <= {file.path for file in self.listing.all() if file.own}:
            self.listing.forget()  # its cached list may be older than the index
            if not read <= {file.path for file in self.listing.all() if file.own}:
                raise Rewritten

    def usable(self, file: File) -> bool:
        """Whether a file may be read; says so where it may not."""
        why = f"it is not a file, a symbolic link out of {self._config.root}, or larger than {MOST >> 20} MiB"
        text = f"{file.path} is not read: {why}"
        usable = self.listing.usable(file)
        self._notices += [text] * (not usable and text not in self._notices)
        return usable

    def _mark(self, file: File) -> str:
        """A value that changes with the source: for the open segment how far it counts, else the file's fingerprint."""
        end = self._end(file)
        return fingerprint(f"{self._root}/{file.path}") if end is None else f"{UPTO} {end}"

    def _read(self, changed: list[File], noted: dict[str, Any]) -> object:
        """Index what is new in these sources, in one transaction; returns what is pending. IndexLost, Rewritten."""
        if any(not file.own for file in changed) or len(changed) > 1 or not 0 < len(self.grown.data) < _LITTLE:
            self._pace.long()
        archive = fingerprint(f"{self._root}/archive")
        numbers = self._state.numbers()
        fixed: list[tuple[str, int]] = []
        left, row = self._left, None
        with uncollected(), self._index.writing() as db:
            left = left if left is not None and left.of == self._index.fingerprint else None  # others wrote since
            for file in changed:
                if file.own:
                    known = left.row if left is not None and left.path == file.path else None
                    row = self._read_own(db, file, known or self._row(db, file), numbers)
                else:
                    fixed += self._read_others(db, file, numbers)
            for key, value in (("archive", archive), ("log", self._config.log.name)):
                if noted.get(key) != value:
                    db.execute(_NOTE, (key, value))
            # Through this connection, because the transaction locks the attached state, too.
            if fixed:
                db.executemany("INSERT OR IGNORE INTO state.numbers VALUES (?, ?)", fixed)
                first = min(number for _, number in fixed)
                if db.execute(UNDATED, (first,)).fetchone():
                    db.execute(SEEN, (first, utc()))
                    db.execute(DATED, (first,))
            pending = (db.execute(_PENDING).fetchone() or (0,))[0]
        if left is not None and row is not None and [file.path for file in changed] == [left.path]:
            now = {**noted, left.path: row.seen, "archive": archive, "log": self._config.log.name, "pending": pending}
            self._left = _Left(self._index.fingerprint, left.path, now, row)
        return pending

    def _row(self, db: sqlite3.Connection, file: File) -> _Row:
        """The index's row for a source; created if necessary."""
        sql = "SELECT src, seen, settled, proof FROM sources WHERE path = ?"
        found = db.execute(sql, (file.path,)).fetchone()
        if found is None:
            db.execute("INSERT INTO sources VALUES (NULL, ?, ?, '', 0, '')", (file.path, int(file.own)))
            found = db.execute(sql, (file.path,)).fetchone()
        return _Row(*found)

    def _read_own(self, db: sqlite3.Connection, file: File, row: _Row, numbers: dict[str, int]) -> _Row:
        """Index what a segment of ours has gained; returns its row as it is then. Rewritten."""
        grown, mark, end = self.grown, self._mark(file), self._end(file)
        source = Source(row.src, trusted=True)
        in_hand = end is not None and grown.start <= row.settled < end and bool(row.settled)
        if in_hand and digest_at(grown, row.settled) == row.proof:
            add_records(db, source, parsed(grown, row.settled), (), reserved=numbers)
            return self._note_read(db, _Row(row.src, mark, end or 0, digest_at(grown, end or 0)))
        with opened_segment(f"{self._root}/{file.path}") as opened:
            if row.settled and digest_before(opened, row.settled, whole=False) != row.proof:
                raise Rewritten
            settled = row.settled
            read = records(opened, settled, end) if file.sealed else pieces(opened, settled, None, hold=False)
            for entries, settled in read:  # noqa: B007  # the last one counts
                add_records(db, source, *(split(entries) if file.sealed else (entries, ())), reserved=numbers)
            proof = digest_before(opened, settled, whole=False)
        return self._note_read(db, _Row(row.src, mark, settled, proof))

    def _note_read(self, db: sqlite3.Connection, row: _Row) -> _Row:
        """Note how far a source was read."""
        db.execute(_READ, (*row[1:], row.src))
        return row

    def _read_others(self, db: sqlite3.Connection, file: File, numbers: dict[str, int]) -> list[tuple[str, int]]:
        """Index another machine's file; returns the new messages as (id, number)."""
        from intercom.store.sources.theirs import theirs

        mark = self._mark(file)
        try:
            held = opened(f"{self._root}/{file.path}")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StorageError(f"cannot read {file.path}: {error.strerror}; nothing was read.") from error
        row = self._row(db, file)
        with held, storage(f"read {file.path}", "nothing was read"):
            source = Source(row.src, False, *self.listing.origin(file.path))
            # What is new in a copy shows only beside all that it has.
            goes_on = not source.copy and digest_before(held, row.settled, whole=True) == row.proof
            start = row.settled if goes_on else 0
            hold = young(held)
            read = partial(theirs, held, start, source, hold=hold)
            added, settled = add_source(db, source, read, reserved=numbers, fresh=start == 0)
            proof = digest_before(held, settled, whole=True)
            self._note_read(db, _Row(row.src, "" if hold and not settled else mark, settled, proof))
        return added

    # -- rebuilding -------------------------------------------------------------------------------
    def rebuild(
        self, progress: Callable[[int, int], None] | None = None, *, because: str = "", own: bool = False
    ) -> int:
        """Rebuild the index from the logs; returns the number of messages. `progress(done, total)` in bytes.

        With `own`, only from our own: the others are read at the next update.
        """
        self._pace.long()
        make_private_folder(self._config.private)
        with self._index.locked():
            if because and self._index.sound():
                return 0  # another process was faster
            self._index.sweep()
            temporary = self._index.path.with_name(f"index.{os.getpid()}.new")
            try:
                with self._index.guarded():
                    count = self._built(temporary, progress, alone=own)
                self._index.install(temporary)
            except IndexLost as lost:
                raise StorageError(f"cannot build {self._index.path}: {lost}; nothing was read.") from lost
            except OSError as error:
                raise StorageError(f"cannot write {self._index.path}: {error.strerror}; nothing was read.") from error
            finally:
                with suppress(OSError):  # the next rebuild removes it
                    temporary.unlink(missing_ok=True)
        if because and because not in _EXPECTED:
            self._notices.append(f"{because}; it was rebuilt from the logs")
        return count

    def _built(self, temporary: Path, progress: Callable[[int, int], None] | None, *, alone: bool) -> int:
        """Fill a new index at `temporary`; returns the number of messages. StorageError, OSError."""
        from intercom.bus.rebuild import Part, fill

        archive = fingerprint(self._config.archive)
        self.listing.forget()
        files = [file for file in self.listing.all() if file.own or (not alone and self.usable(file))]
        origin = self.listing.origin
        parts = [
            Part(self._config.folder / file.path, file, self._mark(file), self._end(file), origin(file.path))
            for file in files
        ]
        db = self._index.create(temporary)
        try:
            db.executemany(_NOTE, [("archive", archive), ("log", self._config.log.name)])
            count, foreign = fill(db, parts, self._state.numbers(), progress)
            self._state.add_numbers(foreign)
            if foreign:
                undated = db.execute(UNDATED, (min(number for _, number in foreign),)).fetchall()
                db.execute("BEGIN")
                times = self._state.first_seen([row[0] for row in undated])
                db.executemany("UPDATE messages SET at = ?2 WHERE id = ?1", times)
                db.execute("COMMIT")
            return count
        finally:
            db.close()
