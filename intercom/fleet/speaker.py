"""Owns the question "whose command is this?": an agent's on the bus, a person's, or unknown.

A command that runs below an agent's process, or in its environment, belongs to the agent: it speaks as that agent.
The evidence is strong or weak. *Strong*: the environment that we gave a worker, or that an agent program gives its
shells, and the process of a worker that we spawned. *Weak*: an ancestor process is the client of a registered MCP
server, or registered itself; a program that drives several agents, or a test, looks the same. On weak evidence
nothing is lost: what is said as `user` is stored, marked as unproven, and is nobody's order.

A process that has detached from its ancestors (`setsid`, a double fork) and has no terminal, while agents of this
bus live, proves nothing either. If there are no agents, only people and their scripts are there.

What processes cannot prove is described in SECURITY.md.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from intercom.bus.names import liveness
from intercom.core.errors import Refused
from intercom.core.message import CLI, UNPROVEN, USER, canonical, is_name
from intercom.fleet.programs.known import SPAWN, session_of
from intercom.store.state.db import InstanceRow, State
from intercom.system import host
from intercom.system.ancestry import SHELLS, Ancestor, ancestors, client_of, words_of

if TYPE_CHECKING:
    from intercom.fleet.sessions import SessionRow

_NOBODY = frozenset({"systemd", "init", "launchd"})  #: children of these were orphaned, or are services


class Speaker(NamedTuple):
    """Whose command this is."""

    name: str | None = None  #: the agent; None for a person, an agent that is not on this bus, or somebody unknown
    role: str | None = None
    strong: bool = False
    why: str = ""  #: evidence against a person, "" if there is none
    proven: bool = True  #: whether it rests on more than its environment, which anybody can set
    below: frozenset[str] = frozenset()  #: every agent that it may be, if a program drives several

    @property
    def default(self) -> str:
        """The sender if none is named."""
        return self.name or USER


def speaker(state: State, environ: Mapping[str, str], pid: int | None = None) -> Speaker:
    """Whose command process `pid` (default: this one) is, with this environment. StorageError."""
    pid = os.getpid() if pid is None else pid
    living = {row.name: row for row in state.instances() if liveness(row) in {"alive", "stale"}}
    running = {row.name: row for row in _sessions(state) if row.running}
    named = _by_environment(state, environ)
    if not living and not running:
        return named or _stranger(environ) or Speaker()
    above = list(ancestors(pid))
    below = _by_process(above, living, running)
    if below is not None and below.strong:
        return below  # takes precedence over its environment
    if named is not None and named.name is not None:
        agrees = below is not None and (named.name == below.name or named.name in below.below)
        return named._replace(proven=agrees or named.name not in {*living, *running})
    return below or _stranger(environ) or _left(above, living, running) or Speaker()


def checked(state: State, found: Speaker, wanted: str | None) -> tuple[str, str]:
    """(the sender's name, how it is known) for the requested name; Refused if it is another's."""
    name = canonical(wanted) if wanted else found.default
    if name == found.name:
        return name, CLI if found.proven else UNPROVEN
    if found.name is not None and found.strong:
        raise Refused(
            f"this command runs in the session of {found.name!r} ({found.why}) and cannot speak as {name!r}; nothing "
            f"was sent. Leave --from out to speak as {found.name!r}; as others they speak themselves."
        )
    if name in found.below:
        return name, UNPROVEN
    if name != USER and (holder := _holder(state, name)):
        raise Refused(
            f"{name!r} is held by a running session ({holder}), and this command does not run in it; nothing was "
            "sent. People speak as `user`: leave --from out."
        )
    return name, UNPROVEN if found.why else CLI


def authority(found: Speaker, *, consent: bool = False) -> str:
    """Who gives the fleet a command: a person, or a master in its own shell. Refused in a worker's shell.

    `consent`: an answer to a permission request, which nobody unknown may give.
    """
    if found.role == "master" and found.proven:
        return found.default
    if found.name is not None and (found.strong or consent):
        raise Refused(
            f"this is for people and the master, and this command runs in the session of {found.name!r} "
            f"({found.why}); nothing was done. Ask the master with intercomm_escalate."
        )
    if consent and found.why and not found.below:
        raise Refused(f"only people and the master answer this, and {found.why}; nothing was answered.")
    return USER


def _sessions(state: State) -> list[SessionRow]:
    """All known sessions; their module is imported only if there are any."""
    with state.guarded():
        if not state.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'sessions'").fetchone():
            return []
    from intercom.fleet.sessions import Sessions

    return Sessions(state).all()


def _by_environment(state: State, environ: Mapping[str, str]) -> Speaker | None:
    """From what we, or an agent program, put into the environment of everything that an agent runs."""
    session = session_of(environ)
    spawned = environ.get(SPAWN)
    marks = {mark for mark in (session, spawned) if mark}
    for row in state.instances() if marks else ():
        if row.session in marks and row.gone is None:
            return Speaker(row.name, row.role, strong=True, why="by its environment")
    name = canonical(environ.get("INTERCOM_NAME") or "")
    row_ = state.instance(name) if name and is_name(name) else None
    if row_ is not None and row_.gone is None and (spawned is None or row_.session in {None, spawned}):
        return Speaker(name, row_.role, strong=True, why="by INTERCOM_NAME")
    return None


def _stranger(environ: Mapping[str, str]) -> Speaker | None:
    """An agent that is not on this bus: it has no name here, and is not a person."""
    if environ.get("INTERCOM_NAME") or environ.get(SPAWN):
        return Speaker(why="its environment is that of an agent that is not on this bus")
    if session_of(environ) or environ.get("CLAUDECODE"):
        return Speaker(why="it runs in an agent's session that has no name on this bus")
    return None


def _by_process(
    above: list[Ancestor], living: Mapping[str, InstanceRow], running: Mapping[str, SessionRow]
) -> Speaker | None:
    """From the nearest ancestor process that is an agent's."""
    spawned = {(row.pid, row.started): row for row in running.values() if row.spawned_by is not None}
    drives: dict[int, set[str]] = {}
    for held in living.values():
        drives.setdefault(held.pid or 0, set()).add(held.name)
        if "mcp" in words_of(held.pid or 0) and (client := client_of(held.pid or 0)):
            drives.setdefault(client.pid, set()).add(held.name)
    for row in running.values():
        drives.setdefault(row.pid or 0, set()).add(row.name)
    terminals = {one.terminal: row for row in spawned.values() for one in _first(row.pid) if one.terminal}
    for one in above:
        ours = spawned.get((one.pid, one.started))
        if ours is not None:
            return Speaker(ours.name, _role(living, ours.name), strong=True, why=f"process {one.pid}")
        names = drives.get(one.pid, set())
        if names and any(map(_a_persons, above[: above.index(one)])):
            return Speaker(why=f"its terminal is one of process {one.pid}, {one.name}", below=frozenset(names))
        if len(names) == 1:
            (name,) = names
            return Speaker(name, _role(living, name), why=f"process {one.pid}, {one.name}")
        if names:
            return Speaker(why=f"process {one.pid}, {one.name}, drives {len(names)} agents", below=frozenset(names))
    sits = terminals.get(above[0].terminal) if above else None
    return Speaker(sits.name, _role(living, sits.name), strong=True, why="its terminal") if sits else None


def _a_persons(one: Ancestor) -> bool:
    """Whether a process is an interactive shell: the first in its terminal, not run for one command.

    Editors open such terminals for people, below the same process that starts the servers of agents.
    """
    if not one.terminal or one.name.lstrip("-") not in SHELLS:
        return False
    try:
        first = host.leads_session(one.pid)
    except OSError:
        return False
    return first and not any(re.match(r"-\w*c", word) for word in words_of(one.pid)[1:])


def _first(pid: int | None) -> list[Ancestor]:
    return [one for _, one in zip(range(1), ancestors(pid or 0), strict=False)]


def _role(living: Mapping[str, InstanceRow], name: str) -> str:
    return living[name].role if name in living else "worker"


def _left(
    above: list[Ancestor], living: Mapping[str, InstanceRow], running: Mapping[str, SessionRow]
) -> Speaker | None:
    """A process without a terminal whose ancestors are gone, and which is younger than an agent of this bus."""
    if not above or above[0].terminal or above[-1].pid != 1:
        return None
    own = [one for one in above if one.pid != 1 and one.name not in _NOBODY]
    marks = [*(row.started for row in living.values()), *(row.started for row in running.values())]
    oldest = min((int(mark) for mark in marks if mark and mark.isdecimal()), default=None)
    if not own or oldest is None or not own[-1].started.isdecimal() or int(own[-1].started) < oldest:
        return None
    return Speaker(why="who started this command cannot be told (no terminal, and its parents are gone)")


def _holder(state: State, name: str) -> str:
    """A description of the live process that has a name; "" if none does."""
    row = state.instance(name) if is_name(name) else None
    if row is not None and liveness(row) in {"alive", "stale"}:
        return f"process {row.pid}"
    found = next((one for one in _sessions(state) if one.name == name and one.running), None)
    return f"process {found.pid}" if found is not None else ""


def joining(found: Speaker, name: str | None) -> None:
    """Raise Refused if a command in an agent's session would take a second name."""
    if found.name is not None and found.strong and (name is None or canonical(name) != found.name):
        raise Refused(
            f"this command runs in the session of {found.name!r} ({found.why}), which has its name; nothing was "
            "registered."
        )


def leaving(found: Speaker, name: str) -> None:
    """Raise Refused if a command in an agent's session would sign off another's name, unless it is the master's."""
    if found.name is not None and found.strong and canonical(name) != found.name and found.role != "master":
        raise Refused(
            f"this command runs in the session of {found.name!r} ({found.why}) and cannot sign off {name!r}; nothing "
            "was changed."
        )
