"""Owns `intercom status`: where the bus lies, who is on it, what is unread, what was said last."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from intercom.cli import show
from intercom.cli.session import Asked, open_bus

if TYPE_CHECKING:
    from intercom.bus.status import Status


def status(asked: Asked) -> int:
    """Print the state of the bus; `--json` gives one object."""
    with open_bus(asked) as bus:
        now = bus.status()
    if asked.json:
        show.json_line(_as_json(now))
        return 0
    show.line(f"log      {now.log}")
    show.line(f"machine  {now.machine}")
    show.line(f"messages {now.total} ({now.live} in the log, {now.archived} in the archive)")
    show.line()
    rows = [("NAME", "ROLE", "STATE", "UNREAD", "LAST ACTIVE", "SAYS")]
    rows += [(one.name, one.role, one.state, *_tail(now, one.name, one.last_active)) for one in now.instances]
    here = {one.name for one in now.instances}
    rows += [(name, "agent", "", *_tail(now, name, None)) for name in now.agents if name not in here]
    if "user" in now.unread:
        rows.append(("user", "person", "", *_tail(now, "user", None)))
    show.rows(rows)
    return 0


def _tail(now: Status, name: str, last_active: str | None) -> tuple[str, str, str]:
    """The columns that every participant has."""
    says = ""
    if name in now.latest:
        message = now.latest[name]
        says = message.status or ""
        if message.progress is not None:
            says += f" {message.progress} %"
    return str(now.unread.get(name, 0)), show.local(last_active), says.strip()


def _as_json(now: Status) -> dict[str, Any]:
    """The status as plain data."""
    out = now._asdict()
    out["root"] = os.fspath(now.root)
    out["log"] = os.fspath(now.log)
    out["instances"] = [one._asdict() for one in now.instances]
    out["latest"] = {name: message.to_json() for name, message in now.latest.items()}
    return out
