"""Owns the MCP side of a server: which tools a client sees, who may call them, the form of answers and errors.

Errors are results with `isError`, never protocol errors, because only results reach the model; each says what to do
next. This is the only place in the server that turns an IntercomError into text.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from intercom.core.errors import IntercomError, Refused, brief
from intercom.core.escaping import framed
from intercom.core.pace import NotNow
from intercom.fleet.programs.known import SPAWN
from intercom.server.bus_thread import BusThread
from intercom.server.session import Session
from intercom.server.side_thread import on_side_thread
from intercom.server.tool import AGENT, ANY, MASTER, ON_BUS, ON_LOOP, Caller, Tool
from intercom.server.toolbox import BY_NAME, allowed, visible
from intercom.server.wire import result_text

if TYPE_CHECKING:
    from intercom.bus.bus import Bus
    from intercom.fleet.crew import Crew
    from intercom.server.plain import Call

HEARTBEAT = 10.0  # seconds
USHER = 1.0  # seconds between checks whether an idle session has something to read
TELL = 5.0  # seconds between checks for what to tell a person elsewhere
PARTING = 2.0  # seconds allowed for the last receipts
_LOGGED = 4_000  # characters of a fault on stderr: some clients do not read it, and a full pipe would block us
_LONG = ("wait", "all")  # arguments that make a quick tool slow


class App:
    """One session's server: the calls in our tool table, with a thread for the bus."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.bus_thread = BusThread(session.open_bus)
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def running(self, *, bind: bool) -> AsyncIterator[App]:
        """Run the bus thread and the heartbeat while the client is there. `bind`: take a known name at once."""
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

    def tools(self) -> list[dict[str, Any]]:
        """The tools that this session is shown."""
        return [tool.listing() for tool in visible(self.session.role)]

    async def result(
        self, client: str, asked: Call, changed: Callable[[], Awaitable[Any]] | None = None
    ) -> dict[str, Any]:
        """The result for a client, whatever happens; `changed` is called if its list of tools is another now."""
        before = self.session.role
        result = await self._result(client, asked)
        renamed = self.session.role != before and asked.tool == "intercomm_register" and not result["isError"]
        if renamed and changed is not None:
            with contextlib.suppress(Exception):  # only a courtesy; every call is checked anyway
                await changed()
        return result

    async def _result(self, client: str, asked: Call) -> dict[str, Any]:
        """The same. NotNow."""
        try:
            self.session.called(client, asked.meta)
            answer = await self.call(asked.tool, asked.arguments)
        except IntercomError as error:
            return _result(brief(error), error=True)
        except NotNow:
            raise
        except Exception as error:  # noqa: BLE001  # the edge: a fault of ours must not look like an answer
            sys.stderr.write("\n".join([*framed(traceback.format_exc()[-_LOGGED:], "| "), ""]))
            sys.stderr.flush()
            return _result(_fault(error), error=True)
        result = _result(answer if isinstance(answer, str) else result_text(answer))
        if asked.tool in BY_NAME and BY_NAME[asked.tool].structured:
            result["structuredContent"] = answer
        return result

    def at_once(self, client: str, asked: Call) -> dict[str, Any] | None:
        """The result of a call that waits for nothing; None for any other, and then nothing was done."""
        tool, arguments = BY_NAME.get(asked.tool), asked.arguments or {}
        if tool is None or not tool.quick or any(map(arguments.get, _LONG)) or not tool.knows(arguments):
            return None
        self.bus_thread.here = True
        try:
            self._result(client, asked).send(None)
        except StopIteration as done:  # the coroutine ended without awaiting anything
            found: dict[str, Any] = done.value
            return found
        except NotNow:
            pass
        finally:
            self.bus_thread.here = False
        return None

    async def call(self, name: str, arguments: dict[str, Any] | None) -> Any:
        """Run one tool for this session; raises IntercomError if it cannot."""
        tool = BY_NAME.get(name)
        if tool is None:
            from intercom.server.synonyms import tool as other

            near = [other(name)] if other(name) else get_close_matches(name, BY_NAME, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(BY_NAME)}"
            raise Refused(f"There is no tool {ascii(name)[:80]}; {hint}")
        args = tool.arguments(arguments)
        self.session.carried.confirm((arguments or {}).values())
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
        """A function that runs the jobs of a call, the first together with the preparation."""
        prepared = False

        async def call(job: Callable[[Bus], Any]) -> Any:
            def both(bus: Bus) -> Any:
                nonlocal prepared
                with bus.moment():
                    if not prepared:
                        self._prepared(tool, bus, confirms=not quick)  # a read does that together with what it gives
                    prepared = True
                    return job(bus)

            return await (self.bus_thread.quick if quick else self.bus_thread.call)(both)

        return call

    def _handle(self, tool: Tool, args: dict[str, Any], bus: Bus) -> Any:
        with bus.moment():
            self._prepared(tool, bus)
            return tool.function(self.session, bus, **args)

    def _prepared(self, tool: Tool, bus: Bus, *, confirms: bool = True) -> None:
        """On the bus thread, before the tool: check permission, and confirm what was shown before."""
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
        if confirms and session.name and not session.carried.count():
            try:
                bus.confirm(session.name)
            except NotNow:
                raise
            except Exception:  # noqa: BLE001, S110  # if not confirmed, they are given again, never lost
                pass

    async def parted(self) -> None:
        """Confirm the last answer after the client has left properly: its messages were received.

        Not for a worker, which may have a successor, and whose hooks know better.
        """
        if self.session.name and not os.environ.get(SPAWN) and not self.session.carried.count():
            with contextlib.suppress(Exception):  # if not confirmed, they are given again
                await asyncio.wait_for(self.bus_thread.call(lambda bus: bus.confirm(self.session.name or "")), PARTING)

    async def _bind(self) -> None:
        with contextlib.suppress(Exception):  # reported to the client at its first call
            await self.bus_thread.call(self.session.bind)

    async def _usher(self) -> None:
        """Tell an idle session that no hook can wake of its messages, by its program's own command."""
        while True:
            await asyncio.sleep(USHER)
            session = self.session
            if session.name and session.client.prompted:
                with contextlib.suppress(Exception):  # repeated at intervals: the next may succeed
                    await on_side_thread(session, functools.partial(_told, session.name))

    async def _tell(self) -> None:
        """Notify a person elsewhere of what waits for them, if their own settings say so and this is the master."""
        while True:
            await asyncio.sleep(TELL)
            if self.session.name and self.session.role == MASTER:
                with contextlib.suppress(Exception):  # invalid settings: `intercom notify` reports them
                    from intercom.fleet.personal import wants_telling

                    if wants_telling(os.environ):
                        await on_side_thread(self.session, _elsewhere)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT)
            if self.session.name:
                with contextlib.suppress(Exception):  # the process itself is the other sign of life
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
    """The text for an unexpected error."""
    said = f"Intercom failed inside ({type(error).__name__}: {brief(error)}). Whether it was done is not known"
    if isinstance(error, ImportError):  # the rest of the package has been upgraded or removed meanwhile
        return f"{said}. An upgrade under this server does that: reconnect it (/mcp), or restart this session."
    return f"{said}: look with intercomm_read or intercomm_status before you repeat it."


def _result(text: str, *, error: bool = False) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}], "isError": error}
