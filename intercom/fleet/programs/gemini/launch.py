"""Owns what Intercom knows about starting Gemini CLI as a worker: its flags.

Our server is given to it when its session is opened. The user's own files are read by it and never written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from intercom.core.errors import UsageError
from intercom.fleet.programs.acp import Acp
from intercom.fleet.programs.program import Prepared, Start
from intercom.fleet.programs.talk import Talk

#: Our permission modes, as its own.
MODES: Mapping[str, str] = {
    "default": "default",
    "plan": "plan",
    "acceptEdits": "auto_edit",
    "bypassPermissions": "yolo",
}
_TRUSTED = "GEMINI_CLI_TRUST_WORKSPACE=true"  #: the folder is the worker's own; else it has no mode but the first


def prepare(_argv: Sequence[str], _start: Start, _write: Callable[[str, str], Path]) -> Prepared:
    """It has no form with a terminal."""
    raise UsageError("Gemini CLI is a worker without a terminal only; nothing was started.")


def alone(argv: Sequence[str], start: Start, _write: Callable[[str, str], Path]) -> Prepared:
    """The command line of a worker."""
    return Prepared(["env", _TRUSTED, *argv, "--acp", "--approval-mode", MODES[start.mode]], ())


def talk() -> Talk:
    """How it is driven then."""
    return Acp(serves=True)
