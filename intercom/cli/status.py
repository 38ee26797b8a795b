"""Owns `intercom status`: who waits for a person, what each agent does, where the bus is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

from intercom.cli import show
from intercom.cli.session import Asked, open_bus
from intercom.core.signature import Arg

if TYPE_CHECKING:
    from intercom.bus.status import Status
    from intercom.fleet.overview import Agent, Overview


def status(
    asked: Asked,
    *,
    short: Annotated[bool, Arg(help="only how much waits, for a prompt or a status line")] = False,
) -> int:
    """Print the state of the bus; `--json` gives one object."""
    if short:
        return _short(asked)

    from intercom.fleet.overview import overview
    from intercom.fleet.spending import Spending

    with open_bus(asked) as bus:
        now = bus.status()
        counts = asked.json or bus.config.section("budget")
        found = overview(bus, now, Spending(os.environ) if counts else None)
    if asked.json:
        show.json_line(_as_json(now, found))
        return 0
    _waiting(found, now.unread.get("user", 0))
    show.line()
    _agents(found.agents)
    show.line()
    if now.unheard:
        show.line(show.paint(f"reaches nobody ({len(now.unheard)})", show.YELLOW))
        for one in now.unheard:
            show.cut(f"    {one.sentence()}")
        show.line()
    show.line(f"log      {now.log}")
    show.line(f"machine  {now.machine}")
    show.line(f"messages {now.total} ({now.live} in the log, {now.archived} in the archive)")
    return 0


def _short(asked: Asked) -> int:
    """Print what waits for a person and what is unread, in a few characters."""
    from intercom.bus.pending import open_questions
    from intercom.core.message import USER
    from intercom.fleet.permissions import permissions

    with open_bus(asked) as bus:
        questions = bus.ask(lambda db: open_questions(db, USER))
        asks = permissions(bus.config)
        unread = bus.unread(USER)
    waits = len({one.id for one in questions} - {one.message for one in asks}) + len(asks)
    parts = [f"{waits} waiting"] * bool(waits) + [f"{unread} unread"] * bool(unread)
    if parts:
        show.line(", ".join(parts))
    return 0


def _waiting(found: Overview, unread: int) -> None:
    """Print who waits for a person, and what that person can type."""
    rows = [(one.id, one.sender, show.since(one.at), show.first_line(one.body)) for one in found.questions]
    rows += [(one.request, one.worker, show.since(one.at), f"may I: {one.what}") for one in found.permissions]
    rows += [
        ("", one.worker, show.since(one.changed), f"{one.status}, not merged: {one.branch or one.path}")
        for one in found.unmerged
    ]
    rows += [
        ("", one.worker, show.since(one.at), f"done, not verified: {' '.join(one.reasons)}") for one in found.unverified
    ]
    if not rows:
        show.line("Nothing waits for you.")
    else:
        show.line(show.paint("Waiting for you", show.BOLD))
        show.table(rows, indent=2)
    hints = ["intercom reply ID TEXT"] if found.questions else []
    hints += ["intercom approve WORKER"] if found.permissions else []
    hints += ["intercom read --id user"] if unread else []
    if unread:
        show.line(f"{unread} unread for user")
    if hints:
        show.line(show.paint("\u2192 " + ", ".join(hints), show.DIM))


def _agents(found: list[Agent]) -> None:
    """Print each agent on a line, with its activity and last message below."""
    from intercom.core.fleet_words import NEEDS_YOU, STUCK

    if not found:
        return
    rows = [("NAME", "ROLE", "STATE", "SINCE", "UNREAD", "BRANCH")]
    rows += [
        (one.name, one.role, one.state or "-", show.since(one.since), str(one.unread or "-"), one.branch)
        for one in found
    ]
    lines = show.columns(rows)
    show.line(show.paint(lines[0], show.DIM))
    for one, text in zip(found, lines[1:], strict=True):
        show.line(show.paint(text, *([show.YELLOW] if one.group in (NEEDS_YOU, STUCK) else [])))
        if one.note:
            show.cut(f"    note  {one.note}")
        if one.task:
            show.cut(f"    task  {one.task}")
        if one.last:
            show.cut(f"    said  {one.last} ({show.since(one.last_at)})")


def _as_json(now: Status, found: Overview) -> dict[str, Any]:
    """The status as plain data."""
    out = now._asdict()
    out["root"] = os.fspath(now.root)
    out["log"] = os.fspath(now.log)
    out["instances"] = [one._asdict() for one in now.instances]
    out["unheard"] = [one._asdict() for one in now.unheard]
    out["latest"] = {name: message.to_json() for name, message in now.latest.items()}
    out["waiting"] = [
        *({"kind": "question", **message.to_json()} for message in found.questions),
        *(one.to_json() for one in found.permissions),
        *({"kind": "unmerged", **entry.to_json()} for entry in found.unmerged),
        *({"kind": "unverified", "worker": row.worker, "id": row.id, **row.to_json()} for row in found.unverified),
    ]
    out["team"] = [one.to_json() for one in found.agents]
    return out
