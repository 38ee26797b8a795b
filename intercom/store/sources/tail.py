"""Owns reading a source of the index piece by piece: whether it changed, and whether it only grew."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from intercom.core.digests import blake2b
from intercom.core.patterns import lazy
from intercom.format import MESSAGE, Entry, Parser, one
from intercom.format.record import END, extent, is_control
from intercom.store.log.checkpoint import LEAD, Grown
from intercom.system import host
from intercom.system.files import opened, storage

CHUNK = 4 * 1024 * 1024
_CLOSED = lazy(rb"\n---\r?\n\r?\n[\r\n]*\Z")  #: the end of a record, with any line ends
_NEAR = 64  # bytes
_GROWING = 1.0  #: seconds for which the open end of another machine's log may still be arriving


@contextmanager
def uncollected() -> Iterator[None]:
    """Suspend the cycle collector: parsing creates many objects, and no cycles."""
    import gc

    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def digest_before(file: BinaryIO, settled: int, *, whole: bool) -> str:
    """A digest of what precedes `settled` (of ours only the end of it); "" if the file does not reach that far.

    Other files may have changed anywhere, so all of them counts.
    """
    at = 0 if whole else max(0, settled - LEAD)
    found = blake2b(digest_size=16)
    file.seek(at)
    while at < settled and (data := file.read(min(CHUNK, settled - at))):
        found.update(data)
        at += len(data)
    return found.hexdigest() if at == settled else ""


def young(file: BinaryIO) -> bool:
    """Whether another machine's log changed so recently that its end may still be arriving."""
    found, now = os.fstat(file.fileno()), time.time()
    return any(abs(now - at) < _GROWING for at in (found.st_mtime, host.changed(file.fileno(), found) / 1e9))


def pieces(file: BinaryIO, start: int, end: int | None, *, hold: bool) -> Iterator[tuple[list[Entry], int]]:
    """The entries of a file from `start` on, in pieces, each with the offset from which a later parse resumes.

    If the last entry is not closed, more of it may come: then the whole file is read again after a change, and with
    `hold` that entry is left out for now.
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
    whole = not rest or _CLOSED.search(rest[-1].raw[-_NEAR:]) is not None
    if hold and not whole and rest[-1].kind == MESSAGE:
        rest = rest[:-1]
    yield found + rest, parser.settled if whole else 0  # the last two together: usually they are everything


def fits(file: BinaryIO, digest: str) -> bool:
    """Whether a closed segment is byte for byte what it was when the next one was begun."""
    if not digest:
        return False
    found = blake2b(digest_size=16)
    file.seek(0)
    while data := file.read(CHUNK):
        found.update(data)
    return found.hexdigest() == digest


def records(file: BinaryIO, start: int, end: int | None, *, proven: bool = False) -> Iterator[tuple[list[Entry], int]]:
    """The records of a segment of our ledger from `start` to `end`, in pieces, each with where the next one begins.

    A record that does not fit its seal was changed by somebody and counts as hand-written, except a torn end, which
    does not count at all. `proven`: all of them are known to fit.
    """
    parser = Parser(start)
    file.seek(start)
    position = start
    while data := file.read(CHUNK if end is None else max(0, min(CHUNK, end - position))):
        position += len(data)
        found = parser.feed(data) if proven else [_verified(entry) for entry in parser.feed(data)]
        if found:
            yield found, parser.settled
    for entry in parser.close():
        whole = extent(entry.raw)
        if whole or entry.raw.endswith(END):
            yield [_verified(entry)], entry.start + (whole or len(entry.raw))


def _verified(entry: Entry) -> Entry:
    """A record as it was written; marked as hand-written if somebody changed it."""
    if entry.kind != MESSAGE:
        return entry
    whole = extent(entry.raw)
    if whole == len(entry.raw):
        return entry
    if whole:
        return one(entry.raw[:whole], entry.start)
    if is_control(entry) and entry.start:  # a changed control record has no effect
        return entry._replace(via="hand", declared=None)
    return entry._replace(via="hand")


def parsed(grown: Grown, start: int) -> list[Entry]:
    """The messages of data in memory, from `start` in the segment on, in one piece."""
    parser = Parser(start or 1)  # a segment begins with its OPEN record, so it has no front matter
    return parser.feed(grown.data[start - grown.start :]) + parser.close()


def digest_at(grown: Grown, offset: int) -> str:
    """What `digest_before` would return at this offset of the segment; "" if too little is in memory."""
    held = grown.before + grown.data
    at = offset - grown.start + len(grown.before)
    if at < min(LEAD, offset):
        return ""
    return blake2b(held[max(0, at - LEAD) : at], digest_size=16).hexdigest()


class Rewritten(Exception):  # a condition, not a fault
    """A segment of our ledger is no longer what it was."""


@contextmanager
def opened_segment(path: str) -> Iterator[BinaryIO]:
    """Open a segment of ours. StorageError; Rewritten if it is gone."""
    with storage(f"read {path}", "nothing was read"):
        try:
            file = opened(path)
        except FileNotFoundError:
            raise Rewritten from None
        with file:
            yield file
