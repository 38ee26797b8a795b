"""Owns `intercom hook EVENT`: an agent program's hooks, in which a session says what it does and gets its messages.

One short process for each event, so nothing is imported that the event does not need. A hook never breaks the
session that it runs in: on any fault it says nothing, exits with 0, and leaves a line in `errors.log`.
"""

from __future__ import annotations

import os
import sys

from intercom.fleet.programs import known
from intercom.fleet.programs.known import DEFAULT

_LONGEST_INPUT = 64 << 20


def run(event: str, root: str | None = None, program: str = DEFAULT) -> int:
    """Serve one event of a session of this agent program; the exit status for the process."""
    config = None
    try:
        import json

        given = sys.stdin.buffer.read(_LONGEST_INPUT)  # all of it, even for nothing: who writes it must not be stopped
        runs = known.program(program)
        _go_home(runs.project_of(os.environ))
        from intercom.core.config import load

        config = load(root)
        if not os.environ.get("INTERCOM_NAME") and not (config.private / "state.db").exists():
            return 0
        payload = json.loads(given or b"{}")
        from intercom.hooks.events import serve

        answer, code = serve(config, event, runs, payload if isinstance(payload, dict) else {}, os.environ)
        if answer and sys.stdout is not None:
            sys.stdout.write(json.dumps(answer))
            sys.stdout.flush()
    except Exception as error:  # noqa: BLE001  # the edge: no fault of ours reaches the session
        from intercom.hooks.faults import note_fault
        from intercom.system import host

        silent = isinstance(error, OSError) and error.errno in host.PIPE_CLOSED and error.filename is None
        if not silent:  # else nobody listens any more
            note_fault(config, event, error, root)
        return 0
    return code


def _go_home(home: str | None) -> None:
    """Look for the bus where the session's MCP server does: in its project, wherever a tool has gone since."""
    if home and os.path.isdir(home):
        os.chdir(home)
