"""Owns asking a state, without writing to it, who wrote it: whoever did may not be trusted."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

from intercom.core.errors import StorageError
from intercom.core.texts import one_line
from intercom.store.state.file import BOOT, plain
from intercom.system.files import check_regular, sqlite_uri

MACHINE = "machine-id"  #: key in the state: the machine that writes there
_MOST = 256 * 1024 * 1024  #: bytes that are copied to be looked at
_BESIDE = "", "-wal", "-journal"


class Origin(NamedTuple):
    """What a state says of who wrote it."""

    machine: str | None = None  #: id of the machine; None if it does not say
    boot: str = ""  #: id of the machine's boot when it was last opened
    used: bool = True  #: whether anybody registered there
    unread: str = ""  #: why it cannot be read; such a state says nothing


def origin(path: Path) -> Origin | None:
    """Who wrote the state at `path`; None if there is none, or nothing was ever written to it."""
    try:
        check_regular(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        return Origin(unread=str(error.strerror))
    wal, journal = (path.with_name(path.name + end).exists() for end in _BESIDE[1:])
    if not journal:
        with suppress(sqlite3.Error, StorageError):
            return _asked(path, "mode=ro" if wal else "mode=ro&immutable=1")  # nothing is created beside it
    import shutil
    import tempfile

    # One that a crash left needs to be written before it can be read: a copy is.
    try:
        with tempfile.TemporaryDirectory(prefix="intercom-") as folder:
            for end in _BESIDE:
                beside = path.with_name(path.name + end)
                if beside.exists():
                    check_regular(beside)
                    if os.stat(beside).st_size > _MOST:
                        return Origin()
                    shutil.copyfile(beside, Path(folder, path.name + end))
            return _asked(Path(folder, path.name), "mode=rw")
    except (sqlite3.Error, StorageError, OSError) as error:
        return Origin(unread=one_line(str(error), 200))


def _asked(path: Path, how: str) -> Origin | None:
    with closing(sqlite3.connect(sqlite_uri(path, how), uri=True, isolation_level=None)) as db:
        db.execute("PRAGMA trusted_schema = OFF")
        plain(db, path)
        if db.execute("PRAGMA user_version").fetchone()[0] == 0:
            return None  # opening it begins a new one
        found: dict[str, Any] = dict(
            db.execute("SELECT key, substr(value, 1, 200) FROM meta WHERE key IN (?, ?)", (MACHINE, BOOT))
        )
        used = db.execute("SELECT 1 FROM instances LIMIT 1").fetchone() is not None
    machine = found.get(MACHINE)
    return Origin(None if machine is None else str(machine), str(found.get(BOOT) or ""), used)
