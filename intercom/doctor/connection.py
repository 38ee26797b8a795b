"""Owns the checks of how an agent program is connected: the server entry it would start, the hooks it would call."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from intercom.core.config import Config
from intercom.doctor.finding import OK, WARNING, WRONG, Finding, listed
from intercom.fleet.programs.program import Program


def server(config: Config, environ: Mapping[str, str], program: Program) -> Finding:
    """Whether an entry for our server is found, and the command in it."""
    found = program.connection(config.root, environ)
    if not found.servers:
        says = f"no entry for it in .mcp.json or in {program.title}'s own settings"
        return Finding("server entry", WARNING, says, program.add_server({"command": "intercom", "args": ["mcp"]}))
    for place, entry in found.servers:
        command = str(entry.get("command") or "")
        if "url" not in entry and shutil.which(command, path=environ.get("PATH")) is None:
            says = f"{place} names {command!r}, which is not found on PATH"
            return Finding("server entry", WRONG, says, "correct it; intercom init prints an entry that works")
    if found.off:
        says = f"in {found.off}, but turned off in {program.title}"
        return Finding("server entry", WARNING, says, f"turn it on with {program.switch}")
    return Finding("server entry", OK, f"in {listed([place for place, _ in found.servers])}")


def hooks(config: Config, environ: Mapping[str, str], program: Program) -> Finding:
    """Whether sessions get their messages by themselves, and by one set of hooks only."""
    places = program.connection(config.root, environ).hooks
    if not places:
        says = "none: sessions get messages when they ask (workers that spawn starts have their own)"
        return Finding("hooks", WARNING, says, f"install the plugin; see the README, In {program.title}")
    if len(places) > 1:
        return Finding("hooks", WARNING, f"twice: {listed([*places])}; each event is served twice", "keep one of them")
    return Finding("hooks", OK, f"in {places[0]}")
