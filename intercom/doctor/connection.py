"""Owns the checks of how an agent program is connected: its server entry, and its hooks."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping

from intercom.core import document
from intercom.core.config import Config
from intercom.doctor.finding import OK, WARNING, WRONG, Finding, listed
from intercom.fleet.programs.program import Program
from intercom.system import host


def project_file(config: Config) -> Finding:
    """Whether the project's list of MCP servers is readable; clients ignore an unreadable one silently."""
    path = config.root / ".mcp.json"
    try:
        found = document.json(document.text_of(path))
    except FileNotFoundError:
        return Finding(".mcp.json", OK, "not there")
    except (OSError, ValueError) as error:
        says = f"{path} cannot be parsed ({error}): no client gets a server from it"
        return Finding(".mcp.json", WRONG, says, "mend it; intercom init prints an entry that works")
    if not isinstance(found, dict) or not isinstance(found.get("mcpServers", {}), dict):
        return Finding(".mcp.json", WRONG, f"{path} has no table mcpServers", "intercom init prints what it may hold")
    return Finding(".mcp.json", OK, "it can be parsed")


def server(config: Config, environ: Mapping[str, str], program: Program) -> Finding:
    """Whether there is an entry for our server, and its command exists."""
    found = program.connection(config.root, environ)
    add = program.add_server({"command": "intercom", "args": ["mcp"]})
    if not found.servers:
        return Finding("server entry", OK, f"{program.title} is not connected here yet", add)
    plugin = [place for place, entry in found.servers if f"the plugin ({place})" in found.hooks and len(entry) == 1]
    if plugin and len(found.servers) > len(plugin):
        says = f"twice: in {listed([place for place, _ in found.servers])}, of which one is the plugin's"
        return Finding("server entry", WARNING, says, "keep one: the plugin brings the server with its hooks")
    for place, entry in found.servers:
        command = str(entry.get("command") or "")
        if "url" not in entry and shutil.which(command, path=environ.get("PATH")) is None:
            says = f"{place} names {command!r}, which is not found on PATH"
            return Finding("server entry", WRONG, says, "correct it; intercom init prints an entry that works")
        if "url" not in entry and not _starts_ours(entry):
            says = f"{place} starts something other than Intercom: {host.as_typed(_words(entry))}"
            return Finding("server entry", WRONG, says, "take that entry out, or give it another name")
    if found.off:
        says = f"in {found.off}, but turned off in {program.title}"
        return Finding("server entry", WARNING, says, f"turn it on with {program.switch}")
    return Finding("server entry", OK, f"in {listed([place for place, _ in found.servers])}")


def hooks(config: Config, environ: Mapping[str, str], program: Program) -> Finding:
    """Whether sessions get their messages automatically, and by only one set of hooks."""
    found = program.connection(config.root, environ)
    places = found.hooks
    if not places:
        says = "none: sessions get messages when they ask (workers that spawn starts have their own)"
        return Finding("hooks", OK, says, f"install the plugin; see the README, In {program.title}")
    for place, command in found.commands:
        word = _program_of(command)
        if not _found(word, environ):
            says = f"{place} calls {word!r}, which is not found on PATH: no hook does anything"
            return Finding("hooks", WRONG, says, "correct it, or put intercom on PATH")
    if len(places) > 1:
        return Finding("hooks", WARNING, f"twice: {listed([*places])}; each event is served twice", "keep one of them")
    return Finding("hooks", OK, f"in {places[0]}")


def _words(entry: Mapping[str, object]) -> list[str]:
    args = entry.get("args")
    return [str(entry.get("command") or ""), *(map(str, args) if isinstance(args, list) else [])]


def _starts_ours(entry: Mapping[str, object]) -> bool:
    """Whether a server entry starts Intercom, through any runner."""
    words = _words(entry)
    named = any(re.search(r"(?<![\w-])intercom(?:-md)?(?![\w-])", word) for word in words)
    return named and ("mcp" in words or len(words) == 1)


def _program_of(command: str) -> str:
    """The program that a hook's shell line starts."""
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    while words and (words[0] in {"exec", "command", "env"} or re.match(r"\w+=", words[0])):
        words = words[2:] if words[:2] == ["command", "-v"] else words[1:]
    return words[0] if words else command


def _found(word: str, environ: Mapping[str, str]) -> bool:
    """Whether a program exists: on PATH, or beside this Intercom, since a client may have another PATH."""
    if shutil.which(word, path=environ.get("PATH")) is not None:
        return True
    return os.path.basename(word) == word and os.access(os.path.join(os.path.dirname(sys.executable), word), os.X_OK)
