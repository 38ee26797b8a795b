"""Owns what is particular to Linux, macOS and other POSIX systems; `host` selects it.

Functions of the standard library are looked up at the time of the call, one system function each.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO, TYPE_CHECKING

assert sys.platform != "win32"

if TYPE_CHECKING:
    import asyncio

Path = str | os.PathLike[str]

PIPE_CLOSED = {errno.EPIPE}  #: errors of a write whose reader is gone
NO_WAIT = os.O_NONBLOCK  #: extra flag for `open_file`: do not wait for the other end of a pipe
EDITOR = "vi"  #: the default editor
NO_WORKERS = ""  #: why this system cannot run workers; "" if it can
END_OF_INPUT = "Ctrl-D"  #: the keys that end typed input
SHOWS_ACCESS = "ls -ld"  #: the program that shows who may use a file
SHOWS_HOLDERS = "fuser, lsof"  #: the programs that show which process has a file open
REMOVES = ("rm", "-r")  #: the program that removes a folder with all that is in it
GRANTS_ACCESS = "chown, chmod u+rwX"  #: the programs that make a file one's own to read and write
TMUX = "install tmux 3.2 or newer (apt install tmux, brew install tmux)"  #: how to get tmux
LOCK_FILES_STAY = True  #: whether `filelock` leaves its file after releasing the lock
LOOP_WATCHES_PIPES = True  #: whether an event loop can wait on a pipe

_RANGE_LOCKS = sys.platform == "linux" and sys.maxsize > 2**32
_F_OFD_SETLK = 37
_NO_RANGES = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTTY}
_LOCKED, _FREE = ((kind).to_bytes(2, sys.byteorder) + bytes(14) for kind in (1, 2))  # F_WRLCK, F_UNLCK; from byte 0
_ONE_BYTE = (1).to_bytes(8, sys.byteorder) + bytes(8)  # behind these: a `struct flock` of 64 bits
_LEASE_PATIENCE = 5.0  # seconds
_LEASE_POLL = 0.001  # seconds
_WRITES = os.O_WRONLY | os.O_RDWR
_DATA_SYNC = not sys.platform.startswith("darwin")  # there, fsync(2) leaves data in the drive's cache


# -- files --------------------------------------------------------------------------------------------


def open_file(path: Path, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
    """Open a file so that no child inherits the descriptor and others can rename or remove the file. OSError.

    What is to be written must be a regular file: a pipe in its place would be waited for.
    """
    if flags & NO_WAIT or not flags & _WRITES:
        handle = _open_past_leases(path, flags, mode)
    else:
        try:
            handle = os.open(path, flags | NO_WAIT, mode)
        except BlockingIOError:  # a lease
            handle = os.open(path, flags, mode)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise OSError(errno.EINVAL, "it is not a regular file")
    if flags & os.O_CREAT and not os.geteuid():
        hand_over(handle, os.path.dirname(path))
    return handle


def _open_past_leases(path: Path, flags: int, mode: int) -> int:
    """Open a file; where it is leased, wait until its holder has noticed and let go, with `NO_WAIT` as without.

    Each of our processes leases the page for the moment in which it asks who has it open (see `has_writer`).
    """
    deadline = 0.0
    while True:
        try:
            return os.open(path, flags, mode)
        except BlockingIOError:  # a lease: for a pipe it is another error, or none
            now = time.monotonic()
            deadline = deadline or now + _LEASE_PATIENCE
            if now >= deadline:
                raise
            time.sleep(_LEASE_POLL)


def hand_over(made: int | Path, folder: Path) -> None:
    """Give what root has just created in another user's folder to that user, who would be locked out otherwise."""
    with suppress(OSError):
        own = os.stat(made)
        new = own.st_size == 0 or stat.S_ISDIR(own.st_mode)
        if new and own.st_uid == 0 != (theirs := os.stat(folder or ".")).st_uid and not os.geteuid():
            os.chown(made, theirs.st_uid, theirs.st_gid)


def pread(handle: int, size: int, offset: int) -> bytes:
    """Read at most `size` bytes at `offset`; fewer at the end of the file. OSError."""
    return os.pread(handle, size, offset)


def pwrite(handle: int, data: bytes, offset: int) -> int:
    """Write at `offset`; returns the number of bytes written. OSError."""
    return os.pwrite(handle, data, offset)


def truncate(handle: int, size: int) -> None:
    """Cut a file, open for writing or appending, to `size` bytes. OSError."""
    os.ftruncate(handle, size)


def sync(handle: int) -> None:
    """Sync an open file to disk, past the drive's own cache. OSError."""
    if _DATA_SYNC:
        os.fdatasync(handle)
    else:
        full_sync(handle)


def full_sync(handle: int) -> None:
    """As `sync` on macOS, where fsync(2) does not reach the disk; on file systems without it, plain fsync."""
    import fcntl

    try:
        fcntl.fcntl(handle, fcntl.F_FULLFSYNC)  # type: ignore[attr-defined,unused-ignore]
    except (AttributeError, OSError):
        os.fsync(handle)


def sync_file(path: Path) -> None:
    """Sync what was written to `path`, by whatever process. OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        if _DATA_SYNC:
            os.fsync(handle)
        else:
            full_sync(handle)
    finally:
        os.close(handle)


def sync_folder(path: Path) -> None:
    """Make a rename or creation in `path` durable. OSError."""
    sync_file(path)


def rename(source: Path, target: Path, *, wait: bool = True) -> None:
    """Rename a file over `target`, atomically. OSError.

    `wait` matters only on systems where an open target blocks this.
    """
    del wait
    os.replace(source, target)


def remove(path: Path) -> None:
    """Remove a file name; does nothing if it is gone already. OSError."""
    with suppress(FileNotFoundError):
        os.unlink(path)


def resemble(draft: Path, path: Path) -> None:
    """Copy owner, group, mode and attributes of `path` to a draft, as far as permitted. OSError."""
    found, own = os.stat(path), os.stat(draft)
    mode, kept = found.st_mode & 0o7777, True
    if own.st_gid != found.st_gid:
        try:
            os.chown(draft, -1, found.st_gid)
        except OSError:
            mode, kept = mode & ~0o070, False  # the group bits were meant for another group
    if own.st_uid != found.st_uid:
        with suppress(OSError):
            os.chown(draft, found.st_uid, -1)
    os.chmod(draft, mode)
    for name in os.listxattr(path) if kept and hasattr(os, "listxattr") else ():  # includes access control lists
        with suppress(OSError):
            os.setxattr(draft, name, os.getxattr(path, name))


def has_writer(handle: int) -> bool | None:
    """Whether any process has the open file open for writing (the system then refuses a read lease). None: unknown."""
    import fcntl
    import signal

    if not hasattr(fcntl, "F_SETLEASE"):
        return None
    try:
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)  # the signal for losing the lease must not kill us
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    return False


def try_lock(handle: int) -> bool:
    """Try to lock an open file against other users of this function; False if it is taken. OSError.

    The lock lasts until `unlock` or until the file is closed.
    """
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unlock(handle: int) -> None:
    """Release what `try_lock` took, without closing the file. OSError."""
    import fcntl

    fcntl.flock(handle, fcntl.LOCK_UN)


def try_range(handle: int) -> bool:
    """As `try_lock`, but seen by Windows programs on this machine (in Wine) too. Independent of `try_lock`.

    Falls back to the lock of `try_lock` if the system or file system has no range locks; not on a passing failure,
    since another process may then hold the lock.
    """
    import fcntl

    if _RANGE_LOCKS:
        try:
            fcntl.fcntl(handle, _F_OFD_SETLK, _LOCKED + _ONE_BYTE)
        except OSError as error:
            if error.errno in {errno.EAGAIN, errno.EACCES}:
                return False
            if error.errno in _NO_RANGES:
                return try_lock(handle)
            raise
        return True
    return try_lock(handle)


def unlock_range(handle: int) -> None:
    """Release what `try_range` took, without closing the file. OSError."""
    import fcntl

    if _RANGE_LOCKS:
        with suppress(OSError):
            fcntl.fcntl(handle, _F_OFD_SETLK, _FREE + _ONE_BYTE)
            return
    unlock(handle)


def make_private(path: Path) -> None:
    """Restrict an existing folder to its owner. OSError."""
    os.chmod(path, 0o700)


def is_private(path: Path) -> bool:
    """Whether only the owner may look into a folder. OSError."""
    return not os.stat(path).st_mode & 0o077


def file_system(path: Path) -> str | None:
    """The type of the file system at `path`, as in mount tables; None: the caller should consult those."""
    del path
    return None


def changed(file: Path | int, found: os.stat_result) -> int:
    """The last change of a file's content or attributes, in ns since 1970, whatever its modification time says."""
    del file
    return found.st_ctime_ns


def free_space(path: Path) -> tuple[int, bool]:
    """Free bytes on the file system of `path`, and whether it is read-only. OSError."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize, bool(found.f_flag & os.ST_RDONLY)


# -- the machine --------------------------------------------------------------------------------------


def file_tick() -> float:
    """Seconds between ticks of the clock that stamps files; 0 if unknown."""
    if sys.platform != "linux":
        return 0.0
    import time

    return time.clock_getres(5)  # CLOCK_REALTIME_COARSE


def leads_session(pid: int) -> bool:
    """Whether a process is a session leader. OSError if it cannot be seen."""
    return os.getsid(pid) == pid


def user_name(uid: int) -> str:
    """A user's name, or the number if there is none."""
    import pwd

    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return str(uid)


def machine_id() -> str:
    """An id of this machine; "" if the system has none."""
    try:
        with open("/etc/machine-id", encoding="ascii") as file:
            return file.read().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def neighbour() -> str:
    """What to do if an operating system whose locks we do not share uses the folder; "" if none can."""
    if "microsoft" not in os.uname().release.lower():
        return ""
    return "If that is this machine's Windows, call its Intercom from here: `intercom.exe`, or `py.exe -m intercom`."


def boot_id() -> str:
    """An id that changes with every boot; "" if the system does not tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except (OSError, UnicodeDecodeError):
        pass
    if sys.platform == "darwin":
        from intercom.system.macos import boot_session

        return boot_session()
    return ""


# -- streams and signals ------------------------------------------------------------------------------


def split_words(line: str) -> list[str]:
    """Split a command line into words. ValueError for an unclosed quote."""
    import shlex

    return shlex.split(line)


def as_typed(words: Sequence[str]) -> str:
    """A line that runs a program when a person types it in a shell."""
    import shlex

    return shlex.join(words)


def shell_line(words: Sequence[str]) -> str:
    """A shell line that replaces the shell by this program."""
    import shlex

    return f"exec {shlex.join(words)}"


def named(program: str) -> list[str]:
    """The words by which other programs start a program found on PATH."""
    return [program]


def startable(words: Sequence[str], path: str | None) -> list[str]:
    """The words as the system must start them; `path` is the PATH that the program will have."""
    del path
    return list(words)


def from_console(data: bytes) -> bytes:
    """Decode console output to UTF-8 as far as it can be told; here it already is."""
    return data


def in_rules(path: str) -> str:
    """A path, or part of one, as written in permission rules of agent programs."""
    return path


def spare(fd: int) -> int:
    """Duplicate a stream's descriptor above the standard three."""
    import fcntl

    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)


def widen_pipe(pipe: IO[bytes], size: int) -> None:
    """Enlarge a pipe's buffer, if the system allows it."""
    import fcntl

    with suppress(AttributeError, OSError):  # Linux only
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, size)


def on_stop(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """Have the running loop call `stop` when this process is terminated or interrupted."""
    import signal

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
