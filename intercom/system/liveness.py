"""Owns the answer to "is that process still the one we knew?": a pid together with its start time.

A pid alone is reused; with the start time it names one process for ever. Unknown is not dead.
"""

from __future__ import annotations

import os
from functools import lru_cache


def started(pid: int) -> str | None:
    """When process `pid` started, as an opaque mark (clock ticks since boot), or None if it is gone.

    Where the system has no /proc the mark is "?" for any process that exists.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
    except FileNotFoundError:
        if os.path.exists("/proc/self/stat"):
            return None
        return "?" if _signalable(pid) else None
    except OSError:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()
    if fields[0] in {b"Z", b"X"}:  # a zombie has ended; only its parent has not looked yet
        return None
    return fields[19].decode()


def alive(pid: int, mark: str | None) -> bool:
    """Whether `pid` still is the process that had the start `mark`."""
    now = started(pid)
    return now is not None and (mark is None or now == mark)


def _signalable(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@lru_cache(maxsize=1)
def _own(pid: int) -> str:
    return f"{pid}.{started(pid) or '?'}"


def own_mark() -> str:
    """This process as `pid.start`, the form in which sessions are stored."""
    return _own(os.getpid())


def mark_alive(session: str) -> bool:
    """Whether the process behind a stored `pid.start[.more]` mark is still running."""
    pid, _, rest = session.partition(".")
    return pid.isdecimal() and pid.isascii() and alive(int(pid), rest.partition(".")[0])
