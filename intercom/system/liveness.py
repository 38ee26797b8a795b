"""Owns the question "is that process still the one we knew?": a pid together with its start time.

A pid alone is reused; with its start time it identifies one process. Unknown does not mean dead, and a process of
another operating system on this machine (Windows beside WSL) counts as unknown.
"""

from __future__ import annotations

import os
from functools import lru_cache

from intercom.system.host import MARK, lives, started

_WINDOWS = "w"
__all__ = ["alive", "mark_alive", "own_mark", "started"]


def _foreign(mark: str) -> bool:
    """Whether this start mark is from the other kind of system: a number, with a letter before it on Windows."""
    number = mark.removeprefix(_WINDOWS)
    return number.isdecimal() and (number != mark) != (MARK == _WINDOWS)


def alive(pid: int, mark: str | None) -> bool:
    """Whether `pid` is still the process whose start mark is `mark`."""
    if mark and _foreign(mark):
        return True
    return started(pid) is not None if mark is None else lives(pid, mark)


@lru_cache(maxsize=1)
def _own(pid: int) -> str:
    return f"{pid}.{started(pid) or '?'}"


def own_mark() -> str:
    """This process as `pid.start`, the form stored with sessions."""
    return _own(os.getpid())


def mark_alive(session: str) -> bool:
    """Whether the process of a stored `pid.start[.more]` mark is still running."""
    pid, _, rest = session.partition(".")
    return pid.isdecimal() and pid.isascii() and alive(int(pid), rest.partition(".")[0])
