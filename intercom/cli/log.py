"""Owns `intercom log` and `intercom search`: history, for anyone, moving no cursor."""

from __future__ import annotations

import argparse
import re
import time

from intercom.cli import show
from intercom.cli.session import open_bus
from intercom.core.errors import UsageError
from intercom.core.message import utc

_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def log(args: argparse.Namespace) -> int:
    """Print messages, oldest first."""
    since = moment(args.since) if args.since else None
    with open_bus(args) as bus:
        found = bus.history(
            thread=args.thread, sender=args.sender, to=args.to, type=args.type, since=since, limit=args.limit
        )
        if args.raw and not args.json:
            from intercom.cli.raw import raw

            raw(bus.config, found)
            return 0
    show.messages(found, as_json=args.json)
    if not found and not args.json:
        show.line("No messages.")
    return 0


def search(args: argparse.Namespace) -> int:
    """Print the messages that hold the words."""
    query = " ".join(args.query)
    with open_bus(args) as bus:
        found = bus.search(query, limit=args.limit)
    show.messages(found, as_json=args.json)
    if not found and not args.json:
        show.line("Nothing found.")
    elif len(found) == args.limit:
        show.note(f"showing {args.limit}; there may be more (--limit)")
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
            f"{text!r} is no time; nothing was read. Write 2026-01-31, 2026-01-31T09:30, or an age: 10m, 2h, 3d."
        ) from error
