"""Owns `intercom doctor`: what is well here, what is not, and what to do about it. It changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator

from intercom.cli import show
from intercom.cli.session import Asked
from intercom.core import config as configuration
from intercom.core.display import sentence
from intercom.core.errors import IntercomError
from intercom.doctor import OK, WARNING, WRONG, Finding, examine, runs_on

_TEXT = 24  #: columns before what a check says
_COLOUR = {OK: show.GREEN, WARNING: show.YELLOW, WRONG: show.RED}


def doctor(asked: Asked) -> int:
    """Print a line for each check as it is made; 1 if something is wrong."""
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
