"""Owns what is particular to Windows; `host` selects it. The system calls are in `win32`.

Files are opened so that others may rename and remove them meanwhile. Programs that do not do the same (editors,
scanners and indexers hold a file for a moment) cause sharing violations, so any operation that may meet one is
retried for PATIENCE seconds.
"""

from __future__ import annotations

import ctypes
import errno
import itertools
import msvcrt
import os
import stat
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from ctypes import byref
from typing import IO, TYPE_CHECKING, NamedTuple, TypeVar

assert sys.platform == "win32"

from intercom.system import win32

if TYPE_CHECKING:
    import asyncio

Path = str | os.PathLike[str]
T = TypeVar("T")

PIPE_CLOSED = {errno.EPIPE, errno.EINVAL}  #: errors of a write whose reader is gone
NO_WAIT = 0  #: files here have no other end to wait for
EDITOR = "notepad"  #: the default editor
END_OF_INPUT = "Ctrl-Z and Enter"  #: the keys that end typed input
NO_WORKERS = "workers run on Linux, macOS or WSL; here only messages do"  #: why this system cannot run workers
TMUX = NO_WORKERS  #: how to get tmux
SHOWS_ACCESS = "icacls, attrib"  #: the programs that show who may use a file
SHOWS_HOLDERS = "Resource Monitor, or handle.exe of Sysinternals"  #: the programs that show who has a file open
GRANTS_ACCESS = "icacls, attrib -r"  #: the programs that make a file one's own to read and write
LOCK_FILES_STAY = False  #: here, `filelock` removes its file when it releases the lock
LOOP_WATCHES_PIPES = False  #: here, an event loop cannot wait on an anonymous pipe

_PIPE_HERE = 24  # FilePipeLocalInformation
_LEFT = {1, 4}  # FILE_PIPE_DISCONNECTED_STATE, FILE_PIPE_CLOSING_STATE
PATIENCE = 1.0  #: seconds for which a file in use is retried
_HELD = {win32.ACCESS_DENIED, win32.SHARING_VIOLATION, win32.LOCK_VIOLATION}
_PIECE = 64 * 1024 * 1024  #: bytes per read
_WAYS = {os.O_RDONLY: win32.GENERIC_READ, os.O_WRONLY: win32.GENERIC_WRITE, os.O_RDWR: win32.GENERIC_READ_WRITE}
_ACCESS = os.O_RDONLY | os.O_WRONLY | os.O_RDWR


def _patiently(act: Callable[[], T], patience: float = PATIENCE) -> T:
    """Call `act`, retrying with growing pauses while another program holds the file. OSError."""
    pause, until = 0.001, time.monotonic() + patience
    while True:
        try:
            return act()
        except OSError as error:
            if error.winerror not in _HELD or time.monotonic() > until:
                raise
        time.sleep(pause)
        pause = min(pause * 2, 0.1)


# -- files --------------------------------------------------------------------------------------------


def open_file(path: Path, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
    """Open a file so that no child inherits the descriptor and others can rename or remove the file. OSError.

    `mode` is ignored: a file inherits the access rights of its folder. O_APPEND writes at the current end of the
    file, whoever else writes.
    """
    del mode
    access = _WAYS[flags & _ACCESS]
    if flags & os.O_APPEND:
        access = access & ~win32.GENERIC_WRITE | win32.APPEND
    how = win32.OPEN_ALWAYS if flags & os.O_CREAT else win32.OPEN_EXISTING
    how = win32.CREATE_NEW if flags & os.O_CREAT and flags & os.O_EXCL else how
    name = os.path.abspath(path)
    held = _patiently(lambda: win32.create_file(name, access, win32.SHARE_ALL, how))
    handle = msvcrt.open_osfhandle(held, os.O_NOINHERIT | os.O_BINARY)
    if flags & os.O_TRUNC:
        try:
            truncate(handle, 0)
        except BaseException:
            os.close(handle)
            raise
    return handle


def pread(handle: int, size: int, offset: int) -> bytes:
    """Read at most `size` bytes at `offset`; fewer at the end of the file. OSError."""
    held, got = ctypes.create_string_buffer(min(size, _PIECE)), ctypes.c_uint32()
    where = win32.overlapped(offset)
    file = msvcrt.get_osfhandle(handle)
    if not win32.kernel.ReadFile(file, held, min(size, _PIECE), byref(got), byref(where)):
        if ctypes.get_last_error() == win32.HANDLE_EOF:
            return b""
        raise win32.error()
    return held.raw[: got.value]


def pwrite(handle: int, data: bytes, offset: int) -> int:
    """Write at `offset`; returns the number of bytes written. OSError."""
    done, where = ctypes.c_uint32(), win32.overlapped(offset)
    file = msvcrt.get_osfhandle(handle)
    if not win32.kernel.WriteFile(file, bytes(data), len(data), byref(done), byref(where)):
        raise win32.error()
    return done.value


def truncate(handle: int, size: int) -> None:
    """Cut a file, open for writing or appending, to `size` bytes. OSError."""
    held = win32.reopen(msvcrt.get_osfhandle(handle), win32.GENERIC_WRITE, win32.SHARE_ALL)
    try:
        end = ctypes.c_int64(size)
        if not win32.kernel.SetFileInformationByHandle(held, win32.END_OF_FILE, byref(end), 8):
            raise win32.error()
    finally:
        win32.kernel.CloseHandle(held)


def sync(handle: int) -> None:
    """Sync an open file to disk. OSError."""
    os.fsync(handle)


def sync_file(path: Path) -> None:
    """Sync what was written to `path`, by whatever process. OSError."""
    handle = open_file(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(path: Path) -> None:
    """Do nothing: NTFS journals names, and a folder cannot be synced."""


def rename(source: Path, target: Path, *, wait: bool = True) -> None:
    """Rename a file over `target`, atomically. OSError.

    PermissionError if another program holds the target, with `wait` after PATIENCE seconds.
    """
    names = os.path.abspath(source), os.path.abspath(target)
    _patiently(lambda: _rename(*names), PATIENCE if wait else 0.0)


def _rename(source: str, target: str) -> None:
    """Rename with POSIX semantics if Windows supports that, else the classic way, else by way of a third name.

    The last is for a target that is open with full sharing, or read-only; for a moment nothing has its name.
    """
    if win32.rename_open(source, target):
        return
    try:
        os.replace(source, target)
    except PermissionError:
        if not os.path.isfile(target):
            raise
        aside = _unused(target)
        os.rename(target, aside)
        try:
            os.replace(source, target)
        except OSError:
            _patiently(lambda: os.rename(aside, target))
            raise
        with suppress(OSError):
            _unlink(aside)


def _unused(path: str) -> str:
    """A name beside a file that nothing has, of the form that drafts have: what is left there is removed later."""
    folder, name = os.path.split(path)
    names = (os.path.join(folder, f".{name}.{os.getpid()}{number}.tmp") for number in itertools.count())
    return next(one for one in names if not os.path.lexists(one))


def remove(path: Path) -> None:
    """Remove a file name; does nothing if it is gone already. OSError; PermissionError if it is in use."""
    with suppress(FileNotFoundError):
        _patiently(lambda: _unlink(path))


def _unlink(path: Path) -> None:
    """Remove a file, also a read-only one: elsewhere that is for the folder to allow. OSError."""
    try:
        os.unlink(path)
    except PermissionError:
        if not os.lstat(path).st_file_attributes & stat.FILE_ATTRIBUTE_READONLY:
            raise
        os.chmod(path, stat.S_IWRITE)
        os.unlink(path)


def resemble(draft: Path, path: Path) -> None:
    """Hide a draft if what it replaces is hidden; access rights of a new file come from its folder. OSError."""
    if found := os.stat(path).st_file_attributes & (stat.FILE_ATTRIBUTE_HIDDEN | stat.FILE_ATTRIBUTE_SYSTEM):
        win32.set_attributes(os.path.abspath(draft), found)


def has_writer(handle: int) -> bool | None:
    """Whether the file, open for reading, is open for writing elsewhere: it cannot be opened without sharing then."""
    try:
        held = win32.reopen(msvcrt.get_osfhandle(handle), win32.GENERIC_READ, win32.SHARE_ALL & ~win32.SHARE_WRITE)
    except OSError as error:
        return True if error.winerror == win32.SHARING_VIOLATION else None
    win32.kernel.CloseHandle(held)
    return False


def try_lock(handle: int) -> bool:
    """Try to lock an open file against other users of this function; False if it is taken. OSError.

    The lock lasts until `unlock` or until the file is closed. It is on the first byte, as `filelock` has it. That
    blocks readers and writers of it, so use it on files without content.
    """
    where = win32.overlapped(0)
    file = msvcrt.get_osfhandle(handle)
    if win32.kernel.LockFileEx(file, win32.LOCK_EXCLUSIVE | win32.LOCK_AT_ONCE, 0, 1, 0, byref(where)):
        return True
    error = ctypes.get_last_error()
    if error in {win32.LOCK_VIOLATION, win32.IO_PENDING}:
        return False
    raise win32.error(error)


def try_range(handle: int) -> bool:
    """As `try_lock`; Wine shows this lock to Linux, if one machine runs both."""
    return try_lock(handle)


def unlock_range(handle: int) -> None:
    """Release what `try_range` took, without closing the file. OSError."""
    unlock(handle)


def unlock(handle: int) -> None:
    """Release what `try_lock` took, without closing the file. OSError."""
    where = win32.overlapped(0)
    if not win32.kernel.UnlockFileEx(msvcrt.get_osfhandle(handle), 0, 1, 0, byref(where)):
        raise win32.error()


def neighbour() -> str:
    """What to do if another operating system on this machine, whose locks we do not share, uses the folder."""
    return "If the folder is used in WSL, call the Intercom there from here: `wsl intercom`."


def file_tick() -> float:
    """Seconds between ticks of the clock that stamps files: 0, for unknown."""
    return 0.0


def leads_session(pid: int) -> bool:
    """Return False: Windows has no sessions as POSIX knows them."""
    del pid
    return False


def user_name(uid: int) -> str:
    """The number itself: Windows users have none of these."""
    return str(uid)


def hand_over(made: int | Path, folder: Path) -> None:
    """Do nothing: what an administrator creates in a folder inherits the folder's access rights."""


class Bell:
    """A bell, as on Linux; not here."""

    name: str

    def __init__(self, name: str) -> None:
        raise OSError(f"this system has no bells, such as {name}")

    def sleep(self, seconds: float) -> None:
        """Sleep until somebody rings."""

    def ring(self, name: str) -> bool:
        """Ring another's bell."""
        return not name

    def close(self) -> None:
        """Close it."""


class Owner(NamedTuple):
    """A user for whom another runs a program; not here."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


def owner_apart(folder: str | os.PathLike[str]) -> Owner | None:
    """None: what an administrator creates inherits the folder's access rights."""
    del folder
    return None


def file_system(path: Path) -> str | None:
    """The type of the file system at `path`, as mount tables of other systems call it."""
    return win32.volume(os.path.abspath(path))


def changed(file: Path | int, found: os.stat_result) -> int:
    """When content or attributes of a file last changed, in ns since 1970, whatever its modification time was set to.

    Python's own `st_ctime` is the time of creation here; that stands for it where the system does not tell.
    """
    with suppress(OSError):
        if isinstance(file, int):
            return win32.change_time(msvcrt.get_osfhandle(file)) or found.st_ctime_ns
        held = win32.create_file(os.path.abspath(file), win32.READ_ATTRIBUTES, win32.SHARE_ALL, win32.OPEN_EXISTING)
        try:
            return win32.change_time(held) or found.st_ctime_ns
        finally:
            win32.kernel.CloseHandle(held)
    return found.st_ctime_ns


def free_space(path: Path) -> tuple[int, bool]:
    """Free bytes on the file system of `path`; False, as read-only cannot be told here. OSError."""
    import shutil

    return shutil.disk_usage(path).free, False


# -- streams and signals ------------------------------------------------------------------------------


def from_console(data: bytes) -> bytes:
    """Decode console output to UTF-8: cmd's `echo` uses the console's code page."""
    try:
        data.decode()
    except UnicodeDecodeError:
        page = win32.kernel.GetConsoleCP() or win32.kernel.GetOEMCP()
        with suppress(LookupError, UnicodeDecodeError):
            return data.decode(f"cp{page}").encode()
    return data


def in_rules(path: str) -> str:
    """A path, or part of one, as written in permission rules of agent programs: `/c/users/…`, in lower case."""
    drive, rest = os.path.splitdrive(os.path.normcase(path))
    rest = rest.replace("\\", "/")
    return f"/{drive[0]}{rest}" if drive[1:] == ":" else drive.replace("\\", "/")[1:] + rest


def spare(fd: int) -> int:
    """Duplicate a stream's descriptor, in binary mode."""
    found = os.dup(fd)
    msvcrt.setmode(found, os.O_BINARY)
    return found


def reader_left(fd: int) -> bool:
    """Whether nobody reads any more what is written to this pipe; False for a file.

    A write of no bytes would tell as well, but readers take that for the end.
    """
    told, done = (ctypes.c_uint32 * 10)(), (ctypes.c_size_t * 2)()  # FILE_PIPE_LOCAL_INFORMATION, IO_STATUS_BLOCK
    query = ctypes.WinDLL("ntdll").NtQueryInformationFile
    query.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_uint32, ctypes.c_int]
    failed = query(msvcrt.get_osfhandle(fd), byref(done), byref(told), ctypes.sizeof(told), _PIPE_HERE)
    return not failed and told[8] in _LEFT


def widen_pipe(pipe: IO[bytes], size: int) -> None:
    """Do nothing: the size of a pipe's buffer is set when it is made."""


def on_end(loop: asyncio.AbstractEventLoop, terminal: int, end: Callable[[int], None]) -> None:
    """Do nothing: the system ends what runs in a console that is closed."""


def on_stop(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """Have the running loop call `stop` when this process is terminated or interrupted."""
    import signal

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGBREAK):
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))
