"""Owns which files the index is made of, and in which order: the archives, the journal, other machines' logs."""

from __future__ import annotations

import os
import re
import time

from intercom.compact import own_segment
from intercom.config import Config, log_machine
from intercom.sources import file_mark

JOURNAL = ".intercom/journal.md"
_TICK = 0.02  #: seconds; file systems that keep finer times than seconds have clocks no coarser than this
_COARSE = 2.0  #: seconds; the others have none coarser than this
#: What sync and merge tools, file managers and people put behind the name of a log that they copy. No machine's name
#: has the first three; of what it may have only what tools are known for counts: `web.prod` is no copy of `web`.
_COPIED = re.compile(
    r"[ ~(]|\.sync-conflict-|[._]conflict|[._](?:backup|base|local|remote)[._]\d|\.(?:bak|orig|old|backup|copy|tmp)\b"
)


class Listing:
    """The files that the index of one bus is made of, as paths below its folder.

    A folder is listed again only when its own times changed; then what `all` and `near` give are new objects.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._root = os.fspath(config.folder)
        self._folders: dict[str, tuple[str, list[str], list[str]]] = {}  # folder -> stat mark, logs in it, all in it
        self._made: tuple[list[str], list[str]] | None = None  # of which lists the following were made
        self._all: list[tuple[str, bool]] = []
        self._near: list[tuple[str, bool]] = []
        self._copies: dict[str, bool] = {}  # path -> whether it is a copy of ours

    def all(self) -> list[tuple[str, bool]]:
        """Every file, in order of arrival: (path, whether it is ours)."""
        archive, beside = self._logs_in("archive"), self._logs_in("")
        if self._made is None or self._made[0] is not archive or self._made[1] is not beside:
            self._list(archive, beside)
        return self._all

    def near(self) -> list[tuple[str, bool]]:
        """Those of them outside the archive."""
        self.all()
        return self._near

    def forget(self) -> None:
        """List the folders again, whatever their times say."""
        self._folders.clear()

    def shown(self, path: str) -> str:
        """The path of the file in which a person finds what is in a source."""
        return self._config.log.name if path == JOURNAL else path

    def copy(self, path: str) -> tuple[bool, bool]:
        """Whether a file is by its name a copy that a tool laid beside a log; and whether that one is ours."""
        return path in self._copies, self._copies.get(path, False)

    def _list(self, archive: list[str], beside: list[str]) -> None:
        own: list[tuple[str, bool]] = []
        others: list[tuple[str, bool]] = []
        for name in archive:
            target = own if own_segment(name, self._config.machine) else others
            target.append((f"archive/{name}", target is own))
        outside = [(name, False) for name in beside if name != self._config.log.name]
        self._copies = self._copies_among(beside, [path for path, _ in others])
        # Copies last: what they have too is known by then.
        self._near = [(JOURNAL, True), *sorted(outside, key=self._is_copy)]
        self._all = [*own, (JOURNAL, True), *sorted(others + outside, key=self._is_copy)]
        self._made = archive, beside

    def _is_copy(self, file: tuple[str, bool]) -> bool:
        return file[0] in self._copies

    def _copies_among(self, names: list[str], archived: list[str]) -> dict[str, bool]:
        """Those of the logs in our folder that are copies of others, and of what is archived that of ours."""
        ours = _stem(self._config.log.name)
        stems, copies = {ours, *map(_stem, names)}, dict[str, bool]()
        for name in names:
            of = [before for before in _before_marks(_stem(name)) if before in stems]
            if of:
                copies[name] = of[0] == ours
        for path in archived:
            befores = _before_marks(_stem(path.removeprefix("archive/")))
            if any(own_segment(f"{before}.md", self._config.machine) for before in befores):
                copies[path] = True
        return copies

    def _logs_in(self, folder: str) -> list[str]:
        path = f"{self._root}/{folder}"
        mark = file_mark(path)
        known = self._folders.get(folder)
        if known is not None and known[0] == mark:
            return known[1]
        try:
            present = os.listdir(path)
            old = _over(os.stat(path).st_mtime_ns)
        except OSError:
            present, old = [], False
        if known is None or known[2] != present:
            known = ("", sorted(name for name in present if log_machine(name)), present)
        # What comes in the same tick leaves the same mark. The list stays the same object: see `all`.
        self._folders[folder] = (mark if old else "", known[1], present)
        return known[1]


def _stem(name: str) -> str:
    return name[: -len(".md")].casefold()


def _before_marks(stem: str) -> list[str]:
    """What stands before anything that may have been put behind the name of a log."""
    return [stem[: mark.start()] for mark in _COPIED.finditer(stem)]


def _over(changed: int) -> bool:
    """Whether the tick of the clock is over in which something changed; nanoseconds since 1970."""
    tick = _TICK if changed % 1_000_000_000 else _COARSE
    return not 0 <= time.time() - changed / 1e9 <= tick
