"""Owns `intercom receipts`: for each message and recipient, when it was stored, shown and acted on."""

from __future__ import annotations

import argparse

from intercom.cli import show
from intercom.cli.session import open_bus


def receipts(args: argparse.Namespace) -> int:
    """Print a line for each message and recipient."""
    with open_bus(args) as bus:
        found = bus.receipts(args.sender, args.message_id)
    if args.json:
        for receipt in found:
            show.json_line(receipt._asdict())
        return 0
    if not found:
        show.line(f"{args.sender} has sent nothing.")
        return 0
    rows = [("MESSAGE", "TO", "STORED", "SHOWN", "ACTED ON")]
    for one in found:
        acted = show.local(one.acted) + (f" ({one.acted_with})" if one.acted_with else "")
        rows.append((one.id, one.to, show.local(one.stored), show.local(one.shown), acted))
    show.rows(rows)
    return 0
