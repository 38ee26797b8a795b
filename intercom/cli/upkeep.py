"""Owns `intercom compact`, its other name `clear`, and `intercom rebuild`."""

from __future__ import annotations

import argparse
import os
import sys

from intercom.cli import show
from intercom.cli.session import open_bus


def compact(args: argparse.Namespace) -> int:
    """Move all but the newest messages from the live log to an archive segment."""
    with open_bus(args) as bus:
        done = bus.compact(args.keep)
    if args.json:
        show.json_line({**done._asdict(), "segment": os.fspath(done.segment) if done.segment else None})
    elif done.archived:
        show.line(f"Archived {_messages(done.archived)} in {done.segment}; {done.kept} stay in the log.")
    else:
        show.line(f"Nothing to archive: the log holds {_messages(done.kept)}.")
    return 0


def rebuild(args: argparse.Namespace) -> int:
    """Make the index anew, with a progress bar where a person watches."""
    watched = sys.stderr is not None and sys.stderr.isatty() and not args.json
    with open_bus(args) as bus:
        found = bus.rebuild(show.bar if watched else None)
    if watched:
        show.no_bar()
    if args.json:
        show.json_line({"messages": found})
    else:
        show.line(f"Indexed {_messages(found)}.")
    return 0


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"
