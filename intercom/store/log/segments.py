"""Owns which files in `archive/` are segments of our ledger, and in which order.

The first record of each (OPEN) names the ledger and the segment that it follows. A private list, `.intercom/ledger`,
names the ledger and every segment that was ever begun, each before it gets its name. So a file that somebody lays
beside ours is not trusted, whatever its first record says, and where one is gone those after it are still ours.
Without the list, as in a copy without the private folder, the first records count; the next writer lists them again.

Segments of versions before the ledger have no such record; the list, and the first OPEN, name those that were there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from intercom.core.config import Config
from intercom.core.digests import blake2b
from intercom.core.errors import StorageError
from intercom.format.record import extent
from intercom.system import host
from intercom.system.files import opened, read_from, write_pieces
from intercom.system.folders import Names
from intercom.system.git_index import tracked_in

NOTHING: Final = "-"  #: what the first segment follows
OLDER: Final = "older "  #: begins a line that names a segment of a version before the ledger
_HEAD = 1024  #: bytes; an OPEN record says whose a segment is within these
_NAME = re.compile(r"INTERCOM-.+-([0-9]{6,9})\.md\Z", re.IGNORECASE)
_OPENED = re.compile(
    rb"## \[[^\]\n]*\] system \xe2\x86\x92 system \[OPEN\]\n<!-- intercom [^\n]*-->\n\n"
    rb"ledger ([0-9a-z]{12})\nfollows ([^\n]*)\n(?:whole ([0-9a-f]{32})\n)?"
)


class Segment(NamedTuple):
    """One segment. `sealed`: of this ledger; without, of an older version's archive, whose records have no seal."""

    name: str
    number: int
    sealed: bool = True
    digest: str = ""  #: what `whole` gave for it when the next one was begun


class _Opened(NamedTuple):
    """What the first record of a segment says of it, and of the one before."""

    ledger: str
    follows: str
    digest: str


def whole(data: bytes) -> str:
    """A digest of a segment: as long as it fits, each record in it does."""
    return blake2b(data, digest_size=16).hexdigest()


def number_of(name: str) -> int:
    """The number in the name of a segment; 0 if it is not one."""
    found = _NAME.match(name)
    return int(found[1]) if found else 0


class Segments:
    """The segments of one bus."""

    def __init__(self, config: Config) -> None:
        self.folder: Final = config.archive
        self._machine = config.machine
        self._list = config.private / "ledger"
        self._names = Names(config.archive)
        self._found_among: list[str] | None = None  # the names of which `_segments` was made
        self._segments: list[Segment] = []
        self._heads: dict[str, tuple[object, _Opened | None]] = {}  # name -> which file, what its first record says
        self._listed = False  # whether the private list names them
        self._id = ""

    @property
    def id(self) -> str:
        """What names this ledger; "" while there is none."""
        self.all()
        return self._id

    def all(self) -> list[Segment]:
        """All segments of ours, oldest first; as long as they stay the same, the same object."""
        names = self._names.now()
        if names is not self._found_among:
            self._segments = self._among(names)
            self._found_among = names
        return self._segments

    def forget(self) -> None:
        """List the folder again, whatever its times say."""
        self._names.forget()
        self._found_among = None

    def highest(self) -> int:
        """The highest number that a segment has, whosever it is; 0 where there is none."""
        return max(map(number_of, self._names.now()), default=0)

    def free(self, number: int) -> Path:
        """Where a segment of this number goes, or of the next: somebody's file may have the name."""
        while (path := self.folder / f"INTERCOM-{self._machine}-{number:06d}.md").exists():
            number += 1
        return path

    def is_named(self, name: str) -> bool:
        """Whether a file has the name of a segment of this machine's, whosever it is."""
        return re.fullmatch(rf"INTERCOM-{re.escape(self._machine)}-[0-9]{{6,9}}\.md", name, re.IGNORECASE) is not None

    def enlist(self, ledger: str, more: Sequence[str] = ()) -> None:
        """Note the ledger and its segments, `more` among them, durably. OSError. The caller holds the writer lock.

        Before a segment gets its name: one that is on the list and does not exist is nothing, one that exists and is
        not on it is somebody's.
        """
        known = self.all() if ledger == self._id else [one for one in self.all() if not one.sealed]
        lines = [one.name if one.sealed else OLDER + one.name for one in known]
        gone = [line for line in self._noted()[1] if ledger == self._id and line not in (*lines, *more)]
        text = "\n".join([ledger, *gone, *lines, *more, ""])
        host.rename(write_pieces(self._list, [text.encode()]), self._list)
        host.sync_folder(self._list.parent)
        self.forget()

    def relist(self) -> None:
        """Note the segments where only their first records tell of them. OSError. The caller holds the writer lock."""
        if self.all() and self._id and not self._listed:
            self.enlist(self._id)

    def _noted(self) -> tuple[str, list[str]]:
        """The ledger's name in the private list, and the lines that name its segments."""
        text = (read_from(self._list) or b"").decode("utf-8", "replace").split("\n")
        return text[0].strip(), [line for line in text[1:] if line]

    def _among(self, names: Sequence[str]) -> list[Segment]:
        """The segments among these files."""
        if not read_from(self._list) and names:  # nothing but themselves says whose they are
            cloned = tracked_in(self.folder)
            names = [name for name in names if name not in cloned]
        numbered = sorted((number, not self.is_named(name), name) for name in names if (number := number_of(name)))
        noted, lines = self._noted()
        unread = _Opened(noted, "", "")
        heads = {name: head for _, _, name in numbered if (head := self._head(name, lines, unread)) is not None}
        self._id = noted or next((head.ledger for name, head in heads.items() if self.is_named(name)), "")
        self._listed = bool(lines)
        sealed: list[Segment] = []
        for name, head in heads.items():
            if head.ledger != self._id or (lines and name not in lines):
                continue
            if sealed and head.follows == sealed[-1].name:
                sealed[-1] = sealed[-1]._replace(digest=head.digest)
            if not sealed or number_of(name) > sealed[-1].number:  # of two with one number, that of our present name
                sealed.append(Segment(name, number_of(name)))
        if not sealed and not lines:
            return [Segment(name, number, sealed=False) for number, other, name in numbered if not other]
        older = [line.removeprefix(OLDER) for line in lines or self._first_lines(sealed[0]) if line.startswith(OLDER)]
        present = set(names)
        return [Segment(name, number_of(name), sealed=False) for name in older if name in present] + sealed

    def _first_lines(self, segment: Segment) -> list[str]:
        """What the OPEN record of a segment says."""
        data = read_from(self.folder / segment.name) or b""
        return data[: extent(data)].partition(b"\n\n")[2].decode("utf-8", "replace").splitlines()

    def _head(self, name: str, lines: Sequence[str], unread: _Opened) -> _Opened | None:
        """Which ledger a file belongs to, and which segment it follows; None if it does not say.

        One that is there but cannot be opened now is not gone: on the list (`lines`) it is still ours, `unread`, and
        who reads on gets the error; where there is no list, StorageError.
        """
        path = f"{self.folder}/{name}"
        try:
            stat = os.stat(path)
            if self._heads.get(name, (0,))[0] != (mark := (stat.st_ino, stat.st_ctime_ns)):  # a name outlives its file
                with opened(path) as file:
                    found = _OPENED.match(file.read(_HEAD))
                said = [part.decode("utf-8", "replace") for part in found.groups(b"")] if found else []
                self._heads[name] = mark, _Opened(*said) if said else None
        except OSError as error:
            if not os.path.isfile(path):
                return None
            if name in lines:
                return unread
            if not lines and self.is_named(name):
                raise StorageError(f"cannot read {path}: {error.strerror}; nothing was read.") from error
            return None
        return self._heads[name][1]
