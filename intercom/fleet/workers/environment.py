"""Owns a worker's environment, apart from its identity: what it inherits, and what the project's settings set.

    [fleet.env]
    NODE_ENV = "test"      # this value
    DATABASE_URL = true    # as it is where `spawn` is called: no secret need stand in a file
    AWS_PROFILE = false    # not at all, though workers inherit it

Nothing else is passed on from the spawning session: a worker is not part of it. Its bootstrap is, so it has that
session's whole environment plus these.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from intercom.core.errors import UsageError
from intercom.fleet.crew import Crew
from intercom.fleet.programs.program import Program
from intercom.system import git

_INHERITED = re.compile(
    r"(?:PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_\w+|TZ|TERM|COLORTERM|TMPDIR|SSH_AUTH_SOCK|PYTHONPATH"
    r"|VIRTUAL_ENV|XDG_\w+|NODE_\w+|SSL_CERT_\w+|(?:https?|no|all)_proxy|(?:HTTPS?|NO|ALL)_PROXY)\Z"
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_OURS = ("INTERCOM_", "INTERCOMM_")


def worker_environment(crew: Crew, program: Program) -> dict[str, str]:
    """The environment of a worker of this project that runs `program`. UsageError for invalid settings."""
    taken = {key: value for key, value in crew.environ.items() if _INHERITED.match(key) or program.inherits(key)}
    return _with_settings(crew, taken)


def bootstrap_environment(crew: Crew) -> dict[str, str]:
    """The environment of a bootstrap: the spawner's, plus the settings. UsageError."""
    return _with_settings(crew, git.environment())


def _with_settings(crew: Crew, taken: dict[str, str]) -> dict[str, str]:
    for name, wanted in _settings(crew).items():
        taken.pop(name, None)
        if isinstance(wanted, str):
            taken[name] = wanted
        elif wanted and name in crew.environ:
            taken[name] = crew.environ[name]
    return {key: value for key, value in taken.items() if "\0" not in value}


def _settings(crew: Crew) -> Mapping[str, Any]:
    """`[fleet.env]` of the project's settings, checked."""
    found = crew.bus.config.section("fleet").get("env", {})
    if not isinstance(found, Mapping):
        raise UsageError(_wrong("must be a table: names, each with a text, true or false"))
    for name, wanted in found.items():
        if not _NAME.match(name) or name.startswith(_OURS):
            raise UsageError(_wrong(f"cannot set {name!r}: letters, digits and '_', and none of Intercom's own"))
        if not isinstance(wanted, str | bool) or (isinstance(wanted, str) and "\0" in wanted):
            raise UsageError(_wrong(f"gives {name} {wanted!r}: a text, true (as it is where spawn is called) or false"))
    return found


def _wrong(what: str) -> str:
    return f"[fleet.env] in .claude/intercom.toml {what}; nothing was started."


def as_shell(environ: Mapping[str, str]) -> str:
    """Lines from which a shell reads back exactly this environment."""
    return "".join(f"{key}={shlex.quote(value)}\n" for key, value in environ.items())
