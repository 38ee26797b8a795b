"""Owns listing a folder again only when it changed: a look at its times is cheaper than at its names."""

from __future__ import annotations

import os
import time
from pathlib import Path

from intercom.core.errors import StorageError
from intercom.system import host

_COARSE = 2.0  #: seconds; file systems that keep whole seconds have clocks no coarser than this
_TICK = 0.02  #: seconds; those that keep hundredths of a second, or what is known of none
#: Seconds; the others have the system's own clock, where it is known how often that ticks.
_FINE = 1.5 * tick if (tick := host.file_tick()) else _TICK
_HUNDREDTH, _SECOND = 10_000_000, 1_000_000_000  # nanoseconds


def file_mark(path: str | Path) -> str:
    """Inode, size and times of a file, "" if there is none. A hint, never a proof."""
    try:
        found = os.stat(path)
    except OSError:
        return ""
    return mark_of(found)


def mark_of(found: os.stat_result) -> str:
    """The same from what the system said of the file."""
    return f"{found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"


def is_settled(mark: str, now: float) -> bool:
    """Whether a file that had this mark has another after any change that comes at `now` or later."""
    return bool(mark) and all(over(int(at), now) for at in mark.split()[2:])


def file_size(path: str | Path) -> int:
    """Bytes; 0 if there is no such file."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


class Names:
    """The names in one folder. As long as they do not change, `now` gives the same object."""

    def __init__(self, path: str | Path) -> None:
        self._path = os.fspath(path)
        self._mark = ""
        self._names: list[str] = []

    def now(self) -> list[str]:
        """All names, sorted; none where there is no folder for us. StorageError where it cannot be listed now."""
        mark = file_mark(self._path)
        if mark and mark == self._mark:
            return self._names
        try:
            present = sorted(os.listdir(self._path))
            past = over(os.stat(self._path).st_mtime_ns, time.time())
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            present, past = [], False
        except OSError as error:  # what is in it is not gone
            raise StorageError(f"cannot list {self._path}: {error.strerror}; nothing was read.") from error
        if present != self._names:
            self._names = present
        self._mark = mark if past else ""  # what comes in the same tick of the clock leaves the same mark
        return self._names

    def forget(self) -> None:
        """List the folder again, whatever its times say."""
        self._mark = ""


def over(changed: int, now: float) -> bool:
    """Whether the tick of the clock was over by `now` in which something changed; nanoseconds, seconds since 1970."""
    tick = _COARSE if changed % _SECOND == 0 else _TICK if changed % _HUNDREDTH == 0 else _FINE
    return now - changed / 1e9 > tick
