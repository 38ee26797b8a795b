"""Owns what Intercom knows about starting Codex as a worker: its version, its flags, the settings that it is given.

All of it goes on the command line (`-c key=value`); the user's own files are read by Codex and never written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from intercom.core.errors import CommandFailed, ProgramMissing
from intercom.fleet.programs.program import SERVER, Prepared, Start
from intercom.system import host, proc

TITLE = "Codex"
OLDEST = (0, 169)  #: the first whose hooks and queue were tried
#: Our permission modes that it has a like of, as its flags.
FLAGS: Mapping[str, tuple[str, ...]] = {
    "default": ("--ask-for-approval", "on-request", "--sandbox", "read-only"),
    "acceptEdits": ("--ask-for-approval", "on-request", "--sandbox", "workspace-write"),
    "bypassPermissions": ("--dangerously-bypass-approvals-and-sandbox",),
}
_EVENTS = ("SessionStart", "UserPromptSubmit", "PreToolUse", "PermissionRequest", "PostToolUse", "Stop", "SessionEnd")
_ANSWER = 600  #: seconds that the hook of a permission may take, as a master's answer does
_HOOK, _START, _CALL = 30, 30, 3700  #: seconds for any other hook, for our server's start, and for one call
_VERSION = re.compile(r"codex-cli (\d+)\.(\d+)\.(\d+)")


def check(argv: Sequence[str], environ: Mapping[str, str], install: str) -> str:
    """The version of the program. ProgramMissing, with how to `install` it, where it is not there or too old."""
    proc.find(argv[0], path=environ.get("PATH"), install=install)
    try:
        done = proc.run([*argv, "--version"], env=environ, timeout=20, check=False)
    except CommandFailed as error:
        raise ProgramMissing(f"{error} Nothing was started.") from None
    found = _VERSION.search(done.out)
    if found is None:
        said = (done.out or done.err).strip().splitlines()
        words = f"said {said[0][:80]!r}" if said else "said nothing"
        raise ProgramMissing(
            f"`{argv[0]} --version` {words}, which is not a version of {TITLE}; nothing was started: {install}."
        )
    if (int(found[1]), int(found[2])) < OLDEST:
        raise ProgramMissing(
            f"{TITLE} {found[0].split()[1]} is too old for workers, which need {'.'.join(map(str, OLDEST))}; "
            f"nothing was started: {install}."
        )
    return found[0].split()[1]


def prepare(argv: Sequence[str], start: Start, _write: Callable[[str, str], Path]) -> Prepared:
    """The command line of a worker. Its hooks speak, and it can be reached, only once it has had a prompt."""
    settings = {
        "projects": _table({str(start.cwd): _Raw('{trust_level = "trusted"}')}),
        f"mcp_servers.{SERVER}": _server(start),
        **{f"hooks.{event}": _hook(start, event) for event in _EVENTS},
    }
    words = [*argv, "--dangerously-bypass-hook-trust"]  # of hooks that stand on this line
    for key, value in settings.items():
        words += ["-c", f"{key}={value}"]
    words += [*FLAGS[start.mode], "--cd", str(start.cwd)]
    return Prepared([*words, *(["--", start.prompt] if start.prompt else [])], ())


class _Raw(str):
    """TOML already."""

    __slots__ = ()


def _server(start: Start) -> str:
    """The entry of our server; it gets no variables but a few of the system's, and those that stand here."""
    return _table(
        {
            "command": start.command[0],
            "args": [*start.command[1:], "mcp"],
            "env": _Raw(_table(start.identity)),
            "required": _Raw("true"),
            "startup_timeout_sec": _Raw(str(_START)),
            "tool_timeout_sec": _Raw(str(_CALL)),
            "default_tools_approval_mode": "approve",
        }
    )


def _hook(start: Start, event: str) -> str:
    line = host.shell_line([*start.command, "hook", event, "--program", "codex"])
    seconds = _ANSWER if event == "PermissionRequest" else _HOOK
    return f'[{{hooks = [{{type = "command", command = {_value(line)}, timeout = {seconds}}}]}}]'


def _table(values: Mapping[str, str | list[str]]) -> str:
    """An inline table of TOML."""
    return "{" + ", ".join(f"{_value(key)} = {_value(value)}" for key, value in values.items()) + "}"


def _value(value: str | list[str]) -> str:
    """A text, or a list of them, in TOML: JSON's own escapes are among its."""
    if isinstance(value, _Raw):
        return value
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
