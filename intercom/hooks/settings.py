"""Owns the hooks configuration: what `--settings` carries at spawn and what the plugin installs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

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
WAITING = ("SessionStart", "UserPromptSubmit", "Stop")  #: a waiter is begun here, unless there is one
_SECONDS = 30
_PERMISSION = 600
_WAITER = 14 * 86_400  # more than 2^31 ms would be no time at all


def settings(command: Sequence[str]) -> dict[str, Any]:
    """The `hooks` part of a settings file; `command` is how to call `intercom`."""
    return {"hooks": {event: [{"hooks": _entries(event, command)}] for event in EVENTS}}


def _entries(event: str, command: Sequence[str]) -> list[dict[str, Any]]:
    seconds = _PERMISSION if event == "PermissionRequest" else _SECONDS
    entries: list[dict[str, Any]] = [{"type": "command", "command": _line(command, event), "timeout": seconds}]
    if event in WAITING:
        waiter = _line(command, "wait")
        entries.append({"type": "command", "command": waiter, "asyncRewake": True, "timeout": _WAITER})
    return entries


def _line(command: Sequence[str], event: str) -> str:
    """With `exec`: the shell makes room, so that the hook's parent is the agent itself."""
    return f"exec {shlex.join(command)} hook {event}"
