"""Owns the start and the end of `intercom mcp`: one MCP server on stdin and stdout, for one client session.

Starting is importing: the SDK makes some 600 modules. The garbage collector looks through all of
them again and again meanwhile and once more at exit, for nothing, so it is off until they are in.
"""

from __future__ import annotations

import gc
import os
from typing import Any


def main(root: str | None = None, machine: str | None = None) -> int:
    """Serve until the client goes away or we are told to stop. Gives the exit status."""
    gc.disable()
    import asyncio

    from intercom.server import app, session, transport

    gc.freeze()
    gc.enable()

    def open_bus() -> Any:
        from intercom.bus.bus import Bus

        bus = Bus.open(root, machine=machine)
        bus.confirms = False  # a cancelled call's messages are carried: the session says when they were shown
        bus.tidies = False  # the bus thread does, when it has answered
        return bus

    spawned = session.Spawned.of(os.environ)
    served = app.App(session.Session(open_bus, spawned))
    known = bool(spawned.name) or (bool(spawned.session) and _folder_exists(root, machine))
    if transport.pipes_usable():
        asyncio.run(_on_pipes(served, bind=known))
    else:
        asyncio.run(_on_files(served, bind=known))
    served.bus_thread.close()
    return 0


def _folder_exists(root: str | None, machine: str | None) -> bool:
    """Whether this project has a bus already; a start alone never makes one."""
    from intercom.core import config
    from intercom.core.errors import IntercomError

    try:
        return config.load(root, machine=machine).folder.is_dir()
    except (IntercomError, OSError):
        return False


async def _on_pipes(served: Any, *, bind: bool) -> None:
    """Serve on our own transport, and stop at the end of input, SIGTERM or SIGINT."""
    import asyncio

    from intercom.server import transport
    from intercom.system import host

    lines, reader, writer = await transport.connect(*transport.claim(), served.session.leave)
    host.on_stop(asyncio.get_running_loop(), lines.end)
    async with served.running(bind=bind):
        await served.server.run(reader, writer, served.options())
        if reader.quiet and await writer.heard():
            await served.parted()
    await writer.flush()


async def _on_files(served: Any, *, bind: bool) -> None:
    """Serve on the SDK's transport: where stdin or stdout is a file, or on Windows."""
    from mcp.server.stdio import stdio_server

    async with stdio_server() as (reader, writer), served.running(bind=bind):
        await served.server.run(reader, writer, served.options())
