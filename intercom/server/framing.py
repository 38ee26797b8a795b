"""Owns splitting the input into lines, in whatever pieces and however fast it comes.

A line longer than MAX_LINE is skipped and reported, never buffered. While QUEUE bytes of whole lines wait to be
served, nothing more is read.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from intercom.server.wire import MAX_LINE

QUEUE = 4 << 20  # bytes


class Lines(asyncio.Protocol):
    """Splits incoming data into lines and queues them."""

    def __init__(self) -> None:
        self._transport: asyncio.ReadTransport | None = None
        self._lines: deque[bytes | None] = deque()  # None: a line that was too long
        self._waiting = 0
        self._tail = bytearray()
        self._skipping = False
        self._paused = False
        self._ended = False
        self._something = asyncio.Event()
        #: Handles a line (None: it was too long) at once, without the queue, if the queue is empty and it can.
        self.shortcut: Callable[[bytes | None], bool] = lambda _line: False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, for pausing and closing it."""
        assert isinstance(transport, asyncio.ReadTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Split `data`; the unfinished last line is kept."""
        if b"\n" not in data:
            self._keep(data)
            return
        first, *rest = data.split(b"\n")
        self._keep(first)
        self._finish()
        for line in rest[:-1]:
            self._push(line)
        self._keep(rest[-1])

    def connection_lost(self, _exc: Exception | None) -> None:
        """The other side is gone: the rest without a newline is a line, too."""
        self.end()

    def end(self) -> None:
        """End the input (end of file, or we were told to stop)."""
        if not self._ended:
            self._ended = True
            if self._tail.strip():
                self._finish()
            self._something.set()

    def close(self) -> None:
        """Close the descriptor."""
        if self._transport is not None:
            self._transport.close()

    async def wait(self) -> bool:
        """Wait until there is a line; False when there are no more."""
        while not self._lines:
            if self._ended:
                return False
            self._something.clear()
            await self._something.wait()
        return True

    async def next(self) -> bytes | None:
        """The next line (None: it was too long); EOFError when there are no more."""
        if not await self.wait():
            raise EOFError
        line = self._lines.popleft()
        self._waiting -= len(line or b"")
        if self._paused and self._waiting < QUEUE and self._transport is not None and not self._ended:
            self._paused = False
            self._transport.resume_reading()
        return line

    def _keep(self, data: bytes) -> None:
        if self._skipping:
            return
        self._tail += data
        if len(self._tail) > MAX_LINE:
            self._tail.clear()
            self._skipping = True

    def _finish(self) -> None:
        if self._skipping:
            self._skipping = False
            self._push(None)
            return
        line = bytes(self._tail)
        self._tail = bytearray()
        self._push(line)

    def _push(self, line: bytes | None) -> None:
        if line is not None and not line.strip():
            return
        if not self._lines and self.shortcut(line):
            return
        self._lines.append(line)
        self._waiting += len(line or b"")
        self._something.set()
        if self._waiting >= QUEUE and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
