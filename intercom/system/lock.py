"""Owns mutual exclusion between processes: the writer lock and the index lock.

The *writer lock* (filelock) is held by whoever changes the page, its base or the ledger. The
*index lock* is the system's own (`host.try_lock`) around transactions of the derived index: reading must not pay for
importing filelock, and the index may be thrown away at any time. The kernel drops both when their
process dies, so nobody ever waits for the dead.

Who holds the writer lock for a log so long that the others' patience may end says until when it may take
(`lock.until`, by that file's time): they wait as long. It is a promise and no lock; the dead keep none.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from intercom.core.errors import LockTimeout, StorageError
from intercom.system import host

if TYPE_CHECKING:
    from filelock import FileLock

WAIT = 10.0  #: seconds a writer waits for another before it gives up
INDEX_WAIT = 120.0  #: seconds; a rebuild of a very long history holds the index lock for a while
MOST = 3600.0  #: seconds; nobody is believed to need longer, so a clock that was set back stops nobody
_POLL = 0.002
_SLOW_POLL = 0.02  #: for who waits so long that it makes no difference


class WriterLock:
    """The one writer at a time, across processes and threads. Re-entrant within a thread."""

    def __init__(self, path: Path, notices: list[str] | None = None) -> None:
        self._path = path
        #: Where it is said that the lock could not be released.
        self._notices: list[str] = [] if notices is None else notices
        self._until = path.with_name(path.name + ".until")
        self._lock: FileLock | None = None
        self._said = False  # whether we promised something

    @contextmanager
    def held(self, wait: float = WAIT) -> Iterator[None]:
        """Hold the lock for the block. StorageError if it cannot be made.

        LockTimeout after `wait` seconds, or as many more as the holder said it needs.
        """
        import filelock

        if self._lock is None:
            self._lock = filelock.FileLock(self._path, mode=0o600)
        began, patience, poll = time.monotonic(), wait, _POLL
        while True:
            try:
                self._lock.acquire(timeout=patience, poll_interval=poll)
                break
            except filelock.Timeout:
                patience, poll = min(self._promised(), wait), _SLOW_POLL
                if patience > 0:
                    continue
                raise LockTimeout(
                    f"another process has held {self._path} for {time.monotonic() - began:.0f} s; nothing was written. "
                    "Try again; if it persists, see which process holds the file (fuser, lsof)."
                ) from None
            except OSError as error:
                reason = error.strerror or error
                raise StorageError(f"cannot lock {self._path}: {reason}; nothing was written.") from error
        try:
            yield
        finally:
            if self._said and self._lock.lock_counter == 1:
                self._said = False
                with suppress(OSError):
                    self._until.unlink(missing_ok=True)
            self._release(self._lock)

    def _release(self, lock: FileLock) -> None:
        """Give the lock back. Where the system refuses that, what was done with it held was done all the same."""
        try:
            lock.release()
        except OSError as error:
            with suppress(OSError):
                lock.release()  # as after a signal: it does no harm where it was released
                return
            self._lock = None
            _abandon(lock)
            self._notices.append(
                f"{self._path} could not be unlocked ({error.strerror or error}); what was done with it stands. "
                "Should others wait for it in vain, end this process."
            )

    def promise(self, seconds: float) -> None:
        """Say to those who wait that the lock may be held so much longer; the caller holds it.

        What was promised before stands if it is more.
        """
        until = time.time() + max(seconds, self._promised() if self._said else 0.0)
        with suppress(OSError):  # then they are less patient
            os.close(host.open_file(self._until, os.O_WRONLY | os.O_CREAT))
            os.utime(self._until, (until, until))
            self._said = True

    def _promised(self) -> float:
        """How many seconds more the holder said it needs, 0 if nothing."""
        try:
            left = os.stat(self._until).st_mtime - time.time()
        except OSError:
            return 0.0
        return left if left <= MOST else 0.0


def _abandon(lock: FileLock) -> None:
    """Close the file of a lock that cannot be released: the kernel drops a lock with the last that has it open."""
    held = getattr(getattr(lock, "_context", None), "lock_file_fd", None)
    if held is None:
        return
    with suppress(OSError):
        nothing = os.open(os.devnull, os.O_RDWR)
        try:
            os.dup2(nothing, held, inheritable=False)  # the number stays taken: filelock still knows it
        finally:
            os.close(nothing)
        lock.release(force=True)


@contextmanager
def flocked(path: Path, wait: float = INDEX_WAIT) -> Iterator[None]:
    """Hold a lock on `path` for the block. Not re-entrant. Raises LockTimeout or StorageError."""
    try:
        handle = host.open_file(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise StorageError(f"cannot open {path}: {error.strerror}; nothing was read.") from error
    try:
        deadline = time.monotonic() + wait
        while not host.try_lock(handle):
            if time.monotonic() > deadline:
                raise LockTimeout(
                    f"another process has been indexing for {wait:g} s ({path}); nothing was read. Try again."
                )
            time.sleep(_POLL)
        yield
    finally:
        os.close(handle)
