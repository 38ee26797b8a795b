"""Owns what Intercom knows about starting Claude Code and about the file in which it tells its state.

Everything that a worker needs is passed on its command line (`--settings`, `--mcp-config`); the user's
own files are read and never written.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from intercom.core.errors import CommandFailed, ProgramMissing
from intercom.fleet.programs.claude import process_file
from intercom.system import proc
from intercom.system.resources import text

OLDEST = (2, 1)
SERVER = "intercomm"
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)\S* \(Claude Code\)")
_TOLD = {"idle": "idle", "busy": "running", "shell": "running", "waiting": "asked"}


class Start(NamedTuple):
    """What a new session is given."""

    session: str  #: its session id, a UUID
    settings: Path
    mcp: Path
    perm_mode: str


def check(argv: Sequence[str], environ: Mapping[str, str]) -> str:
    """The version of the program. ProgramMissing where it is not there, too old, or something else."""
    proc.find(argv[0], path=environ.get("PATH"))
    try:
        done = proc.run([*argv, "--version"], env=environ, timeout=20, check=False)
    except CommandFailed as error:
        raise ProgramMissing(f"{error} Nothing was started.") from None
    found = _VERSION.search(done.out)
    if found is None:
        said = (done.out or done.err).strip().splitlines()
        words = f"said {said[0][:80]!r}" if said else "said nothing"
        raise ProgramMissing(
            f"`{argv[0]} --version` {words}, which is no version of Claude Code that is known; nothing was started: "
            f"{proc.INSTALL['claude']}."
        )
    if (int(found[1]), int(found[2])) < OLDEST:
        raise ProgramMissing(
            f"Claude Code {found[1]}.{found[2]}.{found[3]} is too old for workers; nothing was started: "
            f"{proc.INSTALL['claude']}."
        )
    return f"{found[1]}.{found[2]}.{found[3]}"


def words(argv: Sequence[str], start: Start) -> list[str]:
    """The command line of a worker. No prompt: one in the first seconds would find no tools yet."""
    flags = ["--session-id", start.session, "--permission-mode", start.perm_mode]
    return [*argv, *flags, "--settings", str(start.settings), "--mcp-config", str(start.mcp)]


def settings(
    root: Path, cwd: Path, perm_mode: str, environ: Mapping[str, str]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """(the settings of a worker in `cwd`, MCP servers of the project that it goes without).

    First-run questions are answered here, where the answer is the user's already: a server in `.mcp.json`
    that the user approved in this project is on, any other is off, so that none is asked about.
    """
    out: dict[str, Any] = json.loads(text("worker-settings.json"))
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


def told(pid: int, environ: Mapping[str, str]) -> str | None:
    """What Claude Code's own file says of the process: idle, running or asked; None where it says nothing."""
    found = process_file.read(pid, environ)
    return _TOLD.get(found.status) if found else None


def home(environ: Mapping[str, str]) -> Path:
    """Claude Code's own folder."""
    return Path(
        environ.get("CLAUDE_CONFIG_DIR") or os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".claude")
    )


def _servers(path: Path) -> list[str]:
    found = _json(path).get("mcpServers")
    return [str(name) for name in found] if isinstance(found, dict) else []


def _approved(root: Path, environ: Mapping[str, str]) -> tuple[set[str], bool]:
    """(servers of `.mcp.json` that the user has approved, whether all of them are)."""
    names: set[str] = set()
    every = False
    files = (
        root / ".claude" / "settings.json",
        root / ".claude" / "settings.local.json",
        home(environ) / "settings.json",
    )
    for raw in map(_json, files):
        listed = raw.get("enabledMcpjsonServers")
        names |= {str(name) for name in listed} if isinstance(listed, list) else set()
        every = every or raw.get("enableAllProjectMcpServers") is True
    return names, every


def _json(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return raw if isinstance(raw, dict) else {}
