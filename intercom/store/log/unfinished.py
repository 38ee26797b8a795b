"""Owns what a crash may have left of a page: pure rules that finish or trim it silently.

The page is never synced, so after a power cut it may be old, short, or contain NULs in place of bytes that never
reached the disk; after a kill it may lack what the ledger has, or still hold what a compaction was about to remove.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

from intercom.core.patterns import lazy
from intercom.format import MARKER, MESSAGE, PREAMBLE, Entry, Parser, marker, parse, seam
from intercom.format.grammar import BEGUN_HEADING
from intercom.format.record import PAGE, START, ident, is_control, sealed
from intercom.format.render import begun
from intercom.format.roster import Roster
from intercom.store.log.base import Base, Mark
from intercom.store.log.ledger import Position
from intercom.system.files import joined

_PIECE = 1024 * 1024  #: bytes parsed at a time
_USUAL = 512 * 1024  #: bytes; entries of a page up to this size are cached, as a repair needs them several times
_COMPACTED = b"### COMPACTED"
_IDENT = lazy(rb"\n<!-- intercom id=[0-9a-z]+ ")
_EVIDENCE = 8  #: bytes of a record that must be present to recognise it
#: A header, or the beginning of one, that somebody is still writing at the end of a page.
BEGUN_LINE = lazy(rf"(?<![^\n]){BEGUN_HEADING}\Z".encode())
#: The marker line between a page's top and its first message, as `marker` writes it.
_MARKED = lazy(rb"\n\n(### COMPACTED: [0-9]{1,18} older messages archived \([0-9: -]{1,40}\)\n\n)\Z")
_LONGEST_MARKER = 120  # bytes
_TORN_META = lazy(rb"\A[^\n]*\n<!-- intercom(?:(?!-->)[^\n])*\Z")


def entries_of(data: bytes, roster: Roster | None = None) -> Iterator[Entry]:
    """The entries of a file one by one, so that a long file is not held in memory. Otherwise as `parse`."""
    if len(data) <= _USUAL:
        yield from _read(data, roster)
        return
    parser = Parser(roster=roster)
    for at in range(0, len(data), _PIECE):
        yield from parser.feed(data[at : at + _PIECE])
    yield from parser.close()


@lru_cache(maxsize=3)
def _read(data: bytes, roster: Roster | None) -> tuple[Entry, ...]:
    """The cached entries of a page of usual size, for its present, former and future content."""
    known = max((one for one in _begun if one.begins(data, roster)), key=lambda one: len(one.data), default=None)
    parser = Parser(roster=roster) if known is None else known.parser.fork()
    had, size = ((), 0) if known is None else (known.entries, len(known.data))
    certain = (*had, *parser.feed(data[size:]))
    _begun.append(_Begun(data, roster, certain, parser))
    return (*certain, *parser.fork().close())


class _Begun(NamedTuple):
    """A page as read so far: a page that goes on from there need not be read from its beginning."""

    data: bytes
    roster: Roster | None
    entries: tuple[Entry, ...]  #: those whose end is certain
    parser: Parser  #: was fed all of it; never fed again, but forked

    def begins(self, data: bytes, roster: Roster | None) -> bool:
        """Whether a page that is read with this roster begins so."""
        return roster == self.roster and data.startswith(self.data)


_begun: deque[_Begun] = deque(maxlen=3)


class Reading(Protocol):
    """How a page was read, from a base or from `Read`."""

    @property
    def roster(self) -> Roster:
        """The names that were known then."""

    @property
    def marks(self) -> Mapping[int, Mark]:
        """Which message an entry is, if its meta line does not say so."""


class Read(NamedTuple):
    """How a page without a base was read."""

    roster: Roster
    marks: Mapping[int, Mark]


class Left(NamedTuple):
    """The content of a compaction's record: which messages stay, how many left the page so far, and when."""

    kept: tuple[str, ...]
    archived: int
    stamp: str


def left(entry: Entry) -> Left:
    """Parse a compaction's record."""
    first, *kept = entry.body.splitlines() or ["0 left"]
    number = first.split(" ")[0]
    return Left(tuple(kept), int(number) if number.isdecimal() else 0, entry.stamp)


Tail = Sequence[tuple[Position, bytes]]


def last_compaction(tail: Tail) -> Left | None:
    """The last compaction record among what the ledger gained."""
    found = None
    for _, data in tail:
        for entry in parse(data):
            if entry.kind == MESSAGE and is_control(entry) and entry.tag == PAGE:
                found = left(entry)
    return found


def completed(page: bytes, base: Base | None, tail: Tail, *, torn: bool) -> bytes | None:
    """Finish a page that a crash left; None if this is not what a crash leaves.

    A kill loses at most what was never seen on the page. `torn`: the power may have been cut since, which may lose
    any end and leave NULs anywhere.
    """
    if base is None or (not torn and page == base.page and begun(page)):
        return None  # whoever wrote that header goes on behind it
    for wanted, seen, _ in _wanted(base, tail):
        if page == wanted:
            return page
        if torn:
            if len(page) <= len(wanted) and _like(page, wanted):
                return wanted
        elif seen <= len(page) < len(wanted) and wanted.startswith(page):
            return wanted
    return None


def unbroken(page: bytes, base: Base | None, tail: Tail) -> bytes:
    """The page without a partial record at its end that a writer left when it died, and nobody had seen.

    Somebody else may have written right before it. NULs at the end are nobody's text.
    """
    end = page.rstrip(b"\0")
    if base is None:
        return end
    last = end.rfind(b"\n") + 1
    at = last if START.startswith(end[last:]) else end.rfind(b"\n" + START) + 1
    rest = end[at:]
    if base.head.rebooted and _TORN_META.search(rest):
        return end[:at]
    for (number, start), data in tail if rest else ():
        for entry in parse(data):
            unseen = Position(number, start + entry.start) >= base.head.seen
            if unseen and entry.kind == MESSAGE and not is_control(entry) and entry.raw.startswith(rest):
                return end if rest == entry.raw else end[:at]
    return end


def as_it_was(base: Base, tail: Tail, page: bytes, roster: Roster) -> bytes | None:
    """The expected page, if it is certain to the byte and says above its messages what `page` does; else None."""
    whole = next((whole for whole, _, last in _wanted(base, tail) if last), None)
    top = whole is not None and _is_left(top_of(page, roster), top_of(whole, roster))
    return whole if top else None


def filled(page: bytes, records: Sequence[bytes]) -> bytes:
    """The page with its NULs replaced wherever consecutive whole records explain the text around them."""
    parts, at = [], 0
    while (hole := page.find(b"\0", at)) >= 0:
        found = _explained(page, at, hole, records)
        if found is None:
            stop = hole + len(page[hole:]) - len(page[hole:].lstrip(b"\0"))
            parts.append(page[at:stop])
            at = stop
        else:
            start, at_end, text = found
            parts += [page[at : min(start, hole)], b"\n" * (start - hole), text]
            at = at_end
    return b"".join([*parts, page[at:]])


def _explained(page: bytes, at: int, hole: int, records: Sequence[bytes]) -> tuple[int, int, bytes] | None:
    """Start, end and text of the records around a hole; None if none fit."""
    stop = next((place for place in range(hole, len(page)) if page[place]), len(page))
    header = page.rfind(b"\n" + START, at, hole) + 1 or (at if page.startswith(START, at) else hole)
    line = page.rfind(b"\n", at, hole) + 1
    starts = dict.fromkeys((header, line if START.startswith(page[line:hole]) else hole, hole, hole + 1, hole + 2))
    for start in starts:
        if start >= hole and not (page[:hole] + b"\n" * (start - hole)).endswith(b"\n\n") and start:
            continue  # within a text, where repeated lines may match by chance
        for number, record in enumerate(records):
            before = page[:hole].endswith(records[number - 1]) if number and start >= hole else False
            told = len(page[start : start + len(record)].replace(b"\0", b""))
            end = _fits(page, start, stop, records[number:])
            exact = end is not None and start <= hole and end[0] == stop and page.startswith(START, stop)
            if not before and told < _EVIDENCE and not exact:
                continue
            text = b"".join(records[number : number + end[1]]) if end else b""
            if end and not any(ident in page[:start] + page[end[0] :] for ident in _IDENT.findall(text)):
                return start, end[0], text
    return None


def _fits(page: bytes, start: int, stop: int, records: Sequence[bytes]) -> tuple[int, int] | None:
    """Where these records would end if placed at `start`, ignoring NULs, and how many exceed `stop`, if they fit."""
    for count, record in enumerate(records, 1):
        piece = page[start : start + len(record)]
        if not _like(piece, record):
            return None
        start += len(record)
        if start >= stop:
            return min(start, len(page)), count
    return None


def topped(page: bytes, former: bytes, fresh: Callable[[], bytes], roster: Roster) -> bytes:
    """The page with its `former` top where at most a rest of that is there, and without NULs that are in no message.

    The text above the messages is in no ledger: what a power cut took of it comes back from the base alone. Where
    somebody wrote other lines there, those count. `fresh` is the top where there was none.
    """
    top: list[bytes] = []
    rest: list[bytes] = []
    holed = False
    for entry in entries_of(page, roster):
        below = bool(rest) or entry.kind == MESSAGE
        if entry.kind == MESSAGE or b"\0" not in entry.raw:
            (rest if below else top).append(entry.raw)
        else:
            holed = holed or not below
    now, before = b"".join(top), top_of(former, roster)
    if before.strip() and (holed or _is_left(now, before)):
        return joined([before, *rest[:1]]) + b"".join(rest[1:])
    if holed and not now.strip():
        now = fresh()
    return now + b"".join(rest)


def _is_left(text: bytes, former: bytes) -> bool:
    """Whether a text is at most some of the lines of another, the last of them perhaps cut; markers do not count."""
    there, wanted = ([line.strip() for line in one.splitlines() if line.strip()] for one in (text, former))
    there = [line for line in there if not line.startswith(_COMPACTED)]
    known = set(wanted)
    last = any(line.startswith(there[-1]) for line in wanted) if there else True
    return last and all(line in known for line in there[:-1])


def top_of(page: bytes, roster: Roster) -> bytes:
    """The text above the first message."""
    out = []
    for entry in entries_of(page, roster):
        if entry.kind == MESSAGE:
            break
        out.append(entry.raw)
    return b"".join(out)


def _wanted(base: Base, tail: Tail) -> Iterator[tuple[bytes, int, bool]]:
    """What the page may be expected to hold, and how much of it was seen there: before and after a compaction.

    The last one says so: it is left out if somebody wrote by hand since, in words of their own.
    """
    parts, seen, size = [base.page], len(base.page), len(base.page)
    for (number, start), data in tail:
        for entry in parse(data):
            if entry.kind != MESSAGE:
                return
            if not is_control(entry):
                if entry.via == "hand":
                    return
                parts.append(entry.raw)
                size += len(entry.raw)
                if Position(number, start + entry.start) < base.head.seen:
                    seen = size
            elif entry.tag == PAGE:
                whole = b"".join(parts)
                yield whole, seen, False
                said = left(entry)
                whole, _ = trimmed(whole, base, Others(said.kept), said.archived, said.stamp)
                parts, seen, size = [whole], len(whole), len(whole)
            elif entry.tag != "OPEN":
                return
    yield b"".join(parts), seen, True


def _like(page: bytes, wanted: bytes) -> bool:
    """Whether a page is a prefix of another, ignoring NULs."""
    if wanted.startswith(page):
        return True
    at = 0
    for part in page.split(b"\0"):
        if part and wanted[at : at + len(part)] != part:
            return False
        at += len(part) + 1
    return True


class Others:
    """The set of all ids except these."""

    def __init__(self, kept: Sequence[str]) -> None:
        self._kept = frozenset(kept)

    def __contains__(self, ident: object) -> bool:
        return ident not in self._kept


def trimmed(page: bytes, read: Reading, gone: Container[str], count: int, stamp: str) -> tuple[bytes, dict[int, Mark]]:
    """A page without the messages that are `gone`, with the marker line in their place; and the remaining marks.

    `count` and `stamp` are for the marker. Copies stay, and so does text that is not a message: what stood below a
    message that is gone stands below the marker, lest it become part of another message.
    """
    page, marked, records = (page, b"", []) if read.marks else _of_tools(page)
    lead: list[bytes] = []
    below: list[bytes] = []
    rest: list[bytes] = []
    left_: dict[int, Mark] = {}
    now, begun, parted = 0, False, False
    for entry, number, mark in _marked(page, read):
        drop = is_compacted(entry)
        if mark is not None:
            drop = bool(mark.id) and not mark.copy and mark.id in gone
            if not drop:
                if number in read.marks:
                    left_[now] = mark
                now += 1
        if drop:
            begun = parted = True
        elif not begun:
            lead.append(entry.raw)
        elif parted and entry.kind == PREAMBLE:
            below.append(entry.raw)
        else:
            rest += [seam(rest[-1], entry.raw), entry.raw] if parted and rest else [entry.raw]
            parted = False
    begun = begun or bool(marked)
    for record in records:
        if ident(record) in gone:
            begun = True
        else:
            (rest if begun else lead).append(record)
    return joined([b"".join(lead), marker(count, stamp), *below, b"".join(rest)]), left_


def is_compacted(entry: Entry) -> bool:
    """Whether it is the marker line that a compaction left."""
    return entry.kind == MARKER and entry.raw.startswith(_COMPACTED)


def _of_tools(page: bytes) -> tuple[bytes, bytes, list[bytes]]:
    """Split a page into its top, a compaction's marker and the tools' records below; if there is more, all is top.

    After a blank line each record is an entry whatever is above it, so it need not be parsed. The top without the
    marker, which is another each time, is one that was parsed before.
    """
    top = page.find(b"\n\n" + START) + 2
    records = sealed(page[top:]) if top > 1 else None
    if records is None:
        return page, b"", []
    found = _MARKED.search(page, max(0, top - _LONGEST_MARKER), top)
    begin = found.start(1) if found else top
    return page[:begin], page[begin:top], records


def without(page: bytes, read: Reading, gone: Container[str]) -> bytes:
    """A page without these messages and their copies; what stood below one goes to the top where it would become
    part of a message that a person wrote.
    """
    top: list[bytes] = []
    below: list[bytes] = []
    kept: list[bytes] = []
    parted, above = False, b""  # `above`: the person's message that stands there
    for entry, _, mark in _marked(page, read):
        if mark is not None and mark.id in gone:
            parted = True
        elif parted and above and entry.kind == PREAMBLE:
            below.append(entry.raw)
        elif entry.kind != MESSAGE and not kept:
            top.append(entry.raw)
        else:
            kept += [seam(above, entry.raw), entry.raw] if parted and above else [entry.raw]
            parted, above = False, entry.raw if entry.kind == MESSAGE and entry.id is None else b""
    return joined([b"".join(top), *below, b"".join(kept)] if below else [b"".join([*top, *kept])])


def _marked(page: bytes, read: Reading) -> Iterator[tuple[Entry, int, Mark | None]]:
    """The entries of a page; each message with its number and its mark."""
    number = -1
    for entry in entries_of(page, read.roster):
        if entry.kind == MESSAGE:
            number += 1
            yield entry, number, read.marks.get(number, Mark(entry.id or ""))
        else:
            yield entry, number, None
