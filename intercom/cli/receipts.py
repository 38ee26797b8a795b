"""Owns `intercom receipts`: for each message and recipient, when it was stored, shown and acted on."""

from __future__ import annotations

from typing import Annotated

from intercom.bus.pending import bodies
from intercom.cli import show
from intercom.cli.session import Asked, open_bus, whole, whose
from intercom.core.signature import Arg


def receipts(
    asked: Asked,
    message_id: Annotated[str | None, Arg(help="only this one")] = None,
    *,
    sender: Annotated[
        str | None, Arg(help="whose messages (default: yours, `user`)", option="--from", metavar="ID")
    ] = None,
) -> int:
    """Print for each message and recipient how the message begins, and what became of it."""
    with open_bus(asked) as bus:
        sender = sender or whose(bus.config).default
        found = bus.receipts(sender, message_id and whole(bus, message_id))
        named = {ident for one in found for ident in (one.id, one.acted_with) if ident}
        texts = bus.ask(lambda db: bodies(db, named))
    if asked.json:
        for receipt in found:
            show.json_line(receipt._asdict())
        return 0
    if not found:
        show.line(f"{sender} has sent nothing.")
        return 0
    for one in found:
        show.cut(f"{one.id}  to {one.to}: {show.first_line(texts.get(one.id, ''))}")
        told = [f"stored {show.local(one.stored)}"]
        told += [f"shown {show.local(one.shown)}" if one.shown else "not shown yet"]
        if one.acted_with:
            how = show.first_line(texts.get(one.acted_with, ""))
            told.append(f"answered {show.local(one.acted)} by {one.acted_with}: {how}")
        show.line(show.paint(f"    {', '.join(told)}", show.DIM))
    return 0
