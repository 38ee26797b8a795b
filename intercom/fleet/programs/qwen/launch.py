"""Owns starting Qwen Code as a worker: its version, its flags, its settings.

They are in a file of the worker's own, read in place of the system's settings (which are merged into it): above the
user's and the project's, and we write none of those.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from intercom.fleet.programs.acp import Acp
from intercom.fleet.programs.plain import KINDS, hook_line
from intercom.fleet.programs.program import CALL_SECONDS, SERVER, Prepared, Start
from intercom.fleet.programs.system_settings import system_settings
from intercom.fleet.programs.talk import Talk

FILE, INPUT = "qwen.json", "input"
#: Its own names of our permission modes.
MODES: Mapping[str, str] = {
    "default": "default",
    "plan": "plan",
    "acceptEdits": "auto-edit",
    "bypassPermissions": "yolo",
}
_VARIABLE, _SYSTEM = "QWEN_CODE_SYSTEM_SETTINGS_PATH", "/etc/qwen-code/settings.json"


def prepare(argv: Sequence[str], start: Start, write: Callable[[str, str], Path]) -> Prepared:
    """Write a worker's settings, and the file from which it takes prompts; returns its command line."""
    prompts = write(INPUT, "")
    words = [*_words(argv, start, write), "--input-file", str(prompts)]
    words += ["--session-id", start.session]
    return Prepared([*words, *(["--prompt-interactive", start.prompt] if start.prompt else [])], ())


def alone(argv: Sequence[str], start: Start, write: Callable[[str, str], Path]) -> Prepared:
    """The same, without a terminal."""
    return Prepared([*_words(argv, start, write), "--acp"], (), _told(start))


def talk() -> Talk:
    """The API to drive it with."""
    return Acp(serves=True)


def _told(start: Start) -> dict[str, str]:
    """Variables for its server: the id given at spawn, not the one that this program gives it."""
    return {"QWEN_CODE_SESSION_ID": start.session}


def _words(argv: Sequence[str], start: Start, write: Callable[[str, str], Path]) -> list[str]:
    server = {
        "command": start.command[0],
        "args": [*start.command[1:], "mcp"],
        "env": {**start.identity, **_told(start)},
    }
    given: dict[str, Any] = {
        "mcpServers": {SERVER: {**server, "trust": True, "timeout": CALL_SECONDS * 1000}},
        "permissions": {"allow": [f"mcp__{SERVER}"]},
        "hooks": {event: [_hook(start, event)] for event in KINDS},
        "general": {"enableAutoUpdate": False},
    }
    settings = write(FILE, json.dumps(system_settings(start.environ.get(_VARIABLE) or _SYSTEM, given), indent=2))
    return ["env", f"{_VARIABLE}={settings}", *argv, "--approval-mode", MODES[start.mode]]


def _hook(start: Start, event: str) -> dict[str, Any]:
    line, seconds = hook_line(start, event, "qwen")
    return {"matcher": "*", "hooks": [{"type": "command", "command": line, "timeout": seconds}]}
