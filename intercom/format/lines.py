"""Owns taking an entry of a page apart where people wrote messages into it that have no heading of the grammar's own.

Whose words a line is counts first. What a tool wrote ends where its seal says, to the byte: no line of that is ever a
message of its own, and what stands below it a person put there. Where the seal does not fit, because somebody edited
the block, nobody can tell, and nothing in it is one. All else is the text of people: there a line in one of the forms
of `dialects` begins a message, outside of fenced code.

`@name` is a message below a message that is finished. In one that was left open it is one if that name's bearer sent
it, or in the last paragraph if it is not for him anyway: "@roo: see below" in a message to roo is a part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from intercom.core.message import ALL, recipients
from intercom.format import body, entries
from intercom.format.dialects import Line, line, mention, worth
from intercom.format.fences import closable, fences
from intercom.format.grammar import BOUNDARY, FRONT, MESSAGE, PREAMBLE, Entry
from intercom.format.record import extent
from intercom.format.roster import Roster
from intercom.format.text import decode

_SIZE = re.compile(rb" size=([0-9]{1,12}) sum=[0-9a-f]{10} -->[ \t]*\r?\n")
_META_NEAR = 4096  # bytes; a header and a meta line are no longer
_PIECE = re.compile(rb"(?:#{1,3}[ \t]*(?:\[[^\n]*)?|-{1,3}|<[^\n]*)\Z")  # of a header, a rule or a marker that was cut
_BLANK_LINES = re.compile(rb"(?:[ \t]*\r?\n)*")
_RULE = re.compile(r"\s*(?:-{3,}|\*{3,}|_{3,})\s*\Z")
_QUOTE = re.compile(rb" {0,3}>")
_ENDED = re.compile(rb"[ \t]{0,80}\r?(?:\n|\Z|-{3})")
_LONGEST = 1000  # bytes of a line that may be a header
_OURS = re.compile(
    rb"(?:\A|\n)(---[ \t]*\r?\n(?=[A-Za-z_][\w-]*:)(?:(?!---[ \t]*\r?\n)[^\n]*\n){0,60}?---[ \t]*\r?)(?=\n|\Z)"
)
_OUR_KEY = re.compile(rb"\n(?:protocol: INTERCOM|machine:)")


class Row(NamedTuple):
    """A line of people's text, and where it stands in its entry."""

    start: int
    end: int
    text: str
    apart: bool  #: it begins a paragraph
    ruled: bool  #: a rule stands above it
    first: bool  #: no text stands above it
    alone: bool  #: it is a paragraph
    quoted: bool  #: it is one of several lines of a block quote


def taken_apart(entry: Entry, roster: Roster, *, at_top: bool = False) -> list[Entry]:
    """The entry, or what it is made of: joined, their `raw` is that of the entry."""
    if entry.kind not in {MESSAGE, PREAMBLE}:
        return [entry]
    if at_top and (front := _front(entry)) is not None:
        above, below = _kept(entry, front[0], roster), _kept(entry, front[1], roster, since=True)
        matter = Entry(FRONT, entry.start + front[0], entry.raw[front[0] : front[1]])
        parts = [[part for one in some for part in taken_apart(one, roster)] for some in (above, below)]
        return [*parts[0], matter, *parts[1]]
    begin = people_begin(entry)
    if begin is None:
        return [entry]
    cuts = _cuts(entry, begin, roster)
    if entry.id is None:
        return _parted(entry, cuts, roster) if cuts else [entry]
    if not cuts and not entry.raw.endswith(b"\n") and _PIECE.match(entry.raw[begin:].strip()):
        return [entry]
    first = _kept(entry, begin, roster)
    if not cuts or cuts[0][0].start > begin:
        first.append(Entry(PREAMBLE, entry.start + begin, entry.raw[begin : cuts[0][0].start if cuts else None]))
    return first + _messages(entry, cuts)


def _cuts(entry: Entry, begin: int, roster: Roster) -> list[tuple[Row, Line]]:
    """The lines that begin messages. Right below such a line a paragraph begins: as in a chat, a line for each."""
    cuts: list[tuple[Row, Line]] = []
    for row in rows(entry, begin):
        chat = bool(cuts) and cuts[-1][0].end == row.start
        if (read := _read(entry, row._replace(apart=True) if chat else row, roster)) is not None:
            cuts.append((row, read))
    return cuts


def people_begin(entry: Entry) -> int | None:
    """Where in the entry's bytes the text begins that people wrote below a header; None where that is nowhere."""
    raw = entry.raw
    if entry.kind == PREAMBLE:
        return 0
    if entry.id is None:
        return raw.find(b"\n") + 1 or None
    return below_seal(raw)


def seal_size(raw: bytes, at: int = 0) -> int:
    """How many bytes the tool's message at `at` says it has; 0 if it does not say so."""
    found = _SIZE.search(raw, at, at + _META_NEAR)
    return int(found[1]) if found else 0


def below_seal(raw: bytes) -> int | None:
    """Where in a tool's message, to which a seal belongs that fits, the text begins that stands below it."""
    size = seal_size(raw)
    if not size or len(raw.rstrip()) <= size or b"\0" in raw:
        return None
    end = proven(raw, size)
    if not end:
        return None
    blank = _BLANK_LINES.match(raw, end)
    return blank.end() if blank else end


def proven(raw: bytes, size: int) -> int:
    """Where a record of this size ends that `raw` begins with; 0 if it is not whole. Line ends may be changed."""
    for missing in range(3):  # an editor may have taken the blank line below
        whole = raw[: size - missing] + b"\n" * missing
        if extent(whole) == size:
            return size - missing
    if b"\r\n" not in raw:
        return 0
    plain = raw.replace(b"\r\n", b"\n")
    end = proven(plain, size) if len(plain) < len(raw) else 0
    return end + raw.count(b"\r\n", 0, _there(raw, plain[:end].count(b"\n"))) if end else 0


def _there(raw: bytes, lines: int) -> int:
    """Where in `raw` so many lines end."""
    at = 0
    for _ in range(lines):
        at = raw.index(b"\n", at) + 1
    return at


def rows(entry: Entry, begin: int) -> Iterator[Row]:
    """The lines of people's text in an entry from `begin` on, those in fenced code left out."""
    raw, at, apart, ruled, first = entry.raw, begin, True, False, True
    closed, quote = _fenced(raw, begin), False
    while at < len(raw):
        while closed and closed[-1][1] <= at:
            closed.pop()
        if closed and closed[-1][0] <= at:
            at, apart, ruled, first = closed.pop()[1], False, False, False
            continue
        stop = raw.find(b"\n", at)
        end = len(raw) if stop < 0 else stop + 1
        text = decode(raw[at : min(end, at + _LONGEST)]).rstrip("\r\n").lstrip("\ufeff")
        blank, rule = not text.strip(), _RULE.match(text) is not None
        if not blank and not rule:
            alone, marked = apart and _ENDED.match(raw, end) is not None, _QUOTE.match(raw, at) is not None
            yield Row(at, end, text, apart, ruled, first, alone, marked and (quote or bool(_QUOTE.match(raw, end))))
            first, quote = False, marked
        apart, ruled, quote = blank or rule, rule or (ruled and blank), quote and not blank
        at = end


def _fenced(raw: bytes, begin: int) -> list[tuple[int, int]]:
    """Where fenced code stands that is closed, the last first."""
    found = list(fences(b"\n" + raw, begin, len(raw) + 1))
    out, opened = [], None
    for fence, may in zip(found, closable(found), strict=True):
        if opened is None:
            opened = fence if may else None
        elif fence.closes(opened.kind, opened.length):
            out.append((opened.start, fence.end))
            opened = None
    return out[::-1]


def _read(entry: Entry, row: Row, roster: Roster) -> Line | None:
    """The message that a line begins; None if it is text."""
    if not worth(row.text) or (row.quoted and entry.kind != PREAMBLE):
        return None
    read = line(row.text, roster, apart=row.apart)
    if read is not None:
        return read
    below = entry.kind == PREAMBLE or entry.id is not None or row.ruled
    read = mention(row.text, roster) if row.apart or below else None
    if read is None or below:
        return read
    reply = entry.sender in recipients(read.to)
    last = b"\n\n" not in entry.raw[row.start :].rstrip().replace(b"\r", b"")
    ours = {ALL, *recipients(entry.to)}.isdisjoint(recipients(read.to)) and entry.to != ALL
    return read if not row.first and (reply or (last and ours)) else None


def _kept(entry: Entry, cut: int, roster: Roster, *, since: bool = False) -> list[Entry]:
    """An entry up to `cut`, or what follows it as loose text."""
    if since:
        return [Entry(PREAMBLE, entry.start + cut, entry.raw[cut:])] if entry.raw[cut:] else []
    if not cut:
        return []
    if entry.kind == PREAMBLE:
        return [Entry(PREAMBLE, entry.start, entry.raw[:cut])]
    buffer = b"\n" + entry.raw[:cut]
    match = BOUNDARY.match(buffer)
    assert match is not None, "it is a message"
    return [entries.message(buffer, match, len(buffer), entry.start - 1, roster)]


def _parted(entry: Entry, cuts: list[tuple[Row, Line]], roster: Roster) -> list[Entry]:
    return _kept(entry, cuts[0][0].start, roster) + _messages(entry, cuts)


def _messages(entry: Entry, cuts: list[tuple[Row, Line]]) -> list[Entry]:
    """The messages that begin at these lines."""
    ends = [*(row.start for row, _ in cuts[1:]), len(entry.raw)][: len(cuts)]
    return [
        message(read, entry.raw[row.start : end], row.end - row.start, entry.start + row.start)
        for (row, read), end in zip(cuts, ends, strict=True)
    ]


def again(raw: bytes, start: int, roster: Roster) -> Entry:
    """The message whose `raw` and `start` were given before, where it begins with a line and no heading."""
    row = next(rows(Entry(PREAMBLE, start, raw), 0))
    read = _read(Entry(PREAMBLE, start, raw), row, roster)
    assert read is not None, "these are not the bytes of a message"
    return message(read, raw, row.end, start)


def message(read: Line, raw: bytes, first: int, start: int) -> Entry:
    """The message of a line that was read, with what stands below it; `first` is the length of that line."""
    below = body.loose(raw[first:].replace(b"\r\n", b"\n"))
    joint = "\n\n" if raw[first:].lstrip(b" \t\r")[:1] == b"\n" else "\n"
    text = f"{read.text}{joint}{below}" if read.text and below else read.text or below
    return Entry(MESSAGE, start, raw, read.stamp, read.sender, read.to, read.tag, read.urgent, text)


def _front(entry: Entry) -> tuple[int, int] | None:
    """Where our front matter stands that somebody wrote something above; None if it is not there."""
    begin = people_begin(entry) if entry.kind == MESSAGE else 0
    if begin is None:
        return None
    found = _OURS.search(entry.raw, max(0, begin - 1))
    if found is None or _OUR_KEY.search(found[1]) is None:
        return None
    stop = found.end(1)
    return found.start(1), stop + 1 if entry.raw[stop : stop + 1] == b"\n" else stop
