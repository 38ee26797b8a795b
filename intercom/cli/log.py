"""Owns `intercom log` and `intercom search`: history for anybody, marking nothing as read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from intercom.cli import show
from intercom.cli.filters import Sender, Thread, Type
from intercom.cli.session import Asked, answered, open_bus
from intercom.cli.times import EXAMPLES, moment
from intercom.core.signature import Arg


def log(
    asked: Asked,
    *,
    thread: Thread = None,
    sender: Sender = None,
    type: Type = None,
    limit: Annotated[int | None, Arg(help="the newest N", metavar="N")] = None,
    to: Annotated[str | None, Arg(help="only to this recipient", metavar="T")] = None,
    since: Annotated[str | None, Arg(help=f"such as {EXAMPLES}", metavar="WHEN")] = None,
    all: Annotated[bool, Arg(help="everything; without it a terminal shows the newest screenful")] = False,
    no_pager: Annotated[bool, Arg(help="never in a pager (INTERCOM_PAGER, PAGER, less)")] = False,
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
        texts = answered(bus, found) if not asked.json else {}
    shown = found if asked.json or all or limit is not None or after else show.screenful(found, texts)
    with show.paged(wanted=not (no_pager or asked.json)):
        show.messages(shown, as_json=asked.json, texts=texts)
    if len(shown) < len(found):
        show.note(f"{len(found) - len(shown)} older: intercom log --all")
    if not found and not asked.json:
        show.line("No messages.")
    return 0


def search(
    asked: Asked,
    query: Annotated[Sequence[str], Arg(help="words that a message must contain")],
    *,
    limit: Annotated[int, Arg(help="at most N, the best first", metavar="N")] = 50,
) -> int:
    """Print the messages that match the words."""
    with open_bus(asked) as bus:
        found = bus.search(" ".join(query), limit=limit)
        texts = answered(bus, found) if not asked.json else {}
    show.messages(found, as_json=asked.json, texts=texts)
    if not found and not asked.json:
        show.line("Nothing found.")
    elif len(found) == limit:
        show.note(f"showing {limit}; there may be more (--limit)")
    return 0
