"""Owns what a lead looks at: who waits for a person, and what each agent is doing; the stuck first.

All from what is known already, the index and the state: no screen is looked at and no program started. What a worker's
screen shows is `intercom scan`.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from intercom.bus.bus import Bus
from intercom.bus.standing import last_words, open_questions, tasks
from intercom.bus.status import Status
from intercom.core import contract
from intercom.core.config import Config
from intercom.core.message import USER, Instance, Message
from intercom.core.texts import one_line
from intercom.fleet.sessions import SessionRow, Sessions
from intercom.fleet.worktrees.register import Entry, Worktrees
from intercom.store.state.db import State

_UNMERGED = ("done", "queued", "merging", "verifying", "conflict", "failed")
_STUCK = {"blocked": 0, "failed": 0, "trust": 0, "mcp_approval": 0, "bypass": 0, "waiting": 1, "dead": 2, "gone": 2}
_WORDS = 200  #: characters of a task or a last word


class Permission(NamedTuple):
    """What a worker asks permission for."""

    worker: str
    request: str
    what: str
    at: str
    message: str | None  #: the question on the bus

    def to_json(self) -> dict[str, Any]:
        """The public form."""
        return {"kind": "permission", **self._asdict()}


class Agent(NamedTuple):
    """One agent at a glance. Times are UTC; texts are "" where there is nothing to say."""

    name: str
    role: str
    state: str  #: of its session where that is known, else of its process; its own word where it says that it is stuck
    since: str | None
    unread: int
    task: str
    task_id: str
    branch: str
    last: str
    last_at: str | None


class Overview(NamedTuple):
    """Who waits, and who does what."""

    questions: list[Message]
    permissions: list[Permission]
    unmerged: list[Entry]
    agents: list[Agent]


def permissions(config: Config) -> list[Permission]:
    """What workers ask permission for and wait for, oldest first."""
    with closing(State(config.private)) as state:
        found = Sessions(state).open_requests()
    return [Permission(one.name, one.id, _request(one.request), one.asked, one.message_id) for one in found]


def overview(bus: Bus, now: Status) -> Overview:
    """What there is now, for a person. `now`: the status, which is up to date."""
    with closing(State(bus.config.private)) as state:
        rows = {row.name: row for row in Sessions(state).all()}
        trees = {entry.worker: entry for entry in Worktrees(state, bus.config.root).entries()}
    asks = permissions(bus.config)
    questions = bus.ask(lambda db: open_questions(db, USER))
    carried = {one.message for one in asks}
    here = {one.name: one for one in now.instances}
    names = [*here, *(name for name in now.agents if name not in here)]
    given = bus.ask(lambda db: tasks(db, names))
    said = bus.ask(last_words)
    asking = {one.worker for one in asks}
    agents = []
    for name in names:
        known = Known(here.get(name), rows.get(name), trees.get(name), given.get(name), said.get(name))
        agents.append(_agent(name, known, now, asks=name in asking))
    return Overview(
        [one for one in questions if one.id not in carried],
        asks,
        [entry for entry in trees.values() if entry.status in _UNMERGED],
        sorted(agents, key=_rank),
    )


class Known(NamedTuple):
    """All that is known of one agent; None where nothing is."""

    instance: Instance | None
    session: SessionRow | None
    tree: Entry | None
    task: Message | None
    last: Message | None


def _agent(name: str, known: Known, now: Status, *, asks: bool) -> Agent:
    instance, session, tree, task, last = known
    state, since = ("", None) if instance is None else (instance.state, instance.last_active)
    if session is not None and session.running:
        state, since = session.state, session.since
    told = now.latest.get(name)
    if told is not None and told.status in ("blocked", "failed", "waiting") and state not in ("dead", "gone"):
        state, since = told.status, told.at
    if asks:
        state = "blocked"
    return Agent(
        name,
        instance.role if instance else "agent",
        state,
        since,
        now.unread.get(name, 0),
        one_line(contract.gist(task.body), _WORDS) if task else "",
        task.id if task else "",
        branch_of(tree),
        one_line(contract.gist(last.body), _WORDS) if last else "",
        last.at if last else None,
    )


def _rank(one: Agent) -> tuple[int, int, str]:
    """The stuck first, then who has not read what is there, then who works, by name."""
    stuck = _STUCK.get(one.state, 4)
    if stuck == 2 and not (one.task or one.unread):
        stuck = 5
    if not one.state:
        stuck = 6
    return stuck, 0 if one.role == "master" else 1, one.name


def _request(request: dict[str, Any]) -> str:
    """What is asked, in a line."""
    what = request.get("command") or ", ".join(map(str, request.get("paths") or [])) or request.get("url")
    return one_line(": ".join(str(part) for part in (request.get("tool"), what) if part), _WORDS)


def branch_of(entry: Entry | None) -> str:
    """The branch in a worktree: the one that was named, else the one that its own files say is checked out."""
    if entry is None or entry.status == "removed":
        return ""
    if entry.branch:
        return entry.branch
    try:
        pointer = (Path(entry.path) / ".git").read_text(encoding="utf-8").removeprefix("gitdir:").strip()
        head = (Path(entry.path) / pointer / "HEAD").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return head.removeprefix("ref: refs/heads/") if head.startswith("ref: ") else f"detached at {head[:9]}"
