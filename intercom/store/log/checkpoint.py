"""Owns the cheap proof that page and ledger agree, from their bytes alone.

As long as nothing but tools wrote to the page, it is what it was when both last agreed (the base's copy), followed by
the records that were appended to the ledger since.
"""

from __future__ import annotations

from contextlib import closing
from typing import NamedTuple

from intercom.format.record import START
from intercom.store.log.ledger import Position, without_open
from intercom.store.log.log import Log
from intercom.store.log.replace import news
from intercom.store.log.segments import Segment
from intercom.system.files import read_from

LEAD = 512  #: bytes of our own segments before some point that must be what they were


class Grown(NamedTuple):
    """What ledger and page both hold since the base: bytes in hand, whatever becomes of the files."""

    end: Position | None  #: how far the ledger counts; None while there is neither a ledger nor a page
    start: int = 0  #: where `data` begins in the segment of `end`
    before: bytes = b""  #: the end of what stands before it
    data: bytes = b""
    behind: bool = False  #: the ledger has more than the page: somebody is sending, or died while at it


def quick(log: Log) -> Grown | None:
    """What both hold, if the page is as expected by its bytes alone; notes how far that was seen.

    None means only that the bytes do not say so.
    """
    if news(log.live):
        return None
    found = log.base.opened()
    page = read_from(log.live)  # before the ledger: what a tool has put here is in the ledger by then
    if found is None:
        return Grown(None) if not page and log.ledger.end() is None and not log.has_journal() else None
    head, file = found
    with closing(file):
        last = log.ledger.open()
        if page is None or last is None or log.has_journal():
            return None
        size = head.size
        if head.ledger != log.ledger.id or len(page) < size or memoryview(page)[:size] != file.read(size):
            return None
        grown = _compared(log, head.at, last, page[size:])
        if grown is None or grown.end is None or (grown.behind and head.rebooted):
            return None  # a page that is short after a power cut may be an old one
        if not grown.behind and grown.end < head.seen:
            return None  # page and ledger are both older than what was seen of them
        log.base.saw(file, head, grown.end)
        return grown


def _compared(log: Log, at: Position, last: Segment, grown: bytes) -> Grown | None:
    """What the page has grown by beside what the ledger has since; None where they differ."""
    if at.number > last.number:
        return None  # the segment that held it is gone
    if at.number != last.number:  # rarely: a segment was begun since
        *earlier, (at, newest) = log.ledger.since(at)
        rest = without_open(at, newest)
        if grown != b"".join(without_open(*piece) for piece in earlier) + rest:
            return None
        start = len(newest) - len(rest)
        return Grown(Position(at.number, len(newest)), start, newest[max(0, start - LEAD) : start], rest)
    lead = min(at.offset, LEAD)
    tail = read_from(log.ledger.path(last), at.offset - lead) or b""
    before, data = tail[:lead], tail[lead:]
    if len(before) < lead:
        return None  # it is shorter than it was
    behind = grown != data
    if behind and not (data.startswith(grown) and data.startswith(START, len(grown))):
        return None
    return Grown(Position(last.number, at.offset + len(grown)), at.offset, before, grown, behind)
