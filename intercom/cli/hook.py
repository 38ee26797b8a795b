"""Owns `intercom hook`: passes one event of an agent program to the hooks."""

from __future__ import annotations

from typing import Annotated

from intercom.cli.session import Asked
from intercom.core.signature import Arg
from intercom.fleet.programs.known import DEFAULT


def hook(
    asked: Asked,
    event: Annotated[str, Arg(help="as the agent program calls it, or `wait`; unknown ones are ignored")],
    *,
    program: Annotated[str, Arg(help="the agent program whose event it is", metavar="NAME")] = DEFAULT,
    spawned: Annotated[bool, Arg(help="called by the settings that spawn gave a worker")] = False,
) -> int:
    """Handle the event on standard input; always 0, so that no session is ever blocked by an error of ours."""
    from intercom.hooks import run

    return run(event, asked.root, program, spawned=spawned)


def keep(asked: Asked, worker: Annotated[str, Arg(help="its name")]) -> int:
    """Keep a worker without a terminal, until its program ends for good."""
    from intercom.fleet.crew import Crew
    from intercom.fleet.workers.keeper import keep as keep_it

    with Crew.open(asked.root) as crew:
        return keep_it(crew, worker)
