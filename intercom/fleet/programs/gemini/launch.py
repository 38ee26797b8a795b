"""Owns starting Gemini CLI as a worker: its flags.

It gets our server when its session is opened. It reads the user's own files, and we never write them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from intercom.core.errors import UsageError
from intercom.fleet.programs.acp import Acp
from intercom.fleet.programs.gemini.usage import chats
from intercom.fleet.programs.program import Prepared, Start
from intercom.fleet.programs.talk import Opening, Talk, Wire

#: Its own names of our permission modes.
MODES: Mapping[str, str] = {
    "default": "default",
    "plan": "plan",
    "acceptEdits": "auto_edit",
    "bypassPermissions": "yolo",
}
#: The folder is the worker's own; an untrusted one only has the default mode.
_TRUSTED = "GEMINI_CLI_TRUST_WORKSPACE=true"


def prepare(_argv: Sequence[str], _start: Start, _write: Callable[[str, str], Path]) -> Prepared:
    """Not supported: it only runs without a terminal."""
    raise UsageError("Gemini CLI can be a worker only without a terminal; nothing was started.")


def alone(argv: Sequence[str], start: Start, _write: Callable[[str, str], Path]) -> Prepared:
    """A worker's command line."""
    return Prepared(["env", _TRUSTED, *argv, "--acp", "--approval-mode", MODES[start.mode]], ())


def talk() -> Talk:
    """The API to drive it with."""
    return _Gemini(serves=True)


class _Gemini(Acp):
    """It names the file of a session after the minute in which it is opened, and empties one that is there."""

    def open(self, wire: Wire, opening: Opening) -> tuple[str, str]:
        """In another minute than the last time, where there is a file to be emptied."""
        if opening.session is not None and chats(opening.session, os.environ):
            while minute(time.time()) == minute(opening.since) and not wire.closed:
                time.sleep(0.2)
        return super().open(wire, opening)


def minute(seconds: float) -> int:
    """The minute of a time in seconds since 1970."""
    return int(seconds // 60)
