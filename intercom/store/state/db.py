"""Owns `state.db`: what cannot be derived from the logs. Instances, named agents, cursors, receipts.

SQLite in WAL mode: each change is one transaction, so names are assigned atomically across processes. A receipt row
says that a reader *was given* a message; it counts as *received* once the reader acts again. `session` identifies
the process it was given to.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from intercom.core.errors import StorageError
from intercom.core.message import utc
from intercom.core.pace import Pace
from intercom.store.state import receipts
from intercom.store.state.file import BUSY, DOUBT, imagined_state, opened_state, trouble, which
from intercom.system.files import make_private_folder

T = TypeVar("T")
_SECOND = 1.0  # seconds between two recorded heartbeats
_MANY_KNOWN = 1_000  # size of the cache
_INSTANCE = "SELECT name, role, pid, started, session, registered, heartbeat, active, joined, gone FROM instances"


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
    """A message that a reader was given and has not acted on since."""

    id: str
    session: str


class Moment:
    """The block of `State.moment`: a class, as each call opens several, and a generator takes five times as long."""

    def __init__(self, state: State) -> None:
        self._state = state

    def __enter__(self) -> None:
        self._state.begin()

    def __exit__(self, *_: object) -> None:
        self._state.end()


class State:
    """A connection to the state of one bus. One thread at a time."""

    def __init__(self, folder: Path, pace: Pace | None = None) -> None:
        self.path = folder / "state.db"
        self._pace = pace or Pace()
        self.turn = 0  #: how often the file was opened; each time it may be another
        self._db: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None  # identity of the open file
        self._moments = 0  # nesting depth of `moment` blocks
        self._begun = 0  # number of outermost blocks begun
        self._known: dict[tuple[object, ...], Any] = {}  # cache, valid while nothing changes
        self._known_of: tuple[int, ...] = ()  # file, other connections' changes, own changes
        #: Closes other connections to the file, since locks belong to the process.
        self.beside: Callable[[], None] = lambda: None
        #: Called before the file is opened again: raises StorageError if it is not to be.
        self.check: Callable[[], None] = lambda: None
        self.prepare: Callable[[], None] = partial(make_private_folder, folder)  #: creates the folder. StorageError
        self.waits = False  #: whether it stays in memory as long as there is no file, until `make`
        self._touched: dict[str, float] = {}  # by name: time (monotonic) of its last recorded heartbeat

    def close(self) -> None:
        """Close the connection; the next use opens it again."""
        if self._db is not None:
            with suppress(sqlite3.Error):  # what was committed stays; nobody should hear that a message was not sent
                self._db.close()
            self._db = None

    @property
    def db(self) -> sqlite3.Connection:
        """The connection, opened on first use, and reopened if the file was replaced.

        StorageError if the folder or file cannot be used.
        """
        if self._moments and self._db is not None:
            return self._db
        if self._db is not None and not self._db.in_transaction and which(self.path) != self._file:
            self.close()
        if self._db is None and self.waits and which(self.path) is None:
            self._db, self._file = imagined_state(), None
            self.turn += 1
        elif self._db is None:
            self.prepare()
            if self._file is not None:
                self.check()
            with self.guarded():
                self._db = opened_state(self.path)
                self._file = which(self.path)
                self.turn += 1
        return self._db

    def make(self) -> None:
        """From now on there is a file, made at the next use: what was only imagined is forgotten."""
        if self.waits:
            self.waits = False
            if self._file is None:
                self.close()

    def opened(self) -> int:
        """Open the file if necessary; returns how often it was opened. StorageError."""
        self.db  # noqa: B018  # opens it
        return self.turn

    def moment(self) -> Moment:
        """A block within which changes by others are treated as later: an answer from the cache stays valid."""
        return Moment(self)

    def begin(self) -> None:
        """Begin a `moment`, or one within it."""
        if not self._moments:
            db = self.db
            with self.guarded():
                theirs = db.execute("PRAGMA data_version").fetchone()[0]
            self._forget_unless((self.turn, theirs, db.total_changes))
            self._begun += 1
        self._moments += 1

    def end(self) -> None:
        """End what `begin` began."""
        self._moments -= 1

    def this_moment(self) -> int:
        """The number of the current `moment`; 0 outside of any."""
        return self._begun if self._moments else 0

    def version(self) -> tuple[int, ...]:
        """Another for each change that we made, or that others had made when this `moment` began; in a moment only."""
        return *self._known_of[:2], self.db.total_changes

    def untouched(self) -> bool:
        """Whether nobody else has changed the state since the current `moment` began; inside a transaction."""
        if not self._moments:
            return False
        theirs: int = self.db.execute("PRAGMA data_version").fetchone()[0]
        return theirs == self._known_of[1]

    def _forget_unless(self, still: tuple[int, ...]) -> None:
        if still != self._known_of or len(self._known) > _MANY_KNOWN:
            self._known.clear()
            self._known_of = still

    def known(self, ask: Callable[..., T], *about: Any, of: object = None) -> T:
        """The result of `ask`, cached while the state (and `of`) stays unchanged.

        Outside of a `moment`, and in a transaction, it is not cached.
        """
        if not self._moments or self._db is None or self._db.in_transaction:
            return ask(*about)
        self._forget_unless((*self._known_of[:2], self._db.total_changes))
        key = (ask.__name__, of, *about)
        if key not in self._known:
            self._known[key] = ask(*about)
        found: T = self._known[key]
        return found

    @contextmanager
    def _unhurried(self, db: sqlite3.Connection) -> Iterator[None]:
        """NotNow, if somebody else is writing and the caller is in a hurry."""
        if not self._pace.hurried:
            yield
            return
        db.execute("PRAGMA busy_timeout = 0")
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                self._pace.long()
            raise
        finally:
            db.execute(f"PRAGMA busy_timeout = {BUSY}")

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Turn errors of SQLite and the system in the block into StorageError.

        The next use reopens the file: after an error a process may keep a lock, or a transaction, for good.
        """
        try:
            yield
        except sqlite3.DatabaseError as error:
            self.close()
            self.beside()
            why, what_to_do = trouble(error, self.path)
            raise StorageError(
                f"the state {self.path} cannot be used: {why}; nothing was changed. {what_to_do}"
            ) from error
        except OSError as error:
            raise StorageError(f"cannot create {self.path}: {error.strerror}; nothing was changed.") from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A write transaction; rolled back if the block raises. NotNow."""
        db = self.db
        with self.guarded():
            with self._unhurried(db):
                db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                with suppress(sqlite3.Error):
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
        """UTC time before which messages may have been given without a record of it here; "" for none."""
        return str(self.meta(DOUBT) or "")

    # -- who there is -----------------------------------------------------------------------------

    def agents(self) -> list[str]:
        """Names from `init` that may send and receive without registering."""
        return self.known(self._agents)

    def _agents(self) -> list[str]:
        with self.guarded():
            return [row[0] for row in self.db.execute("SELECT name FROM agents ORDER BY at, name")]

    def add_agents(self, names: Iterable[str]) -> None:
        """Add names that may send and receive without registering."""
        with self.transaction() as db:
            db.executemany("INSERT OR IGNORE INTO agents VALUES (?, ?)", [(name, utc()) for name in names])

    def instances(self) -> list[InstanceRow]:
        """Everybody who ever registered, signed off or not."""
        return self.known(self._instances)

    def _instances(self) -> list[InstanceRow]:
        with self.guarded():
            return [InstanceRow(*row) for row in self.db.execute(f"{_INSTANCE} ORDER BY registered, name")]

    def instance(self, name: str) -> InstanceRow | None:
        """The row of `name`, None if nobody registered under it."""
        return self.known(self._instance, name)

    def _instance(self, name: str) -> InstanceRow | None:
        with self.guarded():
            row = self.db.execute(f"{_INSTANCE} WHERE name = ?", (name,)).fetchone()
        return InstanceRow(*row) if row else None

    def put_instance(self, db: sqlite3.Connection, row: InstanceRow) -> None:
        """Store an instance; inside a transaction."""
        db.execute("INSERT OR REPLACE INTO instances VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def touch(self, name: str, *, acted: bool) -> None:
        """Record a heartbeat of `name`, and, if `acted`, that it did something (to the second). NotNow."""
        at = time.monotonic()
        if acted and at - self._touched.get(name, -_SECOND) < _SECOND:
            return
        now = utc()
        active = ", active = ?2" if acted else ""
        db = self.db
        with self.guarded(), self._unhurried(db):
            db.execute(f"UPDATE instances SET heartbeat = ?2{active} WHERE name = ?1 AND gone IS NULL", (name, now))
        if acted:
            self._touched[name] = at

    def sign_off(self, name: str) -> None:
        """Record that `name` has left."""
        with self.guarded():
            self.db.execute("UPDATE instances SET gone = ?, active = ?1 WHERE name = ?", (utc(), name))

    # -- what was given to whom -------------------------------------------------------------------

    def floor(self, reader: str, generation: str) -> int:
        """A sequence number up to which `reader` was given everything; 0 if unknown in this index build."""
        return self.known(self._floor, reader, generation)

    def _floor(self, reader: str, generation: str) -> int:
        with self.guarded():
            row = self.db.execute("SELECT generation, floor FROM cursors WHERE reader = ?", (reader,)).fetchone()
        return int(row[1]) if row and row[0] == generation else 0

    def open_receipts(self, reader: str) -> list[Given]:
        """What `reader` was given and is not known to have received."""
        return self.known(self._open_receipts, reader)

    def _open_receipts(self, reader: str) -> list[Given]:
        with self.guarded():
            return [Given(*row) for row in receipts.unconfirmed(self.db, reader)]

    def open_readers(self) -> list[str]:
        """All readers with messages that they are not known to have received."""
        return self.known(self._open_readers)

    def _open_readers(self) -> list[str]:
        with self.guarded():
            return receipts.unconfirmed_readers(self.db)

    def confirm(self, reader: str, session: str) -> None:
        """Mark everything that this session was given for `reader` as received. NotNow."""
        db = self.db
        with self.guarded(), self._unhurried(db):
            receipts.confirm(db, reader, session)

    def tell(self, db: sqlite3.Connection, reader: str, texts: Iterable[tuple[str, str]]) -> None:
        """Record which texts of edited messages `reader` knows: ids and digests; inside a transaction."""
        db.executemany("INSERT OR REPLACE INTO told VALUES (?, ?, ?)", [(reader, *one) for one in texts])

    def set_floor(self, db: sqlite3.Connection, reader: str, generation: str, floor: int) -> None:
        """Cache the sequence number up to which `reader` was given everything; inside a transaction."""
        db.execute("INSERT OR REPLACE INTO cursors VALUES (?, ?, ?)", (reader, generation, floor))

    def shown(self, ident: str) -> dict[str, str]:
        """For each reader who was given the message: when it first was."""
        with self.guarded():
            return receipts.shown(self.db, ident)

    def receipt(self, reader: str, ident: str) -> tuple[str, str | None] | None:
        """To which session `reader` was given the message, and when that counted as received; None: not given."""
        with self.guarded():
            return receipts.receipt(self.db, reader, ident)

    # -- what the logs cannot say about messages --------------------------------------------------

    def numbers(self) -> dict[str, int]:
        """Sequence numbers assigned to other machines' messages, by id."""
        with self.guarded():
            return dict(self.db.execute("SELECT id, seq FROM numbers").fetchall())

    def first_seen(self, idents: Sequence[str]) -> list[tuple[str, str]]:
        """For messages without a time: their ids, each with the time it was first seen, which is now if it is new."""
        if not idents:
            return []
        now = utc()
        with self.transaction() as db:
            db.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", [(ident, now) for ident in idents])
            known = dict(db.execute("SELECT id, at FROM seen").fetchall())
        return [(ident, known[ident]) for ident in idents]

    def add_numbers(self, numbers: Iterable[tuple[str, int]]) -> None:
        """Fix the sequence numbers of other machines' messages."""
        with self.transaction() as db:
            db.executemany("INSERT OR REPLACE INTO numbers VALUES (?, ?)", numbers)
