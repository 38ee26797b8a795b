"""Owns `intercom receipts`: for each message and recipient, when it was stored, shown and acted on."""

from __future__ import annotations

from typing import Annotated

from intercom.cli import show
from intercom.cli.session import Asked, open_bus
from intercom.core.signature import Arg


def receipts(
    asked: Asked,
    message_id: Annotated[str | None, Arg(help="only this one")] = None,
    *,
    sender: Annotated[str, Arg(help="whose messages", option="--from", metavar="ID")],
) -> int:
    """Print a line for each message and recipient."""
    with open_bus(asked) as bus:
        found = bus.receipts(sender, message_id)
    if asked.json:
        for receipt in found:
            show.json_line(receipt._asdict())
        return 0
    if not found:
        show.line(f"{sender} has sent nothing.")
        return 0
    rows = [("MESSAGE", "TO", "STORED", "SHOWN", "ACTED ON")]
    for one in found:
        acted = show.local(one.acted) + (f" ({one.acted_with})" if one.acted_with else "")
        rows.append((one.id, one.to, show.local(one.stored), show.local(one.shown), acted))
    show.rows(rows)
    return 0
