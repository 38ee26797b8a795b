"""Owns splitting an entry of a page where people wrote messages into it without a heading in the grammar's form.

What counts first is who wrote a line. A tool's text ends exactly where its seal says: no line of it is ever a
separate message, and anything below it was added by a person. If the seal does not fit, because somebody edited the
block, this cannot be told, and no line in it is a message; nor where NULs stand, for a power cut may have left them
in place of a header of ours. Everything else is people's text: there, outside of fenced code, a line in one of the
forms of `dialects` begins a message.

Below a finished message, `@name` begins a message. Within one that was left open it does so only if that name's
bearer sent it, or in the last paragraph if it is not addressed to him anyway: "@roo: see below" in a message to roo
is part of that message.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from intercom.core.message import ALL, recipients
from intercom.core.patterns import lazy
from intercom.format import body, entries
from intercom.format.dialects import Line, line, mention, worth
from intercom.format.fences import closable, fences
from intercom.format.grammar import BEGUN_HEADING, BOUNDARY, FRONT, MESSAGE, PREAMBLE, Entry
from intercom.format.record import extent
from intercom.format.roster import Roster
from intercom.format.text import decode

_SIZE = lazy(rb" size=([0-9]{1,12}) sum=[0-9a-f]{10} -->[ \t]*\r?\n")
_META_NEAR = 4096  # bytes; more than a header and a meta line have
_PIECE = lazy(rf"(?:{BEGUN_HEADING}|-{{1,3}}|<[^\n]*)\Z".encode())  # a truncated header, rule or marker
_BLANK_LINES = lazy(rb"(?:[ \t]*\r?\n)*")
_RULE = lazy(r"\s*(?:-{3,}|\*{3,}|_{3,})\s*\Z")
_QUOTE = lazy(rb" {0,3}>")
_ENDED = lazy(rb"[ \t]{0,80}\r?(?:\n|\Z|-{3})")
_LONGEST = 1000  # bytes; longer lines are never headers
_OURS = lazy(
    rb"(?:\A|\n)(---[ \t]*\r?\n(?=[A-Za-z_][\w-]*:)(?:(?!---[ \t]*\r?\n)[^\n]*\n){0,60}?---[ \t]*\r?)(?=\n|\Z)"
)
_RULED = lazy(rf"\n---[ \t]*\r?\n(?:\r?\n)*({BEGUN_HEADING})?\Z".encode())  # the heading belongs to what is lost
_OUR_KEY = lazy(rb"\n(?:protocol: INTERCOM|machine:)")


class Row(NamedTuple):
    """A line of people's text, and its position in its entry."""

    start: int
    end: int
    text: str
    apart: bool  #: whether it begins a paragraph
    ruled: bool  #: whether a rule is above it
    first: bool  #: whether no text is above it
    alone: bool  #: whether it is a paragraph by itself
    quoted: bool  #: whether it belongs to a block quote of several lines


def taken_apart(entry: Entry, roster: Roster, *, at_top: bool = False) -> list[Entry]:
    """Split an entry into the messages it consists of; their `raw`, joined, equals the entry's."""
    if entry.kind not in {MESSAGE, PREAMBLE}:
        return [entry]
    if b"\0" in entry.raw:
        return _above_hole(entry, roster)
    if at_top and len(parts := around_front(entry, roster)) > 1:
        return [piece for part in parts for piece in taken_apart(part, roster)]
    begin = people_begin(entry)
    if begin is None:
        return [entry]
    cuts = _cuts(entry, begin, roster)
    if entry.id is None:
        return _parted(entry, cuts, roster) if cuts else [entry]
    if not cuts and not entry.raw.endswith(b"\n") and _PIECE.match(entry.raw[begin:].strip()):
        return [entry]
    first = _part(entry, begin, roster)
    if not cuts or cuts[0][0].start > begin:
        first.append(Entry(PREAMBLE, entry.start + begin, entry.raw[begin : cuts[0][0].start if cuts else None]))
    return first + _messages(entry, cuts)


def _above_hole(entry: Entry, roster: Roster) -> list[Entry]:
    """A person's message that a rule ends, and apart from it what a power cut left below; else the entry."""
    hole = entry.raw.find(b"\0")
    whole = _RULED.search(entry.raw[:hole]) if entry.kind == MESSAGE and entry.id is None else None
    if whole is None:
        return [entry]
    end = whole.end() if whole[1] is None else whole.start(1)
    return _part(entry, end, roster) + _part(entry, end, roster, since=True)


def around_front(entry: Entry, roster: Roster | None) -> list[Entry]:
    """What somebody wrote above our front matter, that, and what stands below it; the entry if it holds none."""
    front = _front(entry)
    if front is None:
        return [entry]
    matter = Entry(FRONT, entry.start + front[0], entry.raw[front[0] : front[1]])
    return [*_part(entry, front[0], roster), matter, *_part(entry, front[1], roster, since=True)]


def _cuts(entry: Entry, begin: int, roster: Roster) -> list[tuple[Row, Line]]:
    """The lines that begin messages. The line below such a line counts as a new paragraph, as in a chat."""
    cuts: list[tuple[Row, Line]] = []
    for row in rows(entry, begin):
        chat = bool(cuts) and cuts[-1][0].end == row.start
        if (read := _read(entry, row._replace(apart=True) if chat else row, roster)) is not None:
            cuts.append((row, read))
    return cuts


def people_begin(entry: Entry) -> int | None:
    """Where in the entry's bytes people's text begins below a header; None if there is none."""
    raw = entry.raw
    if entry.kind == PREAMBLE:
        return 0
    if entry.id is None:
        return raw.find(b"\n") + 1 or None
    return below_seal(raw)


def seal_size(raw: bytes, at: int = 0) -> int:
    """The size in bytes that the tool's message at `at` declares; 0 if it declares none."""
    found = _SIZE.search(raw, at, at + _META_NEAR)
    return int(found[1]) if found else 0


def below_seal(raw: bytes) -> int | None:
    """Where the text below a tool's message begins, if the message still fits its seal."""
    size = seal_size(raw)
    if not size or len(raw.rstrip()) <= size or b"\0" in raw:
        return None
    end = record_end(raw, size)
    if not end:
        return None
    blank = _BLANK_LINES.match(raw, end)
    return blank.end() if blank else end


def record_end(raw: bytes, size: int) -> int:
    """Where the record of this size that `raw` begins with ends, tolerating changed line ends; 0 if it is not whole."""
    for missing in range(3):  # an editor may have removed the blank line below
        whole = raw[: size - missing] + b"\n" * missing
        if extent(whole) == size:
            return size - missing
    if b"\r\n" not in raw:
        return 0
    plain = raw.replace(b"\r\n", b"\n")
    end = record_end(plain, size) if len(plain) < len(raw) else 0
    return end + raw.count(b"\r\n", 0, _there(raw, plain[:end].count(b"\n"))) if end else 0


def _there(raw: bytes, lines: int) -> int:
    """The offset in `raw` after this many lines."""
    at = 0
    for _ in range(lines):
        at = raw.index(b"\n", at) + 1
    return at


def rows(entry: Entry, begin: int) -> Iterator[Row]:
    """The lines of people's text in an entry from `begin` on, without fenced code."""
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
    """The closed fenced blocks, last first."""
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


def _part(entry: Entry, cut: int, roster: Roster | None, *, since: bool = False) -> list[Entry]:
    """The part of an entry up to `cut`, or what follows it as loose text."""
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
    return _part(entry, cuts[0][0].start, roster) + _messages(entry, cuts)


def _messages(entry: Entry, cuts: list[tuple[Row, Line]]) -> list[Entry]:
    """The messages that begin at these lines."""
    ends = [*(row.start for row, _ in cuts[1:]), len(entry.raw)][: len(cuts)]
    return [
        message(read, entry.raw[row.start : end], row.end - row.start, entry.start + row.start)
        for (row, read), end in zip(cuts, ends, strict=True)
    ]


def again(raw: bytes, start: int, roster: Roster) -> Entry:
    """Re-read the message with this `raw` and `start`, if it begins with a line instead of a heading."""
    row = next(rows(Entry(PREAMBLE, start, raw), 0))
    read = _read(Entry(PREAMBLE, start, raw), row, roster)
    assert read is not None, "these are not the bytes of a message"
    return message(read, raw, row.end, start)


def message(read: Line, raw: bytes, first: int, start: int) -> Entry:
    """Build the message of a line that was read, with the text below it; `first` is the length of that line."""
    below = body.loose(raw[first:].replace(b"\r\n", b"\n"))
    joint = "\n\n" if raw[first:].lstrip(b" \t\r")[:1] == b"\n" else "\n"
    text = f"{read.text}{joint}{below}" if read.text and below else read.text or below
    return Entry(MESSAGE, start, raw, read.stamp, read.sender, read.to, read.tag, read.urgent, text)


def _front(entry: Entry) -> tuple[int, int] | None:
    """Where our front matter is, if somebody wrote something above it; None otherwise."""
    begin = people_begin(entry) if entry.kind == MESSAGE else 0
    if begin is None:
        return None
    found = _OURS.search(entry.raw, max(0, begin - 1))
    if found is None or _OUR_KEY.search(found[1]) is None:
        return None
    stop = found.end(1)
    return found.start(1), stop + 1 if entry.raw[stop : stop + 1] == b"\n" else stop
