"""Owns finding how Claude Code is connected to a bus: the server entry it would start, the hooks it would call.

Its files are read, never written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from intercom.fleet.programs.claude import launch
from intercom.fleet.programs.program import SERVER, Connection
from intercom.system import host

Json = dict[str, Any]


def connection(root: Path, environ: Mapping[str, str]) -> Connection:
    """How a session in `root` would be connected."""
    servers = [(place, entry) for place, name, entry in _entries(root, environ) if _ours(name, entry)]
    servers += [(place, {"command": "intercom"}) for place in _plugin(root, environ)]
    settings = _settings(root, environ)
    off = [str(name) for raw in settings.values() for name in raw.get("disabledMcpjsonServers") or []]
    hooks = [place for place, raw in settings.items() if _lines(raw)]
    hooks += [f"the plugin ({place})" for place in _plugin(root, environ)]
    switched = SERVER in off and ".mcp.json" in [place for place, _ in servers]
    lines = [(place, line) for place, raw in settings.items() for line in _lines(raw)]
    return Connection(tuple(servers), ".mcp.json" if switched else "", tuple(hooks), tuple(lines))


def add_server(entry: Mapping[str, Any]) -> str:
    """The shell line with which a person adds an entry for our server."""
    env = [part for key, value in entry.get("env", {}).items() for part in ("--env", f"{key}={value}")]
    return host.as_typed(["claude", "mcp", "add", SERVER, *env, "--", entry["command"], *entry["args"]])


def _entries(root: Path, environ: Mapping[str, str]) -> Iterator[tuple[str, str, Json]]:
    """(place, name, entry) of every MCP server that a session in the root would have."""
    own = launch.home(environ)
    state = (own if environ.get("CLAUDE_CONFIG_DIR") else own.parent) / ".claude.json"
    person = launch.settings_in(state)
    project = _table(_table(person, "projects"), os.fspath(root))
    for place, raw in (
        (".mcp.json", launch.settings_in(root / ".mcp.json")),
        (os.fspath(state), person),
        (os.fspath(state), project),
    ):
        for name, entry in _table(raw, "mcpServers").items():
            if isinstance(entry, dict):
                yield place, name, entry


def _ours(name: str, entry: Json) -> bool:
    """By its name, or because it starts us: a program called intercom alone may be anybody's."""
    args = entry.get("args")
    words = [str(word) for word in (entry.get("command") or "", *(args if isinstance(args, list) else ()))]
    at = next((number for number, word in enumerate(words) if _is_intercom(word)), None)
    return name == SERVER or (at is not None and (len(words) == 1 or "mcp" in words[at:]))


def _is_intercom(word: str) -> bool:
    scoped = word.startswith("@")  # of a package of somebody's
    return not scoped and os.path.basename(word).removesuffix(".exe") == "intercom"


def _settings(root: Path, environ: Mapping[str, str]) -> dict[str, Json]:
    """Claude Code's settings that apply in the root, by file."""
    inside = root / ".claude"
    files = {
        ".claude/settings.json": inside / "settings.json",
        ".claude/settings.local.json": inside / "settings.local.json",
        os.fspath(launch.home(environ) / "settings.json"): launch.home(environ) / "settings.json",
    }
    return {place: launch.settings_in(path) for place, path in files.items()}


def _plugin(root: Path, environ: Mapping[str, str]) -> list[str]:
    """Where our plugin is enabled."""
    found = {place: _table(raw, "enabledPlugins") for place, raw in _settings(root, environ).items()}
    return [place for place, on in found.items() if any(on[name] and name.split("@")[0] == "intercom" for name in on)]


#: How a hook's shell line calls us: by a program of our name, or as `own_command` does.
_CALLS = re.compile(r"""(?:(?<![\w.@-])intercomm?(?:\.exe)?["']?|from intercom\.cli import main\b.*?)\s+hook\s""")


def _lines(raw: Json) -> list[str]:
    """The shell lines of our hooks in a settings file."""
    text = [
        str(hook.get("command") or "")
        for groups in _table(raw, "hooks").values()
        for group in (groups if isinstance(groups, list) else [])
        if isinstance(group, dict)
        for hook in group.get("hooks") or []
        if isinstance(hook, dict)
    ]
    return [line for line in text if _CALLS.search(line)]


def _table(raw: Json, key: str) -> Json:
    found = raw.get(key)
    return found if isinstance(found, dict) else {}
