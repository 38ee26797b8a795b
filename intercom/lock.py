"""Owns mutual exclusion between processes: the writer lock and the index lock.

The *writer lock* (filelock) is held by whoever changes the live log, the journal or the archive. The
*index lock* is a bare flock(2) around transactions of the derived index: reading must not pay for
importing filelock, and the index may be thrown away at any time. The kernel drops both when their
process dies, so nobody ever waits for the dead.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from intercom.errors import LockTimeout, StorageError

if TYPE_CHECKING:
    from filelock import FileLock

WAIT = 10.0  #: seconds a writer waits for another before it gives up
INDEX_WAIT = 120.0  #: seconds; a rebuild of a very long history holds the index lock for a while
_POLL = 0.002


class WriterLock:
    """The one writer at a time, across processes and threads. Re-entrant within a thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: FileLock | None = None

    @contextmanager
    def held(self, wait: float = WAIT) -> Iterator[None]:
        """Hold the lock for the block. Raises LockTimeout after `wait` seconds, StorageError if it cannot be made."""
        import filelock

        if self._lock is None:
            self._lock = filelock.FileLock(self._path, mode=0o600)
        try:
            self._lock.acquire(timeout=wait, poll_interval=_POLL)
        except filelock.Timeout:
            raise LockTimeout(
                f"another process has held {self._path} for {wait:g} s; nothing was written. "
                "Try again; if it persists, see which process holds the file (fuser, lsof)."
            ) from None
        except OSError as error:
            raise StorageError(f"cannot lock {self._path}: {error.strerror or error}; nothing was written.") from error
        try:
            yield
        finally:
            self._lock.release()


@contextmanager
def flocked(path: Path, wait: float = INDEX_WAIT) -> Iterator[None]:
    """Hold a flock(2) on `path` for the block. Not re-entrant. Raises LockTimeout or StorageError."""
    import fcntl

    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageError(f"cannot open {path}: {error.strerror}; nothing was read.") from error
    try:
        deadline = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise LockTimeout(
                        f"another process has been indexing for {wait:g} s ({path}); nothing was read. Try again."
                    ) from None
                time.sleep(_POLL)
        yield
    finally:
        os.close(handle)
