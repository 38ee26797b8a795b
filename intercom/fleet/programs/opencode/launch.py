"""Owns starting opencode, or a fork of it, as a worker: the settings that it is given.

They are in a file of the worker's own, named by a variable: the program reads it between the user's settings and the
project's, and we write neither.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from intercom.fleet.programs.acp import Acp
from intercom.fleet.programs.opencode import FILES
from intercom.fleet.programs.program import CALL_SECONDS, SERVER, Prepared, Start
from intercom.fleet.programs.talk import Talk
from intercom.system.resources import text

_ASK = {"bash": "ask", "webfetch": "ask", "external_directory": "ask"}
#: Its rules for those of our permission modes that it supports.
RULES: Mapping[str, Mapping[str, str]] = {
    "default": {"edit": "ask", **_ASK},
    "acceptEdits": {"edit": "allow", **_ASK},
    "bypassPermissions": {"*": "allow"},
}


class Family(NamedTuple):
    """One of them."""

    variable: str  #: the variable that names the settings
    schema: str  #: of the settings
    more: Mapping[str, Any] = {}  # of the settings; never changed

    def prepare(self, argv: Sequence[str], start: Start, write: Callable[[str, str], Path]) -> Prepared:
        """Write a worker's settings and plugin; returns its command line. Its session exists after its first prompt."""
        return Prepared([*self._words(argv, start, write), *(["--prompt", start.prompt] if start.prompt else [])], ())

    def alone(self, argv: Sequence[str], start: Start, write: Callable[[str, str], Path]) -> Prepared:
        """The same, without a terminal."""
        return Prepared([*self._words(argv, start, write), "acp"], ())

    def talk(self) -> Talk:
        """The API to drive it with."""
        return Acp()

    def _words(self, argv: Sequence[str], start: Start, write: Callable[[str, str], Path]) -> list[str]:
        own = write(FILES[1], plugin(start.command))
        given: dict[str, Any] = {
            "$schema": self.schema,
            "autoupdate": False,
            **self.more,
            "plugin": [own.as_uri()],
            "mcp": {SERVER: server([*start.command, "mcp"], start.identity)},
            "experimental": {"continue_loop_on_deny": True},  # otherwise a refusal ends the turn
            "permission": {**RULES[start.mode], f"{SERVER}_*": "allow"},
        }
        settings = write(FILES[0], json.dumps(given, indent=2))
        return ["env", f"{self.variable}={settings}", *argv]


OPENCODE = Family("OPENCODE_CONFIG", "https://opencode.ai/config.json")
#: Snapshots are for a person's undo; where they take long Kilo asks about them, in the middle of a worker's turn.
KILO = Family("KILO_CONFIG", "https://app.kilo.ai/config.json", {"snapshot": False})


def server(command: Sequence[str], environment: Mapping[str, str] | None) -> dict[str, Any]:
    """The entry for our server in its settings."""
    out = {"type": "local", "command": [*command], "enabled": True, "timeout": CALL_SECONDS * 1000}
    return {**out, "environment": {**environment}} if environment else out


def plugin(command: Sequence[str]) -> str:
    """Our plugin, which calls Intercom by this command."""
    return text("opencode.js").replace('["intercom"]', json.dumps([*command]), 1)
