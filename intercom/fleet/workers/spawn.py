"""Owns starting workers in parallel, and reporting for each what happened and why.

A worker is ready when its own server has registered it on the bus and its hooks have reported. Its first prompt is a
message, by which its waiter wakes it. One that fails to start delays none of the others, and leaves nothing behind.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from intercom.bus.names import server_there
from intercom.core.errors import IntercomError, Refused, UsageError
from intercom.core.message import USER
from intercom.core.texts import one_line
from intercom.fleet import aimfp, kept, keys, observe
from intercom.fleet.commands import LINE
from intercom.fleet.crew import Crew
from intercom.fleet.programs.known import program
from intercom.fleet.programs.program import HEADLESS, Program
from intercom.fleet.programs.screen import FIRST_RUN
from intercom.fleet.sessions import SessionRow
from intercom.fleet.wake import wake
from intercom.fleet.workers.background import in_background
from intercom.fleet.workers.environment import worker_environment
from intercom.fleet.workers.launch import Launched, launch, place, prepare
from intercom.fleet.workers.plan import Plan, Ticket, check, command_of, tickets
from intercom.fleet.workers.teardown import end, forget
from intercom.fleet.worktrees.worktree import PlaceTaken
from intercom.system import tmux

_STARTING = "it is being started; scan says when it is there, and the log if it fails"
_STEP = 0.1  #: seconds between checks of a starting worker
_SCREEN = 0.5  #: seconds between checks of its screen
_NAMES = 4  #: how many names are tried for one worker
_PRESS = 3.0  #: seconds for keys to answer a first-run dialog
_ASKS = 200  #: characters of a dialog quoted in a reason
_WAKE = 10.0  #: seconds for the first wake: a new session first connects to its server


class Spawned(NamedTuple):
    """The result for one worker."""

    name: str
    ready: bool
    seconds: float
    reason: str | None = None  #: why it is not ready, if so
    about: dict[str, Any] = {}  # noqa: RUF012  # worktree, pane, woke … (never changed in place)

    def to_json(self) -> dict[str, Any]:
        """The public form."""
        out: dict[str, Any] = {"name": self.name, "ready": self.ready, "seconds": round(self.seconds, 1)}
        return {**out, **({"reason": self.reason} if self.reason else {}), **self.about}


def spawn(crew: Crew, plan: Plan, *, by: str) -> list[Spawned]:
    """Start `plan.number` workers. UsageError, ProgramMissing, Refused: then nothing was started."""
    plan = check(plan)
    runs = program(plan.program)
    plan = plan._replace(headless=_headless(plan, runs))
    if not plan.headless:
        tmux.require()
    if runs.modes and plan.perm_mode not in runs.modes:
        raise UsageError(
            f"{runs.title} has nothing like the permission mode {plan.perm_mode!r}; nothing was started. "
            f"Use one of {', '.join(runs.modes)}."
        )
    runs.check(command_of(plan), {**crew.environ, **worker_environment(crew, runs)})
    lacks = _aimfp(crew, plan)
    unused = crew.bus.config.unused
    more: dict[str, Any] = {**({"settings": unused} if unused else {}), **({"aimfp": lacks} if lacks else {})}
    if not plan.wait:
        names = in_background(crew, plan, lambda own, taken: _failures(_all(own, plan, taken, by)))
        about = {"starting": True, "mode": _allows(plan.program, plan.perm_mode), **more}
        return [Spawned(name, False, 0.0, _STARTING, about) for name in names]
    return [one._replace(about={**one.about, **more}) for one in _all(crew, plan, tickets(crew, plan), by)]


def _headless(plan: Plan, runs: Program) -> bool:
    """Whether to run without a terminal: as requested, or as the only way. UsageError."""
    if plan.headless and HEADLESS not in runs.forms:
        raise UsageError(f"{runs.title} cannot be driven without a terminal; nothing was started. Leave headless out.")
    return plan.headless or runs.forms == (HEADLESS,)


def _failures(found: list[Spawned]) -> list[tuple[str, str]]:
    return [(one.name, one.reason or "for no known reason") for one in found if not one.ready]


def _all(crew: Crew, plan: Plan, taken: list[Ticket], by: str) -> list[Spawned]:
    """Start one worker for each ticket, in parallel."""
    results: dict[str, Spawned] = {}
    threads = [
        threading.Thread(target=_one, args=(crew, plan, ticket, by, results), name=f"spawn-{ticket.name}", daemon=True)
        for ticket in taken
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[ticket.name] for ticket in taken]


def _aimfp(crew: Crew, plan: Plan) -> list[str]:
    """What AIMFP lacks here for workers in worktrees. Refused if they could not work at all."""
    lacks = aimfp.unmet(crew.bus.config.root, plan.worktree_base) if plan.worktrees else []
    if stops := [one for one in lacks if one.stops]:
        raise Refused(f"{'; '.join(one.says for one in stops)}; nothing was started. First: {stops[0].do}")
    return [f"{one.says}. Do: {one.do}" if one.do else one.says for one in lacks]


def _one(crew: Crew, plan: Plan, ticket: Ticket, by: str, results: dict[str, Spawned]) -> None:
    """Start one worker, in a thread of its own, with a crew of its own."""
    with crew.again() as own:
        results[ticket.name] = _under_some_name(own, plan, ticket, by, time.monotonic())


def _under_some_name(crew: Crew, plan: Plan, ticket: Ticket, by: str, began: float, tries: int = _NAMES) -> Spawned:
    """Start it, under the next free name if another project took its session or folder meanwhile."""
    try:
        return _bring_up(crew, plan, ticket, by, began)
    except Exception as error:  # noqa: BLE001  # the others go on; what happened is this worker's result
        about = _give_up(crew, ticket)
        if isinstance(error, tmux.SessionExists | PlaceTaken) and tries > 1 and (another := _another(crew, plan)):
            return _under_some_name(crew, plan, another, by, began, tries - 1)
        reason = str(error) if isinstance(error, IntercomError) else f"{type(error).__name__}: {error}"
        return Spawned(ticket.name, False, time.monotonic() - began, reason, about)


def _another(crew: Crew, plan: Plan) -> Ticket | None:
    """One more name, None if there is none."""
    try:
        return tickets(crew, plan._replace(number=1))[0]
    except IntercomError:
        return None


def _bring_up(crew: Crew, plan: Plan, ticket: Ticket, by: str, began: float) -> Spawned:
    cwd = place(crew, plan, ticket)
    about: dict[str, Any] = {"worktree": str(cwd)} if plan.worktrees else {}
    if log := prepare(crew, plan, ticket, cwd):
        about["bootstrap_log"] = log
    silent = plan.headless or program(plan.program).needs_prompt
    first = _first_message(crew, ticket.name, by, cwd, plan) if silent and plan.wake else None
    launched = launch(crew, plan, ticket, cwd, by=by, prompt=LINE if first else "")
    about |= {"headless": True} if plan.headless else {"session": ticket.name, "pane": launched.row.pane}
    if launched.left_out:
        about["left_out"] = f"{', '.join(launched.left_out)}: not approved in this project, of its .mcp.json"
    if ticket.reuse is not None:
        about["note"] = "it has the worktree of the worker of that name that died"
    reason, accepted = _await_ready(crew, launched, plan.ready_timeout, hooks=not silent or first is not None)
    if accepted:
        about["accepted"] = accepted
    about["mode"] = _mode(crew, launched.row, plan.perm_mode)
    if reason is not None and observe.look(crew, ticket.name).state == "gone":
        about |= _give_up(crew, ticket)
    elif reason is None and plan.wake:
        about |= _begin(crew, ticket.name, first or _first_message(crew, ticket.name, by, cwd, plan))
    return Spawned(ticket.name, reason is None, time.monotonic() - began, reason, about)


def _mode(crew: Crew, row: SessionRow, wanted: str) -> str:
    """Its permission mode and what that allows; mentions a different one on its screen."""
    _, screen = observe.see(crew, row)
    runs = screen.mode if screen is not None and screen.mode else wanted
    said = _allows(row.program, runs)
    return said if runs == wanted else f"{said} (not {wanted}, which it was started with)"


def _allows(name: str, mode: str) -> str:
    """A permission mode of this program, and what it allows without a question."""
    allows = program(name).modes.get(mode, "")
    return f"{mode}: {allows}" if allows else mode


def _await_ready(crew: Crew, launched: Launched, timeout: float, *, hooks: bool) -> tuple[str | None, list[str]]:
    """(why it is not ready or None, first-run dialogs that were accepted).

    Without `hooks`: they do not report before its first turn.
    """
    name = launched.row.name
    accepted: list[str] = []
    until, look_at = time.monotonic() + timeout, time.monotonic() + 1.0
    while True:
        row = crew.sessions.get(name)
        if row is not None and (row.heard or not hooks) and _served(crew, row, launched):
            return None, accepted
        if time.monotonic() >= look_at:
            look_at = time.monotonic() + _SCREEN
            done, reason = _over_dialogs(crew, launched.row)
            accepted += done
            if reason is not None:
                return reason, accepted
        if time.monotonic() >= until:
            return _not_ready(crew, launched.row, timeout), accepted
        time.sleep(_STEP)


def _served(crew: Crew, row: SessionRow, launched: Launched) -> bool:
    """Whether its own server has taken its name, not the program that was started, nor its keeper."""
    found = crew.state.instance(row.name)
    return found is not None and found.pid != launched.row.pid and server_there(found, row.pid)


def _over_dialogs(crew: Crew, row: SessionRow) -> tuple[list[str], str | None]:
    """Accept a first-run dialog that is exactly as expected; (what was accepted, why it cannot continue)."""
    if row.pane is None:
        there = kept.keeper(crew.bus.config, row.name) or row.running
        return [], None if there else f"its program ended: {kept.last_words(crew.bus.config, row.name, 'out', 'err')}"
    pane, screen = observe.see(crew, row)
    if pane is None or screen is None:
        return [], f"its tmux session is gone: {row.name}"
    if screen.state == "gone":
        return [], f"its command ended: {screen.reason or 'it said nothing'}"
    dialog = screen.dialog
    if screen.state == "login":
        return (
            [],
            f"it asks for a login ({dialog.question if dialog else screen.reason}); see: intercom attach {row.name}",
        )
    if dialog is None or dialog.kind not in FIRST_RUN or not dialog.whole:
        return [], None
    place = program(row.program).choice_for(dialog, "deny" if dialog.kind == "mcp_approval" else "allow")
    if place is None or (dialog.kind == "trust" and not _own_folder(crew, row, dialog.subject)):
        return [], f"it asks something unexpected ({dialog.kind}: {dialog.subject}); see: intercom attach {row.name}"
    until = time.monotonic() + _PRESS
    try:
        with keys.alone(crew, row.name, until):
            done = keys.take(crew, row, dialog, place, until)
    except Refused:
        return [], None  # somebody else answers it
    if done != keys.GONE:
        return [], None
    verb = "went without the MCP server" if dialog.kind == "mcp_approval" else f"accepted {dialog.kind}"
    return [f"{verb} {dialog.subject}".strip()], None


def _own_folder(crew: Crew, row: SessionRow, shown: str) -> bool:
    """Whether the folder to be trusted is the worker's own."""
    where = row.worktree or str(crew.bus.config.root)
    return "".join(shown.split()) == "".join(where.split())


def _not_ready(crew: Crew, row: SessionRow, timeout: float) -> str:
    seen = observe.look(crew, row.name)
    hooks = "its hooks have spoken" if seen.row is not None and seen.row.heard else "its hooks have not spoken"
    shows = f"its screen shows {seen.screen.state}" if seen.screen else "it has no screen"
    if seen.dialog is not None:
        asks = one_line(seen.dialog.subject or seen.dialog.header, _ASKS)
        shows += f" ({seen.dialog.kind}: {asks}; answer it: intercom attach {row.name})"
    return f"not ready within {timeout:g} s: {hooks}, its server has not registered it, {shows}; it is left running"


def _first_message(crew: Crew, name: str, by: str, cwd: Path, plan: Plan) -> str:
    """Send the worker's first message; returns its id."""
    where = f" Your worktree is {cwd}; work there, on a branch of your own." if plan.worktrees else ""
    text = (
        f"You are {name}, a worker; {by} started you.{where} Read intercomm_get_protocol once, then end your turn: "
        "a task comes to you by itself, as a message marked [intercom]. There is nothing else to do yet."
    )
    return crew.bus.send(name, text, sender=by, via="cli" if by == USER else "tool").id


def _begin(crew: Crew, name: str, message: str) -> dict[str, Any]:
    """Wake the worker with a message; returns whether it began."""
    woken = wake(crew, name, message, timeout=_WAKE)
    out: dict[str, Any] = {"woke": woken.woke}
    return {**out, **({"not_woken": woken.reason} if woken.reason else {})}


def _give_up(crew: Crew, ticket: Ticket) -> dict[str, Any]:
    """End what exists of a worker that did not start, and release its name."""
    try:
        row = crew.sessions.get(ticket.name)
        if row is not None:
            end(crew, row, spawn=ticket.session)
        forget(crew, ticket.name)
        if ticket.reuse is None and crew.worktrees.living(ticket.name) is not None:
            crew.worktrees.remove(ticket.name)
    except IntercomError as error:
        return {"left": str(error)}
    return {"left": "nothing of it was left"}
