"""Owns writing a page in place, for Windows, where a program that has it open can keep it from being replaced.

A writer killed midway would leave a mixture of two texts, which would look like an edit. So both texts are first
saved in a private note, and the next command completes a mixture of exactly these two. The caller of anything that
writes holds the writer lock.
"""

from __future__ import annotations

import os
from pathlib import Path

from intercom.system import host
from intercom.system.files import holds, open_regular, read_from, write_all, write_pieces

_PRIVATE, _NOTE = ".intercom", "writing."
_PIECE = 1024 * 1024  #: bytes per write


def write_in_place(log: Path, path: Path, before: bytes, after: bytes) -> bool:
    """Change `path`, the file of `log`, from `before` to `after`; False if it no longer was `before`. OSError.

    What others append meanwhile stays after it.
    """
    note = _note(log)
    host.rename(write_pieces(note, (b"%d\n" % len(before), before, after)), note)
    try:
        handle = open_regular(path, os.O_RDWR)
        try:
            if not holds(handle, before):
                return False
            _write(handle, before, after)
        finally:
            os.close(handle)
    finally:
        host.remove(note)
    return True


def finish(log: Path) -> None:
    """Complete an in-place write whose writer was killed. OSError."""
    note = _note(log)
    said, page = read_from(note), read_from(log)
    if said is None:
        return
    size, _, both = said.partition(b"\n")
    if page is not None and size.isdigit():
        before, after = both[: int(size)], both[int(size) :]
        if page not in {before, after} and _mixture(page, before, after):
            handle = open_regular(os.path.realpath(log), os.O_RDWR)
            try:
                _write(handle, page, after)
            finally:
                os.close(handle)
    host.remove(note)


def _note(log: Path) -> Path:
    return log.parent / _PRIVATE / f"{_NOTE}{log.stem}"


def _mixture(page: bytes, before: bytes, after: bytes) -> bool:
    """Whether a page begins like the new text and continues like the old one."""
    pairs = enumerate(zip(page, after, strict=False))
    same = next((at for at, (one, other) in pairs if one != other), min(len(page), len(after)))
    return page[same:] == before[same:]


def _write(handle: int, before: bytes, after: bytes) -> None:
    for at in range(0, len(after), _PIECE):
        write_all(handle, after[at : at + _PIECE], at)
    known, size = max(len(before), len(after)), os.fstat(handle).st_size
    late = host.pread(handle, size - known, known) if size > known else b""
    host.truncate(handle, len(after))
    if late:
        os.lseek(handle, 0, os.SEEK_END)
        write_all(handle, late)
    host.sync(handle)
