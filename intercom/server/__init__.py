"""Owns the start and the end of `intercom mcp`: one MCP server on stdin and stdout, for one client session.

Starting is importing: the SDK makes some 600 modules, and `front` answers while they are loaded. The garbage
collector looks through all of them again and again meanwhile and once more at exit, for nothing, so it is off until
they are in.
"""

from __future__ import annotations

import functools
import gc
import os
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from intercom.server.front import Opening
    from intercom.server.spawned import Spawned


def main(root: str | None = None, machine: str | None = None) -> int:
    """Serve until the client goes away or we are told to stop. Gives the exit status."""
    gc.disable()
    from intercom.server import streams
    from intercom.server.front import Opening, serve
    from intercom.server.spawned import Spawned

    spawned = Spawned.of(os.environ)
    pipes = streams.claim()
    if not streams.watched(*pipes):  # then nothing can be answered while the rest is loaded
        _served(_load(), spawned, root, machine, pipes, Opening())
        return 0

    def tools() -> list[dict[str, Any]]:
        from intercom.server.toolbox import visible

        return [tool.listing() for tool in visible(spawned.role)]

    opening, loaded = serve(pipes[0].fileno(), pipes[1].fileno(), tools, _load)
    _served(loaded, spawned, root, machine, pipes, opening)
    return 0


def _load() -> Any:
    """Import all that a server needs; its module `app`."""
    import asyncio  # noqa: F401

    from intercom.bus import ahead
    from intercom.server import app, session, transport  # noqa: F401

    ahead.reading()  # by now, should an upgrade take the files away
    return app


def _served(
    app: Any,
    spawned: Spawned,
    root: str | None,
    machine: str | None,
    pipes: tuple[BinaryIO, BinaryIO],
    opening: Opening,
) -> None:
    """Serve one connection to its end, as it was opened."""
    import asyncio

    from intercom.server.session import Session

    gc.freeze()
    gc.enable()

    def open_bus() -> Any:
        from intercom.bus.bus import Bus
        from intercom.fleet.aimfp import mark

        bus = Bus.open(root, machine=machine)
        mark(bus.config.root, os.getcwd())
        bus.confirms = False  # a cancelled call's messages are carried: the session says when they were shown
        bus.tidies = False  # the bus thread does, when it has answered
        return bus

    served = app.App(Session(open_bus, spawned))
    known = bool(spawned.name) or (bool(spawned.session) and _folder_exists(root, machine))
    asyncio.run(_serve(served, pipes, opening, bind=known))
    served.bus_thread.close()


def _folder_exists(root: str | None, machine: str | None) -> bool:
    """Whether this project has a bus already; a start alone never makes one."""
    from intercom.core import config
    from intercom.core.errors import IntercomError

    try:
        return config.load(root, machine=machine).folder.is_dir()
    except (IntercomError, OSError):
        return False


async def _serve(served: Any, pipes: tuple[BinaryIO, BinaryIO], opening: Opening, *, bind: bool) -> None:
    """Serve, and stop at the end of input or when we are told to."""
    import asyncio

    from intercom.server import transport
    from intercom.system import host

    lines, reader, writer = await transport.connect(*pipes, served.session.leave, opening)
    if opening.client is not None:
        served.session.meet(opening.client)  # its list of tools was given by then
        reader.at_once = functools.partial(served.at_once, opening.client)
    host.on_stop(asyncio.get_running_loop(), lines.end)
    async with served.running(bind=bind):
        await served.server.run(reader, writer, served.options())
        if reader.quiet and await writer.heard():
            await served.parted()
    await writer.flush()
