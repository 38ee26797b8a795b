"""Owns `state.db`: what no log can tell. Instances, named agents, cursors, receipts, hidden messages.

SQLite in WAL mode: each change is one transaction, so that names are given out atomically across
processes. A receipt row says that a reader *was given* a message; it counts as *received* once the
reader acts again. `session` marks the process that it was given to.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from intercom.errors import StorageError
from intercom.files import make_private_folder
from intercom.lock import flocked
from intercom.model import utc

_SCHEMA_VERSION = 1
TRACES = "traces"  #: meta key: how often the traces were changed
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
CREATE TABLE IF NOT EXISTS hidden (id TEXT PRIMARY KEY, at TEXT NOT NULL, why TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS repaired (
    id TEXT PRIMARY KEY, times INTEGER NOT NULL, arrived INTEGER NOT NULL  -- arrived anew, after all before
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS copies (id TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS redacted (id TEXT PRIMARY KEY, at TEXT NOT NULL) WITHOUT ROWID;
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


class Traces(NamedTuple):
    """What repairs and hand edits left behind, by message id."""

    hidden: dict[str, str]  #: deleted by hand, or lost and left so -> when
    repaired: dict[str, tuple[int, int]]  #: put back -> how often, and its new place in the order of arrival
    copies: dict[str, int]  #: how many further copies of it the live log held
    redacted: frozenset[str]


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

    def swap_meta(self, key: str, old: Any, new: Any) -> None:
        """Store a single value in the place of `old`; nothing happens if something else stands there by now."""
        with self.guarded():
            self.db.execute("UPDATE meta SET value = ? WHERE key = ? AND value = ?", (new, key, old))

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

    def traces(self) -> Traces:
        """What repairs and hand edits left behind."""
        with self.guarded():
            db = self.db
            return Traces(
                dict(db.execute("SELECT id, at FROM hidden").fetchall()),
                {row[0]: (row[1], row[2]) for row in db.execute("SELECT id, times, arrived FROM repaired")},
                dict(db.execute("SELECT id, n FROM copies").fetchall()),
                frozenset(row[0] for row in db.execute("SELECT id FROM redacted")),
            )

    def hidden(self) -> dict[str, str]:
        """Messages that people deleted from the log by hand, with the time."""
        with self.guarded():
            return dict(self.db.execute("SELECT id, at FROM hidden WHERE why = ?", (_DELETED,)).fetchall())

    def note_traces(
        self,
        *,
        hide: Iterable[str],
        unhide: Iterable[str],
        repaired: Iterable[str],
        copies: dict[str, int],
        left: Iterable[str] = (),
        readdressed: bool = False,
    ) -> None:
        """Note in one step what a reconciliation decided; `copies` replaces what was noted before.

        `left` is lost and was not put back; it counts as said. `readdressed`: an old message may be new for somebody.
        """
        now = utc()
        hiding, showing = [(ident, now) for ident in hide], [(ident,) for ident in unhide]
        with self.transaction() as db:
            db.executemany("INSERT OR IGNORE INTO hidden VALUES (?, ?, ?)", [(*one, _DELETED) for one in hiding])
            db.executemany("INSERT OR IGNORE INTO hidden VALUES (?, ?, ?)", [(ident, now, _LEFT) for ident in left])
            db.executemany("DELETE FROM hidden WHERE id = ?", showing)
            after = db.execute("SELECT coalesce(max(arrived), ?) FROM repaired", (_AFTER_ALL,)).fetchone()[0]
            db.executemany(
                "INSERT INTO repaired VALUES (?, 1, ?) ON CONFLICT (id) DO UPDATE "
                "SET times = times + 1, arrived = excluded.arrived",
                [(ident, after + n) for n, ident in enumerate(repaired, 1)],
            )
            db.execute("DELETE FROM copies")
            db.executemany("INSERT INTO copies VALUES (?, ?)", copies.items())
            if showing or readdressed:
                db.execute(_NO_FLOORS)
            if hiding or showing:
                _count_traces(db)

    def restore(self, idents: Iterable[str]) -> None:
        """Note that these messages, once deleted or lost, stand in the log again."""
        now = list(idents)
        with self.transaction() as db:
            db.executemany("DELETE FROM hidden WHERE id = ?", [(ident,) for ident in now])
            db.execute(_NO_FLOORS)
            _count_traces(db)

    def redact(self, ident: str) -> None:
        """Note that the text of a message was destroyed on purpose."""
        with self.transaction() as db:
            db.execute("INSERT OR IGNORE INTO redacted VALUES (?, ?)", (ident, utc()))


_ROOM = 64 * 1024  # bytes; the shared memory of a WAL takes half of that
_AFTER_ALL = 1 << 40  # beyond every position in a journal
_DELETED = "deleted by hand"
_LEFT = "lost, and left so"  # delivered all the same
_NO_FLOORS = "DELETE FROM cursors"  # what is shown again may lie below them
_INSTANCE = "SELECT name, role, pid, started, session, registered, heartbeat, active, joined, gone FROM instances"


def _count_traces(db: sqlite3.Connection) -> None:
    db.execute("INSERT INTO meta VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET value = value + 1", (TRACES,))


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
        found = os.statvfs(path.parent)
    except OSError:
        return False, False
    return found.f_bavail * found.f_frsize < _ROOM, bool(found.f_flag & os.ST_RDONLY)


def _open(path: Path) -> sqlite3.Connection:
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_CLOEXEC, 0o600))
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute("PRAGMA busy_timeout = 10000")
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
    except BaseException:
        db.close()
        raise
    return db


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])
