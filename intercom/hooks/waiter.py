"""Owns the waiter: a background hook of an idle session that wakes it when a message arrives.

The program runs it so that, when it exits with status 2, its standard error starts the next turn. It types nothing
and answers no dialog. There is one per session; it sleeps until a log changes or the agent process ends, and does
not outlive that by more than a moment.

While the session is running, the other hooks deliver and the waiter stays quiet. A turn interrupted by a person ends
without a hook: then the program's own report that it is idle counts.
"""

from __future__ import annotations

import os
import sys
import time
from itertools import islice
from typing import TYPE_CHECKING

from intercom.core.errors import UnknownName
from intercom.core.message import new_id, utc
from intercom.fleet.programs.event import BEGINS, PROMPT, WAKE
from intercom.hooks.call import Call, waiter_mark
from intercom.hooks.deliver import deliver
from intercom.system.ancestry import ancestors
from intercom.system.changes import Changes
from intercom.system.liveness import alive, started

if TYPE_CHECKING:
    from intercom.fleet.sessions import SessionRow

LOOK_ANYWAY = 30.0  #: seconds between checks when nothing changes
_PENDING = (0.2, 2.0)  #: seconds, first and longest, between checks while a message waits for an idle session
_WAKING = 5.0  #: seconds for a session to begin the turn for which another waiter woke it
_CONNECTING = 0.2  #: seconds between checks whether it is connected
_BROKEN_OFF = 1.0  #: seconds for which the program must have reported idle
_CONNECT = 10.0  #: seconds for a new session to connect to its server; an earlier turn has no tools
_SETTLE = 0.5  #: seconds from the server's registration until the session has its tools
_TAKE_OVER = 1.5  #: seconds for the waiter of a session that has just ended to exit


def wait(call: Call) -> int:
    """Wait until there is something for an idle session (WAKE) or the session is over (0)."""
    begun = utc()  # taken first: a short turn may be over before everything is imported
    if not _hold(call):
        return 0
    _import_ahead()
    call.program.import_ahead()
    try:
        with Changes(call.config.folder, call.who.pid, call.who.started) as changes:
            return _attend(call, changes, begun)
    finally:
        call.sessions.leave_waiter(call.who.name, os.getpid())
        _say_if_dead(call)


def _say_if_dead(call: Call) -> None:
    """Report in the log that the session's process was killed, if so: no hook of its own did."""
    row = call.sessions.get(call.who.name)
    if row is not None and (row.pid, row.started) == (call.who.pid, call.who.started) and not row.running:
        from intercom.fleet.settling import died

        died(call.config, call.sessions, row)


def _import_ahead() -> None:
    """Import everything that a check and a wake may need: an upgrade may replace the package in the days of waiting.

    Half of it is needed at once.
    """
    from intercom.bus import ahead
    from intercom.fleet import settling  # noqa: F401
    from intercom.hooks import faults, permission, wording  # noqa: F401

    ahead.everything()


def _hold(call: Call) -> bool:
    me = started(os.getpid())
    until = time.monotonic() + _TAKE_OVER
    while not call.sessions.hold_waiter(call.who.name, os.getpid(), me):
        if time.monotonic() > until or not alive(call.who.pid, call.who.started):
            return False
        time.sleep(0.1)
    return True


def _attend(call: Call, changes: Changes, begun: str) -> int:
    """Check at each change. If something unread cannot be given yet, check again shortly.

    `begun` is when this waiter began (UTC).
    """
    ready_at = _ready_at(call)
    pause = LOOK_ANYWAY
    while changes.wait(pause):
        call.settle_wakes()
        unread = _unread(call)
        row = _unblocked(call)  # read afterwards, so that the present state decides
        ours = row is not None and (row.pid, row.started) == (call.who.pid, call.who.started)
        if row is not None and not ours and row.running:
            return 0  # another process has the name
        if not unread:
            pause = LOOK_ANYWAY if row is None or row.state != "blocked" else _PENDING[1]
        elif _gone_on(call):
            return 0  # it would be given messages and never act on them
        elif row is None or not ours or not _connected(call, ready_at):
            pause = _CONNECTING  # the hook that registers the session runs in parallel, and may be later
        elif not _idle(call, row, begun) or call.sessions.wakes(call.who.name, younger=_WAKING):
            pause = min(pause * 1.5, _PENDING[1]) if pause <= _PENDING[1] else _PENDING[0]
        elif _wake(call):
            return WAKE
    return 0


def _unblocked(call: Call) -> SessionRow | None:
    """The session's row, updated if a dialog was answered with no or withdrawn, which no hook reports."""
    row = call.sessions.get(call.who.name)
    if row is None or row.state != "blocked" or not _broken_off(call, row.heard or ""):
        return row
    from intercom.fleet.asking import WENT
    from intercom.hooks.permission import ended

    call.sessions.unblock(call.who.name, "idle")
    open_ones = {request.id for request in call.sessions.open_requests(call.who.name)}
    for request in call.sessions.unsettled(call.who.name):
        if request.id not in open_ones:
            ended(call, request, WENT)
    return call.sessions.get(call.who.name)


def _gone_on(call: Call) -> bool:
    """Whether the session continues in another process, which has a waiter of its own."""
    said = call.program.status(call.who.pid, call.environ)
    return said is not None and bool(said.moved)


def _unread(call: Call) -> bool:
    """Whether anything waits for the session; an unregistered name has nothing."""
    from intercom.bus.bus import Bus

    with Bus(call.config) as bus:
        try:
            return bus.unread(call.who.name) > 0
        except UnknownName:
            return False


def _ready_at(call: Call) -> float:
    """The time (monotonic) until which a new session is left to connect to its server."""
    fresh = call.event.kind == BEGINS and call.event.fresh
    return time.monotonic() + (_CONNECT if fresh else 0)


def _connected(call: Call, ready_at: float) -> bool:
    """Whether a turn that begins now has the bus's tools."""
    if time.monotonic() >= ready_at:
        return True
    from intercom.bus.names import server_there

    row = call.state.instance(call.who.name)
    if row is None or row.pid is None or not server_there(row, call.who.pid):
        return False
    return _below(row.pid, call.who.pid) and row.heartbeat <= utc(time.time() - _SETTLE)


def _below(pid: int, above: int) -> bool:
    """Whether `above` is among the nearest ancestors of `pid`; assumed if the system does not tell."""
    near = list(islice(ancestors(pid), 5))
    return not near or any(one.pid == above for one in near)


def _idle(call: Call, row: SessionRow, begun: str) -> bool:
    """Whether the session waits for a prompt: by its hooks, or by the program's own report if that is newer.

    A waiter started by a prompt runs in parallel to the hook that will say "running": earlier idleness is over.
    """
    since = begun if call.event.kind == PROMPT else ""
    if row.state in {"ready", "idle"} and row.since >= since:
        return True
    return _broken_off(call, max(row.heard or "", since))


def _broken_off(call: Call, heard: str) -> bool:
    """Whether the program reports that it is idle, more recently than its hooks reported anything."""
    said = call.program.status(call.who.pid, call.environ)
    return (
        said is not None
        and said.state == "idle"
        and time.time() - said.since >= _BROKEN_OFF
        and heard < utc(said.since)
    )


def _wake(call: Call) -> bool:
    """Give what is unread to the session; returns whether there was anything."""
    nonce = new_id()

    def write(text: str) -> None:
        call.sessions.expect_nonce(nonce, call.who.name, "waiter")
        sys.stderr.write(f"[intercom:{nonce}] {text}\n")
        sys.stderr.flush()

    return deliver(call, write, mark=waiter_mark(call.who.mark, nonce))
