"""Owns mutual exclusion between processes: the writer lock and the index lock.

The *writer lock* (filelock) is held by whoever changes the page, its base or the ledger; its file stays open between
two messages, for `filelock` itself takes longer than all else that a message needs. The
*index lock* is the system's own (`host.try_range`) around transactions of the derived index: reading must not pay for
importing filelock, and the index may be thrown away at any time. The kernel drops both when their
process dies, so nobody ever waits for the dead.

Who holds the writer lock for a log so long that the others' patience may end says until when it may take
(`lock.until`, by that file's time): they wait as long. It is a promise and no lock; the dead keep none.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from intercom.core.errors import LockTimeout, StorageError
from intercom.core.pace import Pace
from intercom.system import host
from intercom.system.files import make_private_folder

if TYPE_CHECKING:
    from filelock import FileLock

WAIT = 10.0  #: seconds a writer waits for another before it gives up
INDEX_WAIT = 120.0  #: seconds; a rebuild of a very long history holds the index lock for a while
MOST = 3600.0  #: seconds; nobody is believed to need longer, so a clock that was set back stops nobody
_POLL = 0.002
_FIRST_POLL = 0.0005  # a message takes no longer
_PATIENT_POLL = 0.008  # for whom others may do what the lock is needed for
_SLOW_POLL = 0.02  #: for who waits so long that it makes no difference


class _Opened:
    """A file of a lock that stays open."""

    def __init__(self, path: Path) -> None:
        self._path = os.fspath(path)
        self._handle = -1

    def close(self) -> None:
        """Close it; whoever holds the lock with it drops it."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            with suppress(OSError):
                os.close(handle)

    __del__ = close


class _Joint(_Opened):
    """The part of the writer lock that programs of another system on this machine see, too (`host.try_range`).

    Its file is nobody else's, since file systems of a network may take one kind of lock for the other. Whoever
    takes it holds the rest of the lock.
    """

    def open(self) -> None:
        """Open its file anew. OSError."""
        self.close()
        self._handle = host.open_file(self._path, os.O_RDWR | os.O_CREAT)

    def ready(self) -> bool:
        """Open its file if that was not done. OSError."""
        if self._handle < 0:
            self.open()
        return True

    def take(self) -> bool:
        """Whether it is locked now; never waits. OSError."""
        return self._handle >= 0 and host.try_range(self._handle)

    def give(self) -> None:
        """Unlock it."""
        try:
            if self._handle >= 0:
                host.unlock_range(self._handle)
        except OSError:  # the kernel drops the lock with the descriptor
            self.close()


class _Kept(_Opened):
    """The lock's file, left open between two messages: to lock it again are two calls of the kernel.

    It locks what `filelock` locks, and so excludes it. Where anything is not as it was, whoever asks is told "not
    now" and goes to `filelock`, which knows what to do.
    """

    def __init__(self, path: Path, joint: _Joint) -> None:
        super().__init__(path)
        self._joint = joint
        self.contended = False  #: whether somebody else had it when last it was to be taken
        self._file = (0, 0, 0)  # process, device, inode: a fork shares the locks of its parent's descriptors
        self._turn = threading.Lock()  # two threads share them, too

    def wait(self, seconds: float, instead: Callable[[], bool] | None = None) -> bool:
        """Whether it is locked within these seconds; given up as soon as it turns out that it cannot, or need not, be.

        A look costs nothing here: of many who wait, `filelock` would have each at work all the time.
        """
        until, poll, most = time.monotonic() + seconds, _FIRST_POLL, _PATIENT_POLL if instead else _POLL
        while self.contended and time.monotonic() < until and not (instead and instead()):
            time.sleep(poll)
            poll = min(2 * poll, most)
            if self.take():
                return True
        return False

    def take(self) -> bool:
        """Whether it is locked now; never waits."""
        self.contended = False
        if not self._turn.acquire(blocking=False):
            return False
        try:
            if self._handle < 0:
                self._open()  # so a short process needs no `filelock`, whose import takes as long as all the rest
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
            self.close()  # so that we do not hold what we say we do not, and wait for ourselves
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
        """Open the file that `filelock` made, if that was not done."""
        with self._turn, suppress(OSError):
            self._open()

    def _open(self) -> None:
        """The same for whoever has the turn. OSError."""
        if not host.LOCK_FILES_STAY:
            return
        found = os.lstat(self._path)
        file = os.getpid(), found.st_dev, found.st_ino
        if not stat.S_ISREG(found.st_mode) or (self._handle >= 0 and file == self._file):
            return
        self.close()
        self._handle = host.open_file(self._path, os.O_RDWR)
        opened = os.fstat(self._handle)  # it may be another by now
        self._file = os.getpid(), opened.st_dev, opened.st_ino


class WriterLock:
    """The one writer at a time, across processes and threads. Re-entrant within a thread."""

    def __init__(self, path: Path, notices: list[str] | None = None, pace: Pace | None = None) -> None:
        self._path = path
        self._pace = pace or Pace()
        #: Where it is said that the lock could not be released.
        self._notices: list[str] = [] if notices is None else notices
        self._until = path.with_name(path.name + ".until")
        self._lock: FileLock | None = None
        self._joint = _Joint(path.with_name(path.name + ".systems"))
        self._kept = _Kept(path, self._joint)
        self._holder = 0  # the thread that holds it
        self._said = False  # whether we promised something

    @contextmanager
    def held(self, wait: float = WAIT, instead: Callable[[], bool] | None = None) -> Iterator[bool]:
        """Hold the lock for the block: True. StorageError if it cannot be made.

        While others have it `instead` is asked, from time to time; once that is so, False: the lock is not needed.
        LockTimeout after `wait` seconds, or as many more as the holder said it needs; NotNow.
        """
        if self._holder == threading.get_ident():
            yield True
        else:
            began = time.monotonic()
            if not self._kept.take():
                self._pace.long()
                if not self._kept.wait(wait, instead):
                    if instead is not None and self._kept.contended and instead():
                        yield False
                        return
                    with self._waited_for(wait, began), self._ours():
                        yield True
                    return
            try:
                with self._ours():
                    yield True
            finally:
                self._kept.give()

    @contextmanager
    def _ours(self) -> Iterator[None]:
        """For the block this thread holds it: who asks within need not wait for itself."""
        self._holder = threading.get_ident()
        try:
            yield
        finally:
            self._withdraw()
            self._holder = 0

    def close(self) -> None:
        """Let go of what is kept open between two messages; the next use opens it again."""
        self._kept.close()
        self._joint.close()

    @contextmanager
    def _waited_for(self, wait: float, began: float) -> Iterator[None]:
        import filelock

        make_private_folder(self._path.parent)
        if self._lock is None:
            self._lock = filelock.FileLock(self._path, mode=0o600)
            if not self._path.exists():  # made here, so that it is whose it should be
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
                    "Try again; if it persists, see which process holds the file (fuser, lsof)."
                ) from None
            except OSError as error:
                reason = error.strerror or error
                said = f"cannot lock {self._path}: {reason}; nothing was written. {host.neighbour()}"
                raise StorageError(said.rstrip()) from error
        try:
            self._kept.keep()
            yield
        finally:
            self._joint.give()
            self._release(self._lock)

    def _acquire(self, lock: FileLock, patience: float, poll: float) -> None:
        """Both parts of the lock. filelock.Timeout, OSError."""
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
        """Nothing is promised any more."""
        if self._said:
            self._said = False
            with suppress(OSError):
                self._until.unlink(missing_ok=True)

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


def _tried(handle: int, path: Path) -> bool:
    """Whether the lock on an open file is ours now. StorageError where there is no locking it."""
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
        with suppress(OSError):  # the kernel has dropped it all the same
            os.close(handle)
