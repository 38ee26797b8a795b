"""Owns the table of agent programs that can be workers: how each starts, and where its state is read.

Claude Code is the first. Another one is another row: everything above asks the row, never the program.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from intercom.core.errors import UsageError
from intercom.fleet.programs.claude import launch
from intercom.fleet.programs.claude.screen import Screen, read


class Agent(NamedTuple):
    """One program. `check` raises ProgramMissing with what to install, and returns the version."""

    name: str
    check: Callable[[Sequence[str], Mapping[str, str]], str]
    words: Callable[[Sequence[str], launch.Start], list[str]]  #: the whole command line
    settings: Callable[[Path, Path, str, Mapping[str, str]], tuple[dict[str, Any], tuple[str, ...]]]
    told: Callable[[int, Mapping[str, str]], str | None]  #: its own word on its state: idle, running, asked
    read: Callable[..., Screen]  #: as `intercom.fleet.programs.claude.screen.read`


AGENTS = {"claude": Agent("claude", launch.check, launch.words, launch.settings, launch.told, read)}


def agent(name: str) -> Agent:
    """The row of a program. UsageError for one that is not in the table."""
    found = AGENTS.get(name)
    if found is None:
        raise UsageError(f"{name!r} is no agent program that Intercom knows; there are {', '.join(AGENTS)}.")
    return found
