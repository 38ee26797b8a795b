"""Owns the shortest look: nothing of what a bus is made of changed since it was last proven, as the kernel says.

Inode, size and both times of each file and folder, taken before the proof. The time of change cannot be set by
anybody; a change within the tick of the clock in which it was taken leaves the same one, so what is that young is not
relied on (as git does it). What is known so is proven again after a while, whatever the kernel says.
"""

from __future__ import annotations

import os
import time

from intercom.core.config import Config
from intercom.store.log.log import Log
from intercom.store.log.replace import REPLACED
from intercom.store.sources.inventory import Listing
from intercom.system.folders import over

_TRUSTED = 2.0  #: seconds after which everything is proven again

Marks = tuple[tuple[int, int, int, int] | None, ...]


class Unchanged:
    """What the files of one bus were when they were last proven."""

    def __init__(self, config: Config, log: Log, listing: Listing) -> None:
        self._log = log
        self._listing = listing
        self._folder = os.fspath(config.folder)
        self._always = tuple(map(os.fspath, (config.log, config.folder, config.archive, config.private / REPLACED)))
        self._paths: tuple[str, ...] = ()
        self._marks: Marks = ()
        self._until = 0.0

    def take(self) -> tuple[float, Marks] | None:
        """What they are now, and since when, to be taken before they are proven; None: the page is too young."""
        page, now = _mark(self._always[0]), time.time()
        if page is not None and not over(page[3], now):
            return None
        near = (f"{self._folder}/{file.path}" for file in self._listing.near())
        self._paths = (*self._always, *near)
        return now, tuple(map(_mark, self._paths))

    def note(self, taken: tuple[float, Marks] | None) -> None:
        """They are proven to be well, as they were when that was taken."""
        if taken is None:
            self._until = 0.0
            return
        at, marks = taken
        reliable = all(mark is None or (over(mark[2], at) and over(mark[3], at)) for mark in marks)
        still = reliable and not self._written_to()
        self._marks, self._until = (marks, time.monotonic() + _TRUSTED) if still else ((), 0.0)

    def holds(self) -> bool:
        """Whether they still are as they were."""
        return (
            time.monotonic() < self._until
            and not self._log.has_journal()
            and tuple(map(_mark, self._paths)) == self._marks
        )

    def _written_to(self) -> bool:
        """Whether there are pages that were replaced while somebody had them open: these change without a trace."""
        try:
            return bool(os.listdir(self._always[-1]))
        except OSError:
            return False


def _mark(path: str) -> tuple[int, int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
