"""Owns starting Claude Code: its version, its flags, the settings for a worker.

Everything a worker needs is passed on its command line (`--settings`, `--mcp-config`); the user's own files are read
and never written.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from intercom.core import document
from intercom.fleet.programs import version as versions
from intercom.fleet.programs.claude import hook_settings
from intercom.fleet.programs.claude.versions import OLDEST, Version
from intercom.fleet.programs.program import SERVER, Prepared, Start
from intercom.system.resources import text

AUTO = "auto"  #: the mode in which a server-side check replaces questions; newer versions start in it
#: Flags by which it is driven through its pipes, and asks there for what its hooks do not answer.
_LINES = ["--input-format", "stream-json", "--output-format", "stream-json", "--verbose"]
ALONE = ["-p", *_LINES, "--permission-prompt-tool", "stdio"]
FIRST, AGAIN = "--session-id", "--resume"  #: flags of a new session with this id; of one that is resumed
NAME = "claude"  #: name of the program's file
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)\S* \(Claude Code\)")


def check(argv: Sequence[str], environ: Mapping[str, str], install: str) -> str:
    """The version of the program. ProgramMissing, with how to `install` it, if it is missing or too old.

    "" for a wrapper script that runs but does not tell: its worker will show whether it works.
    """
    known = os.path.basename(argv[0]) == NAME
    done = versions.asked(argv, environ, install if known else None)
    found = _VERSION.search(done.out)
    if found is None and done.code == 0 and not known:
        return ""
    if found is None:
        raise versions.another(argv, done, "Claude Code that we know", install)
    version = Version(int(found[1]), int(found[2]), int(found[3]))
    if version < OLDEST:
        raise versions.too_old("Claude Code", version, OLDEST, install)
    return str(version)


def prepare(argv: Sequence[str], start: Start, write: Callable[[str, str], Path]) -> Prepared:
    """Write a worker's settings and server entry; returns its command line.

    Without a prompt: one in the first seconds would find no tools.
    """
    return _prepared(argv, start, write, waits=True)


def alone(argv: Sequence[str], start: Start, write: Callable[[str, str], Path]) -> Prepared:
    """The same without a terminal: its keeper waits beside it."""
    found = _prepared(argv, start, write, waits=False)
    return found._replace(words=[*found.words, *ALONE])


def _prepared(argv: Sequence[str], start: Start, write: Callable[[str, str], Path], *, waits: bool) -> Prepared:
    given, left_out = settings(start.root, start.cwd, start.mode, start.environ)
    given.update(hook_settings.settings(start.command, waits=waits, spawned=True))
    server: dict[str, Any] = {"command": start.command[0], "args": [*start.command[1:], "mcp"]}
    server |= {"env": dict(start.identity), "alwaysLoad": True}  # otherwise most tools are hidden behind a tool search
    first = write("settings.json", json.dumps(given, indent=2))
    second = write("mcp.json", json.dumps({"mcpServers": {SERVER: server}}, indent=2))
    flags = [FIRST, start.session, "--permission-mode", start.mode]
    return Prepared([*argv, *flags, "--settings", str(first), "--mcp-config", str(second)], left_out)


def settings(
    root: Path, cwd: Path, perm_mode: str, environ: Mapping[str, str]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """(the settings for a worker in `cwd`, the project's MCP servers that it does without).

    First-run questions are answered here, where the user has answered them already: a server in `.mcp.json` that the
    user approved in this project is on, any other is off, so none is asked about.
    """
    out: dict[str, Any] = json.loads(text("worker-settings.json"))
    if perm_mode == AUTO:
        out["permissions"]["defaultMode"] = AUTO  # otherwise it asks whether to make it the user's default
    else:
        out["permissions"]["disableAutoMode"] = "disable"  # otherwise one key in a dialog would enable it
    if perm_mode == "bypassPermissions":
        out["skipDangerousModePermissionPrompt"] = True
    named = _servers(cwd / ".mcp.json")
    approved, every = _approved(root, environ)
    left_out = () if every else tuple(name for name in named if name not in approved and name != SERVER)
    if named:
        out["enabledMcpjsonServers"] = [name for name in named if name not in left_out]
    if left_out:
        out["disabledMcpjsonServers"] = list(left_out)
    return out, left_out


def home(environ: Mapping[str, str]) -> Path:
    """Claude Code's own folder."""
    return Path(
        environ.get("CLAUDE_CONFIG_DIR") or os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".claude")
    )


def _servers(path: Path) -> list[str]:
    found = settings_in(path).get("mcpServers")
    return [str(name) for name in found] if isinstance(found, dict) else []


def _approved(root: Path, environ: Mapping[str, str]) -> tuple[set[str], bool]:
    """(servers in `.mcp.json` that the user has approved, whether all are)."""
    names: set[str] = set()
    every = False
    files = (
        root / ".claude" / "settings.json",
        root / ".claude" / "settings.local.json",
        home(environ) / "settings.json",
    )
    for raw in map(settings_in, files):
        listed = raw.get("enabledMcpjsonServers")
        names |= {str(name) for name in listed} if isinstance(listed, list) else set()
        every = every or raw.get("enableAllProjectMcpServers") is True
    return names, every


def settings_in(path: Path) -> dict[str, Any]:
    """The content of one of Claude Code's JSON files; empty if it does not exist."""
    try:
        raw = document.json(document.text_of(path, 64 * document.MOST))
    except (OSError, ValueError):
        return {}
    return raw if isinstance(raw, dict) else {}
