"""Owns reading a source of the index piece by piece: what shows that it changed, what proves that it only grew."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

from intercom.agreement import TAIL, Grown
from intercom.format import MESSAGE, Entry, Parser
from intercom.log import END

CHUNK = 4 * 1024 * 1024
_GROWING = 1.0  #: seconds for which the open end of another machine's log is taken to be still on its way


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no cycles meanwhile: reading makes many objects, and none of those."""
    import gc

    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def file_mark(path: str | Path) -> str:
    """Inode, size and times of a file, "" if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return ""
    return f"{found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"


def file_size(path: Path) -> int:
    """Bytes; 0 if there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def proof_before(file: BinaryIO, settled: int, *, whole: bool) -> str:
    """Digest of what stands before `settled`, of ours the end of it; "" where the file does not reach so far.

    What others write may have changed anywhere.
    """
    at = 0 if whole else max(0, settled - TAIL)
    found = blake2b(digest_size=16)
    file.seek(at)
    while at < settled and (data := file.read(min(CHUNK, settled - at))):
        found.update(data)
        at += len(data)
    return found.hexdigest() if at == settled else ""


def young(file: BinaryIO) -> bool:
    """Whether another machine's log changed so lately that its end may still be on its way."""
    return time.time() - os.fstat(file.fileno()).st_ctime < _GROWING


def pieces(file: BinaryIO, start: int, end: int | None, *, hold: bool) -> Iterator[tuple[list[Entry], int]]:
    """The entries of a file from `start` on, in pieces, each with the offset from which a later parse resumes.

    Where the last entry is not closed, more of it may come: then the whole file is read again when it has
    changed, and with `hold` that entry is left for later.
    """
    parser = Parser(start)
    file.seek(start)
    position = start
    found: list[Entry] = []
    while data := file.read(CHUNK if end is None else max(0, min(CHUNK, end - position))):
        if found:
            yield found, parser.settled
        position += len(data)
        found = parser.feed(data)
    rest = parser.close()
    whole = not rest or rest[-1].raw.endswith(END)
    if hold and not whole and rest[-1].kind == MESSAGE:
        rest = rest[:-1]
    yield found + rest, parser.settled if whole else 0  # the last two at once: mostly they are all there is


def parsed(grown: Grown) -> tuple[list[Entry], int]:
    """The same for what is in hand already, in one piece."""
    parser = Parser(grown.start)
    return parser.feed(grown.data) + parser.close(), parser.settled


def proof_after(grown: Grown) -> str:
    """What `proof_before` would give for the end of it."""
    return blake2b((grown.before + grown.data)[-TAIL:], digest_size=16).hexdigest()


def follows(grown: Grown, settled: int, proof: str) -> bool:
    """Whether it begins where a source was read to, by the proof of what stood before."""
    return grown.start == settled and blake2b(grown.before, digest_size=16).hexdigest() == proof
