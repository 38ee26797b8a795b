"""Owns who started a process: it and those above it, as far as the system tells.

Whoever may not be seen ends the list.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from intercom.system import host

#: What only hands on: it is asked to run something, and is not itself who wanted it.
SHELLS = ("sh", "bash", "dash", "zsh", "ksh", "ash", "busybox", "fish", "cmd", "powershell", "pwsh")
RUNNERS = (
    *("env", "timeout", "nice", "nohup", "setsid", "stdbuf", "sudo", "doas", "xargs"),
    *("uv", "uvx", "npx", "npm", "py", "pipx"),
)
WRAPPERS = frozenset(SHELLS + RUNNERS)
_FARTHEST = 64  #: generations; more is a loop of numbers that were given out again meanwhile


class Ancestor(NamedTuple):
    """A process: its number, its start (see `liveness`), its short name, and whether a terminal controls it."""

    pid: int
    started: str
    name: str
    parent: int
    terminal: int  #: number of the controlling terminal, 0 for none

    @property
    def hands_on(self) -> bool:
        """Whether it only runs what somebody else wants."""
        return self.name.lstrip("-") in WRAPPERS or self.name.startswith("npm ")


def ancestors(pid: int) -> Iterator[Ancestor]:
    """The process `pid` and those above it, nearest first."""
    for _ in range(_FARTHEST):
        found = host.process(pid) if pid > 0 else None
        if found is None:
            return
        parent, started, name, terminal = found
        yield Ancestor(pid, started, name, parent, terminal)
        pid = parent


def client_of(server: int) -> Ancestor | None:
    """The program that started an MCP server: the first above it that does more than hand on. None: not known."""
    return next((one for one in ancestors(server) if one.pid != server and not one.hands_on), None)


def words_of(pid: int) -> list[str]:
    """The command line of a process; empty where it cannot be seen."""
    return host.command_line(pid)
