"""Owns `intercom doctor`: what is well here, what is not, and what to do about it. It changes nothing."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator

from intercom import config as configuration
from intercom.checkup import OK, WARNING, WRONG, Finding, examine, runs_on
from intercom.cli import show
from intercom.errors import IntercomError

_COLOUR = {OK: show.GREEN, WARNING: show.YELLOW, WRONG: show.RED}


def doctor(args: argparse.Namespace) -> int:
    """Print a line for each check as it is made; 1 if something is wrong."""
    worst = OK
    for found in _findings(args):
        if found.state == WRONG or worst == OK:
            worst = found.state
        if args.json:
            show.json_line(found._asdict())
            continue
        print(f"{show.paint(f'{found.state:<8}', _COLOUR[found.state])} {found.check:<14} {_line(found.says)}")
        if found.do:
            print(f"{'':<9}{'':<14} → {_line(found.do)}")
    return 1 if worst == WRONG else 0


def _findings(args: argparse.Namespace) -> Iterator[Finding]:
    yield from runs_on()
    try:
        config = configuration.load(args.root)
    except IntercomError as error:
        yield Finding("root", WRONG, str(error))
        return
    yield from examine(config, os.environ)


def _line(text: str) -> str:
    """What is found in files is data, and takes one line."""
    return show.visible(" ".join(text.split()))
