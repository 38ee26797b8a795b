"""Owns who a hook speaks for: the name on the bus, and the agent process behind it.

A name comes from the environment of a spawned session, else from the bus, where the session registered itself.
An agent that a worker starts inherits the worker's environment, and is not the worker; but a session that its program
says goes on in another process is followed there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from intercom.core.message import RESERVED, canonical, is_name
from intercom.fleet.programs.known import BESIDE
from intercom.fleet.sessions import SessionRow, Sessions
from intercom.store.state.db import State
from intercom.system.ancestry import ancestors, client_of
from intercom.system.liveness import alive, started

if TYPE_CHECKING:
    from intercom.fleet.programs.program import Program

_SHELLS = {"sh", "bash", "dash", "zsh", "ksh", "ash", "busybox", "fish", "env", "timeout", "cmd", "powershell", "pwsh"}


class Who(NamedTuple):
    """A session of ours. `row` is what was known of it before this hook."""

    name: str
    session_id: str | None
    pid: int
    started: str | None
    row: SessionRow | None

    @property
    def mark(self) -> str:
        """The agent process, as receipts name it."""
        return f"{self.pid}.{self.started or '?'}"


def identify(
    state: State, sessions: Sessions, program: Program, session_id: str | None, environ: Mapping[str, str]
) -> Who | None:
    """Whose hook this is; None for a session that is not ours."""
    kept = beside(environ)
    pid = kept or agent_pid()
    since = started(pid)
    if kept and since is None:
        return None  # the session that this is called for has just ended
    name = canonical(environ.get("INTERCOM_NAME") or "") or _registered(state, sessions, session_id, pid, since)
    name = name or _moved(sessions, program, session_id, environ)
    if not name or not is_name(name) or name in RESERVED:
        return None
    row = sessions.get(name)
    other = row is not None and row.session_id not in {None, session_id} and (row.pid, row.started) != (pid, since)
    if other and row is not None and row.running and not goes_on(program, row, session_id, environ):
        return None  # another session has this name and lives: we were started inside it
    return Who(name, session_id, pid, since, row)


def goes_on(program: Program, row: SessionRow, session_id: str | None, environ: Mapping[str, str]) -> bool:
    """Whether the session of `row` goes on as this one, by its program's own word."""
    said = program.status(row.pid, environ) if row.pid is not None and row.program == program.name else None
    return said is not None and bool(said.moved and session_id and session_id.startswith(said.moved))


def _moved(sessions: Sessions, program: Program, session_id: str | None, environ: Mapping[str, str]) -> str | None:
    """The name of the session that goes on as this one."""
    rows = (row for row in sessions.all() if row.running and row.session_id != session_id)
    return next((row.name for row in rows if goes_on(program, row, session_id, environ)), None)


def _registered(state: State, sessions: Sessions, session_id: str | None, pid: int, since: str | None) -> str | None:
    """The name under which this session registered, or had before a `/clear` gave it another id."""
    for instance in state.instances():
        if session_id is not None and instance.session == session_id and instance.gone is None:
            return instance.name
    for row in sessions.all():
        if (session_id is not None and row.session_id == session_id) or (row.pid, row.started) == (pid, since):
            held = state.instance(row.name)
            if held is None or held.gone is not None:
                return None
            # Registered since this session last spoke: by another, to whom the name was handed over.
            return row.name if held.registered <= (row.heard or held.registered) else None
    return _served(state, pid)


def _served(state: State, pid: int) -> str | None:
    """The name of the one server that this agent process started; a program need not tell it of any session."""
    found = []
    for instance in state.instances():
        if instance.gone is None and instance.pid is not None and alive(instance.pid, instance.started):
            client = client_of(instance.pid)
            found += [instance.name] if client is not None and client.pid == pid else []
    return found[0] if len(found) == 1 else None


def beside(environ: Mapping[str, str]) -> int | None:
    """The process of the session that a keeper calls this hook for, None where it is called by that itself.

    It is below the keeper, as we are, or has ended.
    """
    found = environ.get(BESIDE, "")
    if not found.isdecimal():
        return None
    above = [one.pid for one in ancestors(int(found))]
    return int(found) if not above or os.getppid() in above else None


def agent_pid() -> int:
    """The process that runs the hook: our parent, or, where that is a shell, its parent."""
    own = next(ancestors(os.getpid()), None)
    pid = own.parent if own is not None else os.getppid()
    for one in islice(ancestors(pid), 4):
        if one.name not in _SHELLS:
            break
        pid = one.parent
    return pid
