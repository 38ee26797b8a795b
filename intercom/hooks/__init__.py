"""Owns `intercom hook EVENT`: Claude Code's hooks, in which a session says what it does and gets its messages.

One short process for each event, so nothing is imported that the event does not need. A hook never breaks the
session that it runs in: on any fault it says nothing, exits with 0, and leaves a line in `errors.log`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from intercom.core.config import Config

WAKE = 2  #: exit status by which the waiter wakes its session
_LONGEST_LOG = 256 * 1024
_LONGEST_INPUT = 64 << 20


def run(event: str, root: str | None = None) -> int:
    """Serve one event; the exit status for the process."""
    config = None
    try:
        import json

        given = sys.stdin.buffer.read(_LONGEST_INPUT)  # all of it, even for nothing: who writes it must not be stopped
        _go_home(os.environ)
        from intercom.core.config import load

        config = load(root)
        if not os.environ.get("INTERCOM_NAME") and not (config.private / "state.db").exists():
            return 0
        payload = json.loads(given or b"{}")
        from intercom.hooks.events import serve

        answer, code = serve(config, event, payload if isinstance(payload, dict) else {}, os.environ)
        if answer and sys.stdout is not None:
            sys.stdout.write(json.dumps(answer))
            sys.stdout.flush()
    except BrokenPipeError:
        return 0  # nobody listens any more
    except Exception as error:  # noqa: BLE001  # the edge: no fault of ours reaches the session
        note_fault(config, event, error)
        return 0
    return code


def _go_home(environ: Mapping[str, str]) -> None:
    """Look for the bus where the session's MCP server does: in its project, wherever a tool has gone since."""
    home = environ.get("CLAUDE_PROJECT_DIR")
    if home and os.path.isdir(home):
        os.chdir(home)


def note_fault(config: Config | None, event: str, error: BaseException) -> None:
    """A line in `.claude/local/.intercom/errors.log`, if there is such a folder."""
    import traceback

    from intercom.core.display import sentence

    if config is None or not config.private.is_dir():
        return
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" at {os.path.basename(last[0].filename)}:{last[0].lineno}" if last else ""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = sentence(f"{stamp} hook {event}: {type(error).__name__}: {error}{where}")
    path = config.private / "errors.log"
    try:
        if path.exists() and path.stat().st_size > _LONGEST_LOG:
            os.replace(path, path.with_name("errors.log.1"))
        sink = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(sink, (line[:2000] + "\n").encode("utf-8", "backslashreplace"))
        finally:
            os.close(sink)
    except OSError:
        pass  # there is nobody left to tell


Answer = dict[str, Any]
