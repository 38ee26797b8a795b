"""Owns the MCP SDK's part in a connection: it serves what is not plain, including other versions of the protocol.

The handshake that `front` answered is replayed to it, without sending that answer again; from then on it gets every
line that `desk` leaves to it.
"""

from __future__ import annotations

from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Any

import anyio
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCError, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse, jsonrpc_message_adapter
from pydantic import ValidationError

from intercom.core.version import __version__
from intercom.server import front, protocol, wire
from intercom.server.plain import Call
from intercom.server.wire import INVALID_REQUEST, BadLine, encode

if TYPE_CHECKING:
    from intercom.server.app import App
    from intercom.server.desk import Desk

_NOTES = "notifications/"  # prefix of notifications; anything else with an id is a request, whatever the id
_COMPLETE = {"resultType": "complete"}  # required by the protocol of 2026; the SDK drops it for older clients


async def run(desk: Desk) -> None:
    """Serve what the desk leaves to the SDK, until the input ends."""
    server = server_of(desk.app)
    options = server.create_initialization_options(NotificationOptions(tools_changed=True))
    await server.run(_Reader(desk), _Writer(desk), options)


def server_of(app: App) -> Server[Any]:
    """The SDK's server over our tools; the list of these changes when a session turns out to be a worker's."""

    async def listed(context: Any, _params: Any) -> dict[str, Any]:
        app.session.meet(_client(context))  # a worker that gets its messages from hooks may never call
        return {"tools": app.tools(), "ttlMs": 0, "cacheScope": "private", **_COMPLETE}

    async def called(context: Any, params: Any) -> dict[str, Any]:
        asked = Call(context.request_id, params.name, params.arguments, context.meta or {})
        return {**await app.result(_client(context), asked, context.session.send_tool_list_changed), **_COMPLETE}

    server: Server[Any] = Server(
        front.NAME,
        version=__version__,
        instructions=protocol.instructions(),
        on_list_tools=listed,  # type: ignore[arg-type]  # plain dicts: a third of the cost of models
        on_call_tool=called,  # type: ignore[arg-type]
    )
    server.middleware.clear()  # tracing, which nobody uses
    return server


def _client(context: Any) -> str:
    """The client's name, from its connect or from this call; "" if it gave none."""
    params = context.session.client_params
    return str(params.client_info.name) if params is not None else ""


class _Stream:
    """Makes both streams async context managers, as the SDK expects."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def aclose(self) -> None:
        """Release the stream; harmless when repeated."""

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class _Writer(_Stream):
    """The SDK's write stream."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._unsaid = desk.front.answered  # the id whose answer the client already has

    async def send(self, item: SessionMessage, /) -> None:
        """Write one message, then wait only if the pipe is full."""
        message = item.message
        answers = message.id if isinstance(message, JSONRPCResponse | JSONRPCError) else None
        if answers is not None and answers == self._unsaid:
            self._unsaid = None
            self._desk.settle(answers)
            return
        try:
            self._desk.writer.write(encode_message(message))
            if isinstance(message, JSONRPCResponse | JSONRPCError):
                self._desk.settle(answers)
            await self._desk.writer.flowing()
        except BrokenPipeError:
            raise anyio.BrokenResourceError from None


class _Reader(_Stream):
    """The SDK's read stream: lines become messages; requests are counted until they are answered."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._before = deque(desk.front.heard.splitlines())

    def __aiter__(self) -> _Reader:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        desk = self._desk
        while True:
            if self._before:
                return SessionMessage(self._message(wire.message(self._before.popleft())))
            try:
                line = await desk.lines.next()
            except EOFError:
                await desk.drain()
                raise StopAsyncIteration from None
            if desk.take(line):  # it had to wait for its turn while the SDK was loaded
                continue
            try:
                return SessionMessage(self._message(wire.message(line)))
            except BadLine as bad:
                desk.say(bad.answer())

    async def receive(self) -> SessionMessage | Exception:
        """The next message; EndOfStream when there are no more."""
        try:
            return await self.__anext__()
        except StopAsyncIteration:
            raise anyio.EndOfStream from None

    async def aclose(self) -> None:
        """Stop reading."""
        self._desk.lines.close()

    def _message(self, raw: dict[str, Any]) -> Any:
        try:
            message = jsonrpc_message_adapter.validate_python(raw, by_name=False)
        except (ValidationError, RecursionError):
            known = raw.get("id")
            known = known if isinstance(known, str | int) and not isinstance(known, bool) else None
            raise BadLine(INVALID_REQUEST, "Invalid request: not a JSON-RPC 2.0 message", known) from None
        if isinstance(message, JSONRPCNotification) and "id" in raw and not message.method.startswith(_NOTES):
            raise BadLine(INVALID_REQUEST, "Invalid request: the id must be a string or a whole number")
        if isinstance(message, JSONRPCRequest):
            self._desk.open.add(message.id)
        elif isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
            gone = (message.params or {}).get("requestId")
            if isinstance(gone, str | int):
                self._desk.settle(gone)
        return message


def encode_message(message: Any) -> bytes:
    """One SDK message as a line."""
    try:
        return message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"  # type: ignore[no-any-return]
    except ValueError:  # a lone surrogate, in an id say
        return encode(message.model_dump(by_alias=True, exclude_unset=True))
