"""Owns the hooks configuration: what `--settings` carries at spawn and what the plugin installs.

Ways to begin a turn of an idle session, as measured on the oldest and the newest version (see `versions`):

    waiter    both; nothing is typed, no dialog is answered, drafts stay. On the newest the model is told that no user
              spoke, and a first turn lacks the server's instructions: what it is told as it begins stands for them
    prompt    at the start, as an argument or typed: both; without the tools until the server is there
    socket    the session's own, newer versions; anybody's line begins a turn, framed as another session's; held for a
              person in bypassPermissions, and as the user's settings say. Not used: it proves no sender
    keys      both; the last, since a dialog may come up under them

So: the waiter, then keys into an empty box; never a prompt at the start.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any

#: All known to the oldest version: an unknown event would stop its start with a question.
EVENTS = (
    "SessionStart",
    "UserPromptSubmit",
    "PreToolUse",
    "PermissionRequest",
    "Notification",
    "PostToolUse",
    "PostToolUseFailure",
    "Stop",
    "StopFailure",
    "SessionEnd",
)
WAITING = ("SessionStart", "UserPromptSubmit", "Stop")  #: events that start a waiter, unless there is one
_MISSING = (
    "Intercom: {0!r} is not on PATH, so no message comes by itself and no permission is asked of a master. "
    "Install it (pip install intercom-md, or uv tool install intercom-md), then restart this session."
)
_SECONDS = 30
_PERMISSION = 600
_WAITER = 14 * 86_400  # more than 2^31 ms would count as 0


def settings(
    command: Sequence[str], *, optional: bool = False, waits: bool = True, spawned: bool = False
) -> dict[str, Any]:
    """The `hooks` part of a settings file; `command` is how to call `intercom`.

    `optional`: if the command does not exist, that is said once when a session begins, and the hooks do nothing,
    instead of complaining at every event. `waits`: with a waiter beside each idle session. `spawned`: for a worker;
    other hooks of ours are silent there.
    """
    test = f"command -v {shlex.quote(command[0])} >/dev/null 2>&1 || exit 0; " if optional else ""
    end = " --spawned" if spawned else ""
    return {
        "hooks": {event: [{"hooks": _entries(event, command, test, end)[: None if waits else 1]}] for event in EVENTS}
    }


def _entries(event: str, command: Sequence[str], test: str, end: str) -> list[dict[str, Any]]:
    seconds = _PERMISSION if event == "PermissionRequest" else _SECONDS
    line = test + _line(command, event) + end
    if test and event == "SessionStart":
        said = shlex.quote(json.dumps({"systemMessage": _MISSING.format(command[0])}))
        line = line.replace("|| exit 0;", f"|| {{ printf %s {said}; exit 0; }};", 1)
    entries: list[dict[str, Any]] = [{"type": "command", "command": line, "timeout": seconds}]
    if event in WAITING:
        waiter = test + _line(command, "wait") + end
        entries.append({"type": "command", "command": waiter, "asyncRewake": True, "timeout": _WAITER})
    return entries


def _line(command: Sequence[str], event: str) -> str:
    """The shell line of a hook; with `exec`, so that the hook's parent is the agent itself."""
    return f"exec {shlex.join(command)} hook {event}"
