"""Owns `intercom inbox`: what waits for somebody's answer, until it is answered."""

from __future__ import annotations

from typing import Annotated

from intercom.cli import show
from intercom.cli.session import Asked, open_bus, whose
from intercom.core.message import USER, Instance
from intercom.core.signature import Arg


def inbox(
    asked: Asked,
    *,
    id: Annotated[str | None, Arg(help="whose (default: yours, `user`; in an agent's session that agent's)")] = None,
) -> int:
    """Print unanswered questions, oldest first, and the permissions that workers ask for."""
    from intercom.fleet.permissions import permissions

    with open_bus(asked) as bus:
        from intercom.bus.pending import open_questions

        name = bus.addressees(id) if id else whose(bus.config).default
        found = bus.ask(lambda db: open_questions(db, name))
        asks = permissions(bus.config) if name == USER or _leads(bus.instances(), name) else []
    carried = {one.message for one in asks}
    found = [one for one in found if one.id not in carried]
    show.messages(found, as_json=asked.json)
    for ask in asks:
        if asked.json:
            show.json_line(ask.to_json())
        else:
            show.line(show.paint(f"{ask.worker} asks permission", show.BOLD), f" ({show.since(ask.at)})  {ask.what}")
            show.line(f"  intercom approve {ask.worker} allow --expect {ask.request}   (or deny)")
    if asked.json:
        return 0
    if not found and not asks:
        show.line(f"Nothing waits for {'you' if name == USER else name}.")
    elif found:
        show.line(f"{show.counted(len(found))} to answer: intercom reply ID TEXT")
    return 0


def _leads(instances: list[Instance], name: str) -> bool:
    return any(one.name == name and one.role == "master" for one in instances)
