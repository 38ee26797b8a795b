"""Owns the second source about a session: the file that Claude Code keeps of each of its processes.

`~/.claude/sessions/<pid>.json` says idle, busy, waiting or shell. It is not there before the first dialogs are
through, stays behind after a kill, and is nobody's promise: the hooks are asked first. Newer versions also say there
that Left at an empty box has sent the session to the background: it goes on in a process and under an id of its own.
`claude agents --json` prints what these files hold, and leaves out a session that went there: it is not asked.
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
    """What the file says."""

    status: str  #: idle, busy, waiting, shell, or a word of a later version
    waiting_for: str | None
    session_id: str | None
    cwd: str | None
    updated: float  #: seconds since 1970, of the status
    moved: str = ""  #: how the id of the session begins in which this one goes on
    apart: bool = False  #: it is one of those in the background


def read(pid: int, environ: Mapping[str, str] | None = None) -> FileStatus | None:
    """What Claude Code says of its process `pid`; None where it says nothing, or not of that very process.

    `environ` is the environment of that process, as far as HOME and CLAUDE_CONFIG_DIR go (default: ours).
    """
    env = os.environ if environ is None else environ
    folder = env.get("CLAUDE_CONFIG_DIR") or os.path.join(env.get("HOME") or os.path.expanduser("~"), ".claude")
    try:
        found = document.json(document.text_of(Path(folder, "sessions", f"{pid}.json")))
        status, mark = found["status"], found.get("procStart")
        updated = float(found.get("statusUpdatedAt") or found.get("updatedAt") or 0) / 1000
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # not there, half written, or of a version that writes it otherwise
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
    """What it says of the process in words that belong to no program; None where it says nothing."""
    found = read(pid, environ)
    return Status(_STATES.get(found.status, ""), found.updated, found.moved, found.apart) if found else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
