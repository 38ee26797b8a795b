"""Owns the list of agent programs that can be workers.

Claude Code is the first. Another one is a package beside it and a row here: everything above asks the program.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intercom.fleet.programs.program import Program

DEFAULT = "claude"
SPAWN = "INTERCOM_SPAWN"  #: in the environment of everything that runs in a worker: the id of its session


def _claude() -> Program:
    from intercom.fleet.programs.claude.program import Claude

    return Claude()


PROGRAMS: dict[str, Callable[[], Program]] = {DEFAULT: _claude}


def program(name: str) -> Program:
    """The program of that name. UsageError for one that is not in the list."""
    found = PROGRAMS.get(name)
    if found is None:
        from intercom.core.errors import UsageError

        raise UsageError(f"{name!r} is not an agent program that Intercom knows; there are {', '.join(PROGRAMS)}.")
    return found()


def programs() -> list[Program]:
    """All of them."""
    return [make() for make in PROGRAMS.values()]


def session_of(environ: Mapping[str, str]) -> str | None:
    """The id of the session that a process with this environment runs in, whichever program's it is.

    A program that does not tell its servers is believed to be the one that was spawned.
    """
    return next((found for one in programs() if (found := one.session_of(environ))), None) or environ.get(SPAWN)


def project_of(environ: Mapping[str, str]) -> str | None:
    """The project of that session, None where nothing says."""
    return next((found for one in programs() if (found := one.project_of(environ))), None)
