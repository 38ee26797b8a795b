"""Owns re-listing a folder only after it changed: checking its times is cheaper than reading its names."""

from __future__ import annotations

import os
import time
from pathlib import Path

from intercom.core.errors import StorageError
from intercom.system import host

_COARSE = 2.0  #: seconds; upper bound of the clock tick on file systems that store whole seconds
_TICK = 0.02  #: seconds; for those that store hundredths of a second, and the default
#: Seconds; all others use the system's own clock, whose tick may be known.
_FINE = 1.5 * tick if (tick := host.file_tick()) else _TICK
_HUNDREDTH, _SECOND = 10_000_000, 1_000_000_000  # nanoseconds


def fingerprint(path: str | Path) -> str:
    """A fingerprint of a file: inode, size and times; "" if it does not exist. A hint, never proof of equality."""
    try:
        found = os.stat(path)
    except OSError:
        return ""
    return f"{found.st_ino} {found.st_size} {found.st_mtime_ns} {host.changed(path, found)}"


def fingerprint_of(found: os.stat_result) -> tuple[int, int, int, int]:
    """A fingerprint for a stat result, to be compared only with others of these."""
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def is_settled(mark: str, now: float) -> bool:
    """Whether any change at `now` or later is certain to alter this fingerprint."""
    return bool(mark) and all(over(int(at), now) for at in mark.split()[2:])


def file_size(path: str | Path) -> int:
    """Size in bytes; 0 if the file does not exist."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


class Names:
    """The names in one folder. As long as they do not change, `now` returns the same object."""

    def __init__(self, path: str | Path) -> None:
        self._path = os.fspath(path)
        self._mark = ""
        self._names: list[str] = []

    def now(self) -> list[str]:
        """All names, sorted; empty if the folder does not exist or is closed to us. StorageError if listing fails."""
        mark = fingerprint(self._path)
        if mark and mark == self._mark:
            return self._names
        try:
            present = sorted(os.listdir(self._path))
            past = over(os.stat(self._path).st_mtime_ns, time.time())
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            present, past = [], False
        except OSError as error:  # its contents are not gone
            raise StorageError(f"cannot list {self._path}: {error.strerror}; nothing was read.") from error
        if present != self._names:
            self._names = present
        self._mark = mark if past else ""  # a change within the same clock tick leaves the same mark
        return self._names

    def forget(self) -> None:
        """Discard the cached list, so the next `now` lists the folder."""
        self._mark = ""


def over(changed: int, now: float) -> bool:
    """Whether the clock tick in which something `changed` (ns) had passed by `now` (seconds since 1970)."""
    tick = _COARSE if changed % _SECOND == 0 else _TICK if changed % _HUNDREDTH == 0 else _FINE
    return now - changed / 1e9 > tick
