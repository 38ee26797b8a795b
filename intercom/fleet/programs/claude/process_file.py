"""Owns reading the file that Claude Code keeps about each of its processes, the second source on a session.

`~/.claude/sessions/<pid>.json` says idle, busy, waiting or shell. It does not exist before the first dialogs are
answered, stays behind after a kill, and is not a documented interface: the hooks come first. Newer versions also
record there that the Left key at an empty box has sent the session to the background: it continues in another
process under another id. `claude agents --json` prints these files but omits such a session, so it is not used.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from intercom.core import document
from intercom.fleet.programs.program import Status
from intercom.system.liveness import started

_STATES = {"idle": "idle", "busy": "running", "shell": "running", "waiting": "asked"}


class FileStatus(NamedTuple):
    """The content of the file."""

    status: str  #: idle, busy, waiting, shell, or a new word of a later version
    waiting_for: str | None
    session_id: str | None
    cwd: str | None
    updated: float  #: when the status was set, seconds since 1970
    moved: str = ""  #: prefix of the id of the session in which this one continues
    apart: bool = False  #: whether it runs in the background


def read(pid: int, environ: Mapping[str, str] | None = None) -> FileStatus | None:
    """What Claude Code says of its process `pid`; None if nothing, or not about exactly that process.

    `environ` is the environment of that process, for HOME and CLAUDE_CONFIG_DIR (default: ours).
    """
    env = os.environ if environ is None else environ
    folder = env.get("CLAUDE_CONFIG_DIR") or os.path.join(env.get("HOME") or os.path.expanduser("~"), ".claude")
    try:
        found = document.json(document.text_of(Path(folder, "sessions", f"{pid}.json")))
        status, mark = found["status"], found.get("procStart")
        updated = float(found.get("statusUpdatedAt") or found.get("updatedAt") or 0) / 1000
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # missing, half written, or of another version
    if not isinstance(status, str) or (mark is not None and str(mark) != (started(pid) or "")):
        return None
    waiting = found.get("waitingFor")
    return FileStatus(
        status,
        waiting if isinstance(waiting, str) else None,
        found.get("sessionId"),
        found.get("cwd"),
        updated,
        _text(found.get("parkedJobId")),
        found.get("kind") == "bg",
    )


def status(pid: int, environ: Mapping[str, str] | None = None) -> Status | None:
    """Its report on the process in program-independent words; None if there is none."""
    found = read(pid, environ)
    return Status(_STATES.get(found.status, ""), found.updated, found.moved, found.apart) if found else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
