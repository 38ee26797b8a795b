"""Owns what Linux, macOS and other POSIX systems do in their own way; `host` says what that is, and chooses.

Calls go through the modules of the standard library at the time of the call, each to one function of the system.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO, TYPE_CHECKING

assert sys.platform != "win32"

if TYPE_CHECKING:
    import asyncio

Path = str | os.PathLike[str]

PIPE_CLOSED = {errno.EPIPE}  #: what a write says where nobody reads any more
NO_WAIT = os.O_NONBLOCK  #: added to the flags of `open_file`: do not wait for who is at the other end of a pipe
EDITOR = "vi"  #: for who has named none
NO_WORKERS = ""  #: why this system runs none
END_OF_INPUT = "Ctrl-D"  #: the keys that end what is typed
TMUX = "install tmux 3.2 or newer (apt install tmux, brew install tmux)"  #: how to get it
LOCK_FILES_STAY = True  #: whether `filelock` leaves the file of a lock that it gives back
LOOP_WATCHES_PIPES = True  #: whether an event loop can wait for a pipe

_RANGE_LOCKS = sys.platform == "linux" and sys.maxsize > 2**32
_F_OFD_SETLK = 37
_NO_RANGES = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTTY}
_LOCKED, _FREE = ((kind).to_bytes(2, sys.byteorder) + bytes(14) for kind in (1, 2))  # F_WRLCK, F_UNLCK; from byte 0
_ONE_BYTE = (1).to_bytes(8, sys.byteorder) + bytes(8)  # behind these: a `struct flock` of 64 bits
_DATA_SYNC = not sys.platform.startswith("darwin")  # fsync(2) there leaves data in the drive's own cache


# -- files --------------------------------------------------------------------------------------------


def open_file(path: Path, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
    """A descriptor that no child inherits, and that keeps nobody from renaming or removing the file. OSError."""
    handle = os.open(path, flags, mode)
    if flags & os.O_CREAT and not os.geteuid():
        hand_over(handle, os.path.dirname(path))
    return handle


def hand_over(made: int | Path, folder: Path) -> None:
    """Give what root has just made in another user's folder to that user, whom it would lock out."""
    with suppress(OSError):
        own, theirs = os.stat(made), os.stat(folder or ".")
        new = own.st_size == 0 or stat.S_ISDIR(own.st_mode)
        if new and own.st_uid == 0 != theirs.st_uid and not os.geteuid():
            os.chown(made, theirs.st_uid, theirs.st_gid)


def pread(handle: int, size: int, offset: int) -> bytes:
    """At most `size` bytes from `offset` on; fewer at the end of the file. OSError."""
    return os.pread(handle, size, offset)


def pwrite(handle: int, data: bytes, offset: int) -> int:
    """Write at `offset`; how many bytes were written. OSError."""
    return os.pwrite(handle, data, offset)


def truncate(handle: int, size: int) -> None:
    """Cut a file that is open for writing, or for appending, to `size` bytes. OSError."""
    os.ftruncate(handle, size)


def sync(handle: int) -> None:
    """Bring what was written to an open file to the disk, past the drive's own cache. OSError."""
    if _DATA_SYNC:
        os.fdatasync(handle)
    else:
        full_sync(handle)


def full_sync(handle: int) -> None:
    """The same where fsync(2) does not reach the disk (macOS); on file systems that cannot, as far as they do."""
    import fcntl

    try:
        fcntl.fcntl(handle, fcntl.F_FULLFSYNC)  # type: ignore[attr-defined,unused-ignore]
    except (AttributeError, OSError):
        os.fsync(handle)


def sync_file(path: Path) -> None:
    """Bring to the disk what was written to `path`, whoever wrote it. OSError."""
    handle = os.open(path, os.O_RDONLY)
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
    """Give a file a name, taking it from the file that has it, atomically. OSError.

    `wait`: for somebody who keeps it; nobody can here.
    """
    del wait
    os.replace(source, target)


def remove(path: Path) -> None:
    """Remove a name of a file; nothing where it is gone already. OSError."""
    with suppress(FileNotFoundError):
        os.unlink(path)


def resemble(draft: Path, path: Path) -> None:
    """Give a draft the owner, group, mode and attributes of a file, as far as the system lets us. OSError."""
    found, own = os.stat(path), os.stat(draft)
    mode, kept = found.st_mode & 0o7777, True
    if own.st_gid != found.st_gid:
        try:
            os.chown(draft, -1, found.st_gid)
        except OSError:
            mode, kept = mode & ~0o070, False  # another group was meant
    if own.st_uid != found.st_uid:
        with suppress(OSError):
            os.chown(draft, found.st_uid, -1)
    os.chmod(draft, mode)
    for name in os.listxattr(path) if kept and hasattr(os, "listxattr") else ():  # with access control lists
        with suppress(OSError):
            os.setxattr(draft, name, os.getxattr(path, name))


def has_writer(handle: int) -> bool | None:
    """Whether the open file can be written to by anybody: then the system refuses us a read lease. None: unknown."""
    import fcntl
    import signal

    if not hasattr(fcntl, "F_SETLEASE"):
        return None
    try:
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)  # losing the lease at once must not kill us
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    return False


def try_lock(handle: int) -> bool:
    """Lock an open file against all who do so as well, until it is closed; False where somebody has. OSError."""
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unlock(handle: int) -> None:
    """Give back what `try_lock` took, without closing the file. OSError."""
    import fcntl

    fcntl.flock(handle, fcntl.LOCK_UN)


def try_range(handle: int) -> bool:
    """As `try_lock`, so that programs of Windows on this machine, in Wine, see it; by itself, it sees no `try_lock`.

    Where the system, or the file system, has no such locks, it is one as `try_lock` takes; not where it fails for
    once, for then somebody may have it.
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
    """Give back what `try_range` took, without closing the file. OSError."""
    import fcntl

    if _RANGE_LOCKS:
        with suppress(OSError):
            fcntl.fcntl(handle, _F_OFD_SETLK, _FREE + _ONE_BYTE)
            return
    unlock(handle)


def make_private(path: Path) -> None:
    """Make a folder that is there its owner's alone. OSError."""
    os.chmod(path, 0o700)


def is_private(path: Path) -> bool:
    """Whether others may not look into a folder. OSError."""
    return not os.stat(path).st_mode & 0o077


def file_system(path: Path) -> str | None:
    """The type of the file system that holds `path`, as mount tables call it; None: they are to be asked."""
    del path
    return None


def free_space(path: Path) -> tuple[int, bool]:
    """Bytes that are free on the file system of `path`, and whether it is read-only. OSError."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize, bool(found.f_flag & os.ST_RDONLY)


# -- the machine --------------------------------------------------------------------------------------


def file_tick() -> float:
    """Seconds between two ticks of the clock from which the times of files are taken; 0 where that is not known."""
    if sys.platform != "linux":
        return 0.0
    import time

    return time.clock_getres(5)  # CLOCK_REALTIME_COARSE


def leads_session(pid: int) -> bool:
    """Whether a process is the first of its session. OSError where it cannot be seen."""
    return os.getsid(pid) == pid


def user_name(uid: int) -> str:
    """What a user is called; their number where they have no name."""
    import pwd

    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return str(uid)


def machine_id() -> str:
    """What tells this machine from others, where the system says; "" is unknown."""
    try:
        with open("/etc/machine-id", encoding="ascii") as file:
            return file.read().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def neighbour() -> str:
    """What to do where another system on this machine uses the folder whose locks are not ours; "" where none can."""
    if "microsoft" not in os.uname().release.lower():
        return ""
    return "If that is this machine's Windows, call its Intercom from here: `intercom.exe`, or `py.exe -m intercom`."


def boot_id() -> str:
    """Changes with every start of the machine; "" where the system does not tell."""
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
    """A command line's words. ValueError where a quote is not closed."""
    import shlex

    return shlex.split(line)


def shell_line(words: Sequence[str]) -> str:
    """A line by which a shell runs this program in its own place."""
    import shlex

    return f"exec {shlex.join(words)}"


def named(program: str) -> list[str]:
    """The words by which other programs start one that is found on PATH."""
    return [program]


def startable(words: Sequence[str], path: str | None) -> list[str]:
    """The same words as the system starts them; `path` is the PATH that the program is to have."""
    del path
    return list(words)


def from_console(data: bytes) -> bytes:
    """What programs of a console write, in UTF-8 where that can be told: here it is."""
    return data


def in_rules(path: str) -> str:
    """A path, or a part of one, as rules of agent programs spell it."""
    return path


def spare(fd: int) -> int:
    """A second descriptor of the same stream, none of the standard three."""
    import fcntl

    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)


def widen_pipe(pipe: IO[bytes], size: int) -> None:
    """Let so many bytes wait in a pipe, where the system allows it."""
    import fcntl

    with suppress(AttributeError, OSError):  # Linux alone has it
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, size)


def on_stop(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """Have the running loop call `stop` when this process is told to end, or interrupted."""
    import signal

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
