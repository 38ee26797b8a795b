"""Owns the list of workers: what each does according to every source, what it asks, where it works."""

from __future__ import annotations

from typing import Any

from intercom.bus.pending import last_words, tasks
from intercom.core import contract
from intercom.core.errors import UnknownName
from intercom.core.message import Message, utc
from intercom.fleet import observe, report, settling
from intercom.fleet.approve import describe
from intercom.fleet.asking import in_short
from intercom.fleet.crew import Crew
from intercom.fleet.observe import Observation, asked
from intercom.fleet.overview import attention, branch_of
from intercom.fleet.sessions import Request, SessionRow
from intercom.fleet.workers.plan import begins
from intercom.fleet.worktrees.claims import latest

_WORDS = 200  #: characters of a task, a last message, or a request


def scan(crew: Crew, prefix: str = "worker") -> list[dict[str, Any]]:
    """Every session whose name has this prefix, including ended ones until they are torn down."""
    report.catch_up(crew.bus)
    rows = [row for row in crew.sessions.all() if begins(row.name, prefix)]
    given = crew.bus.ask(lambda db: tasks(db, [row.name for row in rows]))
    said = crew.bus.ask(last_words)
    return [_one(crew, row, given.get(row.name), said.get(row.name)) for row in rows]


def _one(crew: Crew, row: SessionRow, task: Message | None, last: Message | None) -> dict[str, Any]:
    seen = observe.of(crew, row.name, row)
    settling.ended(crew, seen)
    since = seen.since or utc()  # its death was noted just now
    out: dict[str, Any] = {"name": row.name, "state": seen.state, "since": since, "by": _sources(seen)}
    if seen.disagreement:
        out["disagreement"] = seen.disagreement
    about = {key: value for key, value in row.about().items() if key != "input" and value}
    if about and seen.state != "gone":
        out["about"] = about
    requests = crew.sessions.open_requests(row.name)
    if requests:
        out["asks"] = [describe(one) for one in requests]
    if seen.dialog is not None:
        out["dialog"] = asked(seen)
    if seen.screen is not None and seen.screen.text:
        out["screen"] = seen.screen.text  # unrecognised, but a person may read it
    if seen.state != "gone":
        out["waiter"] = crew.sessions.waiter(row.name) is not None
    entry = crew.worktrees.get(row.name)
    if row.worktree:
        out["worktree"] = {"path": row.worktree, "status": entry.status if entry else None}
        out["branch"] = branch_of(entry) or None
    out |= _said(task, last)
    if seen.screen is not None and seen.screen.mode:
        out["mode"] = seen.screen.mode
    out["note"] = attention(row.name, seen.state, since, task, _asks(seen, requests), seen) or None
    if (claim := latest(crew.state).get(row.name)) is not None:
        out["done"] = {"id": claim.id, "at": claim.at, "branch": claim.branch, **claim.to_json()}
    out["unread"] = _unread(crew, row.name)
    out |= {"pane": row.pane, "spawned_by": row.spawned_by}
    return {key: value for key, value in out.items() if value is not None}


def _said(task: Message | None, last: Message | None) -> dict[str, Any]:
    """Its open task, and its last message."""
    out: dict[str, Any] = {}
    if task is not None:
        out["task"] = {"id": task.id, "text": contract.in_short(task.body, _WORDS)}
    if last is not None:
        out["last"] = {"at": last.at, "type": last.type, "text": contract.in_short(last.body, _WORDS)}
    return out


def _asks(seen: Observation, requests: list[Request]) -> str:
    """What it waits for, on one line."""
    return in_short(requests[0].asks if requests else seen.asks, _WORDS)


def _sources(seen: Observation) -> dict[str, str]:
    """The report of each source, verbatim."""
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
