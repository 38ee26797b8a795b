"""Owns the checks of how Claude Code is connected: the server entry it would start, and the hooks it would call.

Its files are read, never written.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from intercom.core.config import Config
from intercom.doctor.finding import OK, WARNING, WRONG, Finding, listed
from intercom.fleet.programs.claude import launch as claude

Json = dict[str, Any]


def server(config: Config, environ: Mapping[str, str]) -> Finding:
    """Whether an entry for our server is found, and the command in it."""
    found = [(place, entry) for place, name, entry in _entries(config, environ) if _ours(name, entry)]
    found += [(place, {"command": "intercom"}) for place in _plugin(config, environ)]
    if not found:
        says = "no entry for it in .mcp.json or in Claude Code's own settings"
        return Finding("server entry", WARNING, says, f"claude mcp add {claude.SERVER} -- intercom mcp")
    for place, entry in found:
        command = str(entry.get("command") or "")
        if "url" not in entry and shutil.which(command, path=environ.get("PATH")) is None:
            says = f"{place} names {command!r}, which is not found on PATH"
            return Finding("server entry", WRONG, says, "correct it; intercom init prints an entry that works")
    places = [place for place, _ in found]
    off = [str(name) for raw in _settings(config, environ).values() for name in raw.get("disabledMcpjsonServers") or []]
    if claude.SERVER in off and ".mcp.json" in places:
        return Finding("server entry", WARNING, "in .mcp.json, but turned off in Claude Code", "turn it on with /mcp")
    return Finding("server entry", OK, f"in {listed(places)}")


def hooks(config: Config, environ: Mapping[str, str]) -> Finding:
    """Whether sessions get their messages by themselves, and by one set of hooks only."""
    places = [place for place, raw in _settings(config, environ).items() if "intercom" in _commands(raw)]
    places += [f"the plugin ({place})" for place in _plugin(config, environ)]
    if not places:
        says = "none: sessions get messages when they ask (workers that spawn starts have their own)"
        return Finding("hooks", WARNING, says, "install the plugin; see the README, In Claude Code")
    if len(places) > 1:
        return Finding("hooks", WARNING, f"twice: {listed(places)}; each event is served twice", "keep one of them")
    return Finding("hooks", OK, f"in {places[0]}")


def _entries(config: Config, environ: Mapping[str, str]) -> Iterator[tuple[str, str, Json]]:
    """(place, name, entry) of every MCP server that a session in the root would have."""
    own = claude.home(environ)
    state = (own if environ.get("CLAUDE_CONFIG_DIR") else own.parent) / ".claude.json"
    person = _read(state)
    project = _table(_table(person, "projects"), os.fspath(config.root))
    for place, raw in (
        (".mcp.json", _read(config.root / ".mcp.json")),
        (os.fspath(state), person),
        (os.fspath(state), project),
    ):
        for name, entry in _table(raw, "mcpServers").items():
            if isinstance(entry, dict):
                yield place, name, entry


def _ours(name: str, entry: Json) -> bool:
    words = [str(entry.get("command") or ""), *(entry.get("args") or [])]
    return name == claude.SERVER or any(os.path.basename(str(word)) == "intercom" for word in words)


def _settings(config: Config, environ: Mapping[str, str]) -> dict[str, Json]:
    """Claude Code's settings that hold in the root, by place."""
    inside = config.root / ".claude"
    files = {
        ".claude/settings.json": inside / "settings.json",
        ".claude/settings.local.json": inside / "settings.local.json",
        os.fspath(claude.home(environ) / "settings.json"): claude.home(environ) / "settings.json",
    }
    return {place: _read(path) for place, path in files.items()}


def _plugin(config: Config, environ: Mapping[str, str]) -> list[str]:
    """Where our plugin is turned on."""
    found = {place: _table(raw, "enabledPlugins") for place, raw in _settings(config, environ).items()}
    return [place for place, on in found.items() if any(on[name] and name.split("@")[0] == "intercom" for name in on)]


def _commands(raw: Json) -> str:
    """The commands of all hooks in a settings file that call one of ours, "" if none does."""
    text = [
        str(hook.get("command") or "")
        for groups in _table(raw, "hooks").values()
        for group in (groups if isinstance(groups, list) else [])
        if isinstance(group, dict)
        for hook in group.get("hooks") or []
        if isinstance(hook, dict)
    ]
    return " ".join(line for line in text if " hook " in line)


def _table(raw: Json, key: str) -> Json:
    found = raw.get(key)
    return found if isinstance(found, dict) else {}


def _read(path: Path) -> Json:
    try:
        raw = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return raw if isinstance(raw, dict) else {}
