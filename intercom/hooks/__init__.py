"""Owns `intercom hook EVENT`, which agent programs call as a hook: it reports a session's state and delivers messages.

Each event is one short process, so nothing is imported that the event does not need. A hook never breaks or delays
its session: on any error, or when its time is up, it prints nothing (except a denial that is already certain), exits
with 0, and leaves a line in `errors.log`.
"""

from __future__ import annotations

import os
import sys

from intercom.fleet.programs import known
from intercom.fleet.programs.known import DEFAULT

_LONGEST_INPUT = 64 << 20
_WAIT = "wait"  #: not an event, but the waiter, which lives for days


def run(event: str, root: str | None = None, program: str = DEFAULT, *, spawned: bool = False) -> int:
    """Handle one event of a session of this agent program; returns the process's exit status.

    `spawned`: the settings that spawn gave a worker call it. A worker in a project whose own settings have our hooks,
    too, would report and ask everything twice; so those do nothing there.
    """
    if os.environ.get(known.OWN_HOOKS) and not spawned:
        sys.stdin.buffer.read(_LONGEST_INPUT)  # so that the writer is not blocked
        return 0
    from intercom.hooks.deadline import WHOLE, Limit
    from intercom.hooks.faults import note_fault

    config, limit, given = None, Limit(), None
    if event != _WAIT:
        limit.start(WHOLE, lambda error: note_fault(config, event, error, root))
    try:
        runs = known.program(program)
        try:
            _go_home(runs.project_of(os.environ))
            from intercom.core.config import load

            config = load(root)
            ours = bool(os.environ.get("INTERCOM_NAME")) or (config.private / "state.db").exists()
            if ours and config.section("permissions").get("deny"):
                from intercom.hooks.rules import doubt

                limit.word = doubt(runs, event)
        finally:  # read all of it even if unused, so that the writer is not blocked
            given = sys.stdin.buffer.read(_LONGEST_INPUT)
        if not ours:
            return 0
        import json

        payload = json.loads(given or b"{}")
        from intercom.hooks.events import serve

        answer, code = serve(config, event, runs, payload if isinstance(payload, dict) else {}, os.environ, limit)
        limit.end()
        _say(json.dumps(answer) if answer else "")
    except Exception as error:  # noqa: BLE001  # the edge: no fault of ours reaches the session
        from intercom.system import host

        if isinstance(error, OSError) and error.errno in host.PIPE_CLOSED and error.filename is None:
            return 0  # the reader is gone
        limit.end()
        _say(limit.word)
        note_fault(config, event, error, root)
        return 0
    return code


def _say(answer: str) -> None:
    if answer and sys.stdout is not None:
        sys.stdout.write(answer)
        sys.stdout.flush()


def _go_home(home: str | None) -> None:
    """Look for the bus where the session's MCP server does: in its project, wherever a tool has changed to since."""
    if home and os.path.isdir(home):
        os.chdir(home)
