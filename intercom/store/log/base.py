"""Owns the base of a page: what the page held when ledger and page last agreed. Private, and derived.

One file for each page, `.intercom/base.INTERCOM-<machine>`: a line of fixed length that proves itself, a full copy of
the page's bytes, and the ids of those of its messages that do not bear their own. A full copy, because what is no
message (front matter, a preamble, loose text), the order, and which entries are copies come back from nowhere else.

It is written, and synced, after the ledger was: so the page need not be. A base that does not prove itself deletes
nothing: all that is missing from the page is put back.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from intercom.core.config import BASE
from intercom.core.digests import blake2b
from intercom.format.roster import Roster
from intercom.store.log.ledger import Position
from intercom.system import host
from intercom.system.boot import boot_id
from intercom.system.files import open_regular, opened, put, storage, write_pieces
from intercom.system.folders import file_mark, is_settled

_LATE = "late\n"  # and this behind those
_NAMES = "names "  # begins the first line
_FORMAT = "base2"  # changes when the grammar does: marks number messages as they were read
_LINE = 320  # bytes, padded
ARRIVED = "arrived\n"  #: stands between the lines of marks and those of ids


class Head(NamedTuple):
    """What the first line says. `boot` tells whether the machine was started anew since."""

    ledger: str  #: the ledger's id
    at: Position  #: the copy holds what the ledger had up to here
    seen: Position  #: up to here the page was seen to hold what tools appended since
    own: int  #: messages of the page, without further copies
    size: int  #: bytes of the copy
    more: int  #: bytes behind the copy
    digest: str  #: of all that stands behind the line
    boot: str

    @property
    def rebooted(self) -> bool:
        """Whether the machine was started anew since this was written: what was not synced then may be lost."""
        return self.boot != boot_id()


class Mark(NamedTuple):
    """Which message an entry of the page is. `copy`: one more copy of it; another entry, or the archive, has it."""

    id: str
    copy: bool = False


class Base(NamedTuple):
    """A base that proved itself."""

    head: Head
    page: bytes
    marks: Mapping[int, Mark]  #: number among the page's messages -> which it is, where its meta line does not say
    arrived: tuple[str, ...]  #: ids of the page's messages in the order of the ledger
    late: tuple[str, ...] = ()  #: those of them that came to the page after younger ones, in order of that
    names: tuple[str, ...] = ()  #: who was known when it was read

    @property
    def roster(self) -> Roster:
        """The same for the reader."""
        return Roster(self.names)


class Bases:
    """The base of one page, on disk."""

    def __init__(self, private: Path, page: Path) -> None:
        self.path = private / f"{BASE}{page.stem}"
        self._path = os.fspath(self.path)
        self._known: tuple[str, Head | None] = "", None  # what the file was, and said, when it was last opened

    def others(self) -> list[Path]:
        """The bases of other pages of this bus."""
        return [path for path in self.path.parent.glob(f"{BASE}*") if path != self.path]

    def opened(self) -> tuple[Head, BinaryIO] | None:
        """The head, and the file at the start of the copy, for the caller to close; None if there is none to trust."""
        try:
            file = opened(self.path)
        except OSError:
            return None
        try:
            head = _parsed(file.read(_LINE))
        except OSError:
            head = None
        if head is None:
            file.close()
            return None
        return head, file

    def mark(self) -> str:
        """What the kernel says of the file, "" if there is none."""
        return file_mark(self._path)

    def head(self) -> Head | None:
        """What the first line says, None if there is none to trust."""
        mark, at = file_mark(self._path), time.time()
        if not mark or mark != self._known[0]:
            head = self._head()
            self._known = mark if is_settled(mark, at) else "", head
        return self._known[1]

    def _head(self) -> Head | None:
        try:
            handle = open_regular(self.path)
        except OSError:
            return None
        try:
            return _parsed(os.read(handle, _LINE))
        except OSError:
            return None
        finally:
            with suppress(OSError):
                os.close(handle)

    def read(self, ledger: str) -> Base | None:
        """The base, proven; None if there is none of this ledger to trust."""
        found = self.opened()
        if found is None:
            return None
        head, file = found
        with file, suppress(OSError, ValueError, MemoryError):
            page, more = file.read(head.size), file.read(head.more)
            if head.ledger == ledger and len(more) == head.more and _digest((page, more)) == head.digest:
                return Base(head, page, *_marks(more.decode("utf-8")))
        return None

    def write(
        self,
        ledger: str,
        at: Position,
        page: bytes,
        marks: Mapping[int, Mark],
        arrived: Iterable[str],
        late: Iterable[str] = (),
        names: Iterable[str] = (),
    ) -> None:
        """Note that the page, these bytes, agrees with the ledger up to `at`, read with these `names`. StorageError."""
        ids = list(arrived)
        lines = (mark_line(number, mark) for number, mark in marks.items())
        text = "".join([*lines, ARRIVED, *(f"{one}\n" for one in ids), _LATE, *(f"{one}\n" for one in late)])
        self.write_from(ledger, at, iter((page,)), len(ids), names_line(names) + text)

    def write_from(self, ledger: str, at: Position, page: Iterator[bytes], count: int, text: str) -> None:
        """As `write`, from pieces of the page and the lines that say which of its `count` messages are which."""
        size, found = 0, blake2b(digest_size=16)
        more = text.encode()

        def pieces() -> Iterator[bytes]:
            nonlocal size
            yield b" " * _LINE
            for piece in page:
                size += len(piece)
                found.update(piece)
                yield piece
            found.update(more)
            yield more

        with storage(f"write {self.path}", "the next command looks at the log again"):
            draft = write_pieces(self.path, pieces(), sync=False)
            _put(draft, Head(ledger, at, at, count, size, len(more), found.hexdigest(), boot_id()))
            put(draft, self.path)
            host.sync_folder(self.path.parent)  # the next page may not reach the disk: then this one has people's text

    def saw(self, file: BinaryIO, head: Head, seen: Position) -> None:
        """Note up to where the page was seen to follow, in the file that was opened: nobody's who replaced it since."""
        now = head._replace(seen=max(seen, head.seen), boot=boot_id())
        if now != head:
            with suppress(OSError):  # then a little more is put back than need be
                handle = host.open_file(self.path, os.O_WRONLY)
                try:
                    if os.path.samestat(os.fstat(handle), os.fstat(file.fileno())):
                        host.pwrite(handle, _line(now), 0)
                finally:
                    os.close(handle)

    def drop(self) -> None:
        """There is no base any more. StorageError."""
        with storage(f"remove {self.path}"):
            host.remove(self.path)


def _put(path: Path, head: Head) -> None:
    handle = host.open_file(path, os.O_WRONLY)
    try:
        host.pwrite(handle, _line(head), 0)
        host.sync(handle)
    finally:
        os.close(handle)


def _line(head: Head) -> bytes:
    at, seen = (f"{place.number}:{place.offset}" for place in (head.at, head.seen))
    said = " ".join((_FORMAT, head.ledger, at, seen, *map(str, head[3:]))).encode()
    return (said + b" " + _digest((said,)).encode()).ljust(_LINE - 1) + b"\n"


def _parsed(line: bytes) -> Head | None:
    """What a first line says; None unless it proves itself."""
    if len(line) != _LINE or not line.endswith(b"\n"):
        return None
    said, _, proof = line.rstrip().rpartition(b" ")
    if _digest((said,)).encode() != proof:
        return None
    form, ledger, at, seen, count, size, more, digest, boot = said.decode("ascii").split(" ")
    if form != _FORMAT:
        return None
    return Head(ledger, _place(at), _place(seen), int(count), int(size), int(more), digest, boot)


def _place(text: str) -> Position:
    number, _, offset = text.partition(":")
    return Position(int(number), int(offset))


def _digest(parts: Iterable[bytes]) -> str:
    found = blake2b(digest_size=16)
    for part in parts:
        found.update(part)
    return found.hexdigest()


def mark_line(number: int, mark: Mark) -> str:
    """The line that says which message an entry of the page is."""
    return f"{number} {mark.id}{' copy' if mark.copy else ''}\n"


def names_line(names: Iterable[str]) -> str:
    """The line that says who was known when the page was read; the first."""
    return f"{_NAMES}{' '.join(names)}\n"


def _marks(text: str) -> tuple[dict[int, Mark], tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """What the lines behind the copy say. ValueError."""
    names, _, text = text.partition("\n")
    if not names.startswith(_NAMES):
        raise ValueError(names)
    above, _, below = text.partition(ARRIVED)
    marks = {}
    for line in above.splitlines():
        number, ident, *copy = line.split(" ")
        marks[int(number)] = Mark(ident, bool(copy))
    arrived, _, late = below.partition(_LATE)
    return marks, tuple(arrived.split()), tuple(late.split()), tuple(names.split()[1:])
