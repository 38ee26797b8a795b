"""Owns the MCP side of a server: which tools a client sees, who may call them, how answers and errors read.

Errors are results with `isError`, never protocol errors, because only results reach the model; each
says what to do next. This is the one place of the server that turns an IntercomError into words.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import sys
import traceback
from collections.abc import AsyncIterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from mcp.server.lowlevel import NotificationOptions, Server

from intercom.core.display import framed
from intercom.core.errors import IntercomError, Refused, brief
from intercom.core.version import __version__
from intercom.fleet.programs.known import SPAWN
from intercom.server import protocol
from intercom.server.bus_thread import BusThread
from intercom.server.session import Session
from intercom.server.side_thread import on_side_thread
from intercom.server.tool import AGENT, ANY, MASTER, ON_BUS, ON_LOOP, WORKER, Tool
from intercom.server.toolbox import BY_NAME, TOOLS
from intercom.server.wire import result_text

if TYPE_CHECKING:
    from intercom.bus.bus import Bus

HEARTBEAT = 10.0  # seconds
PARTING = 2.0  # seconds that the last receipts may take
_LOGGED = 4_000  # characters of a fault that go to stderr: not every client reads it, and a full pipe stops us
_COMPLETE = {"resultType": "complete"}  # asked for by the protocol of 2026; the SDK drops it for older clients


class App:
    """One session's server: the SDK's `Server` over our table, with a thread for the bus."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.bus_thread = BusThread(session.open_bus)
        self._tasks: set[asyncio.Task[None]] = set()
        self.server: Server[Any] = Server(
            "intercomm",
            version=__version__,
            instructions=protocol.instructions(),
            on_list_tools=self._list,  # type: ignore[arg-type]  # plain dicts: a third of the cost of models
            on_call_tool=self._call,  # type: ignore[arg-type]
        )
        self.server.middleware.clear()  # tracing, that nobody listens to

    @contextlib.asynccontextmanager
    async def running(self, *, bind: bool) -> AsyncIterator[App]:
        """The bus thread and the heartbeat, for as long as the client is there. `bind`: take a known name at once."""
        self.bus_thread.start()
        if bind:
            self._spawn(self._bind())
        self._spawn(self._beat())
        try:
            yield self
        finally:
            for task in self._tasks:
                task.cancel()

    def options(self) -> Any:
        """What `Server.run` needs; the tool list changes when a session turns out to be a worker's."""
        return self.server.create_initialization_options(NotificationOptions(tools_changed=True))

    def visible(self) -> list[Tool]:
        """The tools this session may use, as far as its role is known."""
        return [tool for tool in TOOLS if _allowed(tool, self.session.role, listing=True)]

    async def _list(self, _context: Any, _params: Any) -> dict[str, Any]:
        return {"tools": [tool.listing() for tool in self.visible()], "ttlMs": 0, "cacheScope": "private", **_COMPLETE}

    async def _call(self, context: Any, params: Any) -> dict[str, Any]:
        try:
            before = self.session.role
            self.session.called(_client(context))
            answer = await self.call(params.name, params.arguments)
            if self.session.role != before and params.name == "intercomm_register":
                with contextlib.suppress(Exception):  # the news is a courtesy; every call is checked anyway
                    await context.session.send_tool_list_changed()
        except IntercomError as error:
            return _result(brief(error), error=True)
        except Exception as error:  # noqa: BLE001  # the edge: a fault of ours must not look like an answer
            sys.stderr.write("\n".join([*framed(traceback.format_exc()[-_LOGGED:], "| "), ""]))
            sys.stderr.flush()
            return _result(_fault(error), error=True)
        result = _result(answer if isinstance(answer, str) else result_text(answer))
        if BY_NAME[params.name].structured:
            result["structuredContent"] = answer
        return result

    async def call(self, name: str, arguments: dict[str, Any] | None) -> Any:
        """Run one tool for this session; raises IntercomError where it cannot."""
        tool = BY_NAME.get(name)
        if tool is None:
            near = get_close_matches(name, BY_NAME, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(BY_NAME)}"
            raise Refused(f"There is no tool {ascii(name)[:80]}; {hint}")
        args = tool.arguments(arguments)
        self.session.carried.proven((arguments or {}).values())
        if tool.on == ON_BUS:
            return await self.bus_thread.call(functools.partial(self._handle, tool, args))
        if tool.who != ANY or self.session.name:
            await self.bus_thread.call(functools.partial(self._prepared, tool))
        if tool.on == ON_LOOP:
            return await tool.function(self.session, self.bus_thread.call, **args)
        done = await on_side_thread(self.session, lambda crew: tool.function(crew, by=self.session.name, **args))
        return tool.show(done) if tool.show else done

    def _handle(self, tool: Tool, args: dict[str, Any], bus: Bus) -> Any:
        self._prepared(tool, bus)
        return tool.function(self.session, bus, **args)

    def _prepared(self, tool: Tool, bus: Bus) -> None:
        """On the bus thread, before the tool: is it allowed? And what was shown before counts as received."""
        session = self.session
        session.settle(bus)
        if tool.who != ANY and not session.name:
            why = f"{session.trouble} " if session.trouble else ""
            raise Refused(
                f"{why}This session has no name yet; nothing was done. "
                "Call intercomm_register (role master or worker) first, then repeat this."
            )
        if session.name and not _allowed(tool, session.role):
            raise Refused(_not_yours(tool, session))
        if session.name and not session.carried.count():
            with contextlib.suppress(Exception):  # not confirmed means given again, never lost
                bus.confirm(session.name)

    async def parted(self) -> None:
        """The client took leave after it had its last answer: what that held was received.

        But a worker has heirs, and hooks that know better.
        """
        if self.session.name and not os.environ.get(SPAWN) and not self.session.carried.count():
            with contextlib.suppress(Exception):  # not confirmed means given again
                await asyncio.wait_for(self.bus_thread.call(lambda bus: bus.confirm(self.session.name or "")), PARTING)

    async def _bind(self) -> None:
        with contextlib.suppress(Exception):  # told to the client at its first call
            await self.bus_thread.call(self.session.bind)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT)
            if self.session.name:
                with contextlib.suppress(Exception):  # the process itself is the other proof of life
                    await self.bus_thread.call(self.session.beat)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _client(context: Any) -> str:
    """The name of the client, as it gave it at connect, or with this call; "" where it gave none."""
    params = context.session.client_params if context is not None else None
    return str(params.client_info.name) if params is not None else ""


def _allowed(tool: Tool, role: str | None, *, listing: bool = False) -> bool:
    """Whether somebody with this role may use the tool; an agent, who may come to lead, sees the master's, too."""
    if role is None:
        return True
    if tool.who == MASTER:
        return role in (MASTER, AGENT) if listing else role == MASTER
    return tool.who != WORKER or role != MASTER


def _not_yours(tool: Tool, session: Session) -> str:
    if tool.who == MASTER and session.role == AGENT:
        return (
            f"{tool.name} is for the master, and {session.name} is an agent beside it; nothing was done. "
            'If you are to lead, call intercomm_register(role="master") first; else ask with intercomm_send.'
        )
    if tool.who == MASTER:
        return (
            f"{tool.name} is for the master and {session.name} is a {session.role}; nothing was done. "
            "Ask the master with intercomm_escalate."
        )
    return (
        f"{tool.name} goes from a worker to the master, and {session.name} is the master; nothing was sent. "
        "Ask the user directly, or write to somebody with intercomm_send."
    )


def _fault(error: Exception) -> str:
    """What is said of an error that nobody foresaw."""
    said = f"Intercom failed inside ({type(error).__name__}: {brief(error)}). Whether it was done is not known"
    if isinstance(error, ImportError):  # the rest of the package is another version by now, or gone
        return f"{said}. An upgrade under this server does that: reconnect it (/mcp), or restart this session."
    return f"{said}: look with intercomm_read or intercomm_status before you repeat it."


def _result(text: str, *, error: bool = False) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}], "isError": error, **_COMPLETE}
