"""Owns the index as a file: opening, detecting damage, transactions, replacement.

Anybody may delete, corrupt or replace the index between any two calls. So:
- every write happens under the index lock and ends with a *seal*, the file's identity, size and
  times, in `.seal` beside it. A file that does not match its seal was changed by something else than
  Intercom (or by a writer that died midway): it is discarded and rebuilt. We set the file's time
  ourselves, finer than the system clock may tick, so no change can hide within one tick;
- whoever finds damage anyway breaks the seal, and a read counts only if the seal still fits
  afterwards;
- there is no WAL: a stale side file could otherwise be replayed into a newer index;
- nothing is synced to disk: after a power cut the boot id in the seal no longer matches;
- a program that holds SQLite's own lock on the file is not ours, since ours exclude each other
  without it: it may have the old file, and a new one takes its name.
Whoever finds the index gone or damaged gets IndexLost, rebuilds, and tries once more.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from intercom.core.errors import StorageError
from intercom.core.pace import Pace
from intercom.store.index.pour import pour
from intercom.store.index.tables import PARTIAL_INDEXES, SCHEMA, SCHEMA_VERSION
from intercom.system import host
from intercom.system.boot import boot_id
from intercom.system.files import opened, put, sqlite_uri, storage
from intercom.system.lock import flocked

NAME = "index2"  #: versions before the ledger used another name, and may still be running
_NOTHING = 1 << 62  #: above every number: without a ledger, no message belongs on the page
_APPLICATION = 0x1C0D  #: marks the file as ours, in SQLite's application_id
_WAIT_MS = 30_000  #: milliseconds to wait for one of our readers, or for another program
_CHANGED, _FOREIGN = "the index was not as Intercom leaves it", "not one of Intercom's"
RESTARTED = "the machine was rebooted since the index was written"
_SEAL = 200  #: bytes of a seal, padded: more than four numbers and a boot id take

_LOST = {
    sqlite3.SQLITE_ERROR,  # no such table or column: the file was replaced
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_SCHEMA,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_BUSY,
}


class IndexLost(Exception):  # a condition, not a fault
    """The index is absent, damaged or of another version; the text says which. Rebuild and try again."""


def bulk(path: Path) -> sqlite3.Connection:
    """Create a file with the index's tables, tuned for a bulk load: a crash may leave it in any state."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = OFF")
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA locking_mode = EXCLUSIVE")
    db.execute("PRAGMA cache_size = -65536")
    db.executescript(SCHEMA)
    return db


class Index:
    """A connection to the index of one bus, reopened whenever the file under it was replaced."""

    def __init__(self, folder: Path, pace: Pace | None = None) -> None:
        self._pace = pace or Pace()
        self.path: Final = folder / f"{NAME}.db"
        self._seal_path = folder / f"{NAME}.seal"
        self._lock_path = folder / f"{NAME}.lock"
        self._db: sqlite3.Connection | None = None
        self._inode = 0
        self.beside: Callable[[], None] = lambda: None  #: closes other connections to the state, which is attached here
        self._trusted: tuple[int, ...] = ()  #: the file's stat when it last matched its seal

    def close(self) -> None:
        """Close the connection; the next use opens it again."""
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None
        self._trusted = ()

    def db(self) -> sqlite3.Connection:
        """The connection, verified to be to the current file. IndexLost if there is none to trust."""
        now = self._stat()
        if now is None:
            self.close()
            raise IndexLost("there is no index yet")
        if self._db is not None and now == self._trusted:
            return self._db
        if not self._whole(now):
            # A writer may be between its commit and its seal: the lock tells.
            with self.locked():
                now = self._stat()
                if now is None or not self._whole(now):
                    self.close()
                    raise IndexLost(_CHANGED if self._read_seal().endswith(f" {boot_id()}") else RESTARTED)
        return self._connect(now)

    def unchanged(self, db: sqlite3.Connection | None) -> bool:
        """Whether this connection is to the current file, and nobody has written to it since it was verified."""
        return db is not None and db is self._db and self._stat() == self._trusted

    @property
    def fingerprint(self) -> tuple[int, ...]:
        """The file's fingerprint when it was last verified: as long as it stays the same, so does the content."""
        return self._trusted

    def sound(self) -> bool:
        """Whether there is an index to trust; the caller holds the index lock."""
        now = self._stat()
        if now is None or not self._whole(now):
            return False
        try:
            self._connect(now)
        except (IndexLost, StorageError):
            return False
        return True

    def seal_fits(self) -> bool:
        """Whether the file matches its seal. Opens nothing and waits for nobody, so a writer may be between the two."""
        now = self._stat()
        return now is not None and self._whole(now)

    def _connect(self, now: tuple[int, ...]) -> sqlite3.Connection:
        if self._db is None or now[0] != self._inode:
            self.close()
            with self.guarded():
                self._db = sqlite3.connect(
                    sqlite_uri(self.path, "mode=rw"), uri=True, isolation_level=None, check_same_thread=False
                )
                _tune(self._db)
                if self._db.execute("SELECT 1 FROM sqlite_master WHERE type IN ('trigger', 'view')").fetchone():
                    raise sqlite3.DatabaseError("it has a trigger or view")
                version = self._db.execute("PRAGMA user_version").fetchone()[0]
                mine = self._db.execute("PRAGMA application_id").fetchone()[0] == _APPLICATION
            if not mine or version != SCHEMA_VERSION:
                self.close()
                what = f"of version {version}, this Intercom writes {SCHEMA_VERSION}"
                raise IndexLost(f"the index was {what if mine else _FOREIGN}")
            self._inode = now[0]
        self._trusted = now
        return self._db

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Turn SQLite's errors in the block into IndexLost (damage) or StorageError (disk full, read-only)."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            self.beside()
            if code in _LOST:
                self._condemn()
                held = "held by another program" if code == sqlite3.SQLITE_BUSY else "damaged"
                raise IndexLost(f"the index was {held} ({error})") from error
            self.close()  # after an error it may keep a lock, or be read-only
            why = f"{error}; nothing was read."
            if code == sqlite3.SQLITE_FULL:
                why = "the disk is full; nothing was changed. Free some space and try again."
            raise StorageError(f"the index {self.path} cannot be used: {why}") from error
        except UnicodeDecodeError as error:
            self._condemn()
            raise IndexLost("the index was damaged (text that is not UTF-8)") from error
        except (TypeError, ValueError, OverflowError, LookupError) as error:
            if self._sealed():
                raise
            self.close()
            raise IndexLost(f"the index was damaged ({error})") from error

    @contextmanager
    def checked(self) -> Iterator[None]:
        """As `guarded`; also raises IndexLost if something other than Intercom changed the index during the block.

        Takes no lock: a writer that is between its commit and its seal also counts as a change.
        """
        db = self._db
        with self.guarded():
            yield
            if self._db is not db or not self._sealed():
                raise IndexLost("the index was changed while it was read")

    @contextmanager
    def reading(self, db: sqlite3.Connection) -> Iterator[None]:
        """As `checked`, in one transaction, so that SQLite checks for changes once instead of per statement."""
        with self.checked():
            db.execute("BEGIN")
            try:
                yield
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")

    def _sealed(self) -> bool:
        """Whether the file we read is still the current one, and as a writer of ours left it."""
        now = self._stat()
        if now is None or now[0] != self._inode:
            return False
        return now == self._trusted or self._whole(now)

    def condemn(self) -> None:
        """Break the seal, because the files that the index was made of have changed. The next use rebuilds it."""
        self._condemn()

    def _condemn(self) -> None:
        """Break the seal of the damaged file that we read, unless another has taken its place."""
        trusted = self._trusted
        self.close()
        if trusted and self._whole(trusted):
            with suppress(OSError):
                host.remove(self._seal_path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the index lock without a transaction, for replacing the whole file."""
        with flocked(self._lock_path, pace=self._pace):
            yield

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A write transaction under the index lock, sealed at its end. IndexLost, StorageError, LockTimeout."""
        with self.locked():
            now = self._stat()
            if now is None or not self._holds(now):
                self.close()
                raise IndexLost("the index was replaced while it was in use")
            db = self._connect(now)
            with self.guarded():
                db.execute("BEGIN")  # under the index lock nobody else writes here; the state is not locked
                try:
                    yield db
                    self._untouched(now)
                    db.execute("COMMIT")
                except BaseException:
                    with suppress(sqlite3.Error):
                        db.execute("ROLLBACK")
                    raise
            self._seal()

    def _untouched(self, since: tuple[int, ...]) -> None:
        """Raise IndexLost unless the file is as before the transaction, which writes nothing before its commit."""
        if self._stat() != since:
            raise IndexLost(_CHANGED)

    def create(self, path: Path) -> sqlite3.Connection:
        """Create an empty index at `path` for a bulk load. The caller holds the lock, fills it and installs it."""
        path.unlink(missing_ok=True)
        os.close(host.open_file(path, os.O_CREAT | os.O_EXCL))
        db = bulk(path)
        for statement in PARTIAL_INDEXES:
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        db.execute(f"PRAGMA application_id = {_APPLICATION}")
        db.execute("INSERT INTO meta VALUES ('generation', ?), ('page', ?)", (os.urandom(8).hex(), _NOTHING))
        return db

    def install(self, path: Path) -> None:
        """Put a filled index in place, atomically. The caller holds the lock and has closed its connection."""
        self.close()
        for suffix in ("-journal", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        try:
            put(path, self.path, wait=False)
        except PermissionError:  # an open file cannot be replaced on this system
            pour(path, self.path)
        self._seal()

    def sweep(self) -> None:
        """Remove the leftovers of builders that died. The caller holds the lock, so nobody is building. OSError."""
        for path in self.path.parent.glob("index.*.new*"):
            path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Delete the index; the next use rebuilds it from the logs."""
        self.close()
        with self.locked(), storage(f"remove {self.path}", "what was redacted may still stand in it; do it again"):
            self.sweep()
            for path in (self._seal_path, self.path.with_name(self.path.name + "-journal"), self.path):
                try:
                    path.unlink(missing_ok=True)
                except PermissionError:
                    pour(":memory:", path)

    # -- the seal ---------------------------------------------------------------------------------

    def _stat(self) -> tuple[int, ...] | None:
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def _seal(self) -> None:
        at = time.time_ns()
        with storage(f"seal {self.path}", "nothing was read"):
            try:
                os.utime(self.path, ns=(at, at))
            except FileNotFoundError:
                return
            now = self._stat()
            if now is None:
                return
            # Overwritten, never truncated first: file systems flush a truncated file, which is the slowest step of all.
            handle = host.open_file(self._seal_path, os.O_WRONLY | os.O_CREAT)
            try:
                host.pwrite(handle, self._seal_of(now).encode("ascii").ljust(_SEAL), 0)
            finally:
                os.close(handle)
        if now[0] == self._inode:
            self._trusted = now

    def _holds(self, now: tuple[int, ...]) -> bool:
        """Whether the seal of the current file is whole; the caller holds the index lock."""
        if now == self._trusted:  # nobody has written since; breaking a seal removes it
            return os.access(self._seal_path, os.F_OK)
        return self._whole(now)

    def _whole(self, stat: tuple[int, ...]) -> bool:
        """Whether the seal belongs to a file with this stat."""
        return self._read_seal() == self._seal_of(stat)

    def _read_seal(self) -> str:
        try:
            with opened(self._seal_path) as file:
                return file.read(_SEAL).decode("ascii").rstrip()
        except (OSError, UnicodeDecodeError):
            return ""

    @staticmethod
    def _seal_of(stat: tuple[int, ...]) -> str:
        return " ".join(map(str, (*stat, boot_id())))


def _tune(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA trusted_schema = OFF")
    db.execute(f"PRAGMA busy_timeout = {_WAIT_MS}")
    # For rollback only: a writer that dies breaks the seal, so a journal on disk would never be replayed.
    db.execute("PRAGMA journal_mode = MEMORY")
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA cache_size = -16384")
    db.execute("PRAGMA cache_spill = OFF")  # nothing is in the file before the commit: see _untouched
