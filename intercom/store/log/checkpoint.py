"""Owns the cheap check that page and ledger agree, from their bytes alone.

As long as only tools wrote to the page, it equals its content at the last agreement (the base's copy) followed by
the records appended to the ledger since.
"""

from __future__ import annotations

from contextlib import closing
from typing import NamedTuple

from intercom.core.errors import StorageError
from intercom.format.record import START
from intercom.store.log.ledger import Position, without_open
from intercom.store.log.log import Log
from intercom.store.log.replace import news
from intercom.store.log.segments import Segment
from intercom.system.files import read_from

LEAD = 512  #: bytes before a position in our own segments that must be unchanged


class Grown(NamedTuple):
    """What both ledger and page have gained since the base, in memory, whatever happens to the files."""

    end: Position | None  #: end of the ledger; None while there is neither a ledger nor a page
    start: int = 0  #: offset of `data` in the segment of `end`
    before: bytes = b""  #: the bytes just before it
    data: bytes = b""
    behind: bool = False  #: the ledger has more than the page: somebody is sending, or died doing so


def quick(log: Log) -> Grown | None:
    """What both gained, if the page is byte for byte as expected; records how far that was seen.

    None means only that the bytes alone do not show it.
    """
    if news(log.live):
        return None
    found = log.base.opened()
    try:
        page = read_from(log.live)  # read before the ledger, so that the ledger has everything that tools put here
    except StorageError:
        if found is not None:
            found.close()
        raise
    if found is None:
        return Grown(None) if not page and log.ledger.end() is None and not log.has_journal() else None
    with closing(found):
        head, last = found.head, log.ledger.open()
        if page is None or last is None or log.has_journal():
            return None
        copy, size = found.page(), head.size
        if head.ledger != log.ledger.id or len(copy) != size or not page.startswith(copy):
            return None
        grown = _compared(log, head.at, last, page[size:])
        if grown is None or grown.end is None or (grown.behind and head.rebooted):
            return None  # a short page after a power cut may be an old one
        if not grown.behind and grown.end < head.seen:
            return None  # both are older than what was seen before
        found.saw(grown.end)
        return grown


def _compared(log: Log, at: Position, last: Segment, grown: bytes) -> Grown | None:
    """Compare what the page has gained with what the ledger has; None if they differ."""
    if at.number > last.number:
        return None  # its segment is gone
    if at.number != last.number:  # rare: a segment was begun since
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
        return None  # it has become shorter
    behind = grown != data
    if behind and not (data.startswith(grown) and data.startswith(START, len(grown))):
        return None
    return Grown(Position(last.number, at.offset + len(grown)), at.offset, before, grown, behind)
