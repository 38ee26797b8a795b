"""Owns starting and ending `intercom mcp`: one MCP server on stdin and stdout, for one client session.

Start-up time is import time, and `front` answers while what calls need loads. The garbage collector would scan all of
it repeatedly meanwhile, in vain, so it is off until it is loaded.
"""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from intercom.server.app import App
    from intercom.server.desk import Behind
    from intercom.server.front import Front
    from intercom.server.spawned import Spawned


def main(root: str | None = None, machine: str | None = None) -> int:
    """Serve until the client leaves or we are told to stop. Returns the exit status."""
    gc.disable()
    from intercom.server import streams
    from intercom.server.front import Front, serve
    from intercom.server.spawned import Spawned

    spawned = Spawned.of(os.environ)
    pipes = streams.claim()

    def tools() -> list[dict[str, Any]]:
        from intercom.server.toolbox import visible

        return [tool.listing() for tool in visible(spawned.role)]

    if streams.watched(*pipes):
        begun, loaded = serve(pipes[0].fileno(), pipes[1].fileno(), tools, _load)
    else:  # then nothing can be answered while the rest loads
        begun, loaded = Front(tools), _load()
    _served(loaded, spawned, root, machine, pipes, begun)
    return 0


def _load() -> Any:
    """Import everything that a server needs, except the SDK; returns its module `app`."""
    import asyncio  # noqa: F401

    import pydantic_core  # noqa: F401

    from intercom.bus import ahead
    from intercom.server import app, desk, session, transport  # noqa: F401

    ahead.reading()  # early, in case an upgrade removes the files
    return app


def _sdk() -> Behind:
    """Import what serves everything that is not plain."""
    from intercom.server.sdk import run

    return run


def _served(
    app: Any,
    spawned: Spawned,
    root: str | None,
    machine: str | None,
    pipes: tuple[BinaryIO, BinaryIO],
    begun: Front,
) -> None:
    """Serve one begun connection to its end."""
    import asyncio

    from intercom.server.session import Session

    gc.freeze()
    gc.enable()

    def open_bus() -> Any:
        from intercom.bus.bus import Bus
        from intercom.fleet.aimfp import mark

        bus = Bus.open(root, machine=machine)
        mark(bus.config.root, os.getcwd())
        bus.confirms = False  # the session confirms: messages of a cancelled call are carried to the next
        bus.tidies = False  # the bus thread compacts, after it has answered
        return bus

    served = app.App(Session(open_bus, spawned))
    known = bool(spawned.name) or (bool(spawned.session) and _folder_exists(root, machine))
    asyncio.run(_serve(served, pipes, begun, bind=known))
    served.bus_thread.close()


def _folder_exists(root: str | None, machine: str | None) -> bool:
    """Whether this project has a bus; starting a server never makes one."""
    from intercom.core import config
    from intercom.core.errors import IntercomError

    try:
        return config.load(root, machine=machine).folder.is_dir()
    except (IntercomError, OSError):
        return False


async def _serve(served: App, pipes: tuple[BinaryIO, BinaryIO], begun: Front, *, bind: bool) -> None:
    """Serve, and stop at the end of input or on a signal."""
    import asyncio

    from intercom.server.desk import Desk
    from intercom.server.framing import Lines
    from intercom.server.transport import Writer, connect
    from intercom.system import host

    lines = Lines()
    writer = Writer(lines)
    desk = Desk(served, begun, lines, writer, _sdk)
    host.on_stop(asyncio.get_running_loop(), lines.end)
    async with served.running(bind=bind):
        await connect(*pipes, lines, writer, begun.rest)
        await desk.serve()
        if desk.quiet and await writer.heard():
            await served.parted()
    await writer.flush()
