"""Owns mutual exclusion between processes: the writer lock and the index lock.

The *writer lock* (filelock) is held by whoever changes the page, its base or the ledger. Its file stays open between
two messages, because `filelock` alone takes longer than everything else that a message needs. The *index lock* is
the system's own (`host.try_range`), around transactions of the derived index: reading must not pay for importing
filelock, and the index may be deleted at any time. The kernel releases both when their process dies, so nobody waits
for a dead process.

A holder that needs longer than the usual patience of the others announces until when (`lock.until`, by that file's
time), and they wait as long. This is only a promise, not a lock: nobody waits for a dead process because of it.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from intercom.core.errors import LockTimeout, StorageError
from intercom.core.pace import Pace
from intercom.system import host
from intercom.system.files import make_private_folder

if TYPE_CHECKING:
    from filelock import FileLock

WAIT = 10.0  #: seconds a writer waits for another before it gives up
INDEX_WAIT = 120.0  #: seconds; rebuilding a very long history holds the index lock that long
MOST = 3600.0  #: seconds; upper limit of a promise, so that a clock that was set back blocks nobody
_POLL = 0.002
_FIRST_POLL = 0.0005  # about the time that a message takes
_PATIENT_POLL = 0.008  # for a waiter whose work the holder may do
_SLOW_POLL = 0.02  #: for who waits so long that it makes no difference
_LOOK, _LAST_LOOK = 0.02, 0.08  # for a waiter who is woken, unless whoever should do it died


class Instead(Protocol):
    """What may make waiting for the lock unnecessary."""

    def done(self) -> bool:
        """Whether the lock is no longer needed."""

    def sleep(self, seconds: float) -> bool:
        """Sleep so long, or until it may be done or the lock free; False, at once, if nobody could tell us that."""


class _Opened:
    """A lock file that stays open."""

    def __init__(self, path: Path) -> None:
        self._path = os.fspath(path)
        self._handle = -1

    def close(self) -> None:
        """Close the file, which releases the lock if it is held."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            with suppress(OSError):
                os.close(handle)

    __del__ = close


class _Joint(_Opened):
    """The part of the writer lock that programs of another operating system on this machine see too (`host.try_range`).

    It has a file of its own, because network file systems may confuse the two kinds of locks. Whoever takes it
    already holds the rest of the lock.
    """

    def open(self) -> None:
        """Reopen the file. OSError."""
        self.close()
        self._handle = host.open_file(self._path, os.O_RDWR | os.O_CREAT)

    def ready(self) -> bool:
        """Open the file if it is not open. OSError."""
        if self._handle < 0:
            self.open()
        return True

    def take(self) -> bool:
        """Try to lock it; never blocks. OSError."""
        return self._handle >= 0 and host.try_range(self._handle)

    def give(self) -> None:
        """Unlock it."""
        try:
            if self._handle >= 0:
                host.unlock_range(self._handle)
        except OSError:  # the kernel drops the lock with the descriptor
            self.close()


class _OpenLock(_Opened):
    """The writer lock's file, kept open between two messages, so that locking again takes two system calls.

    It takes the same lock as `filelock`, and so excludes it. If anything has changed about the file it reports "not
    now", and the caller falls back to `filelock`, which handles that.
    """

    def __init__(self, path: Path, joint: _Joint) -> None:
        super().__init__(path)
        self._joint = joint
        self.contended = False  #: whether another process had it at the last attempt
        self._file = (0, 0, 0)  # process, device, inode; a fork shares its parent's locks
        self._turn = threading.Lock()  # threads share them as well

    def wait(self, seconds: float, instead: Instead | None = None) -> bool:
        """Wait up to `seconds` for the lock; gives up early if it cannot be taken this way or is no longer needed.

        Polling is cheap here; with `filelock`, each of many waiters would keep a core busy.
        """
        until, poll, most = time.monotonic() + seconds, _FIRST_POLL, _PATIENT_POLL if instead else _POLL
        look = _LOOK
        while self.contended and (left := until - time.monotonic()) > 0 and not (instead and instead.done()):
            if self.take():  # who gives it back has seen who waits by then, or we see that it is free
                return True
            if instead and instead.sleep(min(left, look)):
                look = min(2 * look, _LAST_LOOK)
            else:
                time.sleep(poll)
                poll = min(2 * poll, most)
        return False

    def take(self) -> bool:
        """Try to lock; never blocks."""
        self.contended = False
        if not self._turn.acquire(blocking=False):
            return False
        try:
            if self._handle < 0:
                self._open()  # spares a short process `filelock`, whose import takes as long as the rest
            mine = self._handle >= 0 and self._file[0] == os.getpid()
            self.contended = mine and not host.try_lock(self._handle)
            if mine and not self.contended:
                named = os.stat(self._path)
                if (named.st_dev, named.st_ino) == self._file[1:]:
                    if self._joint.ready() and self._joint.take():
                        return True
                    self.contended = True
                host.unlock(self._handle)
        except OSError:
            self.close()  # or we would hold a lock we deny holding, and wait for ourselves
        self._turn.release()
        return False

    def give(self) -> None:
        """Unlock it."""
        try:
            self._joint.give()
            host.unlock(self._handle)
        except OSError:  # the kernel drops the lock with the descriptor
            self.close()
        finally:
            self._turn.release()

    def keep(self) -> None:
        """Open the file that `filelock` made, if it is not open."""
        with self._turn, suppress(OSError):
            self._open()

    def _open(self) -> None:
        """Open the file; the caller has the turn. OSError."""
        if not host.LOCK_FILES_STAY:
            return
        found = os.lstat(self._path)
        file = os.getpid(), found.st_dev, found.st_ino
        if not stat.S_ISREG(found.st_mode) or (self._handle >= 0 and file == self._file):
            return
        self.close()
        self._handle = host.open_file(self._path, os.O_RDWR)
        opened = os.fstat(self._handle)  # it may have been replaced
        self._file = os.getpid(), opened.st_dev, opened.st_ino


class WriterLock:
    """The one writer at a time, across processes and threads. Re-entrant within a thread."""

    def __init__(self, path: Path, notices: list[str] | None = None, pace: Pace | None = None) -> None:
        self._path = path
        self._pace = pace or Pace()
        #: Where a failure to release the lock is reported.
        self._notices: list[str] = [] if notices is None else notices
        self._until = path.with_name(path.name + ".until")
        self._lock: FileLock | None = None
        self._joint = _Joint(path.with_name(path.name + ".systems"))
        self._open_lock = _OpenLock(path, self._joint)
        self._holder = 0  # the thread that holds it
        self._said = False  # whether we have made a promise
        #: Called if the system fails to lock: what SQLite could not unlock stays locked in this process until closed.
        self.failed: tuple[Callable[[], None], ...] = ()
        #: Called after the lock was released.
        self.released: Callable[[], object] = bool

    @contextmanager
    def held(self, wait: float = WAIT, instead: Instead | None = None) -> Iterator[bool]:
        """Hold the lock for the block; yields True. StorageError if the lock file cannot be made.

        While others hold it, `instead` is asked from time to time; once it is done, yields False: the lock is no
        longer needed. LockTimeout after `wait` seconds, or later if the holder promised so; NotNow.
        """
        if self._holder == threading.get_ident():
            yield True
        else:
            began = time.monotonic()
            if not self._open_lock.take():
                self._pace.long()
                if not self._open_lock.wait(wait, instead):
                    if instead is not None and self._open_lock.contended and instead.done():
                        yield False
                        return
                    with self._waited_for(wait, began), self._ours():
                        yield True
                    self.released()
                    return
            try:
                with self._ours():
                    yield True
            finally:
                self._open_lock.give()
                self.released()

    @contextmanager
    def _ours(self) -> Iterator[None]:
        """Mark this thread as the holder for the block, so that nested uses need not wait."""
        self._holder = threading.get_ident()
        try:
            yield
        finally:
            self._withdraw()
            self._holder = 0

    def close(self) -> None:
        """Close the files kept open between messages; the next use opens them again."""
        self._open_lock.close()
        self._joint.close()

    @contextmanager
    def _waited_for(self, wait: float, began: float) -> Iterator[None]:
        import filelock

        make_private_folder(self._path.parent)
        if self._lock is None:
            self._lock = filelock.FileLock(self._path, mode=0o600)
            if not self._path.exists():  # created here, so that it has the right owner
                with suppress(OSError):
                    os.close(host.open_file(self._path, os.O_WRONLY | os.O_CREAT))
        patience, poll = max(0.0, began + wait - time.monotonic()), _POLL
        while True:
            try:
                self._acquire(self._lock, patience, poll)
                break
            except filelock.Timeout:
                patience, poll = min(self._promised(), wait), _SLOW_POLL
                if patience > 0:
                    continue
                raise LockTimeout(
                    f"another process has held {self._path} for {time.monotonic() - began:.0f} s; nothing was written. "
                    f"Try again; if it persists, see which process holds the file ({host.SHOWS_HOLDERS})."
                ) from None
            except OSError as error:
                for call in self.failed:
                    call()
                reason = error.strerror or error
                said = f"cannot lock {self._path}: {reason}; nothing was written. {host.neighbour()}"
                raise StorageError(said.rstrip()) from error
        try:
            self._open_lock.keep()
            yield
        finally:
            self._joint.give()
            self._release(self._lock)

    def _acquire(self, lock: FileLock, patience: float, poll: float) -> None:
        """Take both parts of the lock. filelock.Timeout, OSError."""
        import filelock

        until = time.monotonic() + patience
        lock.acquire(timeout=patience, poll_interval=poll)
        taken = False
        try:
            self._joint.open()
            while not (taken := self._joint.take()) and time.monotonic() < until:
                time.sleep(poll)
        finally:
            if not taken:
                self._joint.close()
                self._release(lock)
        if not taken:
            raise filelock.Timeout(os.fspath(self._path))

    def _withdraw(self) -> None:
        """Withdraw our promise."""
        if self._said:
            self._said = False
            with suppress(OSError):
                self._until.unlink(missing_ok=True)

    def _release(self, lock: FileLock) -> None:
        """Release the lock. If the system refuses, the work done under it is still valid."""
        try:
            lock.release()
        except OSError as error:
            with suppress(OSError):
                lock.release()  # again, as after a signal; harmless if it was released
                return
            self._lock = None
            _abandon(lock)
            self._notices.append(
                f"{self._path} could not be unlocked ({error.strerror or error}); what was done with it stands. "
                "Should others wait for it in vain, end this process."
            )

    def promise(self, seconds: float) -> None:
        """Tell waiters that the lock, which the caller holds, may be held for `seconds` more.

        An earlier promise of a later time stands.
        """
        until = time.time() + max(seconds, self._promised() if self._said else 0.0)
        with suppress(OSError):  # then they wait less long
            os.close(host.open_file(self._until, os.O_WRONLY | os.O_CREAT))
            os.utime(self._until, (until, until))
            self._said = True

    def _promised(self) -> float:
        """Seconds left of the holder's promise; 0 without one."""
        try:
            left = os.stat(self._until).st_mtime - time.time()
        except OSError:
            return 0.0
        return left if left <= MOST else 0.0


def _abandon(lock: FileLock) -> None:
    """Close the descriptor of a lock that cannot be released: the kernel drops a lock with its last descriptor."""
    held = getattr(getattr(lock, "_context", None), "lock_file_fd", None)
    if held is None:
        return
    with suppress(OSError):
        nothing = os.open(os.devnull, os.O_RDWR)
        try:
            os.dup2(nothing, held, inheritable=False)  # keep the number taken: filelock still refers to it
        finally:
            os.close(nothing)
        lock.release(force=True)


def _tried(handle: int, path: Path) -> bool:
    """Try to lock an open file. StorageError if it cannot be locked at all."""
    try:
        return host.try_range(handle)
    except OSError as error:
        raise StorageError(f"cannot lock {path}: {error.strerror or error}; nothing was read.") from error


@contextmanager
def flocked(path: Path, wait: float = INDEX_WAIT, pace: Pace | None = None) -> Iterator[None]:
    """Hold a lock on `path` for the block. Not re-entrant. LockTimeout, StorageError, NotNow."""
    try:
        handle = host.open_file(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise StorageError(f"cannot open {path}: {error.strerror}; nothing was read.") from error
    try:
        deadline = time.monotonic() + wait
        while not _tried(handle, path):
            if pace is not None:
                pace.long()
            if time.monotonic() > deadline:
                raise LockTimeout(
                    f"another process has been indexing for {wait:g} s ({path}); nothing was read. Try again."
                )
            time.sleep(_POLL)
        yield
    finally:
        with suppress(OSError):  # the kernel has released it anyway
            os.close(handle)
