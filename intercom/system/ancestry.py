"""Owns who started a process: it and those above it, as far as the system tells.

Linux tells by /proc, other systems by `ps`. Whoever may not be seen ends the list.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

#: What only hands on: it is asked to run something, and is not itself who wanted it.
SHELLS = ("sh", "bash", "dash", "zsh", "ksh", "ash", "busybox", "fish")
RUNNERS = ("env", "timeout", "nice", "nohup", "setsid", "stdbuf", "sudo", "doas", "xargs", "uv", "uvx", "npx", "npm")
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
    look = _by_proc if os.path.exists("/proc/self/stat") else _by_ps
    for _ in range(_FARTHEST):
        found = look(pid) if pid > 0 else None
        if found is None:
            return
        yield found
        pid = found.parent


def client_of(server: int) -> Ancestor | None:
    """The program that started an MCP server: the first above it that does more than hand on. None: not known."""
    return next((one for one in ancestors(server) if one.pid != server and not one.hands_on), None)


def words_of(pid: int) -> list[str]:
    """The command line of a process; empty where it cannot be seen."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().decode("utf-8", "surrogateescape").split("\0")[:-1]
    except OSError:
        pass
    if os.path.exists("/proc/self/stat"):
        return []
    return _ps(pid, "args=").split()


def _by_proc(pid: int) -> Ancestor | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
    except OSError:
        return None
    name = stat[stat.index(b"(") + 1 : stat.rindex(b")")].decode(errors="replace")
    fields = stat[stat.rindex(b")") + 2 :].split()
    return Ancestor(pid, fields[19].decode(), name, int(fields[1]), int(fields[4]))


def _by_ps(pid: int) -> Ancestor | None:
    fields = _ps(pid, "ppid=,tty=,comm=").split(None, 2)
    if len(fields) < 3 or not fields[0].isdecimal():
        return None
    terminal = 0 if fields[1].strip("?-") == "" else 1
    return Ancestor(pid, "?", os.path.basename(fields[2]), int(fields[0]), terminal)


def _ps(pid: int, columns: str) -> str:
    from intercom.core.errors import IntercomError
    from intercom.system import proc

    try:
        return proc.run(["ps", "-o", columns, "-p", str(pid)], check=False).out
    except IntercomError:
        return ""
