"""Owns `intercom read`: print what is new for a name, and confirm it only after that."""

from __future__ import annotations

import sys
from typing import Annotated

from intercom.cli import show
from intercom.cli.filters import Sender, Thread, Type
from intercom.cli.session import Asked, answered, open_bus, whose
from intercom.core.errors import UsageError
from intercom.core.signature import Arg


def read(
    asked: Asked,
    *,
    id: Annotated[str | None, Arg(help="who reads (default: you, `user`; in an agent's session that agent)")] = None,
    all: Annotated[bool, Arg(help="everything ID may see, read or not; marks nothing as read")] = False,
    wait: Annotated[float | None, Arg(help="wait for a message, at most this long", metavar="SECONDS")] = None,
    thread: Thread = None,
    sender: Sender = None,
    type: Type = None,
    limit: Annotated[
        int | None, Arg(help="at most N messages, urgent ones first; the rest stay unread", metavar="N")
    ] = None,
) -> int:
    """Print new messages; if it is killed before they are printed, they come again."""
    if all and wait is not None:
        raise UsageError("--all shows history and --wait waits for new messages; nothing was read. Use one of them.")
    with open_bus(asked) as bus:
        id = id or whose(bus.config).default
        if wait is not None:
            messages = bus.wait(id, wait, thread=thread, sender=sender, type=type, limit=limit)
        else:
            messages = bus.read(id, all=all, thread=thread, sender=sender, type=type, limit=limit)
        show.messages(messages, as_json=asked.json, texts=answered(bus, messages) if not asked.json else {})
        if not messages and not asked.json:
            show.line(f"No messages for {id}." if all else f"No new messages for {id}.")
        for one in [] if all else bus.edited(id):
            show.edited(one, as_json=asked.json)
        if sys.stdout is not None:
            sys.stdout.flush()
        if not all:
            bus.confirm(id)
            left = bus.unread(id) if limit is not None else 0
            if left:
                show.note(f"{left} more unread for {id}")
    return 0
