"""Owns starting Codex as a worker: its flags, and the settings that it is given.

Everything goes on the command line (`-c key=value`); Codex reads the user's own files, and we never write them.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from intercom.fleet.programs.codex import FILES
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
#: The server ends with the terminal. Where it does not start, the terminal is alone.
_BOTH = """\
{server} >/dev/null 2>&1 </dev/null &
server=$!
trap 'kill $server' EXIT
trap 'exit 1' HUP TERM
until [ -S {door} ]; do
    kill -0 $server || exec {alone}
    sleep 0.05
done
{terminal}
"""


def prepare(argv: Sequence[str], start: Start, write: Callable[[str, str], Path]) -> Prepared:
    """A worker's command line. Its hooks report, and it can be reached, only after its first prompt.

    It is two processes, the terminal and the app server that does the work, so that a prompt that `codex queue` gives
    to that server starts at once. A server inside the terminal looks at the queue every ten seconds.
    """
    settings = _settings(start)
    words = [*argv, "--dangerously-bypass-hook-trust", *settings]  # for the hooks on this command line
    words += [*FLAGS[start.mode], "--cd", str(start.cwd)]
    door = write(FILES[1], "")
    door.unlink()  # the server makes it
    at, prompt = f"unix://{door}", ["--", start.prompt] if start.prompt else []
    lines = {
        "door": [str(door)],
        "server": [*argv, "app-server", "--listen", at, *settings],
        "alone": [*words, *prompt],
        "terminal": [*words, "--remote", at, *prompt],
    }
    script = _BOTH.format(**{name: shlex.join(line) for name, line in lines.items()})
    return Prepared(["sh", str(write(FILES[0], script))], ())


def alone(argv: Sequence[str], start: Start, _write: Callable[[str, str], Path]) -> Prepared:
    """The command line of a worker without a terminal."""
    return Prepared([*argv, "app-server", *_settings(start)], ())


def talk() -> Talk:
    """The API to drive it with."""
    from intercom.fleet.programs.codex.server import AppServer

    return AppServer()


def _settings(start: Start) -> list[str]:
    settings = {
        "sandbox_workspace_write.network_access": "false",  # our modes say so, and it would reach a worker's own server
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
