"""Owns the idioms for files that survive a crash: atomic replacement, private folders, whole writes.

Every OSError on the way to disk becomes a StorageError here, with one line that says what did not happen.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from intercom.errors import StorageError

_LINGER = 0.25  #: seconds to wait for programs that have a replaced file open to be done with it
_STEP = 0.001


@contextmanager
def storage(doing: str, outcome: str = "nothing was written") -> Iterator[None]:
    """Turn an OSError in the block into a StorageError: "cannot <doing>: <reason>; <outcome>."."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"cannot {doing}: {reason}; {outcome}.") from error


def make_private_folder(path: Path) -> None:
    """Create `path` and what is missing above it, with mode 0700 for the last. StorageError if it cannot."""
    if path.is_dir():
        return
    with storage(f"create the folder {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)


def write_all(handle: int, data: bytes) -> None:
    """Write all of `data`, going on after a short write; OSError as the system gives it."""
    written = os.write(handle, data)
    while written < len(data):
        written += os.write(handle, data[written:])


def read_from(path: Path, offset: int = 0) -> bytes | None:
    """The bytes of `path` from `offset` on, or None if there is no such file. StorageError if unreadable."""
    try:
        with open(path, "rb") as file:
            if offset:
                file.seek(offset)
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}; nothing was read.") from error


def sync_folder(path: Path) -> None:
    """Make a rename or creation in `path` durable. OSError as the system gives it."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_temporary(path: Path, data: bytes) -> Path:
    """Write `data`, synced, to a new private file beside `path`; the caller renames or unlinks it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        write_all(handle, data)
        os.fsync(handle)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)
    return temporary


def replace(path: Path, data: bytes) -> None:
    """Replace `path` atomically and durably: temporary file, fsync, rename, fsync of the folder."""
    with storage(f"write {path}"):
        temporary = write_temporary(path, data)
        try:
            os.replace(temporary, path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def swap(path: Path, before: bytes, after: bytes) -> bool:
    """Replace a file that others write to, atomically, unless it is not `before` any more; whether it was done.

    What an editor or a shell still wrote into the old file while it was replaced is carried over. The
    caller holds the writer lock, so the others are no tools of ours. OSError as the system gives it.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        if before:
            return False
        handle = -1
    try:
        temporary = write_temporary(path, after)
        if handle >= 0 and not (_same(handle, path) and _whole(handle) == before):
            temporary.unlink()
            return False
        os.replace(temporary, path)
        sync_folder(path.parent)
        if handle >= 0:
            _carry_over(handle, path, before, after)
    finally:
        if handle >= 0:
            os.close(handle)
    return True


def _same(handle: int, path: Path) -> bool:
    """Whether the open file is the one that has the name now: an editor may have renamed another over it."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _carry_over(handle: int, path: Path, before: bytes, after: bytes) -> None:
    """Bring what others still write into the replaced file, open as `handle`, into the one that has its place."""
    _wait_for_writers(handle)
    late = _whole(handle)
    if late == before:
        return
    if late.startswith(before):
        with open(path, "ab") as file:
            file.write(late[len(before) :])
    elif late and _read(path) == after:
        os.replace(write_temporary(path, late), path)  # somebody saved the whole file: as if a moment later


def being_written(path: Path) -> bool:
    """Whether some program has the file open for writing, as far as the system tells."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return _has_writer(handle)
    finally:
        os.close(handle)


def _wait_for_writers(handle: int) -> None:
    """Return when nobody has the file open for writing any more, or after a moment where that cannot be told."""
    deadline = time.monotonic() + _LINGER
    while _has_writer(handle) and time.monotonic() < deadline:
        time.sleep(_STEP)


def _has_writer(handle: int) -> bool:
    """Whether the open file can be written to by anybody: then the system refuses us a read lease."""
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


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _whole(handle: int) -> bytes:
    size, parts, at = os.fstat(handle).st_size, [], 0
    while at < size and (part := os.pread(handle, size - at, at)):
        parts.append(part)
        at += len(part)
    return b"".join(parts)


def joined(parts: list[bytes]) -> bytes:
    """Pieces of a log, with a blank line between any two."""
    out = bytearray()
    for part in parts:
        if out and part and not out.endswith(b"\n\n"):
            out += b"\n" if out.endswith(b"\n") else b"\n\n"
        out += part
    return bytes(out)
