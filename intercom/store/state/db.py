"""Owns `state.db`: what no log can tell. Instances, named agents, cursors, receipts.

SQLite in WAL mode: each change is one transaction, so that names are given out atomically across
processes. A receipt row says that a reader *was given* a message; it counts as *received* once the
reader acts again. `session` marks the process that it was given to.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from intercom.core.display import value
from intercom.core.errors import StorageError
from intercom.core.message import utc
from intercom.system import host
from intercom.system.boot import boot_id
from intercom.system.files import make_private_folder, opened
from intercom.system.lock import flocked

_SCHEMA_VERSION = 1
_BOOT, _DOUBT = "boot", "doubt"  # in meta
_OPENED, _HEAD = " → system [OPEN]\n".encode(), 200  # in the first bytes of a segment
_SINCE = ("ledger", "base.")  # in the private folder as soon as there is a ledger
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS agents (name TEXT PRIMARY KEY, at TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS instances (
    name TEXT PRIMARY KEY, role TEXT NOT NULL, pid INTEGER, started TEXT, session TEXT,
    registered TEXT NOT NULL, heartbeat TEXT NOT NULL, active TEXT NOT NULL,
    joined INTEGER NOT NULL,          -- broadcasts after this sequence number are for it
    gone TEXT                         -- when it signed off
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cursors (
    reader TEXT PRIMARY KEY, generation TEXT NOT NULL, floor INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS receipts (
    reader TEXT NOT NULL, id TEXT NOT NULL, given TEXT NOT NULL, session TEXT NOT NULL,
    received TEXT, times INTEGER NOT NULL DEFAULT 1, PRIMARY KEY (reader, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS open_receipts ON receipts (reader, session) WHERE received IS NULL;
CREATE INDEX IF NOT EXISTS receipts_by_id ON receipts (id);
CREATE TABLE IF NOT EXISTS numbers (id TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
"""


class InstanceRow(NamedTuple):
    """A row of `instances`, as stored."""

    name: str
    role: str
    pid: int | None
    started: str | None
    session: str | None
    registered: str
    heartbeat: str
    active: str
    joined: int
    gone: str | None


class Given(NamedTuple):
    """A message that a reader was given and has not yet acted after."""

    id: str
    session: str


class State:
    """A connection to the state of one bus. One thread at a time."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state.db"
        self.turn = 0  #: how often the file was opened; it may have been another each time
        self._db: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None  # which file is open

    def close(self) -> None:
        """Close the connection; the next use opens it again."""
        if self._db is not None:
            with suppress(sqlite3.Error):  # what was committed is; nobody is to hear that his message was not sent
                self._db.close()
            self._db = None

    @property
    def db(self) -> sqlite3.Connection:
        """The connection, opened on first use, and anew where somebody took the file away meanwhile.

        StorageError where the folder or file cannot be used.
        """
        if self._db is not None and not self._db.in_transaction and _which(self.path) != self._file:
            self.close()
        if self._db is None:
            make_private_folder(self.path.parent)
            with self.guarded():
                self._db = _open(self.path)
                self._file = _which(self.path)
                self.turn += 1
        return self._db

    def opened(self) -> int:
        """How often the file was opened, once it is open. StorageError."""
        self.db  # noqa: B018  # opens it
        return self.turn

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Turn SQLite's and the system's errors in the block into StorageError."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            why, what_to_do = _trouble(error, self.path)
            raise StorageError(
                f"the state {self.path} cannot be used: {why}; nothing was changed. {what_to_do}"
            ) from error
        except OSError as error:
            raise StorageError(f"cannot create {self.path}: {error.strerror}; nothing was changed.") from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A write transaction; rolled back if the block raises."""
        db = self.db
        with self.guarded():
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    def verify(self) -> None:
        """StorageError if the file is damaged. Reads all of it."""
        with self.guarded():
            found = self.db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise sqlite3.DatabaseError(found)

    def meta(self, key: str) -> Any:
        """A single stored value, None if there is none."""
        with self.guarded():
            row = self.db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def set_meta(self, key: str, value: Any) -> None:
        """Store a single value."""
        with self.guarded():
            self.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def doubt(self) -> str:
        """UTC time before which messages may have been given though nothing here says so; "" for none."""
        return str(self.meta(_DOUBT) or "")

    # -- who there is -----------------------------------------------------------------------------

    def agents(self) -> list[str]:
        """Names that may send and receive without registering, as `init` was told."""
        with self.guarded():
            return [row[0] for row in self.db.execute("SELECT name FROM agents ORDER BY at, name")]

    def add_agents(self, names: Iterable[str]) -> None:
        """Remember names that may send and receive without registering."""
        with self.transaction() as db:
            db.executemany("INSERT OR IGNORE INTO agents VALUES (?, ?)", [(name, utc()) for name in names])

    def instances(self) -> list[InstanceRow]:
        """Everybody who registered, signed off or not."""
        with self.guarded():
            return [InstanceRow(*row) for row in self.db.execute(f"{_INSTANCE} ORDER BY registered, name")]

    def instance(self, name: str) -> InstanceRow | None:
        """The row of `name`, None if nobody registered under it."""
        with self.guarded():
            row = self.db.execute(f"{_INSTANCE} WHERE name = ?", (name,)).fetchone()
        return InstanceRow(*row) if row else None

    def put_instance(self, db: sqlite3.Connection, row: InstanceRow) -> None:
        """Store an instance; inside a transaction."""
        db.execute("INSERT OR REPLACE INTO instances VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def touch(self, name: str, *, acted: bool) -> None:
        """Note a heartbeat of `name`, and that it did something if `acted`."""
        now = utc()
        active = ", active = ?2" if acted else ""
        with self.guarded():
            self.db.execute(
                f"UPDATE instances SET heartbeat = ?2{active} WHERE name = ?1 AND gone IS NULL", (name, now)
            )

    def sign_off(self, name: str) -> None:
        """Note that `name` has left."""
        with self.guarded():
            self.db.execute("UPDATE instances SET gone = ?, active = ?1 WHERE name = ?", (utc(), name))

    # -- what was given to whom -------------------------------------------------------------------

    def floor(self, reader: str, generation: str) -> int:
        """A sequence number up to which `reader` was given everything; 0 where this index build has none."""
        with self.guarded():
            row = self.db.execute("SELECT generation, floor FROM cursors WHERE reader = ?", (reader,)).fetchone()
        return int(row[1]) if row and row[0] == generation else 0

    def open_receipts(self, reader: str) -> list[Given]:
        """What `reader` was given and is not known to have received."""
        sql = "SELECT id, session FROM receipts INDEXED BY open_receipts WHERE reader = ? AND received IS NULL"
        with self.guarded():
            return [Given(*row) for row in self.db.execute(sql, (reader,))]

    def confirm(self, reader: str, session: str) -> None:
        """What this session was given for `reader` counts as received."""
        with self.guarded():
            self.db.execute(
                "UPDATE receipts INDEXED BY open_receipts SET received = ? "
                "WHERE reader = ? AND session = ? AND received IS NULL",
                (utc(), reader, session),
            )

    def give(self, db: sqlite3.Connection, reader: str, ids: Iterable[str], session: str) -> None:
        """Note that `reader` is given these messages now, some perhaps again; inside a transaction."""
        now = utc()
        db.executemany(
            "INSERT INTO receipts (reader, id, given, session) VALUES (?, ?, ?, ?) ON CONFLICT (reader, id) DO UPDATE "
            "SET session = excluded.session, received = NULL, times = times + 1",
            [(reader, ident, now, session) for ident in ids],
        )

    def set_floor(self, db: sqlite3.Connection, reader: str, generation: str, floor: int) -> None:
        """Cache how far `reader` was given everything; inside a transaction."""
        db.execute("INSERT OR REPLACE INTO cursors VALUES (?, ?, ?)", (reader, generation, floor))

    def shown(self, ident: str) -> dict[str, str]:
        """For each reader who was given the message: when, first."""
        with self.guarded():
            return dict(self.db.execute("SELECT reader, given FROM receipts WHERE id = ?", (ident,)).fetchall())

    def receipt(self, reader: str, ident: str) -> tuple[str, str | None] | None:
        """To which session `reader` was given the message, and when that counted as received; None: not given."""
        sql = "SELECT session, received FROM receipts WHERE reader = ? AND id = ?"
        with self.guarded():
            row = self.db.execute(sql, (reader, ident)).fetchone()
        return (row[0], row[1]) if row else None

    # -- what the logs cannot say about messages --------------------------------------------------

    def numbers(self) -> dict[str, int]:
        """Sequence numbers that were given to other machines' messages, by id."""
        with self.guarded():
            return dict(self.db.execute("SELECT id, seq FROM numbers").fetchall())

    def add_numbers(self, numbers: Iterable[tuple[str, int]]) -> None:
        """Fix the sequence numbers of other machines' messages."""
        with self.transaction() as db:
            db.executemany("INSERT OR REPLACE INTO numbers VALUES (?, ?)", numbers)


_ROOM = 64 * 1024  # bytes; the shared memory of a WAL takes half of that
_INSTANCE = "SELECT name, role, pid, started, session, registered, heartbeat, active, joined, gone FROM instances"


def _which(path: Path) -> tuple[int, int] | None:
    """What tells the file that has this name now from any other."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _trouble(error: sqlite3.DatabaseError, path: Path) -> tuple[str, str]:
    """Why SQLite refused, and what to do: only a damaged file is to be moved away, for its contents go with it."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    full, read_only = _limits(path)
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return str(error), "Another process is busy with it: try again."
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and full):  # which often is all that SQLite says
        return "the disk is full", "Free some space and try again."
    if read_only:
        return str(error), "The file system is read-only: make it writable and try again."
    if path.is_dir():
        return "a folder is in its place", "Move it away and try again."
    if code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}:
        return str(error), "See who may use it (ls -ld), and try again."
    return str(error), "If it is damaged, move it away: names and read positions start anew, messages stay."


def _limits(path: Path) -> tuple[bool, bool]:
    """Whether the file system has no room for what SQLite puts beside its file, and whether it is read-only."""
    try:
        free, read_only = host.free_space(path.parent)
    except OSError:
        return False, False
    return free < _ROOM, read_only


def _open(path: Path) -> sqlite3.Connection:
    if not path.exists():
        os.close(host.open_file(path, os.O_CREAT))
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute("PRAGMA trusted_schema = OFF")
        db.execute("PRAGMA busy_timeout = 10000")
        _plain(db, path)
        if _version(db) == 0:
            # Two processes may not turn a new file into WAL at once: SQLite does not wait there.
            with flocked(path.with_name("state.lock")):
                if _version(db) == 0:
                    db.execute("PRAGMA journal_mode = WAL")
                    db.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}PRAGMA user_version = {_SCHEMA_VERSION};COMMIT;")
        if _version(db) != _SCHEMA_VERSION:
            raise StorageError(
                f"{path} was written by a newer Intercom (version {_version(db)}, this one knows {_SCHEMA_VERSION}); "
                "nothing was changed. Use the newer Intercom."
            )
        db.execute("PRAGMA synchronous = NORMAL")
        _doubt(db, path.parent)
    except BaseException:
        db.close()
        raise
    return db


def _plain(db: sqlite3.Connection, path: Path) -> None:
    """StorageError for a file that would do something by itself when it is read or written: none of ours does."""
    found = db.execute("SELECT name FROM sqlite_master WHERE type IN ('trigger', 'view') LIMIT 1").fetchone()
    if found is not None:
        raise StorageError(
            f"{path} is not as Intercom makes it: it has a trigger or view ({value(str(found[0]))}); "
            "nothing was changed. "
            "Move it away: names and read positions start anew, messages stay."
        )


def _doubt(db: sqlite3.Connection, folder: Path) -> None:
    """Note when the last commits may have been lost: the machine was started anew, or there is a ledger but no state.

    What was said before that may have been given to somebody though no receipt says so.
    """
    row = db.execute("SELECT value FROM meta WHERE key = ?", (_BOOT,)).fetchone()
    if row is not None and row[0] == boot_id():
        return
    doubt = row is not None or _is_kept(folder)
    notes = [(_BOOT, boot_id()), *([(_DOUBT, utc())] if doubt else [])]
    db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", notes)


def _is_kept(folder: Path) -> bool:
    """Whether there is a ledger."""
    archive = folder.parent / "archive"
    if any(name.startswith(_SINCE) for name in os.listdir(folder)):
        return True
    for name in os.listdir(archive) if archive.is_dir() else ():
        with suppress(OSError), opened(archive / name) as file:
            if _OPENED in file.read(_HEAD):
                return True
    return False


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])
