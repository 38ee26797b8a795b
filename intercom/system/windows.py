"""Owns what Windows does in its own way; `host` says what that is, and chooses. `win32` has the calls.

Files are opened so that others may rename and remove them meanwhile. Where another program does not do the same,
Windows refuses (a sharing violation): editors, scanners and indexers hold a file for a moment, so all that may meet
one tries again for PATIENCE seconds before it gives up.
"""

from __future__ import annotations

import ctypes
import errno
import msvcrt
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from ctypes import byref
from typing import IO, TYPE_CHECKING, TypeVar

assert sys.platform == "win32"

from intercom.system import win32

if TYPE_CHECKING:
    import asyncio

Path = str | os.PathLike[str]
T = TypeVar("T")

PIPE_CLOSED = {errno.EPIPE, errno.EINVAL}  #: what a write says where nobody reads any more
NO_WAIT = 0  #: there is nobody at the other end of a file
EDITOR = "notepad"  #: for who has named none
END_OF_INPUT = "Ctrl-Z and Enter"  #: the keys that end what is typed
NO_WORKERS = "workers run on Linux, macOS or WSL; here only messages do"  #: why this system runs none
TMUX = NO_WORKERS  #: how to get it
LOCK_FILES_STAY = False  #: `filelock` removes the file of a lock that it gives back
LOOP_WATCHES_PIPES = False  #: no event loop can wait for an anonymous pipe here

PATIENCE = 1.0  #: seconds for which a file that somebody holds is tried again
_HELD = {win32.ACCESS_DENIED, win32.SHARING_VIOLATION, win32.LOCK_VIOLATION}
_PIECE = 64 * 1024 * 1024  #: bytes that one call reads
_WAYS = {os.O_RDONLY: win32.GENERIC_READ, os.O_WRONLY: win32.GENERIC_WRITE, os.O_RDWR: win32.GENERIC_READ_WRITE}
_ACCESS = os.O_RDONLY | os.O_WRONLY | os.O_RDWR


def _patiently(act: Callable[[], T], patience: float = PATIENCE) -> T:
    """Do something; again, with growing pauses, as long as somebody holds the file. OSError."""
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
    """A descriptor that no child inherits, and that keeps nobody from renaming or removing the file. OSError.

    `mode` is of no consequence: a file's access is its folder's. What is written with O_APPEND goes to the end of
    the file as that is at that moment, whoever else writes.
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
    """At most `size` bytes from `offset` on; fewer at the end of the file. OSError."""
    held, got = ctypes.create_string_buffer(min(size, _PIECE)), ctypes.c_uint32()
    where = win32.overlapped(offset)
    file = msvcrt.get_osfhandle(handle)
    if not win32.kernel.ReadFile(file, held, min(size, _PIECE), byref(got), byref(where)):
        if ctypes.get_last_error() == win32.HANDLE_EOF:
            return b""
        raise ctypes.WinError(ctypes.get_last_error())
    return held.raw[: got.value]


def pwrite(handle: int, data: bytes, offset: int) -> int:
    """Write at `offset`; how many bytes were written. OSError."""
    done, where = ctypes.c_uint32(), win32.overlapped(offset)
    file = msvcrt.get_osfhandle(handle)
    if not win32.kernel.WriteFile(file, bytes(data), len(data), byref(done), byref(where)):
        raise ctypes.WinError(ctypes.get_last_error())
    return done.value


def truncate(handle: int, size: int) -> None:
    """Cut a file that is open for writing, or for appending, to `size` bytes. OSError."""
    held = win32.reopen(msvcrt.get_osfhandle(handle), win32.GENERIC_WRITE, win32.SHARE_ALL)
    try:
        end = ctypes.c_int64(size)
        if not win32.kernel.SetFileInformationByHandle(held, win32.END_OF_FILE, byref(end), 8):
            raise ctypes.WinError(ctypes.get_last_error())
    finally:
        win32.kernel.CloseHandle(held)


def sync(handle: int) -> None:
    """Bring what was written to an open file to the disk. OSError."""
    os.fsync(handle)


def sync_file(path: Path) -> None:
    """Bring to the disk what was written to `path`, whoever wrote it. OSError."""
    handle = open_file(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(path: Path) -> None:
    """Nothing: NTFS keeps a journal of names, and no folder can be synced."""


def rename(source: Path, target: Path, *, wait: bool = True) -> None:
    """Give a file a name, taking it from the file that has it, atomically. OSError.

    PermissionError where somebody keeps it, with `wait` after PATIENCE seconds.
    """
    names = os.path.abspath(source), os.path.abspath(target)
    _patiently(lambda: _rename(*names), PATIENCE if wait else 0.0)


def _rename(source: str, target: str) -> None:
    """As POSIX does where Windows offers that, else as it always could, else by way of a third name.

    The last is for a target that is open with everything shared. For a moment nothing has its name then.
    """
    if win32.rename_open(source, target):
        return
    try:
        os.replace(source, target)
    except PermissionError:
        folder, name = os.path.split(target)
        aside = os.path.join(folder, f".{name}.{os.getpid()}.tmp")
        if aside == source or not os.path.isfile(target):
            aside = f"{aside[:-4]}0.tmp"
        os.rename(target, aside)
        try:
            os.replace(source, target)
        except OSError:
            os.rename(aside, target)
            raise
        with suppress(OSError):
            os.unlink(aside)


def remove(path: Path) -> None:
    """Remove a name of a file; nothing where it is gone already. OSError; PermissionError where it is held."""
    with suppress(FileNotFoundError):
        _patiently(lambda: os.unlink(path))


def resemble(draft: Path, path: Path) -> None:
    """Nothing: who may use a new file is what its folder says."""


def has_writer(handle: int) -> bool | None:
    """Whether the file, open for reading, is open for writing elsewhere: then we cannot have it without that."""
    try:
        held = win32.reopen(msvcrt.get_osfhandle(handle), win32.GENERIC_READ, win32.SHARE_ALL & ~win32.SHARE_WRITE)
    except OSError as error:
        return True if error.winerror == win32.SHARING_VIOLATION else None
    win32.kernel.CloseHandle(held)
    return False


def try_lock(handle: int) -> bool:
    """Lock an open file against all who do so as well, until it is closed; False where somebody has. OSError.

    Its first byte, as `filelock` does. That keeps readers and writers from it, so it is for files without content.
    """
    where = win32.overlapped(0)
    file = msvcrt.get_osfhandle(handle)
    if win32.kernel.LockFileEx(file, win32.LOCK_EXCLUSIVE | win32.LOCK_AT_ONCE, 0, 1, 0, byref(where)):
        return True
    error = ctypes.get_last_error()
    if error in {win32.LOCK_VIOLATION, win32.IO_PENDING}:
        return False
    raise ctypes.WinError(error)


def try_range(handle: int) -> bool:
    """The same, where one machine runs several systems, too: Wine tells Linux of it."""
    return try_lock(handle)


def unlock_range(handle: int) -> None:
    """Give back what `try_range` took, without closing the file. OSError."""
    unlock(handle)


def unlock(handle: int) -> None:
    """Give back what `try_lock` took, without closing the file. OSError."""
    where = win32.overlapped(0)
    if not win32.kernel.UnlockFileEx(msvcrt.get_osfhandle(handle), 0, 1, 0, byref(where)):
        raise ctypes.WinError(ctypes.get_last_error())


def neighbour() -> str:
    """What to do where another system on this machine uses the folder whose locks are not ours."""
    return "If the folder is used in WSL, call the Intercom there from here: `wsl intercom`."


def file_tick() -> float:
    """Seconds between two ticks of the clock from which the times of files are taken: 0, that is not known."""
    return 0.0


def leads_session(pid: int) -> bool:
    """No process is the first of a session as POSIX has them."""
    del pid
    return False


def user_name(uid: int) -> str:
    """Their number: users have no such numbers here."""
    return str(uid)


def hand_over(made: int | Path, folder: Path) -> None:
    """Nothing: what an administrator makes in a folder has the rights of that folder."""


def file_system(path: Path) -> str | None:
    """The type of the file system that holds `path`, as mount tables of other systems call it."""
    return win32.volume(os.path.abspath(path))


def free_space(path: Path) -> tuple[int, bool]:
    """Bytes that are free on the file system of `path`; whether it is read-only is not known here. OSError."""
    import shutil

    return shutil.disk_usage(path).free, False


# -- streams and signals ------------------------------------------------------------------------------


def shell_line(words: Sequence[str]) -> str:
    """A line by which cmd and PowerShell run this program: the one puts it in quotes where it has a blank.

    The other would only show what is in quotes, so it gets a name without blanks, or asks cmd.
    """
    import subprocess

    program = win32.short(words[0]) if " " in words[0] else words[0]
    line = subprocess.list2cmdline([program, *words[1:]])
    return f"cmd /c {line}" if " " in program else line


def named(program: str) -> list[str]:
    """The words by which other programs start one that is found on PATH: a batch file is for cmd alone."""
    import shutil

    found = shutil.which(program) or ""
    return ["cmd", "/c", program] if found.lower().endswith((".bat", ".cmd")) else [program]


def startable(words: Sequence[str], path: str | None) -> list[str]:
    """The same words as the system starts them: by the whole name, as it looks for `.exe` alone by itself."""
    import shutil

    return [shutil.which(words[0], path=path) or words[0], *words[1:]]


def from_console(data: bytes) -> bytes:
    """What programs of a console write, in UTF-8: cmd's `echo` has the console's own code page."""
    try:
        data.decode()
    except UnicodeDecodeError:
        page = win32.kernel.GetConsoleCP() or win32.kernel.GetOEMCP()
        with suppress(LookupError, UnicodeDecodeError):
            return data.decode(f"cp{page}").encode()
    return data


def in_rules(path: str) -> str:
    """A path, or a part of one, as rules of agent programs spell it: `/c/users/…`, and no case is different there."""
    drive, rest = os.path.splitdrive(os.path.normcase(path))
    rest = rest.replace("\\", "/")
    return f"/{drive[0]}{rest}" if drive[1:] == ":" else drive.replace("\\", "/")[1:] + rest


def spare(fd: int) -> int:
    """A second descriptor of the same stream, for bytes as they are."""
    found = os.dup(fd)
    msvcrt.setmode(found, os.O_BINARY)
    return found


def widen_pipe(pipe: IO[bytes], size: int) -> None:
    """Nothing: who makes a pipe says how much may wait in it."""


def on_stop(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """Have the running loop call `stop` when this process is told to end, or interrupted."""
    import signal

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGBREAK):
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))
