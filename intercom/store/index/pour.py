"""Owns copying one database into another that is in use, on systems where an open file cannot be replaced.

SQLite itself copies, page by page in one transaction: readers see either the old or the new content, and notice the
change.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from intercom.core.errors import StorageError
from intercom.system import host

_PATIENCE = 30.0  #: seconds to wait for readers


def pour(source: Path | str, target: Path) -> None:
    """Make `target` hold the content of `source` (":memory:": nothing). StorageError, OSError.

    A target that is no longer a database is emptied first.
    """
    try:
        _copy(source, target)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
            raise StorageError(f"cannot write {target}: {error}; nothing was read.") from error
        os.close(host.open_file(target, os.O_RDWR | os.O_TRUNC))
        try:
            _copy(source, target)
        except sqlite3.DatabaseError as again:
            raise StorageError(f"cannot write {target}: {again}; nothing was read.") from again


def _copy(source: Path | str, target: Path) -> None:
    until = time.monotonic() + _PATIENCE

    def wait(_status: int, _left: int, _all: int) -> None:
        if time.monotonic() > until:
            raise StorageError(f"cannot write {target}: another program is reading it; nothing was read. Try again.")

    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target, isolation_level=None)) as new:
        new.execute("PRAGMA journal_mode = MEMORY")
        new.execute("PRAGMA synchronous = OFF")
        old.backup(new, progress=wait, sleep=0.01)
