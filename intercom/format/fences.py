"""Owns fenced code in hand-written text: which headers in it are quotations.

A header inside a fence that closes is text. But a fence may have been left open, and then "its" closing
line belongs to a fence of a later message. The closing line tells: read afresh from the last header
before it, it is either half of a pair (the later message's own; ours was left open) or a stray that
leaves a fence open to the next header (it closes ours; the header was quoted). A stray in hand-written
text could also open a fence that is never closed; so if a tool's message would be quoted, only a stray
in a tool's message counts, which holds no open fence of its own. In doubt the header counts: a message
too many is better than one lost.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from intercom.format.grammar import FENCE

REAL, NEED_MORE = 0, -1  # any other verdict is the index where the quotation ends

#: Where header lines begin in a stretch of the buffer, and whether a tool wrote them.
Headers = Callable[[int, int], Iterator[tuple[int, bool]]]


class Fence(NamedTuple):
    """A line that can open a fence, and close one if it is `bare`. `start` is the newline before it."""

    start: int
    end: int
    kind: bytes
    length: int
    bare: bool

    def closes(self, kind: bytes, length: int) -> bool:
        """Whether it closes a fence opened by `length` characters of `kind`."""
        return self.bare and self.kind == kind and self.length >= length


class _Stray(NamedTuple):
    """What is known of a closing line: whether it is a stray, and where tools' headers stand before it."""

    close: int
    open: bool
    tool_last: bool  # the last header before it is a tool's
    last_tool: int  # where the last tool's header before it begins, -1 if none was seen


def fences(buffer: bytes, start: int, end: int) -> Iterator[Fence]:
    """The fence lines in a stretch of the buffer, open or closing."""
    for match in FENCE.finditer(buffer, start, end):
        mark, info = match.group(1, 2) if match.group(1) else match.group(3, 4)
        yield Fence(match.start(), match.end(), mark[:1], len(mark), not info.strip())


def closable(found: Sequence[Fence]) -> list[bool]:
    """Of each of these lines, whether one after it could close the fence that it opens."""
    longest = {b"`": 0, b"~": 0}  # the longest closing fence of each kind still to come
    out = [False] * len(found)
    for i in range(len(found) - 1, -1, -1):
        fence = found[i]
        out[i] = longest[fence.kind] >= fence.length
        if fence.bare:
            longest[fence.kind] = max(longest[fence.kind], fence.length)
    return out


class _Before:
    """The headers of a stretch, each looked up once: many closing lines ask for those before them."""

    def __init__(self) -> None:
        self._since = self._until = 0
        self._found: list[tuple[int, bool, int]] = []  # where, whether a tool's, where the last tool's is by then

    def last(self, start: int, stop: int, headers: Headers) -> tuple[int, bool, int]:
        """The last one from `start` to `stop`, whether a tool wrote it, and the last that one did; -1 for none."""
        if not self._since <= start <= self._until:
            self._since = self._until = start
            self._found.clear()
        for place, tool in headers(self._until, stop) if stop > self._until else ():
            self._found.append((place, tool, place if tool else self._found[-1][2] if self._found else -1))
        self._until = max(self._until, stop)
        place, tool, last_tool = self._found[bisect_left(self._found, (stop,)) - 1]
        return place, tool, last_tool if last_tool >= start else -1


class Fences:
    """The state of fences in one entry, as far as it was read; what was looked up is kept for the next entries."""

    def __init__(self, reach: int) -> None:
        self._reach = reach
        self._at = 0
        self._kind = b""
        self._length = 0  # of the open fence, 0 when none is open
        self._sought: dict[tuple[bytes, int], tuple[int, int, Fence | None]] = {}  # no closer in between; then this
        self._stray: _Stray | None = None
        self._before = _Before()

    def restart(self, at: int) -> None:
        """A new entry's text begins at `at`."""
        self._at, self._length = at, 0

    def shift(self, by: int) -> None:
        """The buffer has lost its first `by` bytes."""
        if by:
            self._at = max(0, self._at - by)
            self._sought.clear()
            self._stray = None
            self._before = _Before()

    def advance(self, buffer: bytes, to: int) -> bool:
        """Read on to index `to`; whether a fence is open there."""
        if to > self._at:
            for fence in fences(buffer, self._at, to):
                if not self._length:
                    self._kind, self._length = fence.kind, fence.length
                elif fence.closes(self._kind, self._length):
                    self._length = 0
            self._at = to
        return self._length > 0

    def quoted(self, buffer: bytes, start: int, end: int, *, final: bool, headers: Headers) -> int:
        """Verdict on the header at `start`, inside the open fence."""
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
