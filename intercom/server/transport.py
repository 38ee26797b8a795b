"""Owns the stdio transport: asyncio pipes, lines in and lines out.

Rules here:

- a line may have any length up to MAX_LINE;
- fd 0 and 1 are moved away first, so nothing that a library prints can tear the protocol.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import BinaryIO

from intercom.server.framing import Lines
from intercom.server.streams import watched
from intercom.system import host

_LAST = 2.0  # seconds allowed for writing what is still buffered at the end
_BOTH = 0.05  # seconds within which a dead client's two pipes are seen closed


class Writer(asyncio.BaseProtocol):
    """The output. A line is in the pipe's buffer before anything can interrupt it."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._transport: asyncio.WriteTransport | None = None
        self._gone = asyncio.Event()
        self._flowing = asyncio.Event()
        self._flowing.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to write to."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def connection_lost(self, _exc: Exception | None) -> None:
        """Note that the reader is gone."""
        self._transport = None
        self._flowing.set()
        self._gone.set()
        self._lines.end()  # whoever reads no more is gone

    def pause_writing(self) -> None:
        """Note that the pipe is full."""
        self._flowing.clear()

    def resume_writing(self) -> None:
        """Note that the pipe accepts more."""
        self._flowing.set()

    def flows(self) -> bool:
        """Whether the pipe accepts more."""
        return self._flowing.is_set()

    def write(self, line: bytes) -> None:
        """Put one line into the pipe's buffer. BrokenPipeError without a reader."""
        if self._transport is None or self._transport.is_closing():
            self._lines.end()
            raise BrokenPipeError
        self._transport.write(line)

    async def flowing(self) -> None:
        """Wait, if the pipe is full, until it takes more or nobody reads."""
        if not self._flowing.is_set():
            await self._flowing.wait()

    async def heard(self) -> bool:
        """Whether everything was written, and there still is a reader."""
        await asyncio.sleep(_BOTH)
        to = self._transport
        if to is None or to.is_closing() or to.get_write_buffer_size():
            return False
        try:
            return not host.reader_left(to.get_extra_info("pipe").fileno())
        except (OSError, ValueError):  # closed meanwhile
            return False

    async def flush(self) -> None:
        """Close, and wait (at most _LAST seconds) until everything buffered went out."""
        if self._transport is not None:
            self._transport.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._gone.wait(), _LAST)


async def connect(source: BinaryIO, sink: BinaryIO, lines: Lines, writer: Writer, said: bytes) -> None:
    """Connect both ends to `source` and `sink`; what the client already `said` is handled before anything is read."""
    loop = asyncio.get_running_loop()
    if watched(source, sink):
        await loop.connect_write_pipe(lambda: writer, sink)
        lines.data_received(said)
        await loop.connect_read_pipe(lambda: lines, source)
    else:
        from intercom.server import threads

        threads.Sink(sink, writer)
        lines.data_received(said)
        threads.Source(source, lines)
