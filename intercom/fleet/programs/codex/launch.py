"""Owns starting Codex as a worker: its flags, and the settings that it is given.

Everything goes on the command line (`-c key=value`); Codex reads the user's own files, and we never write them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from intercom.fleet.programs.plain import KINDS, hook_line
from intercom.fleet.programs.program import CALL_SECONDS, SERVER, Prepared, Start
from intercom.fleet.programs.talk import Talk

#: Its flags for those of our permission modes that it supports.
FLAGS: Mapping[str, tuple[str, ...]] = {
    "default": ("--ask-for-approval", "on-request", "--sandbox", "read-only"),
    "acceptEdits": ("--ask-for-approval", "on-request", "--sandbox", "workspace-write"),
    "bypassPermissions": ("--dangerously-bypass-approvals-and-sandbox",),
}
_START = 30  #: seconds for our server to start


def prepare(argv: Sequence[str], start: Start, _write: Callable[[str, str], Path]) -> Prepared:
    """A worker's command line. Its hooks report, and it can be reached, only after its first prompt."""
    words = [*argv, "--dangerously-bypass-hook-trust", *_settings(start)]  # for the hooks on this command line
    words += [*FLAGS[start.mode], "--cd", str(start.cwd)]
    return Prepared([*words, *(["--", start.prompt] if start.prompt else [])], ())


def alone(argv: Sequence[str], start: Start, _write: Callable[[str, str], Path]) -> Prepared:
    """The command line of a worker without a terminal."""
    return Prepared([*argv, "app-server", *_settings(start)], ())


def talk() -> Talk:
    """The API to drive it with."""
    from intercom.fleet.programs.codex.server import AppServer

    return AppServer()


def _settings(start: Start) -> list[str]:
    settings = {
        "projects": _table({str(start.cwd): _Raw('{trust_level = "trusted"}')}),
        f"mcp_servers.{SERVER}": _server(start),
        **{f"hooks.{event}": _hook(start, event) for event in KINDS},
    }
    return [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]


class _Raw(str):
    """A text that is TOML already."""

    __slots__ = ()


def _server(start: Start) -> str:
    """The entry of our server; it gets only a few system variables, and those given here."""
    return _table(
        {
            "command": start.command[0],
            "args": [*start.command[1:], "mcp"],
            "env": _Raw(_table(start.identity)),
            "required": _Raw("true"),
            "startup_timeout_sec": _Raw(str(_START)),
            "tool_timeout_sec": _Raw(str(CALL_SECONDS)),
            "default_tools_approval_mode": "approve",
        }
    )


def _hook(start: Start, event: str) -> str:
    line, seconds = hook_line(start, event, "codex")
    return f'[{{hooks = [{{type = "command", command = {_value(line)}, timeout = {seconds}}}]}}]'


def _table(values: Mapping[str, str | list[str]]) -> str:
    """An inline table in TOML."""
    return "{" + ", ".join(f"{_value(key)} = {_value(value)}" for key, value in values.items()) + "}"


def _value(value: str | list[str]) -> str:
    return value if isinstance(value, _Raw) else toml(value)


def toml(value: str | list[str]) -> str:
    """A text, or a list of texts, in TOML, which accepts JSON's escapes."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
