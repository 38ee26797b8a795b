"""Owns finding who started a process: the chain of its parents, as far as the system shows it.

The list ends at the first process that we may not see.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from intercom.system import host

#: Programs that only run others (shells, runners): never the one that wanted something done.
SHELLS = ("sh", "bash", "dash", "zsh", "ksh", "ash", "busybox", "fish", "cmd", "powershell", "pwsh")
RUNNERS = (
    *("env", "timeout", "nice", "nohup", "setsid", "stdbuf", "sudo", "doas", "xargs"),
    *("uv", "uvx", "npx", "npm", "py", "pipx"),
)
WRAPPERS = frozenset(SHELLS + RUNNERS)
_FARTHEST = 64  #: generations; a longer chain is a loop of reused pids


class Ancestor(NamedTuple):
    """A process: its pid, start time (see `liveness`), short name, and controlling terminal."""

    pid: int
    started: str
    name: str
    parent: int
    terminal: int  #: device number of the controlling terminal, 0 for none

    @property
    def hands_on(self) -> bool:
        """Whether it is a program that only runs others."""
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
    """The program that started an MCP server: its nearest ancestor that is not a shell or runner. None: unknown."""
    return next((one for one in ancestors(server) if one.pid != server and not one.hands_on), None)


def words_of(pid: int) -> list[str]:
    """The command line of a process; empty if we may not see it."""
    return host.command_line(pid)
