"""Owns the overview for a lead: who waits for a person, and what each agent is doing; stuck ones first.

A session's state comes from `intercom.fleet.observe`, so `intercom status` and `intercom scan` agree.
"""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from intercom.bus.bus import Bus
from intercom.bus.pending import last_words, open_questions, tasks
from intercom.bus.status import Status
from intercom.core import contract, document
from intercom.core.fleet_words import DONE, ELSEWHERE, GROUPS, IDLE, NEEDS_YOU, STUCK, WORKING
from intercom.core.message import USER, Instance, Message, age
from intercom.core.root import git_dir
from intercom.fleet import report
from intercom.fleet.asking import in_short
from intercom.fleet.permissions import WORDS, Permission, permissions
from intercom.fleet.programs.screen import FIRST_RUN
from intercom.fleet.sessions import SessionRow, Sessions
from intercom.fleet.spending import OVER, Amount, Spending, over
from intercom.fleet.worktrees.claims import Row, latest
from intercom.fleet.worktrees.register import Entry, Worktrees
from intercom.store.state.db import State

if TYPE_CHECKING:
    from intercom.fleet.observe import Observation

_UNMERGED = ("done", "queued", "merging", "verifying", "conflict", "failed")
_GROUP = {
    **dict.fromkeys(("blocked", "waiting", "question", *FIRST_RUN), NEEDS_YOU),
    **dict.fromkeys(("failed", "dead", "gone", "unknown"), STUCK),
    **dict.fromkeys(("running", "starting"), WORKING),
    "done": DONE,
}


class Agent(NamedTuple):
    """One agent at a glance. Times are UTC; texts are "" if there is nothing to say."""

    name: str
    role: str
    state: str  #: of its session if known, else of its process; its own word if it reports that it is stuck
    since: str | None
    unread: int
    task: str
    task_id: str
    branch: str
    last: str
    last_at: str | None
    note: str = ""  #: what needs attention: dead, blocked, idle with an open task
    progress: int | None = None  #: percent, as it last reported
    used: Amount | None = None  #: tokens and dollars; None if unknown or not asked for
    process: str = ""  #: of its session, if known: by that one death is told once, whenever it was noticed
    excess: str = ""  #: by how much it exceeds its budget; also in the note

    @property
    def group(self) -> str:
        """One of GROUPS. An agent that left with nothing to do needs no attention."""
        if "@" in self.name:
            return ELSEWHERE
        if self.state in ("dead", "gone") and not (self.task or self.unread):
            return DONE
        if self.state == "unknown" and not self.note:  # a name without a process to look at
            return IDLE
        return _GROUP.get(self.state, IDLE)

    def to_json(self) -> dict[str, Any]:
        """The public form."""
        out = {**self._asdict(), "used": self.used.to_json() if self.used else None}
        del out["excess"], out["process"]
        return out


class Overview(NamedTuple):
    """Who waits, and who does what."""

    questions: list[Message]
    permissions: list[Permission]
    unmerged: list[Entry]
    agents: list[Agent]
    unverified: list[Row]  #: the newest `done` of each worker, where it was checked and is contradicted


def overview(bus: Bus, now: Status, spending: Spending | None = None) -> Overview:
    """The current overview, for a person. `now`: an up-to-date status; `spending` adds what each used."""
    report.catch_up(bus)
    with closing(State(bus.config.private)) as state:
        sessions = Sessions(state)
        rows = {row.name: row for row in sessions.all()}
        used = spending.amounts(sessions.transcripts()) if spending is not None else {}
        trees = {entry.worker: entry for entry in Worktrees(state, bus.config.root).entries()}
        unverified = [row for row in latest(state).values() if not row.verified]
    seen = _observed(bus, rows)
    asks = permissions(bus.config)
    asking = {one.worker for one in asks}
    asks += [_on_screen(one) for name, one in seen.items() if one.dialog is not None and name not in asking]
    questions = bus.ask(lambda db: open_questions(db, USER))
    carried = {one.message for one in asks}
    here = {one.name: one for one in now.instances}
    names = [*here, *(name for name in now.agents if name not in here)]
    given = bus.ask(lambda db: tasks(db, names))
    said = bus.ask(last_words)
    wanted = {one.worker: one.what for one in asks}
    agents = [_remote(message) for name, message in said.items() if "@" in name]
    for name in names:
        known = Known(here.get(name), rows.get(name), seen.get(name), trees.get(name), given.get(name), said.get(name))
        one = _agent(name, known, now, asks=wanted.get(name, ""))._replace(used=used.get(name))
        spent = over(bus.config.section("budget"), name, one.used)
        excess = spent if spent.startswith(OVER) else ""
        agents.append(one._replace(note="; ".join(filter(None, (one.note, spent))), excess=excess))
    return Overview(
        [one for one in questions if one.id not in carried],
        asks,
        [entry for entry in trees.values() if entry.status in _UNMERGED],
        sorted(agents, key=_rank),
        unverified,
    )


class Known(NamedTuple):
    """Everything known of one agent; None for what is unknown."""

    instance: Instance | None
    session: SessionRow | None
    seen: Observation | None
    tree: Entry | None
    task: Message | None
    last: Message | None


def _observed(bus: Bus, rows: dict[str, SessionRow]) -> dict[str, Observation]:
    """Each session's state, by every source; imports nothing if there is no session."""
    if not rows:
        return {}
    from intercom.fleet import observe
    from intercom.fleet.crew import Crew

    crew = Crew(bus, os.environ)
    with closing(crew.state):
        return {name: observe.of(crew, name, row) for name, row in rows.items()}


def _on_screen(seen: Observation) -> Permission:
    """A dialog that is only on a screen: no hook reported it, or none waits for its answer any more."""
    return Permission(seen.name, "", in_short(seen.asks, WORDS), seen.row.since if seen.row else "", None)


def attention(
    name: str, state: str, since: str | None, task: Message | None, asks: str, seen: Observation | None
) -> str:
    """What a lead should look at, on one line; "" for an agent in order. `asks`: what it waits for."""
    minutes = int(age(since) // 60) if since else 0
    for_ = f" for {minutes} min" if minutes else ""
    if asks:
        only_there = seen is not None and seen.dialog is not None and not (seen.answerable and seen.dialog.whole)
        return f"waits for you{for_}: {asks}; intercom {'attach' if only_there else 'approve'} {name}"
    if state in ("dead", "gone"):
        return f"dead{for_}; a spawn gives its name, worktree and messages to an heir, a teardown ends it"
    if state == "unknown":
        unsure = (seen.disagreement if seen is not None else "") or "what it shows was not recognised"
        return f"{unsure}{for_}; intercom attach {name}"
    if state in ("blocked", *FIRST_RUN):
        return f"blocked{for_}; intercom approve {name}"
    if state in ("ready", "idle") and task is not None:
        return f"idle{for_}, and its task is not done"
    return ""


def _agent(name: str, known: Known, now: Status, *, asks: str) -> Agent:
    instance, session, seen, tree, task, last = known
    state, since = ("", None) if instance is None else (instance.state, instance.last_active)
    if session is not None and seen is not None and (seen.state != "gone" or instance is None):
        state, since = seen.state, seen.since
    told = now.latest.get(name)
    if told is not None and told.status in ("blocked", "failed", "waiting") and state not in ("dead", "gone"):
        state, since = told.status, told.at
    if asks:
        state = "blocked"
    unseen = state == "unknown" and seen is None  # a name without a process to look at
    return Agent(
        name,
        instance.role if instance else "agent",
        state,
        since,
        now.unread.get(name, 0),
        contract.in_short(task.body, WORDS) if task else "",
        task.id if task else "",
        branch_of(tree),
        contract.in_short(last.body, WORDS) if last else "",
        last.at if last else None,
        "" if unseen else attention(name, state, since, task, asks, seen),
        told.progress if told is not None else None,
        process=(session.mark or "") if session is not None else "",
    )


def _remote(last: Message) -> Agent:
    """An agent of another machine, known only by what it said."""
    return Agent(
        last.sender,
        "elsewhere",
        "",
        None,
        0,
        "",
        "",
        "",
        contract.in_short(last.body, WORDS),
        last.at,
        progress=last.progress,
    )


def _rank(one: Agent) -> tuple[int, bool, int, str]:
    """Sort key: most urgent first, the master first among equals, unused names last."""
    return GROUPS.index(one.group), not one.state, 0 if one.role == "master" else 1, one.name


def branch_of(entry: Entry | None) -> str:
    """The branch of a worktree: the reported one, else the one checked out according to its files."""
    if entry is None or entry.status == "removed":
        return ""
    if entry.branch:
        return entry.branch
    try:
        head = document.text_of(git_dir(Path(entry.path)) / "HEAD").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return head.removeprefix("ref: refs/heads/") if head.startswith("ref: ") else f"detached at {head[:9]}"
