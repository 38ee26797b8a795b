"""Owns the waiter: a hook that stays beside an idle session and wakes it with what arrives for it.

The program runs it so that, when it ends with status 2, its standard error becomes the next turn. It
types nothing and answers no dialog. One for each session; it sleeps until a log changes or the agent process
ends, and outlives that by no more than a moment.

While the session is running the hooks deliver and the waiter stays quiet. A turn that a person broke off ends
without a hook: then the program's own word is that it is idle.
"""

from __future__ import annotations

import os
import sys
import time
from itertools import islice
from typing import TYPE_CHECKING

from intercom.core.errors import UnknownName
from intercom.core.message import new_id, utc
from intercom.fleet.programs.event import BEGINS, PROMPT
from intercom.hooks.call import WAKE, Call, waiter_mark
from intercom.hooks.deliver import deliver
from intercom.system.ancestry import ancestors
from intercom.system.changes import Changes
from intercom.system.liveness import alive, started

if TYPE_CHECKING:
    from intercom.fleet.sessions import SessionRow

LOOK_ANYWAY = 30.0  #: seconds between looks when nothing changes
_PENDING = (0.2, 2.0)  #: seconds, first and longest, between looks while a message waits for the session to be idle
_WAKING = 5.0  #: seconds that a session has to begin the turn for which another waiter woke it
_CONNECTING = 0.2  #: seconds between looks at whether it is connected
_BROKEN_OFF = 1.0  #: seconds for which the program's own word must have been idle
_CONNECT = 10.0  #: seconds that a new session has for connecting to its server; a turn before that has no tools
_SETTLE = 0.5  #: seconds from the server's registration until the session has its tools
_TAKE_OVER = 1.5  #: seconds for the waiter of a session that has just ended to be gone


def wait(call: Call) -> int:
    """Wait until there is something for an idle session (WAKE) or the session is over (0)."""
    begun = utc()  # first: a short turn may be over before we have imported all
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
    """Leave a line in the log where the session's process was killed: no hook of its own said that it ends."""
    row = call.sessions.get(call.who.name)
    if row is not None and (row.pid, row.started) == (call.who.pid, call.who.started) and not row.running:
        from intercom.fleet.settling import died

        died(call.config, call.sessions, row)


def _import_ahead() -> None:
    """All that a look and a wake may need: in the days that it waits, an upgrade may replace the package.

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
    """Look at each change. Where something is unread that cannot be given yet, look again a little later.

    `begun` is when this waiter began (UTC).
    """
    ready_at = _ready_at(call)
    pause = LOOK_ANYWAY
    while changes.wait(pause):
        call.settle_wakes()
        unread = _unread(call)
        row = _unblocked(call)  # after that: what is true now decides
        ours = row is not None and (row.pid, row.started) == (call.who.pid, call.who.started)
        if row is not None and not ours and row.running:
            return 0  # another process has the name
        if not unread:
            pause = LOOK_ANYWAY if row is None or row.state != "blocked" else _PENDING[1]
        elif _gone_on(call):
            return 0  # it would take what we give it, and never act on it
        elif row is None or not ours or not _connected(call, ready_at):
            pause = _CONNECTING  # the hook that says who is there runs beside us, and may come after
        elif not _idle(call, row, begun) or call.sessions.wakes(call.who.name, younger=_WAKING):
            pause = min(pause * 1.5, _PENDING[1]) if pause <= _PENDING[1] else _PENDING[0]
        elif _wake(call):
            return WAKE
    return 0


def _unblocked(call: Call) -> SessionRow | None:
    """What is known of the session. A dialog that was answered with no, or taken back, has no hook of its own."""
    row = call.sessions.get(call.who.name)
    if row is None or row.state != "blocked" or not _broken_off(call, row.heard or ""):
        return row
    from intercom.hooks.permission import WENT, ended

    call.sessions.unblock(call.who.name, "idle")
    open_ones = {request.id for request in call.sessions.open_requests(call.who.name)}
    for request in call.sessions.unsettled(call.who.name):
        if request.id not in open_ones:
            ended(call, request, WENT)
    return call.sessions.get(call.who.name)


def _gone_on(call: Call) -> bool:
    """Whether the session goes on in another process, which has a waiter of its own."""
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
    """Until when (monotonic) a session that has just begun may be left to connect to its server."""
    fresh = call.event.kind == BEGINS and call.event.fresh
    return time.monotonic() + (_CONNECT if fresh else 0)


def _connected(call: Call, ready_at: float) -> bool:
    """Whether a turn that begins now has the tools of the bus."""
    if time.monotonic() >= ready_at:
        return True
    from intercom.bus.names import server_there

    row = call.state.instance(call.who.name)
    if row is None or row.pid is None or not server_there(row, call.who.pid):
        return False
    return _below(row.pid, call.who.pid) and row.heartbeat <= utc(time.time() - _SETTLE)


def _below(pid: int, above: int) -> bool:
    """Whether `above` is among the nearest ancestors of `pid`; taken to be where the system does not say."""
    near = list(islice(ancestors(pid), 5))
    return not near or any(one.pid == above for one in near)


def _idle(call: Call, row: SessionRow, begun: str) -> bool:
    """Whether the session waits for a prompt: by its hooks, or by the program's own word where that is newer.

    A waiter that a prompt began starts beside the hook that will say "running": what was idle before is over.
    """
    since = begun if call.event.kind == PROMPT else ""
    if row.state in {"ready", "idle"} and row.since >= since:
        return True
    return _broken_off(call, max(row.heard or "", since))


def _broken_off(call: Call, heard: str) -> bool:
    """Whether the program's own word is that it is idle, and is newer than what hooks said."""
    said = call.program.status(call.who.pid, call.environ)
    return (
        said is not None
        and said.state == "idle"
        and time.time() - said.since >= _BROKEN_OFF
        and heard < utc(said.since)
    )


def _wake(call: Call) -> bool:
    """Give what is unread to the session; whether there was anything."""
    nonce = new_id()

    def write(text: str) -> None:
        call.sessions.expect_nonce(nonce, call.who.name, "waiter")
        sys.stderr.write(f"[intercom:{nonce}] {text}\n")
        sys.stderr.flush()

    return deliver(call, write, mark=waiter_mark(call.who.mark, nonce))
