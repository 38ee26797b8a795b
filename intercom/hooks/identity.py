"""Owns who a hook speaks for: a name on the bus, and the agent process behind it.

The name comes from the environment of a spawned session, else from the bus, where the session registered itself. An
agent that a worker starts inherits the worker's environment, but is not the worker; a session that, according to its
program, continues in another process is followed there.
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
    """One of our sessions. `row` is what was known of it before this hook."""

    name: str
    session_id: str | None
    pid: int
    started: str | None
    row: SessionRow | None

    @property
    def mark(self) -> str:
        """The agent process, in the form used in receipts."""
        return f"{self.pid}.{self.started or '?'}"


def identify(
    state: State, sessions: Sessions, program: Program, session_id: str | None, environ: Mapping[str, str]
) -> Who | None:
    """Whose hook this is; None for a session that is not ours."""
    kept = beside(environ)
    pid = agent_pid() if kept is None else kept
    since = started(pid)
    if kept is not None and (not kept or since is None):
        return None  # this hook's session has just ended
    name = canonical(environ.get("INTERCOM_NAME") or "") or _registered(state, sessions, session_id, pid, since)
    name = name or _moved(sessions, program, session_id, environ)
    if not name or not is_name(name) or name in RESERVED:
        return None
    row = sessions.get(name)
    other = row is not None and row.session_id not in {None, session_id} and (row.pid, row.started) != (pid, since)
    if other and row is not None and row.running and not goes_on(program, row, session_id, environ):
        return None  # another live session has this name: we were started inside it
    return Who(name, session_id, pid, since, row)


def goes_on(program: Program, row: SessionRow, session_id: str | None, environ: Mapping[str, str]) -> bool:
    """Whether the session of `row` continues as this one, according to its program."""
    said = program.status(row.pid, environ) if row.pid is not None and row.program == program.name else None
    return said is not None and bool(said.moved and session_id and session_id.startswith(said.moved))


def _moved(sessions: Sessions, program: Program, session_id: str | None, environ: Mapping[str, str]) -> str | None:
    """The name of the session that continues as this one."""
    rows = (row for row in sessions.all() if row.running and row.session_id != session_id)
    return next((row.name for row in rows if goes_on(program, row, session_id, environ)), None)


def _registered(state: State, sessions: Sessions, session_id: str | None, pid: int, since: str | None) -> str | None:
    """The name under which this session registered, also if `/clear` has changed its id since."""
    for instance in state.instances():
        if session_id is not None and instance.session == session_id and instance.gone is None:
            return instance.name
    for row in sessions.all():
        if (session_id is not None and row.session_id == session_id) or (row.pid, row.started) == (pid, since):
            held = state.instance(row.name)
            if held is None or held.gone is not None:
                return None
            # Registered after this session's last event: by another session, which took the name over.
            return row.name if held.registered <= (row.heard or held.registered) else None
    return _served(state, pid)


def _served(state: State, pid: int) -> str | None:
    """The name of the only server that this agent process started, for programs that do not tell it the session."""
    found = []
    for instance in state.instances():
        if instance.gone is None and instance.pid is not None and alive(instance.pid, instance.started):
            client = client_of(instance.pid)
            found += [instance.name] if client is not None and client.pid == pid else []
    return found[0] if len(found) == 1 else None


def beside(environ: Mapping[str, str]) -> int | None:
    """The process of the session for which a keeper calls this hook; None if the session itself called it.

    It runs below the keeper, as we do. 0 if it does no more, because its launcher was killed first: it is about to end,
    and the keeper, which called us, must not be taken for the session.
    """
    found = environ.get(BESIDE, "")
    if not found.isdecimal():
        return None
    above = [one.pid for one in ancestors(int(found))]
    return int(found) if not above or os.getppid() in above else 0


def agent_pid() -> int:
    """The process that runs the hook: our parent or, if that is a shell, its parent."""
    own = next(ancestors(os.getpid()), None)
    pid = own.parent if own is not None else os.getppid()
    for one in islice(ancestors(pid), 4):
        if one.name not in _SHELLS:
            break
        pid = one.parent
    return pid
