"""Owns what Intercom knows about starting opencode as a worker: its version, and the settings that it is given.

They stand in a file of the worker's own, which `OPENCODE_CONFIG` names: opencode reads it between the user's settings
and the project's, none of which is written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from intercom.core.errors import CommandFailed, ProgramMissing
from intercom.fleet.programs.program import SERVER, Prepared, Start
from intercom.system import proc
from intercom.system.resources import text

TITLE = "opencode"
OLDEST = (1, 18)  #: the first that was tried as a worker
FILES = ("opencode.json", "opencode.js")
_ASK = {"bash": "ask", "webfetch": "ask", "external_directory": "ask"}
#: Our permission modes that it has a like of, as its own rules.
RULES: Mapping[str, Mapping[str, str]] = {
    "default": {"edit": "ask", **_ASK},
    "acceptEdits": {"edit": "allow", **_ASK},
    "bypassPermissions": {"*": "allow"},
}
_CALL = 3_700_000  #: milliseconds that a call of our tools may take
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)\S*\s*\Z")


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
            f"{TITLE} {found[0].strip()} is too old for workers, which need {'.'.join(map(str, OLDEST))}; "
            f"nothing was started: {install}."
        )
    return found[0].strip()


def prepare(argv: Sequence[str], start: Start, write: Callable[[str, str], Path]) -> Prepared:
    """Write the settings and the plugin of a worker; its command line. A session is there once it has had a prompt."""
    plugin = write(FILES[1], text("opencode.js").replace('["intercom"]', json.dumps(list(start.command)), 1))
    server = {"type": "local", "command": [*start.command, "mcp"], "environment": dict(start.identity)}
    given: dict[str, Any] = {
        "$schema": "https://opencode.ai/config.json",
        "autoupdate": False,
        "plugin": [plugin.as_uri()],
        "mcp": {SERVER: {**server, "enabled": True, "timeout": _CALL}},
        "experimental": {"continue_loop_on_deny": True},  # else a refusal ends the turn
        "permission": {**RULES[start.mode], f"{SERVER}_*": "allow"},
    }
    settings = write(FILES[0], json.dumps(given, indent=2))
    words = ["env", f"OPENCODE_CONFIG={settings}", *argv]
    return Prepared([*words, *(["--prompt", start.prompt] if start.prompt else [])], ())
