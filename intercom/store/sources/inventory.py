"""Owns which files the index is made of, and in which order: our ledger, then other machines' logs and archives."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from intercom.core.config import Config, is_inside, log_machine, log_name
from intercom.core.message import canonical
from intercom.core.patterns import lazy
from intercom.store.log.ledger import Ledger
from intercom.system.folders import Names

#: What sync and merge tools, file managers and people append to the name of a log that they copy. No machine's name
#: has the first three; of the rest only what tools are known for counts: `web.prod` is not a copy of `web`.
_COPIED = lazy(
    r"[ ~(]|\.sync-conflict-|[._]conflict|[._](?:backup|base|local|remote)[._]\d|\.(?:bak|orig|old|backup|copy|tmp)\b"
)
_SURELY_COPIED = lazy(r"[ ~(]|\.sync-conflict-|[._]conflict")  #: never part of a machine's name
_SEGMENT = lazy(r"-[0-9]{6,9}\Z")
MOST = 256 * 1024 * 1024  #: bytes of another machine's file; Intercom writes none of more than some 512 KiB
UPTO = "upto"  #: prefix of the open segment's mark


class File(NamedTuple):
    """A file that the index is made of. `path` is relative to `.claude/local`."""

    path: str
    own: bool = False  #: a segment of our ledger, or of the archive before it
    sealed: bool = False  #: a segment of the ledger, whose records have seals
    number: int = 0  #: the segment's number
    digest: str = ""  #: of a closed segment: as long as it matches, no record need be verified


class Origin(NamedTuple):
    """Who a file outside our ledger belongs to; see `Source`, whose last fields these are."""

    copy: bool = False  #: by its name a tool's copy of a log, or our page in other letters: it may be behind
    ours: bool = False  #: our own: what our tools wrote into it we have already
    machine: str = ""  #: the other machine in its name
    here: tuple[str, ...] = ()  #: names by which it may refer to this machine


class Listing:
    """The files that the index of one bus is made of.

    As long as no name comes or goes, `all` and `near` return the same objects.
    """

    def __init__(self, config: Config, ledger: Ledger) -> None:
        self._config = config
        self._ledger = ledger
        self._archive = Names(config.archive)
        self._beside = Names(config.folder)
        self._private = Names(config.private)
        self._bases: list[str] = []  # the names there when they were last looked through
        self._made: tuple[object, ...] = ()  # the lists that the following were made from
        self._all: list[File] = []
        self._near: list[File] = []
        self._kept: list[str] = []  # the machine names under which we keep a page
        self._outside: list[str] = []  # the logs beside our page
        #: The machine names of our other pages: none is a source, what is new in them comes through the ledger.
        self.pages: list[str] = []
        self._copies: dict[str, bool] = {}  # by path: whether it is a copy of ours
        self._stems: set[str] = set()
        self._here: tuple[str, ...] = ()  # names by which others may refer to this machine

    def all(self) -> list[File]:
        """Every file, in order of arrival."""
        made = self._ledger.segments(), self._archive.now(), self._beside.now()
        same = len(self._made) == len(made) and all(one is other for one, other in zip(self._made, made, strict=True))
        if not same or (self._outside and self._another_kept()):
            self._list()
            self._made = made
        return self._all

    def _another_kept(self) -> bool:
        """Whether we keep a page under another name since the lists were made."""
        bases, self._bases = self._bases, self._private.now()
        return bases is not self._bases and self._kept != self._config.pages()

    def near(self) -> list[File]:
        """The files outside the archive, and the open segment."""
        self.all()
        return self._near

    def usable(self, file: File) -> bool:
        """Whether a file may be read: another's must be a regular file of at most MOST bytes, with no link out."""
        path = f"{self._config.folder}/{file.path}"
        try:
            found = os.stat(path)
            plain = stat.S_ISREG(found.st_mode) and found.st_size <= MOST
        except OSError:
            return True  # gone, or the reader reports why it cannot be read
        return file.own or (plain and (not os.path.islink(path) or is_inside(self._config.root, path)))

    def forget(self) -> None:
        """Discard the cached lists of the folders."""
        self._ledger.forget()
        self._archive.forget()
        self._beside.forget()

    def origin(self, path: str) -> Origin:
        """Who a file belongs to. A page of ours has a base in the private folder."""
        machine = self._machine(path)
        if self._copies.get(path, machine in self._here):
            return Origin(True, ours=True)
        return Origin(path in self._copies, False, machine, self._here)

    def _machine(self, path: str) -> str:
        """The machine in the name of a log, of a segment, or of a copy of one."""
        stem = _stem(path.removeprefix("archive/"))
        if path in self._copies:
            stem = next((before for before in _before_marks(stem) if before in self._stems), stem)
        stem = _SURELY_COPIED.split(stem, maxsplit=1)[0]  # even if the original has not been synced
        if path.startswith("archive/"):
            stem = _SEGMENT.sub("", stem)
        return canonical(stem.removeprefix("intercom-"))

    def _list(self) -> None:
        segments = self._ledger.segments()
        own = [File(f"archive/{name}", True, sealed, number, digest) for name, number, sealed, digest in segments]
        taken = {file.path for file in own}
        archived = [f"archive/{name}" for name in self._archive.now() if log_machine(name)]
        beside = [name for name in self._beside.now() if log_machine(name)]
        others = [path for path in archived if path not in taken]
        self._outside = [name for name in beside if name != self._config.log.name]
        self._kept = self._config.pages()
        self.pages = [machine for machine in self._kept if log_name(machine) in self._outside]
        pages = {log_name(machine) for machine in self.pages}
        outside = [name for name in self._outside if name not in pages]
        self._stems = {_stem(self._config.log.name), *map(_stem, beside), *(_stem(path[8:]) for path in others)}
        self._copies = self._copies_among(beside, others)
        self._here = tuple(dict.fromkeys(map(canonical, (self._config.machine, *self._kept))))
        # Copies come last: what they repeat is known by then.
        self._near = [*own[-1:], *map(File, sorted(outside, key=self._is_copy))]
        self._all = [*own, *map(File, sorted(others + outside, key=self._is_copy))]

    def _is_copy(self, path: str) -> bool:
        return self.origin(path).copy

    def _copies_among(self, names: list[str], archived: list[str]) -> dict[str, bool]:
        """The logs in our folder that are copies of others, and the archived files that are copies of ours."""
        ours = {_stem(log_name(machine)) for machine in (self._config.machine, *self._kept)}
        stems, copies = {*ours, *map(_stem, names)}, dict[str, bool]()
        for name in names:
            of = [before for before in _before_marks(_stem(name)) if before in stems]
            if of:
                copies[name] = of[0] in ours
        segments = {_stem(segment.name) for segment in self._ledger.segments()}
        for path in archived:
            name = path.removeprefix("archive/")
            if self._ledger.is_named(name) or any(before in segments for before in _before_marks(_stem(name))):
                copies[path] = True
        return copies


def beyond(known: str | None, mark: str) -> bool:
    """Whether the index has more of the open segment than will be read now: another process was there."""
    if known is None or not (known.startswith(UPTO) and mark.startswith(UPTO)):
        return False
    return int(known.split()[1]) >= int(mark.split()[1])


def _stem(name: str) -> str:
    return name[: -len(".md")].casefold()


def _before_marks(stem: str) -> list[str]:
    """The name of a log up to each possible addition of a copying tool."""
    return [stem[: mark.start()] for mark in _COPIED.finditer(stem)]
