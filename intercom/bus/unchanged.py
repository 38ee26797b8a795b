"""Owns the cheapest check: the kernel says that no file of a bus has changed since it was last verified.

It compares inode, size and both times of each file and folder, taken before the verification. Nobody can set the
ctime; but a change within the same clock tick leaves it the same, so files changed that recently are not relied on
(as git does it). After a while everything is verified again, whatever the kernel says.
"""

from __future__ import annotations

import os
import time

from intercom.core.config import Config, log_name
from intercom.store.log.log import Log
from intercom.store.log.replace import REPLACED
from intercom.store.sources.inventory import Listing
from intercom.system.folders import over

_TRUSTED = 2.0  #: seconds after which everything is verified again

Marks = tuple[tuple[int, int, int, int] | None, ...]


class Unchanged:
    """The fingerprints of one bus's files when they were last verified."""

    def __init__(self, config: Config, log: Log, listing: Listing) -> None:
        self._log = log
        self._listing = listing
        self._folder = os.fspath(config.folder)
        self._always = tuple(map(os.fspath, (config.log, config.folder, config.archive, config.private / REPLACED)))
        self._paths: tuple[str, ...] = ()
        self._marks: Marks = ()
        self._until = 0.0

    def take(self) -> tuple[float, Marks] | None:
        """Take the present fingerprints and the time, before verifying; None if the page changed too recently."""
        page, now = _mark(self._always[0]), time.time()
        if page is not None and not over(page[3], now):
            return None
        near = (f"{self._folder}/{file.path}" for file in self._listing.near())
        pages = (f"{self._folder}/{log_name(machine)}" for machine in self._listing.pages)
        self._paths = (*self._always, *near, *pages)
        return now, tuple(map(_mark, self._paths))

    def note(self, taken: tuple[float, Marks] | None) -> None:
        """Record that the files were verified as of these fingerprints."""
        if taken is None:
            self._until = 0.0
            return
        at, marks = taken
        reliable = all(mark is None or (over(mark[2], at) and over(mark[3], at)) for mark in marks)
        still = reliable and not self._written_to()
        self._marks, self._until = (marks, time.monotonic() + _TRUSTED) if still else ((), 0.0)

    def holds(self) -> bool:
        """Whether the files are still the same."""
        return (
            time.monotonic() < self._until
            and not self._log.has_journal()
            and tuple(map(_mark, self._paths)) == self._marks
        )

    def _written_to(self) -> bool:
        """Whether replaced pages exist that programs still have open: writes to those do not show otherwise."""
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
