"""Owns which files in `archive/` are segments of our ledger, and their order.

The first record of each (OPEN) names the ledger and the preceding segment. A private list, `.intercom/ledger`, names
the ledger and every segment ever begun, each before it gets its name. So a file that somebody puts beside ours is
not trusted, whatever its first record says, and if one is gone those after it are still ours. Without the list, as
in a copy without the private folder, the first records decide, if one of them has what only this person's key can
say of the ledger (`mine`); the next writer makes the list again.

Segments of versions before the ledger have no such record; the list, and the first OPEN, name those that existed.
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
from intercom.core.patterns import lazy
from intercom.format.record import extent
from intercom.store import key
from intercom.store.log import spare
from intercom.system import host
from intercom.system.files import opened, read_from, write_pieces
from intercom.system.folders import Names
from intercom.system.git_index import tracked_in

NOTHING: Final = "-"  #: the predecessor of the first segment
OLDER: Final = "older "  #: prefix of a line that names a segment of a version before the ledger
_MOST_SIGNS = 8
_HEAD = 1024  #: bytes; the part of an OPEN record that identifies a segment is within these
_NAME = lazy(r"INTERCOM-.+-([0-9]{6,9})\.md\Z", re.IGNORECASE)
_OPENED = lazy(
    rb"## \[[^\]\n]*\] system \xe2\x86\x92 system \[OPEN\]\n<!-- intercom [^\n]*-->\n\n"
    rb"ledger ([0-9a-z]{12})\nfollows ([^\n]*)\n(?:whole ([0-9a-f]{32})\n)?"
    rb"(?:machine [^\n]*\n)?(?:mine ([0-9a-f]{40})\n)?"
)


class Segment(NamedTuple):
    """One segment. `sealed`: of this ledger; otherwise of an older version's archive, whose records have no seals."""

    name: str
    number: int
    sealed: bool = True
    digest: str = ""  #: its `whole` digest when the next one was begun


class _Opened(NamedTuple):
    """The content of a segment's first record, on itself and its predecessor."""

    ledger: str
    follows: str
    digest: str
    mine: str = ""  #: what the writer's key says of the ledger


_NOBODYS = _Opened("", "", "")


def whole(data: bytes) -> str:
    """A digest of a segment: as long as it matches, every record in it is unchanged."""
    return blake2b(data, digest_size=16).hexdigest()


def number_of(name: str) -> int:
    """The number in a segment's name; 0 if it is not a segment's name."""
    found = _NAME.match(name)
    return int(found[1]) if found else 0


class Segments:
    """The segments of one bus."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.folder: Final = config.archive
        self._machine = config.machine
        self._list = config.private / "ledger"
        self._names = Names(config.archive)
        self._found_among: list[str] | None = None  # the names from which `_segments` was made
        self._segments: list[Segment] = []
        self._heads: dict[str, tuple[object, _Opened | None]] = {}  # by name: the file's identity, and its first record
        self._listed = False  # whether the private list has them
        self._signs: set[str] = set()  # what keys say of the ledger, in first records
        self._secret: bytes | None = None  # this person's key, once it was needed
        self.unproven: list[str] = []  #: files named like our segments that count as written by hand
        self._id = ""

    @property
    def id(self) -> str:
        """The ledger's id; "" while there is none."""
        self.all()
        return self._id

    def all(self) -> list[Segment]:
        """All our segments, oldest first; the same object as long as they do not change."""
        names = self._names.now()
        if names is not self._found_among:
            self._segments = self._among(names)
            self._found_among = names
        return self._segments

    def forget(self) -> None:
        """Discard the cached list of the folder."""
        self._names.forget()
        self._found_among = None

    def highest(self) -> int:
        """The highest number of any segment, ours or not; 0 if there is none."""
        return max(map(number_of, self._names.now()), default=0)

    def free(self, number: int) -> Path:
        """A free path for a segment with this number, or the next one: somebody's file may have the name."""
        while (path := self.folder / f"INTERCOM-{self._machine}-{number:06d}.md").exists():
            number += 1
        return path

    def is_named(self, name: str) -> bool:
        """Whether a file is named like a segment of this machine, ours or not."""
        return re.fullmatch(rf"INTERCOM-{re.escape(self._machine)}-[0-9]{{6,9}}\.md", name, re.IGNORECASE) is not None

    def enlist(self, ledger: str, more: Sequence[str] = ()) -> None:
        """Durably list the ledger and its segments, with `more` added. OSError. The caller holds the writer lock.

        Done before a segment gets its name: a listed file that does not exist is ignored, and an existing file that
        is not listed is somebody else's.
        """
        known = self.all() if ledger == self._id else [one for one in self.all() if not one.sealed]
        lines = [one.name if one.sealed else OLDER + one.name for one in known]
        gone = [line for line in self._noted()[1] if ledger == self._id and line not in (*lines, *more)]
        text = "\n".join([ledger, *gone, *lines, *more, ""])
        host.rename(write_pieces(self._list, [text.encode()]), self._list)
        host.sync_folder(self._list.parent)
        self.forget()

    def sign(self, ledger: str) -> str:
        """What this person's key says of a ledger; "" without a key."""
        if self._secret is None:
            self._secret = key.own(self._config, make=True)
        return key.sign(self._secret, "ledger", ledger) if self._secret else ""

    def lacks_sign(self) -> bool:
        """Whether no first record proves that the ledger is this person's, and one could.

        So in ledgers of earlier versions, and where the person's key is a new one; a home that is new each time, such
        as a container's, shall not begin a segment each time.
        """
        if not self.all() or len(self._signs) >= _MOST_SIGNS:
            return False
        sign = self.sign(self._id)
        return bool(sign) and sign not in self._signs

    def relist(self) -> None:
        """List the segments again if only first records identify them. OSError. The caller holds the writer lock."""
        if self.all() and self._id and not self._listed:
            self.enlist(self._id)

    def _noted(self) -> tuple[str, list[str]]:
        """The ledger's id from the private list, and the lines that name its segments."""
        text = (read_from(self._list) or b"").decode("utf-8", "replace").split("\n")
        return text[0].strip(), [line for line in text[1:] if line]

    def _among(self, names: Sequence[str]) -> list[Segment]:
        """The segments among these files."""
        if not read_from(self._list) and names:  # only their first records say whose they are
            cloned = tracked_in(self.folder)
            own = [name for name in names if name not in cloned or spare.vouched(self._config, name)]
            own = self._proven(own)
            self.unproven = [name for name in names if self.is_named(name) and name not in own]
            names = own
        numbered = sorted((number, not self.is_named(name), name) for name in names if (number := number_of(name)))
        noted, lines = self._noted()
        unread = _Opened(noted, "", "")
        heads = {name: head for _, _, name in numbered if (head := self._head(name, lines, unread)) is not None}
        self._id = noted or next((head.ledger for name, head in heads.items() if self.is_named(name)), "")
        self._listed = bool(lines)
        self._signs = {head.mine for head in heads.values() if head.mine and head.ledger == self._id}
        sealed: list[Segment] = []
        for name, head in heads.items():
            if head.ledger != self._id or (lines and name not in lines):
                continue
            if sealed and head.follows == sealed[-1].name:
                sealed[-1] = sealed[-1]._replace(digest=head.digest)
            # Of two with the same number, the one under our present name.
            if not sealed or number_of(name) > sealed[-1].number:
                sealed.append(Segment(name, number_of(name)))
        if not sealed and not lines:
            return [Segment(name, number, sealed=False) for number, other, name in numbered if not other]
        older = [line.removeprefix(OLDER) for line in lines or self._first_lines(sealed[0]) if line.startswith(OLDER)]
        present = set(names)
        return [Segment(name, number_of(name), sealed=False) for name in older if name in present] + sealed

    def _proven(self, names: Sequence[str]) -> list[str]:
        """Those of these files that belong to a ledger of this person's, by what one of them says."""
        if (self._config.private / "journal.md").exists():  # what an older version left had no first records
            return [*names]
        secret = key.own(self._config)
        heads = {name: head for name in names if number_of(name) and (head := self._head(name, (), _NOBODYS))}
        claims = {(head.ledger, head.mine) for head in heads.values() if head.mine} if secret else set()
        signed = any(head.mine for head in heads.values())
        if signed and not secret and (lacking := key.lacking(self._config, make=False)):
            raise StorageError(f"{self.folder} may be yours, which only a key can tell; nothing was read: {lacking}")
        ours = {ledger for ledger, mine in claims if mine == key.sign(secret, "ledger", ledger)}
        return [name for name, head in heads.items() if head.ledger in ours]

    def _first_lines(self, segment: Segment) -> list[str]:
        """The lines of a segment's OPEN record."""
        data = read_from(self.folder / segment.name) or b""
        return data[: extent(data)].partition(b"\n\n")[2].decode("utf-8", "replace").splitlines()

    def _head(self, name: str, lines: Sequence[str], unread: _Opened) -> _Opened | None:
        """The ledger that a file belongs to, and the segment before it; None if it does not say.

        A file that cannot be opened now is not gone: if it is listed (in `lines`) it is still ours, `unread`, and
        whoever reads it gets the error; without a list, StorageError.
        """
        path = f"{self.folder}/{name}"
        try:
            stat = os.stat(path)
            # Another file may have the same name by now.
            if self._heads.get(name, (0,))[0] != (mark := (stat.st_ino, stat.st_ctime_ns)):
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
