"""Owns starting Cline as a worker: its flags, and its list of MCP servers.

The list is a file of the worker's own, with the user's servers and ours; we never write the user's. Cline takes none
when a session is opened, and asks even before it calls ours.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from intercom.core import document
from intercom.core.errors import UsageError
from intercom.fleet.programs.acp import Acp
from intercom.fleet.programs.cline import FILES
from intercom.fleet.programs.cline.places import SETTINGS, servers
from intercom.fleet.programs.program import CALL_SECONDS, SERVER, Prepared, Start
from intercom.fleet.programs.talk import Json, Talk

#: Otherwise it would start the hub of all the user's sessions, with a worker's servers and in its name.
_APART = "CLINE_SESSION_BACKEND_MODE=local"
_OURS = re.compile(rf"{SERVER}__intercomm_[a-z_]+: .*", re.DOTALL)


def prepare(_argv: Sequence[str], _start: Start, _write: Callable[[str, str], Path]) -> Prepared:
    """Not supported: it only runs without a terminal."""
    raise UsageError("Cline can be a worker only without a terminal; nothing was started.")


def alone(argv: Sequence[str], start: Start, write: Callable[[str, str], Path]) -> Prepared:
    """Write a worker's list of servers; returns its command line."""
    entry = {"command": start.command[0], "args": [*start.command[1:], "mcp"], "env": {**start.identity}}
    listed = {**_servers(start.environ), SERVER: {**entry, "timeout": CALL_SECONDS}}
    own = write(FILES[0], json.dumps({"mcpServers": listed}, indent=2))
    unasked = "true" if start.mode == "bypassPermissions" else "false"
    return Prepared(["env", f"{SETTINGS}={own}", _APART, *argv, "--acp", "--auto-approve", unasked], ())


def talk() -> Talk:
    """The API to drive it with."""
    return _Cline()


def _servers(environ: Mapping[str, str]) -> dict[str, Any]:
    """The user's own servers; none where they cannot be read."""
    home = Path(environ.get("HOME") or os.path.expanduser("~"))
    try:
        found = document.json(document.text_of(servers(environ, home)))
    except (OSError, ValueError):
        return {}
    listed = found.get("mcpServers") if isinstance(found, dict) else None
    return {**listed} if isinstance(listed, dict) else {}


class _Cline(Acp):
    """It names a tool by its server, then what it is given."""

    def ours(self, params: Json) -> bool:
        """Whether it is about our own server, which stands in the worker's list alone under that name."""
        call = params.get("toolCall")
        given = call if isinstance(call, dict) else {}
        return given.get("kind") == "other" and bool(_OURS.fullmatch(str(given.get("title"))))
