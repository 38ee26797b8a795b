"""Owns the checks of MCP clients: each one's entry for our server, started as written, and spoken to.

What a repository's file names is run only if it is Intercom itself, by name or as `init` would write it.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from intercom.core import document
from intercom.core.config import Config
from intercom.core.errors import IntercomError
from intercom.doctor.finding import OK, WARNING, WRONG, Finding
from intercom.fleet.clients import known
from intercom.fleet.clients.client import Client, Setup
from intercom.fleet.clients.edit.splice import CannotEdit
from intercom.fleet.clients.part import Entry
from intercom.fleet.programs.known import PROGRAMS
from intercom.fleet.programs.program import SERVER
from intercom.system import proc

SECONDS = 30.0  #: time limit for an answer
_SLOW = 6.0  #: seconds; slower is reported, as some clients allow 3 for the start alone
_TOOLS = 5  #: with fewer tools it is not our server
_HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "doctor", "version": "1"}}


class Started(NamedTuple):
    """The result of starting an entry."""

    seconds: float
    tools: int
    root: str  #: root of the bus that it serves
    trouble: str = ""


def examine(config: Config, setup: Setup) -> Iterator[Finding]:
    """One finding for each client that is in use or has an entry."""
    started: dict[str, Started] = {}
    for name in known.MODULES:
        client = known.client(name)
        places = list(entries(client, setup))
        if not places:
            elsewhere = not any(isinstance(part, Entry) for part in client.parts(setup))  # the server entry's check
            if not elsewhere and (why := client.seen(setup, shutil.which)):
                says = f"{client.title} is in use here ({why}) and not connected"
                yield Finding("client", OK, says, f"intercom init --client {client.name}")
            continue
        for path, entry in places:
            found = _checked(config, setup, client, path, entry, started)
            if name in PROGRAMS and not _there(setup, words_of(entry)):
                continue  # reported by the check of its server entry
            yield found


def entries(client: Client, setup: Setup) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """(file, entry) for our server, in the project's files and in the user's own."""
    seen = set()
    for scope in (setup._replace(user=False), setup._replace(user=True)):
        for part in client.all_parts(scope):
            if not isinstance(part, Entry) or part.path in seen:
                continue
            try:
                found = part.found(document.text_of(part.path))
            except (OSError, UnicodeDecodeError, CannotEdit):
                continue
            if isinstance(found, Mapping) and "command" in found:
                seen.add(part.path)
                yield part.path, found


def _checked(
    config: Config, setup: Setup, client: Client, path: Path, entry: Mapping[str, Any], started: dict[str, Started]
) -> Finding:
    shown = path.relative_to(config.root).as_posix() if path.is_relative_to(config.root) else path
    what = f"{client.title}, {shown}"
    again = f"intercom init --client {client.name}, or intercom doctor --fix"
    words, env = words_of(entry), environment_of(entry)
    if not _there(setup, words):
        said = words[0] if words else "nothing"
        return Finding("client", WRONG, f"{what}: it starts {said!r}, which is not found", again)
    if not is_ours(config, setup, words):
        return Finding("client", OK, f"{what}: it was made by hand, and not started from here", "")
    if not config.folder.is_dir():
        return Finding("client", OK, f"{what}: it starts {words[0]}", "")
    key = json.dumps([words, env], sort_keys=True, default=str)
    found = started.get(key) or speak(words, {**setup.environ, **env}, config.root)
    started[key] = found
    if found.trouble:
        return Finding("client", WRONG, f"{what}: {found.trouble}", again)
    if os.path.realpath(found.root) != os.path.realpath(config.root):
        says = f"{what}: it is on another bus, of {found.root}"
        return Finding("client", WARNING, says, f"take that entry out, then: intercom init --client {client.name}")
    says = f"{what}: it starts, answers and ends in {found.seconds:.1f} s, with {found.tools} tools"
    slow = found.seconds > _SLOW
    return Finding(
        "client", WARNING if slow else OK, says, "some clients wait no more than 3 s for the start" if slow else ""
    )


def _there(setup: Setup, words: list[str]) -> bool:
    """Whether the program of a command line exists."""
    return bool(words) and shutil.which(words[0], path=setup.environ.get("PATH")) is not None


def words_of(entry: Mapping[str, Any]) -> list[str]:
    """The command line in an entry, in any form that clients use."""
    command, args = entry.get("command"), entry.get("args")
    words = [*command] if isinstance(command, list) else [command] if isinstance(command, str) else []
    return [str(word) for word in [*words, *(args if isinstance(args, list) else [])]]


def environment_of(entry: Mapping[str, Any]) -> dict[str, str]:
    """The variables that an entry adds."""
    found = entry.get("env") or entry.get("environment") or {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, Mapping) else {}


def is_ours(config: Config, setup: Setup, words: list[str]) -> bool:
    """Whether this starts only Intercom: what `init` writes, or `intercom mcp` from outside the project."""
    if words == [setup.entry["command"], *setup.entry["args"]]:
        return True
    path = shutil.which(words[0], path=setup.environ.get("PATH"))
    if path is None or words[1:] != ["mcp"] or os.path.basename(path) != "intercom":
        return False
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(config.root))


def speak(words: list[str], env: Mapping[str, str], root: Path) -> Started:
    """Start a server as a client does, and ask for its tools and its root."""
    asked: list[dict[str, Any]] = [
        {"id": 1, "method": "initialize", "params": _HELLO},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/list"},
        {"id": 3, "method": "tools/call", "params": {"name": f"{SERVER}_status", "arguments": {}}},
    ]
    lines = "".join(json.dumps({"jsonrpc": "2.0", **one}) + "\n" for one in asked)
    clean = {key: value for key, value in env.items() if key not in ("INTERCOM_NAME", "INTERCOM_ROLE")}
    began = time.monotonic()
    try:
        done = proc.run(words, cwd=root, env=clean, stdin=lines, timeout=SECONDS, check=False)
    except IntercomError as error:
        return Started(SECONDS, 0, "", str(error))
    seconds = time.monotonic() - began
    try:
        answers = {one.get("id"): one for one in map(json.loads, done.out.splitlines()) if isinstance(one, dict)}
        tools = len(answers[2]["result"]["tools"])
        status = json.loads(answers[3]["result"]["content"][0]["text"])
        return Started(seconds, tools, str(status["root"]), "" if tools >= _TOOLS else "it is not our server")
    except (ValueError, KeyError, TypeError, IndexError):
        return Started(seconds, 0, "", f"it does not answer as a server: {proc.last_words(done)}")
