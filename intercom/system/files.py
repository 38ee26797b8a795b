"""Owns crash-safe file idioms: atomic replacement, private folders, complete writes.

Every OSError on the way to disk becomes a StorageError here, with one line that says what did not happen.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from intercom.core.errors import StorageError
from intercom.system import host

_MOST = 1 << 30  # bytes that are read at once; a sparse file takes no room on disk, but does in memory
_PIECE = 1024 * 1024  #: bytes per write


class storage:  # noqa: N801  # a class, as each message needs it several times, and a generator takes five times as long
    """For `with`: turn an OSError in the block into a StorageError: "cannot <doing>: <reason>; <outcome>."."""

    def __init__(self, doing: str, outcome: str = "nothing was written") -> None:
        self._doing, self._outcome = doing, outcome

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
            raise StorageError(f"cannot {self._doing}: {reason}; {self._outcome}.") from error


def make_private_folder(path: Path) -> None:
    """Create `path` and missing parents with mode 0700. StorageError.

    `.claude` is shared with others, so it gets the usual mode, and no folder above it is created.
    """
    if os.path.isdir(path):
        return
    shared = path.name == ".claude"
    if not shared:
        make_private_folder(path.parent)
    with storage(f"create the folder {path}"):
        if shared and not path.parent.is_dir():  # it existed when the bus was opened
            raise StorageError(
                f"{path.parent} is gone: it was renamed or removed; nothing was written. "
                "Start again where the project is now."
            )
        make_folder(path, 0o777 if shared else 0o700)


def make_folder(path: Path, mode: int = 0o777, beside: Path | None = None) -> None:
    """Create `path`, with missing parents, if it does not exist. OSError.

    What root makes is given to the owner of the folder that it is made in, or of `beside`.
    """
    if path.is_dir():
        return
    if not path.parent.is_dir():
        make_folder(path.parent, mode, beside)
    path.mkdir(mode=mode, exist_ok=True)
    host.hand_over(path, beside or path.parent)


def write_all(handle: int, data: bytes, at: int | None = None) -> None:
    """Write all of `data` at the file's position, or at offset `at`, continuing after short writes. OSError."""
    written = 0
    while written < len(data):
        rest = data[written:] if written else data
        written += os.write(handle, rest) if at is None else host.pwrite(handle, rest, at + written)


def append(path: Path, data: bytes) -> None:
    """Append `data` to an existing file. OSError."""
    handle = open_regular(path, os.O_WRONLY | os.O_APPEND)
    try:
        write_all(handle, data)
    finally:
        os.close(handle)


def open_regular(path: str | Path, flags: int = os.O_RDONLY) -> int:
    """Open a regular file; never blocks on a pipe or device in its place. OSError."""
    return open_found(path, flags)[0]


def open_found(path: str | Path, flags: int = os.O_RDONLY) -> tuple[int, os.stat_result]:
    """As `open_regular`, with what the system says of the open file."""
    handle = host.open_file(path, flags | host.NO_WAIT)
    found = os.fstat(handle)
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):  # a folder fails later, with a better error
        os.close(handle)
        raise OSError(errno.EINVAL, "it is not a regular file")
    return handle, found


def check_regular(path: str | Path) -> None:
    """Raise OSError unless it is a regular file: SQLite would wait for a pipe. Closing it would unlock it."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")


def sqlite_uri(path: Path, how: str = "mode=ro") -> str:
    """The URI by which SQLite opens this file, by default only for reading."""
    return f"file:{os.fspath(path).replace('%', '%25').replace('?', '%3f').replace('#', '%23')}?{how}"


def opened(path: str | Path) -> BinaryIO:
    """Open a regular file for reading; the caller closes it. OSError."""
    return open(open_regular(path), "rb")


def read_from(path: Path, offset: int = 0) -> bytes | None:
    """The bytes of `path` from `offset` on, or None if the file does not exist. StorageError if unreadable."""
    try:
        handle = open_regular(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}; nothing was read.") from error
    try:
        return whole(handle, offset)
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}; nothing was read.") from error
    finally:
        with suppress(OSError):  # the data was read; a failing close changes nothing
            os.close(handle)


def write_temporary(path: Path, data: bytes) -> Path:
    """Write `data`, synced, to a new private file beside `path`; the caller renames or removes it."""
    return write_pieces(path, (data,))


def write_pieces(path: Path, pieces: Iterable[bytes], *, sync: bool = True) -> Path:
    """As `write_temporary`, piece by piece; the file is removed if producing a piece raises."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL  # never through a link that waits there under this name
    try:
        handle = host.open_file(temporary, flags)
    except FileExistsError:
        temporary.unlink()  # a process that had this number left it
        handle = host.open_file(temporary, flags)
    try:
        for data in _together(pieces):
            write_all(handle, data)
        if sync:
            host.sync(handle)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)
    return temporary


def _together(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Join small pieces into larger ones: a system call per message would take longer than the writing itself."""
    held: list[bytes] = []
    size = 0
    for data in pieces:
        held.append(data)
        size += len(data)
        if size >= _PIECE:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


def replace(path: Path, data: bytes) -> None:
    """Replace `path` atomically and durably: temporary file, sync, rename, sync of the folder.

    A symbolic link stays a link: its target is replaced. StorageError if that is anything but a regular file: a device
    would be gone for the whole machine.
    """
    with storage(f"write {path}"):
        path = Path(os.path.realpath(path))
        with suppress(FileNotFoundError):
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file")
        temporary = write_temporary(path, data)
        try:
            put(temporary, path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        host.sync_folder(path.parent)


def put(draft: Path, path: Path, *, wait: bool = True) -> None:
    """Rename a draft to `path`; whoever could use the old file can use the new one. OSError.

    `wait`: retry while another program blocks the replacement, on systems where it can.
    """
    with suppress(OSError):
        host.resemble(draft, path)
    host.rename(draft, path, wait=wait)


def being_written(path: Path) -> bool | None:
    """Whether some program has the file open for writing; None if the system cannot tell."""
    try:
        handle = open_regular(path)
    except OSError:
        return None
    try:
        return host.has_writer(handle)
    finally:
        with suppress(OSError):
            os.close(handle)


def whole(handle: int, offset: int = 0) -> bytes:
    """All current bytes of an open file from `offset` on. OSError, also if there are too many."""
    left = os.fstat(handle).st_size - offset
    if left > _MOST:
        raise OSError(errno.EFBIG, f"it has more than {_MOST >> 20} MiB")
    first = host.pread(handle, left, offset) if left > 0 else b""
    if len(first) == max(0, left):
        return first
    parts = [first]
    while parts[-1]:  # one read returns at most 2 GiB
        offset += len(parts[-1])
        left -= len(parts[-1])
        parts.append(host.pread(handle, left, offset))
    return b"".join(parts)


def begins(handle: int, data: bytes) -> bool:
    """Whether an open file begins with exactly `data`; compared in pieces, as both may be huge. OSError."""
    at = 0
    while at < len(data) and (part := host.pread(handle, min(_PIECE, len(data) - at), at)):
        if not data.startswith(part, at):  # compared as a whole: a slice of a memoryview, byte by byte
            return False
        at += len(part)
    return at == len(data)


def holds(handle: int, data: bytes) -> bool:
    """Whether an open file is exactly `data`. OSError."""
    return begins(handle, data) and os.fstat(handle).st_size == len(data)


def joined(parts: list[bytes]) -> bytes:
    """Join pieces of a log, separated by a blank line."""
    out: list[bytes] = []
    end = b""
    for part in filter(None, parts):
        if end and end != b"\n\n":
            out.append(b"\n" if end.endswith(b"\n") else b"\n\n")
            end += out[-1]
        out.append(part)
        end = (end + part[-2:])[-2:]
    return b"".join(out)
