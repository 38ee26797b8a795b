"""Owns `intercom log` and `intercom search`: history, for anyone, moving no cursor."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Annotated

from intercom.cli import show
from intercom.cli.filters import Sender, Thread, Type
from intercom.cli.session import Asked, open_bus
from intercom.core.errors import UsageError
from intercom.core.message import utc
from intercom.core.signature import Arg

_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def log(
    asked: Asked,
    *,
    thread: Thread = None,
    sender: Sender = None,
    type: Type = None,
    limit: Annotated[int | None, Arg(help="the newest N", metavar="N")] = None,
    to: Annotated[str | None, Arg(help="only to this recipient", metavar="T")] = None,
    since: Annotated[
        str | None, Arg(help="2026-01-31, 2026-01-31T09:30, or an age: 10m, 2h, 3d", metavar="WHEN")
    ] = None,
    raw: Annotated[bool, Arg(help="the markdown itself")] = False,
) -> int:
    """Print messages, oldest first."""
    after = moment(since) if since else None
    with open_bus(asked) as bus:
        found = bus.history(thread=thread, sender=sender, to=to, type=type, since=after, limit=limit)
        if raw and not asked.json:
            from intercom.cli.raw import write_raw

            write_raw(bus.config, found)
            return 0
    show.messages(found, as_json=asked.json)
    if not found and not asked.json:
        show.line("No messages.")
    return 0


def search(
    asked: Asked,
    query: Annotated[Sequence[str], Arg(help="words that a message must hold")],
    *,
    limit: Annotated[int, Arg(help="at most N, the best first", metavar="N")] = 50,
) -> int:
    """Print the messages that hold the words."""
    with open_bus(asked) as bus:
        found = bus.search(" ".join(query), limit=limit)
    show.messages(found, as_json=asked.json)
    if not found and not asked.json:
        show.line("Nothing found.")
    elif len(found) == limit:
        show.note(f"showing {limit}; there may be more (--limit)")
    return 0


def moment(text: str, now: float | None = None) -> str:
    """UTC of a time that a person wrote: ISO 8601 (local unless it says otherwise), a date, or an age like 10m.

    Raises UsageError for anything else.
    """
    age = _AGE.match(text.strip().lower())
    if age:
        return utc(max(0.0, (time.time() if now is None else now) - float(age[1]) * _SECONDS[age[2]]))
    from datetime import datetime

    try:
        return utc(datetime.fromisoformat(text.strip()).timestamp())
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{text!r} is not a time; nothing was read. Write 2026-01-31, 2026-01-31T09:30, or an age: 10m, 2h, 3d."
        ) from error
