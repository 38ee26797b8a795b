"""Owns the parameters of a spawn, and reserving the names of what it will start.

A name is taken on the bus before anything is started, so two concurrent spawns never start the same worker.
"""

from __future__ import annotations

import os
import re
import shlex
import uuid
from typing import NamedTuple

from intercom.core.errors import IntercomError, Refused, UsageError
from intercom.core.fleet_words import MOST_WORKERS, PERMISSION_MODES
from intercom.core.message import RESERVED, check_name
from intercom.fleet import observe
from intercom.fleet.crew import Crew
from intercom.fleet.programs.known import DEFAULT, program
from intercom.fleet.worktrees.worktree import default_path
from intercom.system import tmux

_TRIES = 200  # names tried beyond the number wanted
_PREFIX = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,40}[a-z0-9])?\Z")


class Plan(NamedTuple):
    """What to start. `ready_timeout` is in seconds."""

    number: int
    prefix: str = "worker"
    perm_mode: str = "acceptEdits"
    claude_cmd: str | None = None  #: its program's command; None: the default
    worktrees: bool = False
    worktree_base: str = "main"
    bootstrap: str | None = None
    ready_timeout: float = 20.0
    wake: bool = True
    wait: bool = True  #: whether to wait until each is ready or timed out
    program: str = DEFAULT
    headless: bool = False  #: without a terminal


def begins(name: str, prefix: str) -> bool:
    """Whether a worker's name has this prefix. Numbers are whole: `worker-1` is not a prefix of `worker-10`."""
    wanted = prefix.strip().lower()
    rest = name.removeprefix(wanted)
    return name.startswith(wanted) and not (wanted[-1:].isdigit() and rest[:1].isdigit())


class Ticket(NamedTuple):
    """A reserved worker: its name, held on the bus, and its session id."""

    name: str
    session: str
    reuse: str | None = None  #: the worktree of a dead worker with that name


def check(plan: Plan) -> Plan:
    """The plan with its prefix in canonical form. UsageError, in words, if it is invalid."""
    if not 1 <= plan.number <= MOST_WORKERS:
        raise UsageError(f"count must be 1 to {MOST_WORKERS}, not {plan.number}; nothing was started.")
    prefix = plan.prefix.strip().lower()
    if not _PREFIX.match(prefix) or prefix in RESERVED or prefix == "master":
        raise UsageError(
            f"{plan.prefix!r} cannot begin workers' names; nothing was started. Use letters, digits and '-'."
        )
    if plan.perm_mode not in PERMISSION_MODES:
        raise UsageError(
            f"{plan.perm_mode!r} is not a permission mode; nothing was started. "
            f"Use one of {', '.join(PERMISSION_MODES)}."
        )
    if plan.bootstrap and not plan.worktrees:
        raise UsageError(
            "bootstrap prepares a new worktree, so it needs worktrees=true (--worktrees); nothing was started."
        )
    if not 0 < plan.ready_timeout <= 600:
        raise UsageError("ready_timeout must be more than 0 and at most 600 seconds; nothing was started.")
    return plan._replace(prefix=prefix)


def command_of(plan: Plan) -> list[str]:
    """The program's command. UsageError."""
    if plan.claude_cmd is None:
        return [program(plan.program).command]
    try:
        words = shlex.split(plan.claude_cmd)
    except ValueError as error:
        raise UsageError(
            f"claude_cmd {plan.claude_cmd!r} is not a command line: {error}; nothing was started."
        ) from None
    if not words:
        raise UsageError("claude_cmd is empty; nothing was started.")
    return words


def tickets(crew: Crew, plan: Plan) -> list[Ticket]:
    """Take `plan.number` names on the bus: the lowest free numbers whose folders and sessions are free."""
    found: list[Ticket] = []
    sessions = set() if plan.headless else {pane.session for pane in tmux.panes(crew.server)}
    try:
        for number in range(1, plan.number + _TRIES):
            ticket = _ticket(crew, plan, check_name(f"{plan.prefix}-{number}"), sessions)
            found += [ticket] if ticket is not None else []
            if len(found) == plan.number:
                return found
    except BaseException:
        _give_back(crew, found)
        raise
    _give_back(crew, found)
    raise Refused(f"{plan.prefix}-1 to {plan.prefix}-{plan.number + _TRIES - 1} are taken; nothing was started.")


def _give_back(crew: Crew, found: list[Ticket]) -> None:
    for ticket in found:
        crew.bus.signoff(ticket.name)


def _ticket(crew: Crew, plan: Plan, name: str, sessions: set[str]) -> Ticket | None:
    """Take this name, if it and its places are free."""
    if name in crew.bus.agents():
        return None
    row = crew.sessions.get(name)
    if row is not None and observe.of(crew, name, row).state != "gone":
        return None
    instance = crew.state.instance(name)
    died = instance is not None and instance.gone is None and row is not None
    if tmux.session_name(name) in sessions:
        if not died or row is None or not _left_over(crew, name, row.pane):
            return None  # another session has that name
        tmux.kill_session(crew.tmux_of(row.socket), name)
    reuse = None
    if plan.worktrees:
        where = crew.worktrees.living(name)
        if where is not None and not died:
            return None  # kept from a torn-down worker: its content is not for a new one
        reuse = str(where) if where is not None else None
        if reuse is None and os.path.lexists(default_path(crew.bus.config.root, name)):
            return None
    session = str(uuid.uuid4())
    try:
        crew.bus.register("worker", name, pid=os.getpid(), session=session)  # ours, until its own process is there
    except Refused:
        return None  # taken meanwhile
    return Ticket(name, session, reuse)


def _left_over(crew: Crew, name: str, pane: str | None) -> bool:
    """Whether the tmux session is the dead one left by our worker of that name."""
    try:
        found = tmux.pane(crew.server, name)
    except IntercomError:
        return False
    return found.dead and found.id == pane
