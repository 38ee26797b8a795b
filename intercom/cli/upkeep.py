"""Owns `intercom compact`, its other name `clear`, and `intercom rebuild`."""

from __future__ import annotations

import os
import sys
from typing import Annotated

from intercom.cli import show
from intercom.cli.session import Asked, open_bus
from intercom.core.signature import Arg

_STAY = "how many messages stay"


def compact(
    asked: Asked,
    *,
    keep: Annotated[int | None, Arg(help=f"{_STAY} (default: 50, or what [compact] says)", metavar="N")] = None,
) -> int:
    """Move all but the newest messages from the live log to an archive segment."""
    with open_bus(asked) as bus:
        done = bus.compact(keep)
    if asked.json:
        show.json_line({**done._asdict(), "segment": os.fspath(done.segment) if done.segment else None})
    elif done.archived:
        show.line(f"Archived {show.counted(done.archived)} in {done.segment}; {done.kept} stay in the log.")
    else:
        show.line(f"Nothing to archive: the log holds {show.counted(done.kept)}.")
    return 0


def clear(asked: Asked, *, keep: Annotated[int, Arg(help=_STAY, metavar="N")] = 100) -> int:
    """The same under InterComm's name."""
    return compact(asked, keep=keep)


def rebuild(asked: Asked) -> int:
    """Rebuild the index, with a progress bar if a person watches."""
    watched = sys.stderr is not None and sys.stderr.isatty() and not asked.json
    with open_bus(asked) as bus:
        found = bus.rebuild(show.bar if watched else None)
    if watched:
        show.no_bar()
    if asked.json:
        show.json_line({"messages": found})
    else:
        show.line(f"Indexed {show.counted(found)}.")
    return 0
