"""Owns the state's file: opening it, its schema, and what is wrong if SQLite refuses."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

from intercom.core.errors import StorageError
from intercom.core.escaping import value
from intercom.core.message import utc
from intercom.store.state.tables import VERSION, steps_from
from intercom.system import host
from intercom.system.boot import boot_id
from intercom.system.files import opened
from intercom.system.lock import flocked

BOOT, DOUBT = "boot", "doubt"  # in meta
_OPENED, _HEAD = " → system [OPEN]\n".encode(), 200  # within the first bytes of a segment
_SINCE = ("ledger", "base.")  # present in the private folder as soon as there is a ledger
BUSY: Final = 10_000  #: milliseconds to wait for another writer
_ROOM = 64 * 1024  # bytes; the shared memory of a WAL takes half of that
#: SQLite's errors when a lock fails for another reason than being taken
_LOCKING = {
    sqlite3.SQLITE_IOERR_LOCK,
    sqlite3.SQLITE_IOERR_UNLOCK,
    sqlite3.SQLITE_IOERR_RDLOCK,
    sqlite3.SQLITE_IOERR_CHECKRESERVEDLOCK,
    sqlite3.SQLITE_IOERR_SHMLOCK,
}


def which(path: Path) -> tuple[int, int] | None:
    """The identity of the file that currently has this name."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def trouble(error: sqlite3.DatabaseError, path: Path) -> tuple[str, str]:
    """Why SQLite refused, and what to do: only a damaged file should be moved away, since its content goes with it."""
    exactly = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    code = exactly & 0xFF
    full, read_only = _limits(path)
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return str(error), "Another process is busy with it: try again."
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and full):  # often the only error that SQLite gives
        return "the disk is full", "Free some space and try again."
    if read_only:
        return str(error), "The file system is read-only: make it writable and try again."
    if code == sqlite3.SQLITE_PROTOCOL or exactly in _LOCKING:
        return (
            f"the file system cannot lock it ({error})",
            "Try again; if it stays so, keep the project on a local disk.",
        )
    if path.is_dir():
        return "a folder is in its place", "Move it away and try again."
    if code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}:
        return str(error), f"See who may use it ({host.SHOWS_ACCESS}), and try again."
    return str(error), "If it is damaged, move it away: names and read positions start over, messages stay."


def _limits(path: Path) -> tuple[bool, bool]:
    """Whether the file system is too full for SQLite's side files, and whether it is read-only."""
    try:
        free, read_only = host.free_space(path.parent)
    except OSError:
        return False, False
    return free < _ROOM, read_only


def opened_state(path: Path) -> sqlite3.Connection:
    """Open the state at `path`, creating it if necessary. StorageError, sqlite3.Error, OSError."""
    if not path.exists():
        os.close(host.open_file(path, os.O_CREAT))
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA trusted_schema = OFF")
        db.execute(f"PRAGMA busy_timeout = {BUSY}")
        plain(db, path)
        if _version(db) == 0:
            # Two processes must not switch a new file to WAL at once: SQLite does not wait there.
            with flocked(path.with_name("state.lock")):
                if _version(db) == 0:
                    db.execute("PRAGMA journal_mode = WAL")
                    db.executescript(steps_from(0))
        if _version(db) > VERSION:
            raise StorageError(
                f"{path} was written by a newer Intercom (version {_version(db)}, this one knows {VERSION}); "
                "nothing was changed. Use the newer Intercom."
            )
        if missing := steps_from(_version(db)):
            db.executescript(missing)  # if two processes get here, the second has nothing to do
        db.execute("PRAGMA synchronous = NORMAL")
        _doubt(db, path.parent)
    except BaseException:
        db.close()
        raise
    return db


def imagined_state() -> sqlite3.Connection:
    """The state of a bus of which nothing is there yet: in memory alone."""
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    db.executescript(steps_from(0))
    return db


def plain(db: sqlite3.Connection, path: Path) -> None:
    """StorageError for a file with triggers or views, which could act when it is read or written; ours have none."""
    found = db.execute("SELECT name FROM sqlite_master WHERE type IN ('trigger', 'view') LIMIT 1").fetchone()
    if found is not None:
        raise StorageError(
            f"{path} is not as Intercom makes it: it has a trigger or view ({value(str(found[0]))}); "
            "nothing was changed. "
            "Move it away: names and read positions start over, messages stay."
        )


def _doubt(db: sqlite3.Connection, folder: Path) -> None:
    """Record that the last commits may have been lost: after a reboot, or if there is a ledger but no state.

    Messages sent before that may have been given to somebody although no receipt says so.
    """
    row = db.execute("SELECT value FROM meta WHERE key = ?", (BOOT,)).fetchone()
    if row is not None and row[0] == boot_id():
        return
    doubt = row is not None or _has_ledger(folder)
    notes = [(BOOT, boot_id()), *([(DOUBT, utc())] if doubt else [])]
    db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", notes)


def _has_ledger(folder: Path) -> bool:
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
