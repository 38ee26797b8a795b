"""Owns `intercom doctor`: prints what is well, what is not and what to do; on request, does what is safe."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Annotated

from intercom.cli import show
from intercom.cli.clients import NONE, set_up, setup_of, tell
from intercom.cli.entry import server_entry
from intercom.cli.session import Asked
from intercom.core import config as configuration
from intercom.core.errors import IntercomError
from intercom.core.escaping import sentence
from intercom.core.signature import Arg
from intercom.doctor import OK, WARNING, WRONG, Finding, clients, examine, runs_on
from intercom.fleet.clients import known
from intercom.fleet.clients.changes import THERE

_TEXT = 24  #: columns before the text of a check
_COLOUR = {OK: show.GREEN, WARNING: show.YELLOW, WRONG: show.RED}


def doctor(
    asked: Asked,
    *,
    fix: Annotated[bool, Arg(help="first set up again the clients that `init` set up")] = False,
) -> int:
    """Print a line for each check as it runs; 1 if something is wrong."""
    if fix:
        _fix(asked)
    worst = OK
    for found in _findings(asked):
        if found.state == WRONG or worst == OK:
            worst = found.state
        if asked.json:
            show.json_line(found._asdict())
            continue
        state = show.paint(f"{found.state:<8}", _COLOUR[found.state])
        show.line(state, f" {found.check:<14} {sentence(found.says)}", hang=_TEXT)
        if found.do:
            show.line(f"{'':<{_TEXT}}→ {sentence(found.do)}", hang=_TEXT + 2)
    return 1 if worst == WRONG else 0


def _findings(asked: Asked) -> Iterator[Finding]:
    yield from runs_on()
    try:
        config = configuration.load(asked.root)
    except IntercomError as error:
        yield Finding("root", WRONG, str(error))
        return
    yield from examine(config, os.environ)
    yield from clients.examine(config, setup_of(config, server_entry(config), user=False))


def _fix(asked: Asked) -> None:
    """Rewrite what `init` wrote for this project's clients, with the present way to start our server."""
    config = configuration.load(asked.root)
    setup = setup_of(config, server_entry(config), user=False)
    names = [name for name in known.MODULES if any(True for _ in clients.entries(known.client(name), setup))]
    planned, _ = set_up(setup, config, names or [NONE], dry=False)
    if not asked.json:
        tell(config.root, [one for one in planned if one.change.what != THERE], [], dry=False)
