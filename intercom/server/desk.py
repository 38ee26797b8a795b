"""Owns one connection: it answers plain messages as soon as possible, and loads the MCP SDK for the first other one.

Loading the SDK takes longer, and needs more memory, than all the rest of a server, and few clients ever send anything
that needs it. Rules here:

- a line that is not a JSON object is answered with an error, and the next one is served;
- calls begin in the order they came; a call that waits for nothing is finished before the next line is read;
- a request that was cancelled is never answered;
- at the end of input, requests that are already here are still answered (for at most DRAIN seconds).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from intercom.core.errors import brief
from intercom.server import plain, wire
from intercom.server.front import discovered
from intercom.server.wire import BadLine

if TYPE_CHECKING:
    from intercom.server.app import App
    from intercom.server.framing import Lines
    from intercom.server.front import Front
    from intercom.server.plain import Call, Json
    from intercom.server.transport import Writer

#: Serves what a desk leaves to it, until the input ends.
Behind = Callable[["Desk"], Awaitable[None]]

DRAIN = 2.0  # seconds
_CHANGED = wire.encode({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})


class Desk:
    """Serves one client, whose connection `front` has begun; `load` imports what serves all other messages."""

    def __init__(self, app: App, front: Front, lines: Lines, writer: Writer, load: Callable[[], Behind]) -> None:
        self.app = app
        self.front = front
        self.lines = lines
        self.writer = writer
        self.open: set[str | int | None] = set()  #: ids of requests that the SDK has not answered yet
        self.quiet = False  #: whether the input ended while nothing was asked
        self._tasks: dict[str | int, asyncio.Task[None]] = {}  # our own unanswered calls
        self._idle = asyncio.Event()
        self._load = load
        self._behind = False  # whether the SDK is loaded, or being loaded
        self._drained = False
        lines.shortcut = self.take
        if front.client is not None:
            app.session.meet(front.client)

    async def serve(self) -> None:
        """Answer until the input ends."""
        if await self.lines.wait():
            self._behind = True
            try:
                run = await self._loaded()
            except Exception as error:  # noqa: BLE001  # most likely an upgrade removed its files
                await self._refuse(error)
            else:
                await run(self)
        await self.drain()
        for ident, task in self._tasks.items():
            task.cancel()
            self.say(BadLine(wire.CONNECTION_CLOSED, "Connection closed", ident).answer())

    async def drain(self) -> None:
        """At the end of input: give requests that were already read time to be answered."""
        if self._drained:
            return
        self._drained = True
        self.quiet = not self._busy()
        self.app.session.leave()
        if self._busy():
            self._idle.clear()
            with contextlib.suppress(TimeoutError):  # a slow call takes effect or not, as if its answer had been lost
                await asyncio.wait_for(self._idle.wait(), DRAIN)

    def settle(self, ident: str | int | None) -> None:
        """Note that the SDK has answered this request, or that it was cancelled."""
        self.open.discard(ident)
        self._look()

    def _busy(self) -> bool:
        return bool(self.open or self._tasks)

    def _look(self) -> None:
        if not self._busy():
            self._idle.set()

    # -- lines ------------------------------------------------------------------------------------

    def take(self, line: bytes | None) -> bool:
        """Serve a line (None: it was too long); False if it is for the SDK, and then nothing was done."""
        try:
            raw = wire.message(line)
        except BadLine as bad:
            self.say(bad.answer())
            return True
        if self.front.answered is None:
            return self._greet(raw, line or b"")
        modern = self.front.modern
        if (call := plain.call(raw, modern)) is not None:
            self._call(call)
        elif (asked := plain.ping(raw, modern)) is not None:
            self.say(wire.answer(asked.id, {}))
        elif (asked := plain.listing(raw, modern)) is not None:
            self.say(wire.answer(asked.id, self.front.listed(self.app.tools())))
        elif modern and (asked := plain.discovery(raw)) is not None:
            self.say(wire.answer(asked.id, discovered()))
        elif plain.told(raw):
            return self._told(raw)
        else:
            return not self._behind and self.front.greeted(raw, line or b"") is not None
        return True

    def _greet(self, raw: Json, line: bytes) -> bool:
        answer = self.front.greeted(raw, line) if self.front.open else None
        if answer is None:  # the SDK gets the handshake and everything after it
            self.front.open = False
            return False
        self.say(answer)
        self.app.session.meet(self.front.client or "")
        return True

    def _told(self, raw: Json) -> bool:
        given_up = plain.given_up(raw)
        task = self._tasks.get(plain.same(given_up)) if given_up is not None else None
        if task is None:
            return not self._behind
        task.cancel()
        return True

    def say(self, line: bytes) -> None:
        """Put a line into the pipe's buffer if there is still a reader."""
        with contextlib.suppress(BrokenPipeError):  # then the input ends, too
            self.writer.write(line)

    # -- calls ------------------------------------------------------------------------------------

    def _call(self, asked: Call) -> None:
        client = plain.client_of(asked.meta) if self.front.modern else self.front.client or ""
        if not self._busy() and self.writer.flows() and (result := self.app.at_once(client, asked)) is not None:
            self.say(wire.answer(asked.id, self.front.complete(result)))
            return
        task = asyncio.get_running_loop().create_task(self._answer(client, asked))
        key = plain.same(asked.id)
        self._tasks[key] = task

        def done(_task: object) -> None:
            if self._tasks.get(key) is task:
                del self._tasks[key]
            self._look()

        task.add_done_callback(done)

    async def _answer(self, client: str, asked: Call) -> None:
        async def changed() -> None:
            if not self.front.modern:
                self.say(_CHANGED)

        result = await self.app.result(client, asked, changed)
        self.say(wire.answer(asked.id, self.front.complete(result)))
        await self.writer.flowing()

    async def _refuse(self, error: Exception) -> None:
        """Without the SDK: answer each request that is not plain with an error."""
        why = f"{type(error).__name__}: {brief(error)}"
        sys.stderr.write(f"intercom: the MCP SDK cannot be loaded ({why})\n")
        said = "This cannot be served: the MCP SDK cannot be loaded. Reconnect the server, or restart this session."
        while await self.lines.wait():
            raw = wire.message(await self.lines.next())
            ident: Any = raw.get("id")
            if type(ident) in (str, int):
                self.say(BadLine(wire.INTERNAL_ERROR, said, ident).answer())

    async def _loaded(self) -> Behind:
        """Load the SDK on a thread, so that plain messages are served meanwhile, and without garbage collection."""
        gc.disable()
        try:
            return await asyncio.to_thread(self._load)
        finally:
            gc.freeze()
            gc.enable()
