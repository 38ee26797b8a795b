"""Owns the stdio transport: asyncio pipes under the two streams that the MCP SDK's server uses.

The SDK's own `stdio_server` spends three thread hops a call; on pipes there are none. Rules here:

- a line that is not a JSON-RPC message is answered with an error, and the next one is served;
- a line may have any length up to MAX_LINE;
- fd 0 and 1 are moved away first, so nothing that a library prints can tear the protocol;
- at the end of input, requests that are already here are still answered (for at most DRAIN seconds).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Any, BinaryIO

import anyio
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCError, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse, jsonrpc_message_adapter
from pydantic import ValidationError

from intercom.server.framing import MAX_LINE, Lines
from intercom.server.front import Opening
from intercom.server.streams import watched
from intercom.server.wire import INVALID_REQUEST, PARSE_ERROR, BadLine, decode, encode

DRAIN = 2.0  # seconds
_BOTH = 0.05  # seconds within which a dead client's two pipes are seen closed
_NOTES = "notifications/"  # prefix of notifications; anything else with an id is a request, whatever the id


class Closing:
    """Makes both streams async context managers, as the SDK expects."""

    async def aclose(self) -> None:
        """Release the stream; harmless when repeated."""

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class Writer(asyncio.BaseProtocol, Closing):
    """The SDK's write stream. A message is in the pipe's buffer before anything can interrupt it."""

    def __init__(self) -> None:
        self.answered: Callable[[str | int | None], None] = lambda _id: None
        self.lost: Callable[[], None] = lambda: None
        self.unsaid: str | int | None = None  #: the id whose answer the client already has
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
        self.lost()

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
        """Put one line into the pipe's buffer; BrokenResourceError without a reader."""
        if self._transport is None or self._transport.is_closing():
            raise anyio.BrokenResourceError
        self._transport.write(line)

    async def send(self, item: SessionMessage, /) -> None:
        """Write one message, then wait only if the pipe is full."""
        message = item.message
        answers = message.id if isinstance(message, JSONRPCResponse | JSONRPCError) else None
        if answers is not None and answers == self.unsaid:
            self.unsaid = None
        else:
            self.write(encode_message(message))
        if isinstance(message, JSONRPCResponse | JSONRPCError):
            self.answered(answers)
        if not self._flowing.is_set():
            await self._flowing.wait()

    async def heard(self) -> bool:
        """Whether everything was written, and there still is a reader."""
        await asyncio.sleep(_BOTH)
        there = self._transport is not None and not self._transport.is_closing()
        return there and self._transport.get_write_buffer_size() == 0  # type: ignore[union-attr]

    async def flush(self) -> None:
        """Close, and wait (at most DRAIN seconds) until everything buffered went out."""
        if self._transport is not None:
            self._transport.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._gone.wait(), DRAIN)


class Reader(Closing):
    """The SDK's read stream: lines become messages; requests are counted until they are answered."""

    def __init__(self, lines: Lines, writer: Writer, on_end: Callable[[], None]) -> None:
        self._lines = lines
        self._writer = writer
        self._on_end = on_end
        #: Answers a request without the SDK if possible; otherwise returns None.
        self.at_once: Callable[[dict[str, Any]], bytes | None] = lambda _raw: None
        self.quiet = False  #: whether the input ended while no request was open
        self._open: set[str | int | None] = set()
        self._idle = asyncio.Event()
        writer.answered = self._settle
        writer.lost = lines.end
        lines.shortcut = self._shortcut

    def __aiter__(self) -> Reader:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        while True:
            try:
                line = await self._lines.next()
            except EOFError:
                await self._drain()
                raise StopAsyncIteration from None
            try:
                return SessionMessage(self._message(_request(line)))
            except BadLine as bad:
                try:
                    self._writer.write(bad.answer())
                except anyio.BrokenResourceError:
                    self._lines.end()

    def _shortcut(self, line: bytes) -> bool:
        """Answer a line at once if possible: no other request is open, and the client reads."""
        if self._open or not self._writer.flows():
            return False
        try:
            answer = self.at_once(_request(line))
        except BadLine:
            return False
        if answer is None:
            return False
        try:
            self._writer.write(answer)
        except anyio.BrokenResourceError:
            self._lines.end()
        return True

    async def receive(self) -> SessionMessage | Exception:
        """The next message; EndOfStream when there are no more."""
        try:
            return await self.__anext__()
        except StopAsyncIteration:
            raise anyio.EndOfStream from None

    async def aclose(self) -> None:
        """Stop reading."""
        self._lines.close()

    def _message(self, raw: dict[str, Any]) -> Any:
        try:
            message = jsonrpc_message_adapter.validate_python(raw, by_name=False)
        except (ValidationError, RecursionError):
            known = raw.get("id")
            known = known if isinstance(known, str | int) and not isinstance(known, bool) else None
            raise BadLine(INVALID_REQUEST, "Invalid request: no JSON-RPC 2.0 message", known) from None
        if isinstance(message, JSONRPCNotification) and "id" in raw and not message.method.startswith(_NOTES):
            raise BadLine(INVALID_REQUEST, "Invalid request: the id must be a text or a whole number")
        if isinstance(message, JSONRPCRequest):
            self._open.add(message.id)
        elif isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
            gone = (message.params or {}).get("requestId")
            if isinstance(gone, str | int):
                self._settle(gone)
        return message

    def _settle(self, request_id: str | int | None) -> None:
        self._open.discard(request_id)
        if not self._open:
            self._idle.set()

    async def _drain(self) -> None:
        """Give requests that were already read the time to be answered."""
        self.quiet = not self._open
        self._on_end()
        if self._open:
            self._idle.clear()
            try:
                await asyncio.wait_for(self._idle.wait(), DRAIN)
            except TimeoutError:
                pass  # a slow call takes effect or not, as if its answer had been lost


def _request(line: bytes | None) -> dict[str, Any]:
    """Parse a line. BadLine."""
    if line is None:
        raise BadLine(PARSE_ERROR, f"Parse error: a line of more than {MAX_LINE} bytes")
    raw = decode(line)
    if type(known := raw.get("id")) is float and known.is_integer():  # JSON does not tell 1.0 from 1
        raw["id"] = int(known)
    return raw


def encode_message(message: Any) -> bytes:
    """One SDK message as a line."""
    try:
        return message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"  # type: ignore[no-any-return]
    except ValueError:  # a lone surrogate, for example in an id
        return encode(message.model_dump(by_alias=True, exclude_unset=True))


async def connect(
    source: BinaryIO, sink: BinaryIO, on_end: Callable[[], None], opening: Opening
) -> tuple[Lines, Reader, Writer]:
    """The two streams over `source` and `sink`; `on_end` is called once when no more input will come.

    With an `opening`, what the client said before is replayed; the answer that it has is not repeated.
    """
    loop = asyncio.get_running_loop()
    lines, writer = Lines(), Writer()
    lines.data_received(opening.said)
    writer.unsaid = opening.answered
    if watched(source, sink):
        await loop.connect_write_pipe(lambda: writer, sink)
        await loop.connect_read_pipe(lambda: lines, source)
    else:
        from intercom.server import threads

        threads.Sink(sink, writer)
        threads.Source(source, lines)
    return lines, Reader(lines, writer, on_end), writer
