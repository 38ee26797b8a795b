"""Owns `intercom read`: print what is new for a name, and only then let it count as received."""

from __future__ import annotations

import argparse
import sys

from intercom.cli import show
from intercom.cli.session import open_bus
from intercom.core.errors import UsageError


def read(args: argparse.Namespace) -> int:
    """Print new messages; one that is killed before they are out gets them again."""
    if args.all and args.wait is not None:
        raise UsageError("--all shows history and --wait waits for news; nothing was read. Use one of them.")
    filters = {"thread": args.thread, "sender": args.sender, "type": args.type, "limit": args.limit}
    with open_bus(args) as bus:
        if args.wait is not None:
            messages = bus.wait(args.id, args.wait, **filters)
        else:
            messages = bus.read(args.id, all=args.all, **filters)
        show.messages(messages, as_json=args.json)
        if not messages and not args.json:
            show.line(f"No messages for {args.id}." if args.all else f"No new messages for {args.id}.")
        if sys.stdout is not None:
            sys.stdout.flush()
        if not args.all:
            bus.confirm(args.id)
            left = bus.unread(args.id) if args.limit is not None else 0
            if left:
                show.note(f"{left} more unread for {args.id}")
    return 0
