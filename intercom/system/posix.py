"""Owns what Linux, macOS and other POSIX systems do in their own way; `windows` has the same names, `host` chooses.

Calls go through the modules of the standard library at the time of the call, each to one function of the system.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

assert sys.platform != "win32"

if TYPE_CHECKING:
    import asyncio

__all__ = [
    "EDITOR",
    "LOOP_WATCHES_PIPES",
    "NO_WAIT",
    "boot_id",
    "command_line",
    "free_space",
    "has_writer",
    "interrupting",
    "is_private",
    "kill",
    "kill_tree",
    "machine_id",
    "make_private",
    "on_stop",
    "open_file",
    "parents",
    "pread",
    "process",
    "pwrite",
    "remove",
    "rename",
    "resemble",
    "spare",
    "split_words",
    "started",
    "sync",
    "sync_file",
    "sync_folder",
    "truncate",
    "try_lock",
    "unlock",
    "user_name",
    "wait_ended",
    "widen_pipe",
]

Path = str | os.PathLike[str]

NO_WAIT = os.O_NONBLOCK  #: added to the flags of `open_file`: do not wait for who is at the other end of a pipe
EDITOR = "vi"  #: for who has named none
LOOP_WATCHES_PIPES = True  #: whether an event loop can wait for a pipe

_DATA_SYNC = not sys.platform.startswith("darwin")  # fsync(2) there leaves data in the drive's own cache


# -- files --------------------------------------------------------------------------------------------


def open_file(path: Path, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
    """A descriptor that no child inherits, and that keeps nobody from renaming or removing the file. OSError."""
    return os.open(path, flags, mode)


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


def rename(source: Path, target: Path) -> None:
    """Give a file a name, taking it from the file that has it, atomically. OSError."""
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


def has_writer(handle: int) -> bool:
    """Whether the open file can be written to by anybody: then the system refuses us a read lease."""
    import errno
    import fcntl
    import signal

    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)  # losing the lease at once must not kill us
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
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


def make_private(path: Path) -> None:
    """Make a folder that is there its owner's alone. OSError."""
    os.chmod(path, 0o700)


def is_private(path: Path) -> bool:
    """Whether others may not look into a folder. OSError."""
    return not os.stat(path).st_mode & 0o077


def free_space(path: Path) -> tuple[int, bool]:
    """Bytes that are free on the file system of `path`, and whether it is read-only. OSError."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize, bool(found.f_flag & os.ST_RDONLY)


# -- the machine --------------------------------------------------------------------------------------


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


# -- processes ----------------------------------------------------------------------------------------


def started(pid: int) -> str | None:
    """When process `pid` started, as an opaque mark, "?" where the system does not tell, None if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            stat = file.read(4096)
    except FileNotFoundError:
        return None if _has_proc() else _started_elsewhere(pid)
    except OSError:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()
    if fields[0] in {b"Z", b"X"}:  # a zombie has ended; only its parent has not looked yet
        return None
    return fields[19].decode()


def _has_proc() -> bool:
    return os.path.exists("/proc/self/stat")


def _started_elsewhere(pid: int) -> str | None:
    if sys.platform == "darwin":
        from intercom.system.macos import process_start

        return process_start(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass
    return "?"


def wait_ended(pid: int) -> bool:
    """Wait until a process has ended, or another has its number; False, at once, where the system does not tell."""
    import select

    if not hasattr(os, "pidfd_open"):
        return False
    try:
        life = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    try:
        ended = select.poll()
        ended.register(life, select.POLLIN)
        ended.poll()
    finally:
        os.close(life)
    return True


def process(pid: int) -> tuple[int, str, str, int] | None:
    """A process's parent, start, short name and controlling terminal (0: none); None where it cannot be seen."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
    except OSError:
        return None if _has_proc() else _process_by_ps(pid)
    name = stat[stat.index(b"(") + 1 : stat.rindex(b")")].decode(errors="replace")
    fields = stat[stat.rindex(b")") + 2 :].split()
    return int(fields[1]), fields[19].decode(), name, int(fields[4])


def _process_by_ps(pid: int) -> tuple[int, str, str, int] | None:
    fields = _ps(pid, "ppid=,tty=,comm=").split(None, 2)
    if len(fields) < 3 or not fields[0].isdecimal():
        return None
    terminal = 0 if fields[1].strip("?-") == "" else 1
    return int(fields[0]), started(pid) or "?", os.path.basename(fields[2]), terminal


def command_line(pid: int) -> list[str]:
    """The words with which a process was started; empty where they cannot be seen."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().decode("utf-8", "surrogateescape").split("\0")[:-1]
    except OSError:
        return [] if _has_proc() else _ps(pid, "args=").split()


def parents() -> list[tuple[int, int]]:
    """(pid, parent) of every process that can be seen."""
    if not _has_proc():
        rows = _said(["ps", "-axo", "pid=,ppid="]).split()
        return [(int(a), int(b)) for a, b in zip(rows[::2], rows[1::2], strict=True)]
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    found.append((int(name), int(file.read().rpartition(b") ")[2].split()[1])))
            except OSError:
                continue  # it ended while we looked
    return found


def _ps(pid: int, columns: str) -> str:
    return _said(["ps", "-o", columns, "-p", str(pid)])


def _said(words: list[str]) -> str:
    """What a program of the system prints; "" where it cannot be run."""
    import subprocess

    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "surrogateescape")


def split_words(line: str) -> list[str]:
    """A command line's words. ValueError where a quote is not closed."""
    import shlex

    return shlex.split(line)


def kill(pid: int, *, hard: bool) -> None:
    """Tell a process to end; `hard`: it is not asked. OSError (ProcessLookupError where it is gone)."""
    import signal

    os.kill(pid, signal.SIGKILL if hard else signal.SIGTERM)


def kill_tree(pid: int) -> None:
    """End a process that was started as the first of its session, and all that it started in it."""
    import signal

    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


# -- streams and signals ------------------------------------------------------------------------------


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


@contextmanager
def interrupting(seconds: float, stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` in the middle of the block after so long, where the system can; only in the main thread."""
    import signal

    before = signal.signal(signal.SIGALRM, lambda *_: stop())
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
