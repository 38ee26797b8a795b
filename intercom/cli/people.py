"""Owns `intercom register` and `intercom signoff`."""

from __future__ import annotations

from typing import Annotated, Literal

from intercom.cli import show
from intercom.cli.session import Asked, open_bus, whose
from intercom.core.signature import Arg
from intercom.fleet.speaker import joining, leaving


def register(
    asked: Asked,
    role: Annotated[
        Literal["master", "worker", "agent"] | None, Arg(help="default: agent for a name in the settings, else worker")
    ] = None,
    *,
    name: Annotated[str | None, Arg(help="default: master, or the lowest free worker-N", metavar="N")] = None,
) -> int:
    """Take a name and print it, alone.

    The calling shell may end at once, so the name is not tied to a process: it is held until signoff.
    """
    with open_bus(asked, makes=True) as bus:
        joining(whose(bus.config), name)
        instance = bus.register(role or bus.role_of(name), name)
    if asked.json:
        show.json_line(instance._asdict())
    else:
        show.line(instance.name)
    return 0


def signoff(asked: Asked, *, id: Annotated[str, Arg(help="the name to give back")]) -> int:
    """Give a name back."""
    with open_bus(asked) as bus:
        leaving(whose(bus.config), id)
        bus.signoff(id)
    if asked.json:
        show.json_line({"signed_off": id})
    else:
        show.line(f"{id} signed off")
    return 0
