"""Owns `intercom compact`, its other name `clear`, and `intercom rebuild`."""

from __future__ import annotations

import argparse
import os
import sys

from intercom.cli import show
from intercom.cli.session import open_bus

_WIDTH = 30


def compact(args: argparse.Namespace) -> int:
    """Move all but the newest messages from the live log to an archive segment."""
    with open_bus(args) as bus:
        done = bus.compact(args.keep)
    if args.json:
        show.json_line({**done._asdict(), "segment": os.fspath(done.segment) if done.segment else None})
    elif done.archived:
        print(f"Archived {_messages(done.archived)} in {done.segment}; {done.kept} stay in the log.")
    else:
        print(f"Nothing to archive: the log holds {_messages(done.kept)}.")
    return 0


def rebuild(args: argparse.Namespace) -> int:
    """Make the index anew, with a progress bar where a person watches."""
    watched = sys.stderr is not None and sys.stderr.isatty() and not args.json
    with open_bus(args) as bus:
        found = bus.rebuild(_bar if watched else None)
    if watched:
        print("\r\x1b[K", end="", file=sys.stderr)
    if args.json:
        show.json_line({"messages": found})
    else:
        print(f"Indexed {_messages(found)}.")
    return 0


def _bar(done: int, total: int) -> None:
    """Draw the progress, in bytes, over the line before."""
    part = min(done / total, 1.0) if total else 1.0
    filled = round(part * _WIDTH)
    print(f"\rindexing [{'#' * filled}{'.' * (_WIDTH - filled)}] {part:4.0%}", end="", file=sys.stderr, flush=True)


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"
