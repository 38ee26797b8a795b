"""Owns fenced code in hand-written text: which headers in it are only quoted.

A header inside a closed fence is text. But a fence may have been left open, and then "its" closing line really
belongs to a fence of a later message. The closing line decides: read from the last header before it, it is either
half of a pair (the later message's own fence, and ours was left open), or a stray that would leave a fence open up
to the next header (it closes ours, and the header was quoted). A stray in hand-written text could also open a fence
that is never closed; so when a tool's message would be quoted, only a stray within a tool's message counts, since
those never leave a fence open. In doubt the header counts: one message too many is better than one lost.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from intercom.format.grammar import FENCE

REAL, NEED_MORE = 0, -1  # any other verdict is the index where the quotation ends

#: Finds where header lines begin in a stretch of the buffer, and whether a tool wrote each.
Headers = Callable[[int, int], Iterator[tuple[int, bool]]]


class Fence(NamedTuple):
    """A line that can open a fence and, if it is `bare`, close one. `start` is the newline before it."""

    start: int
    end: int
    kind: bytes
    length: int
    bare: bool

    def closes(self, kind: bytes, length: int) -> bool:
        """Whether it closes a fence that was opened by `length` characters of `kind`."""
        return self.bare and self.kind == kind and self.length >= length


class _Stray(NamedTuple):
    """What is known of a closing line: whether it is a stray, and the tools' headers before it."""

    close: int
    open: bool
    tool_last: bool  # whether the last header before it is a tool's
    last_tool: int  # where the last tool's header before it begins, -1 if none was seen


def fences(buffer: bytes, start: int, end: int) -> Iterator[Fence]:
    """The fence lines in a stretch of the buffer, open or closing."""
    for match in FENCE.finditer(buffer, start, end):
        mark, info = match.group(1, 2) if match.group(1) else match.group(3, 4)
        yield Fence(match.start(), match.end(), mark[:1], len(mark), not info.strip())


def closable(found: Sequence[Fence]) -> list[bool]:
    """For each of these lines, whether a later one could close the fence that it opens."""
    longest = {b"`": 0, b"~": 0}  # the longest closing fence of each kind still to come
    out = [False] * len(found)
    for i in range(len(found) - 1, -1, -1):
        fence = found[i]
        out[i] = longest[fence.kind] >= fence.length
        if fence.bare:
            longest[fence.kind] = max(longest[fence.kind], fence.length)
    return out


class _Before:
    """Caches the headers of a stretch: many closing lines ask for the headers before them."""

    def __init__(self) -> None:
        self._since = self._until = 0
        self._found: list[tuple[int, bool, int]] = []  # position, whether a tool's, position of the last tool's so far

    def last(self, start: int, stop: int, headers: Headers) -> tuple[int, bool, int]:
        """The last header from `start` to `stop`, whether a tool wrote it, and the last by a tool (-1: none)."""
        if not self._since <= start <= self._until:
            self._since = self._until = start
            self._found.clear()
        for place, tool in headers(self._until, stop) if stop > self._until else ():
            self._found.append((place, tool, place if tool else self._found[-1][2] if self._found else -1))
        self._until = max(self._until, stop)
        place, tool, last_tool = self._found[bisect_left(self._found, (stop,)) - 1]
        return place, tool, last_tool if last_tool >= start else -1


class Fences:
    """The fence state within one entry as far as it was read; lookups are cached across entries."""

    def __init__(self, reach: int) -> None:
        self._reach = reach
        self._at = 0
        self._kind = b""
        self._length = 0  # length of the open fence, 0 if none is open
        #: A stretch without a closing line, and the fence after it; by kind and length of the open fence.
        self._sought: dict[tuple[bytes, int], tuple[int, int, Fence | None]] = {}
        self._stray: _Stray | None = None
        self._before = _Before()

    def restart(self, at: int) -> None:
        """Start a new entry, whose text begins at `at`."""
        self._at, self._length = at, 0

    def shift(self, by: int) -> None:
        """Adjust to a buffer that has lost its first `by` bytes."""
        if by:
            self._at = max(0, self._at - by)
            self._sought.clear()
            self._stray = None
            self._before = _Before()

    def advance(self, buffer: bytes, to: int) -> bool:
        """Read on to index `to`; returns whether a fence is open there."""
        if to > self._at:
            for fence in fences(buffer, self._at, to):
                if not self._length:
                    self._kind, self._length = fence.kind, fence.length
                elif fence.closes(self._kind, self._length):
                    self._length = 0
            self._at = to
        return self._length > 0

    def quoted(self, buffer: bytes, start: int, end: int, *, final: bool, headers: Headers) -> int:
        """Decide about the header at `start` inside the open fence: REAL, NEED_MORE, or where the quotation ends."""
        close = self._closing(buffer, start, end)
        if close is None:
            return REAL if final or end - start > self._reach else NEED_MORE
        if self._stray is None or self._stray.close != close.start:
            limit = min(end, close.start + self._reach)
            after = next((place for place, _ in headers(close.end, limit)), -1)
            if after < 0 and (not final or limit < end):
                return NEED_MORE if end == limit else REAL
            last, tool_last, last_tool = self._before.last(start, close.start, headers)
            segment = Fences(self._reach)
            segment.restart(last)
            is_open = segment.advance(buffer, end if after < 0 else after)
            self._stray = _Stray(close.start, is_open, tool_last, last_tool)
        stray = self._stray
        if not stray.open or (stray.last_tool >= start and not stray.tool_last):
            return REAL
        self._length, self._at = 0, close.end
        return close.end

    def _closing(self, buffer: bytes, start: int, end: int) -> Fence | None:
        """The line that closes the open fence, if one begins within reach of `start`."""
        key = (self._kind, self._length)
        since, until, found = self._sought.get(key, (start, start, None))
        if not since <= start <= until:
            since, until, found = start, start, None
        if found is None:
            limit = start + self._reach
            for fence in fences(buffer, until, end):
                if fence.start >= limit or fence.closes(*key):
                    found = fence if fence.closes(*key) else None
                    until = fence.start
                    break
            else:
                until = max(until, min(end - 1, limit))
            self._sought[key] = (since, until, found)
        return found if found is not None and found.start < start + self._reach else None
