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
from collections.abc import AsyncIterator, Callable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from mcp.server.lowlevel import NotificationOptions, Server

from intercom.core.display import framed
from intercom.core.errors import IntercomError, Refused, brief
from intercom.core.pace import NotNow
from intercom.core.version import __version__
from intercom.fleet.programs.known import SPAWN
from intercom.server import front, protocol
from intercom.server.bus_thread import BusThread
from intercom.server.session import Session
from intercom.server.side_thread import on_side_thread
from intercom.server.tool import AGENT, ANY, MASTER, ON_BUS, ON_LOOP, Caller, Tool
from intercom.server.toolbox import BY_NAME, allowed, visible
from intercom.server.wire import encode, result_text

if TYPE_CHECKING:
    from intercom.bus.bus import Bus
    from intercom.fleet.crew import Crew

HEARTBEAT = 10.0  # seconds
USHER = 1.0  # seconds between looks at whether an idle session has something to read
TELL = 5.0  # seconds between looks for what a person elsewhere is to be told
PARTING = 2.0  # seconds that the last receipts may take
_LOGGED = 4_000  # characters of a fault that go to stderr: not every client reads it, and a full pipe stops us
_LONG = ("wait", "all")  # arguments of quick tools with which they are not quick
_OF_A_CALL = {"name", "arguments", "_meta"}
_COMPLETE = {"resultType": "complete"}  # asked for by the protocol of 2026; the SDK drops it for older clients


class App:
    """One session's server: the SDK's `Server` over our table, with a thread for the bus."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.bus_thread = BusThread(session.open_bus)
        self._tasks: set[asyncio.Task[None]] = set()
        self.server: Server[Any] = Server(
            front.NAME,
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
        self._spawn(self._usher())
        self._spawn(self._tell())
        try:
            yield self
        finally:
            for task in self._tasks:
                task.cancel()

    def options(self) -> Any:
        """What `Server.run` needs; the tool list changes when a session turns out to be a worker's."""
        return self.server.create_initialization_options(NotificationOptions(tools_changed=True))

    async def _list(self, context: Any, _params: Any) -> dict[str, Any]:
        self.session.meet(_client(context))  # a worker that has its messages from hooks may never call
        return {
            "tools": [tool.listing() for tool in visible(self.session.role)],
            "ttlMs": 0,
            "cacheScope": "private",
            **_COMPLETE,
        }

    async def _call(self, context: Any, params: Any) -> dict[str, Any]:
        before = self.session.role
        result = await self._result(
            _client(context), (context.meta if context is not None else None) or {}, params.name, params.arguments
        )
        if self.session.role != before and params.name == "intercomm_register" and not result["isError"]:
            with contextlib.suppress(Exception):  # the news is a courtesy; every call is checked anyway
                await context.session.send_tool_list_changed()
        return result

    async def _result(
        self, client: str, meta: Mapping[str, Any], name: str, arguments: dict[str, Any] | None
    ) -> dict[str, Any]:
        """What a client is answered, whatever happens. NotNow."""
        try:
            self.session.called(client, meta)
            answer = await self.call(name, arguments)
        except IntercomError as error:
            return _result(brief(error), error=True)
        except NotNow:
            raise
        except Exception as error:  # noqa: BLE001  # the edge: a fault of ours must not look like an answer
            sys.stderr.write("\n".join([*framed(traceback.format_exc()[-_LOGGED:], "| "), ""]))
            sys.stderr.flush()
            return _result(_fault(error), error=True)
        result = _result(answer if isinstance(answer, str) else result_text(answer))
        if name in BY_NAME and BY_NAME[name].structured:
            result["structuredContent"] = answer
        return result

    def at_once(self, client: str, raw: dict[str, Any]) -> bytes | None:
        """The answer to a request as it came, where that is a call of ours that has to wait for nothing; else None.

        What the SDK does with such a call takes several times as long as the call. It has agreed to the connection.
        """
        asked = front.request(raw, "tools/call")
        if asked is None or not front.plain_meta(asked.params) or not asked.params.keys() <= _OF_A_CALL:
            return None
        tool, arguments = BY_NAME.get(str(asked.params.get("name"))), asked.params.get("arguments", {})
        if tool is None or not tool.quick or type(arguments) is not dict or any(map(arguments.get, _LONG)):
            return None
        if not tool.knows(arguments):
            return None
        try:
            with self.bus_thread.here():
                self._result(client, asked.params.get("_meta") or {}, tool.name, arguments).send(None)
        except StopIteration as done:  # as a coroutine ends that awaits nobody
            shown = {key: value for key, value in done.value.items() if key not in _COMPLETE}
            return encode({"jsonrpc": "2.0", "id": asked.id, "result": shown})
        except NotNow:
            pass
        return None

    async def call(self, name: str, arguments: dict[str, Any] | None) -> Any:
        """Run one tool for this session; raises IntercomError where it cannot."""
        tool = BY_NAME.get(name)
        if tool is None:
            from intercom.server.synonyms import tool as other

            near = [other(name)] if other(name) else get_close_matches(name, BY_NAME, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(BY_NAME)}"
            raise Refused(f"There is no tool {ascii(name)[:80]}; {hint}")
        args = tool.arguments(arguments)
        self.session.carried.proven((arguments or {}).values())
        if tool.on == ON_BUS:
            call = self.bus_thread.quick if tool.quick else self.bus_thread.call
            return await call(functools.partial(self._handle, tool, args))
        if tool.on == ON_LOOP and tool.quick:
            return await tool.function(self.session, self._preparing(tool, quick=not args.get("all")), **args)
        if tool.who != ANY or self.session.name:
            await self.bus_thread.quick(functools.partial(self._prepared, tool))
        if tool.on == ON_LOOP:
            return await tool.function(self.session, self.bus_thread.call, **args)
        done = await on_side_thread(self.session, lambda crew: tool.function(crew, by=self.session.name, **args))
        return tool.show(done) if tool.show else done

    def _preparing(self, tool: Tool, *, quick: bool) -> Caller:
        """What runs the jobs of a call, the first of them together with what comes before it."""
        prepared = False

        async def call(job: Callable[[Bus], Any]) -> Any:
            def both(bus: Bus) -> Any:
                nonlocal prepared
                with bus.moment():
                    if not prepared:
                        self._prepared(tool, bus)
                    prepared = True
                    return job(bus)

            return await (self.bus_thread.quick if quick else self.bus_thread.call)(both)

        return call

    def _handle(self, tool: Tool, args: dict[str, Any], bus: Bus) -> Any:
        with bus.moment():
            self._prepared(tool, bus)
            return tool.function(self.session, bus, **args)

    def _prepared(self, tool: Tool, bus: Bus) -> None:
        """On the bus thread, before the tool: is it allowed? And what was shown before counts as received."""
        session = self.session
        session.settle(bus)
        if tool.name != "intercomm_register":
            session.recall(bus)
        if tool.who != ANY and not session.name:
            why = f"{session.trouble} " if session.trouble else ""
            raise Refused(
                f"{why}This session has no name yet; nothing was done. "
                "Call intercomm_register (role master or worker) first, then repeat this."
            )
        if session.name and not allowed(tool, session.role):
            raise Refused(_not_yours(tool, session))
        if session.name and not session.carried.count():
            try:
                bus.confirm(session.name)
            except NotNow:
                raise
            except Exception:  # noqa: BLE001, S110  # not confirmed means given again, never lost
                pass

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

    async def _usher(self) -> None:
        """An idle session that no hook can wake is told of its messages by its program's own command."""
        while True:
            await asyncio.sleep(USHER)
            session = self.session
            if session.name and session.client.prompted:
                with contextlib.suppress(Exception):  # a look every so often: the next may do
                    await on_side_thread(session, functools.partial(_told, session.name))

    async def _tell(self) -> None:
        """A person elsewhere is told what waits for them, where their own settings say so and this is the master."""
        while True:
            await asyncio.sleep(TELL)
            if self.session.name and self.session.role == MASTER:
                with contextlib.suppress(Exception):  # wrong settings: `intercom notify` says which
                    from intercom.fleet.personal import wants_telling

                    if wants_telling(os.environ):
                        await on_side_thread(self.session, _elsewhere)

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


def _told(name: str, crew: Crew) -> None:
    from intercom.fleet.commands import usher

    usher(crew, name)


def _elsewhere(crew: Crew) -> None:
    from intercom.fleet.telling import look

    look(crew)


def _client(context: Any) -> str:
    """The name of the client, as it gave it at connect, or with this call; "" where it gave none."""
    params = context.session.client_params if context is not None else None
    return str(params.client_info.name) if params is not None else ""


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
