"""Owns the list of agent programs: those that can be workers, and those of which only the hooks are known.

To add one, add a package beside theirs and a row here: all other code asks the program.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intercom.fleet.programs.program import Program

DEFAULT = "claude"
SPAWN = "INTERCOM_SPAWN"  #: variable in a worker's environment: the id of its session
OWN_HOOKS = (
    "INTERCOM_OWN_HOOKS"  #: the same, where spawn gave it hooks: others of ours, such as the project's, are silent
)


def _claude() -> Program:
    from intercom.fleet.programs.claude.program import Claude

    return Claude()


def _codex() -> Program:
    from intercom.fleet.programs.codex.program import Codex

    return Codex()


def _gemini() -> Program:
    from intercom.fleet.programs.gemini.program import Gemini

    return Gemini()


def _qwen() -> Program:
    from intercom.fleet.programs.qwen.program import Qwen

    return Qwen()


def _cline() -> Program:
    from intercom.fleet.programs.cline.program import Cline

    return Cline()


def _opencode() -> Program:
    from intercom.fleet.programs.opencode.program import OpenCode

    return OpenCode()


def _kilo() -> Program:
    from intercom.fleet.programs.kilo.program import Kilo

    return Kilo()


PROGRAMS: dict[str, Callable[[], Program]] = {DEFAULT: _claude}
HOOKED: dict[str, Callable[[], Program]] = {
    "codex": _codex,
    "gemini": _gemini,
    "qwen": _qwen,
    "cline": _cline,
    "opencode": _opencode,
    "kilo": _kilo,
}
BESIDE = "INTERCOM_BESIDE"  #: variable for hooks that a keeper calls: the process of the session
WORKERS = (DEFAULT, "codex", "opencode", "kilo", "gemini", "qwen", "cline")  #: programs that `spawn` can start
#: Variables in which a program of the second list gives the session, so that none need be imported to ask.
_SESSIONS = ("QWEN_CODE_SESSION_ID", "GEMINI_SESSION_ID")


def program(name: str) -> Program:
    """The program with this name. UsageError if it is not in the list."""
    found = PROGRAMS.get(name) or HOOKED.get(name)
    if found is None:
        from intercom.core.errors import UsageError

        every = ", ".join([*PROGRAMS, *HOOKED])
        raise UsageError(f"{name!r} is not an agent program that Intercom knows; there are {every}.")
    return found()


def programs() -> list[Program]:
    """All programs that can be workers."""
    return [make() for make in PROGRAMS.values()]


def session_of(environ: Mapping[str, str]) -> str | None:
    """The id of the session that a process with this environment runs in, for any program.

    For a program that does not tell its servers, the id given at spawn counts.
    """
    told = next((found for one in programs() if (found := one.session_of(environ))), None)
    return told or next((found for name in _SESSIONS if (found := environ.get(name))), None) or environ.get(SPAWN)


def project_of(environ: Mapping[str, str]) -> str | None:
    """The project of that session; None if nothing says."""
    return next((found for one in programs() if (found := one.project_of(environ))), None)
