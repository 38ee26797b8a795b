"""Owns the list of workers: for each what it does by every source, what it asks, where it works."""

from __future__ import annotations

from typing import Any

from intercom.core.errors import UnknownName
from intercom.fleet import observe, settling
from intercom.fleet.approve import describe
from intercom.fleet.crew import Crew
from intercom.fleet.observe import Observation, asked
from intercom.fleet.sessions import SessionRow
from intercom.fleet.workers.plan import begins


def scan(crew: Crew, prefix: str = "worker") -> list[dict[str, Any]]:
    """Every session whose name begins with `prefix`, gone ones too, until they are torn down."""
    return [_one(crew, row) for row in crew.sessions.all() if begins(row.name, prefix)]


def _one(crew: Crew, row: SessionRow) -> dict[str, Any]:
    seen = observe.of(crew, row.name, row)
    settling.ended(crew, seen)
    out: dict[str, Any] = {"name": row.name, "state": seen.state, "since": row.since, "by": _sources(seen)}
    if seen.disagreement:
        out["disagreement"] = seen.disagreement
    about = {key: value for key, value in row.about().items() if key != "input" and value}
    if about and seen.state != "gone":
        out["about"] = about
    requests = crew.sessions.open_requests(row.name)
    if requests:
        out["asks"] = [describe(one) for one in requests]
    if seen.dialog is not None:
        out["dialog"] = asked(seen.dialog)
    if seen.screen is not None and seen.screen.text:
        out["screen"] = seen.screen.text  # not recognised: a person can
    if seen.state != "gone":
        out["waiter"] = crew.sessions.waiter(row.name) is not None
    if row.worktree:
        entry = crew.worktrees.get(row.name)
        out["worktree"] = {"path": row.worktree, "status": entry.status if entry else None}
    out["unread"] = _unread(crew, row.name)
    out |= {"pane": row.pane, "spawned_by": row.spawned_by}
    return {key: value for key, value in out.items() if value is not None}


def _sources(seen: Observation) -> dict[str, str]:
    """What each source says, word for word."""
    row = seen.row
    words = {
        "hooks": row.state if row is not None and row.heard is not None else None,
        "file": seen.told,
        "screen": seen.screen.state if seen.screen else None,
    }
    return {source: word for source, word in words.items() if word}


def _unread(crew: Crew, name: str) -> int | None:
    try:
        return crew.bus.unread(name)
    except UnknownName:
        return None
