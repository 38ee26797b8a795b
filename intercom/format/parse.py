"""Owns reading the log: bytes, whole or in pieces, to entries. Nothing is an error; at most it needs more input."""

from __future__ import annotations

import re
from collections.abc import Iterator

from intercom.core.patterns import lazy
from intercom.format import entries, strict
from intercom.format.fences import NEED_MORE, REAL, Fences
from intercom.format.grammar import (
    BETWEEN,
    BOUNDARY,
    COMPACTED,
    CONFLICT,
    CONFLICT_SIDE,
    FENCE,
    FRONT,
    FRONT_KEY,
    FRONT_MATTER,
    FRONT_STOP,
    REACH,
    REST,
    Entry,
)
from intercom.format.roster import Roster

_FRONT_START = lazy(rb"\n(?:\xef\xbb\xbf)?---[ \t]*\r?\n")
_CONFLICT_REACH = 4  # times the reach of a fence; one side of a conflict may be as long as a live log
_TRIES = 8  # line ends that an editor made longer move a message's end by a few lines
_LARGE = 1 << 20  # bytes; a larger entry is searched again only after it grew by an eighth


def parse(data: bytes, roster: Roster | None = None) -> list[Entry]:
    """Parse a whole file into its entries, in order. A `roster` marks it as a page, where any dialect is read."""
    parser = Parser(roster=roster)
    return parser.feed(data) + parser.close()


def one(raw: bytes, start: int = 0, roster: Roster | None = None) -> Entry:
    """Parse one message again from its `raw` and `start`, with the same roster, so that its text need not be kept."""
    buffer = b"\n" + raw
    match = BOUNDARY.match(buffer)
    if match is not None and match.lastindex not in {COMPACTED, CONFLICT} and entries.is_header(match, roster):
        return entries.message(buffer, match, len(buffer), start - 1, roster)
    assert roster is not None, "these are not the bytes of a message"
    from intercom.format import lines  # needed for pages only

    return lines.again(raw, start, roster)


class Parser:
    """Incremental parser: takes pieces of a log, and returns each entry as soon as its end is certain.

    `start` is the offset of the first byte, at the boundary of an entry; only at 0 may front matter follow. `reach`,
    in bytes, is how far a fence may span over quoted headers. With a `roster`, people's text is read in any dialect.
    `close` returns what is left.
    """

    def __init__(self, start: int = 0, *, reach: int = REACH, roster: Roster | None = None) -> None:
        self._roster = roster
        self._buffer = b"\n"  # a newline, then what was not returned yet
        self._pieces: list[bytes] = []  # fed, but not in the buffer yet
        self._waiting = 0  # total bytes of the pieces
        self._offset = start  # log offset of the byte after that newline
        self._searched = 0  # where to continue the search for the next boundary
        self._reach = reach
        self._fences = Fences(reach)  # state within the buffer's first entry, if that is hand-written
        self._sealed = _Sealed()
        self._sides = (0, 0)  # offsets of a stretch without outer conflict lines
        self._top = start == 0
        self._frontless = start == 0  # front matter is still possible

    @property
    def settled(self) -> int:
        """Where a later parse must begin: the offset of the first entry not returned yet."""
        return self._offset

    def feed(self, data: bytes) -> list[Entry]:
        """Add bytes; returns the entries that are complete (one of more than 1 MiB perhaps a little later)."""
        self._pieces.append(data)
        self._waiting += len(data)
        if len(self._buffer) > _LARGE and self._waiting < len(self._buffer) >> 3:
            return []
        return self._run(final=False)

    def fork(self) -> Parser:
        """A parser that has been fed the same; each goes on by itself."""
        from copy import deepcopy  # few need it

        return deepcopy(self, {id(self._roster): self._roster})

    def close(self) -> list[Entry]:
        """End the input; returns the remaining entries."""
        found = self._run(final=True)
        self._buffer = b"\n"
        return found

    def _run(self, *, final: bool) -> list[Entry]:
        buffer = self._buffer = b"".join((self._buffer, *self._pieces))
        self._pieces, self._waiting = [], 0
        end = len(buffer) if final else buffer.rfind(b"\n") + 1
        out: list[Entry] = []
        begin = 0
        if self._top:
            front = _front(buffer, end, self._reach, final=final)
            if front is None:
                return out
            self._top = False
            if front:
                out.append(Entry(FRONT, 0, buffer[1 : front + 1]))
                self._frontless = False
                begin = front
                self._fences.restart(begin)
        begin, current, at = self._entries(buffer, begin, end, out, final=final)
        if final:
            self._give(out, buffer, begin, len(buffer), current)
            begin = len(buffer) - 1
        self._fences.shift(begin)
        self._searched = max(0, at - begin)
        self._buffer = buffer[begin:]
        self._offset += begin
        return out

    def _entries(
        self, buffer: bytes, begin: int, end: int, out: list[Entry], *, final: bool
    ) -> tuple[int, re.Match[bytes] | None, int]:
        """Add the entries with a certain end to `out`; returns where the next begins, its boundary, where to search."""
        current = self._first(buffer, begin, end)
        strong = current is not None and entries.is_strong(buffer, current, end)
        at = max(self._searched, begin + 1 if current is None else current.end())
        while True:
            if current is not None and strict.is_strict(current):
                known = len(out)
                current, at = strict.run(buffer, current, at, end, self._offset - 1, out)
                begin = current.start()
                out[known:] = self._apart(out[known:])
                self._frontless = self._frontless and self._roster is not None  # else what people wrote is above it
            match = BOUNDARY.search(buffer, at, end)
            if match is None:
                return begin, current, max(at, end - 1)
            if strong and not strict.is_strict(match) and (below := self._fenced(buffer, begin, match.start())):
                strong = False  # people may quote in fences here
                self._fences.restart(below)
            verdict = self._judge(buffer, match, end, strong=strong, final=final)
            if verdict == NEED_MORE:
                return begin, current, match.start()
            at = match.end() if verdict == REAL else verdict
            if verdict == REAL:
                self._give(out, buffer, begin, match.start() + 1, current)
                begin, current = match.start(), match
                strong = entries.is_strong(buffer, match, end)
                self._fences.restart(at)

    def _fenced(self, buffer: bytes, begin: int, stop: int) -> int:
        """Where people's text begins below the tool's message at `begin`, if it contains a fence; otherwise 0."""
        from intercom.format import lines

        if self._sealed.at != self._offset + begin:
            self._sealed = _Sealed(self._offset + begin, lines.seal_size(buffer, begin))
        return self._sealed.fenced(buffer, begin, stop)

    def _first(self, buffer: bytes, begin: int, end: int) -> re.Match[bytes] | None:
        """The boundary of the buffer's first entry; None if that is loose text."""
        match = BOUNDARY.match(buffer, begin, end)
        if match is None or (match.group(REST) is not None and not entries.is_header(match, self._roster)):
            return None
        return match

    def _give(self, out: list[Entry], buffer: bytes, begin: int, stop: int, current: re.Match[bytes] | None) -> None:
        """Add the entry between two boundaries to `out`."""
        if current is not None and current.lastindex not in {COMPACTED, CONFLICT}:
            found = [entries.message(buffer, current, stop, self._offset - 1, self._roster)]
        else:
            found = entries.other(buffer[begin + 1 : stop], self._offset + begin, marker=current is not None)
        out += self._apart(found)

    def _apart(self, found: list[Entry]) -> list[Entry]:
        """These entries of a page, split at the messages that people wrote between their lines."""
        if self._roster is None and not (self._frontless and any(map(_may_hold_front, found))):
            return found
        from intercom.format import lines

        out: list[Entry] = []
        for entry in found:
            if self._roster is not None:
                out += lines.taken_apart(entry, self._roster, at_top=self._frontless)
            else:
                out += lines.around_front(entry, None) if self._frontless and _may_hold_front(entry) else [entry]
            self._frontless = self._frontless and not any(part.kind == FRONT for part in out[-3:])
        return out

    def _judge(self, buffer: bytes, match: re.Match[bytes], end: int, *, strong: bool, final: bool) -> int:
        """REAL if an entry begins at `match`, NEED_MORE, or the index where the search continues."""
        if strong and strict.is_strict(match):
            return REAL
        if match.lastindex == REST and not entries.is_header(match, self._roster):
            return match.end()
        if not strong and self._fences.advance(buffer, match.start()):

            def headers(start: int, stop: int) -> Iterator[tuple[int, bool]]:
                found = (header for header in BOUNDARY.finditer(buffer, start, stop) if _begins(header, self._roster))
                return ((header.start(), entries.is_strong(buffer, header, stop)) for header in found)

            if match.lastindex == CONFLICT:
                return match.end()
            return self._fences.quoted(buffer, match.start(), end, final=final, headers=headers)
        if match.lastindex == CONFLICT:
            return self._conflict_line(buffer, match, end, final=final)
        return REAL

    def _conflict_line(self, buffer: bytes, match: re.Match[bytes], end: int, *, final: bool) -> int:
        """Decide on a git conflict line: a marker if an entry, another such line or the end follows; otherwise text."""
        between = BETWEEN.match(buffer, match.end(), end)
        follows = between.end() if between else match.end()
        if follows < end - 1:
            found = BOUNDARY.match(buffer, follows, end)
            if found is None or (found.lastindex != CONFLICT and not _begins(found, self._roster)):
                return match.end()
        elif not final:
            return NEED_MORE
        if match.group(CONFLICT)[:1] in b"<>":
            return REAL
        inside = self._inside(buffer, match.end(), end, final=final)
        return match.end() if inside is None else inside

    def _inside(self, buffer: bytes, at: int, end: int, *, final: bool) -> int | None:
        """REAL if the next outer conflict line after `at` is the closing one, NEED_MORE, or None if it is not."""
        shift = self._offset - 1
        since, until = self._sides
        start = max(at, until - shift) if since <= at + shift else at
        limit = at + _CONFLICT_REACH * self._reach
        found = CONFLICT_SIDE.search(buffer, start, end)
        if found is None:
            self._sides = (min(since, at + shift) if start > at else at + shift, max(start, end - 1) + shift)
            return None if final or end > limit else NEED_MORE
        self._sides = (at + shift, found.start() + shift)
        return REAL if found.start() < limit and found.group(1)[:1] == b">" else None


def _begins(match: re.Match[bytes], roster: Roster | None) -> bool:
    """Whether a boundary match, other than a conflict line, begins an entry outside of any fence."""
    return match.lastindex != CONFLICT and (match.group(REST) is None or entries.is_header(match, roster))


class _Sealed:
    """What is below the tool's message at the start of the buffer: examined once, however many lines follow."""

    def __init__(self, at: int = -1, size: int = 0) -> None:
        self.at = at  #: offset of the message
        self._size = size  # its declared size in bytes
        self._below = 0  # where the text below it begins; 0: unknown, or there is none
        self._looked = 0  # up to where that text is known to have no fence
        self._tries = self._tried = 0  # how often its end was sought, and in how many bytes

    def fenced(self, buffer: bytes, begin: int, stop: int) -> int:
        """Where people's text begins below the message at `begin`; 0 if it has no known fence before `stop`."""
        if FENCE.search(buffer, begin + self._looked, stop) is None:
            self._looked = stop - begin
            return 0
        if self._below:
            return begin + self._below
        if not self._size or stop - begin <= self._size or (self._tries > _TRIES and stop - begin < 2 * self._tried):
            return 0
        from intercom.format import lines

        self._tries, self._tried = self._tries + 1, stop - begin
        self._below = lines.below_seal(buffer[begin + 1 : stop + 1]) or 0
        self._looked = max(self._looked, self._below)
        return self.fenced(buffer, begin, stop) if self._below else 0


def _may_hold_front(entry: Entry) -> bool:
    """Whether it is by hand, and a rule stands in it."""
    return entry.id is None and b"\n---" in entry.raw and b"\0" not in entry.raw


def _front(buffer: bytes, end: int, reach: int, *, final: bool) -> int | None:
    """The index of the newline that ends the front matter, 0 if there is none, None for "need more"."""
    if end <= 1:
        return 0 if final else None
    if not _FRONT_START.match(buffer, 0, end):
        return 0
    match = FRONT_MATTER.match(buffer, 0, min(end, reach))
    if match is not None:
        return match.end() if FRONT_KEY.search(match.group()) else 0
    return 0 if final or end > reach or FRONT_STOP.search(buffer, 0, end) else None
