"""Owns `intercom watch`: the log, live in a terminal, for a person to keep open."""

from __future__ import annotations

import argparse
import sys

from intercom.cli import show
from intercom.cli.session import open_bus

_LOOK_AGAIN = 5.0  #: seconds; a look although nothing seems to have changed


def watch(args: argparse.Namespace) -> int:
    """Print the last messages, then each new one as it comes, until interrupted."""
    from intercom.watch import Watch

    with open_bus(args) as bus, Watch(bus.config.folder) as changes:
        found = bus.history(limit=max(args.limit, 1))
        last = found[-1].seq if found else 0
        show.messages(found[len(found) - args.limit :], as_json=args.json)
        while True:
            sys.stdout.flush()
            changes.wait(_LOOK_AGAIN)
            found = bus.history(after=last)
            show.messages(found, as_json=args.json)
            last = found[-1].seq if found else last
            for text in bus.notices:
                print(f"intercom: {' '.join(text.split())}", file=sys.stderr)
            bus.notices.clear()
