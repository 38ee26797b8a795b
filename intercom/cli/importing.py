"""Owns `intercom import`: import InterComm's messages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from intercom.cli import show
from intercom.cli.session import Asked, open_bus
from intercom.core.aimfp import MARKER
from intercom.core.signature import Arg


def take(
    asked: Asked,
    file: Annotated[str | None, Arg(help=f"InterComm's database (default: {MARKER} in the project)")] = None,
    *,
    dry_run: Annotated[bool, Arg(help="show what there is, and change nothing")] = False,
) -> int:
    """Import the messages of InterComm's database, once, with their times and names."""
    from intercom.bus import importing
    from intercom.core.config import load

    path = Path(file) if file else load(asked.root).root / MARKER
    old = importing.read(path)
    if dry_run:
        show.line(f"{show.counted(len(old))} in {path}; nothing was imported")
        return 0
    with open_bus(asked, makes=True) as bus:
        done = importing.take(bus, old)
    if asked.json:
        show.json_line({"imported": len(done.messages), "known": done.known, "unread": done.unread, "file": str(path)})
        return 0
    show.line(f"{show.counted(len(done.messages))} taken over from {path}; {done.known} were here already")
    if done.messages:
        show.line("Their names are not proven, so none is an order. See them: intercom log")
    if done.unread:
        show.line(f"{done.unread} had not been read there, and wait for those they are for")
    return 0
