"""Owns the base of a page: what the page held when ledger and page last agreed. Private, and derived.

One file per page, `.intercom/base.INTERCOM-<machine>`: a self-verifying line of fixed length, a full copy of the
page's bytes, and the ids of those of its messages that have none in the text. The copy is full because everything
that is not a message (front matter, a preamble, loose text), the order, and which entries are copies can be
recovered from nowhere else.

It is written and synced after the ledger, so the page need not be synced. Without a valid base nothing counts as
deleted: everything missing from the page is put back.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from intercom.core.config import BASE
from intercom.core.digests import blake2b
from intercom.format.roster import Roster
from intercom.store.log.ledger import Position
from intercom.system import host
from intercom.system.boot import boot_id
from intercom.system.files import open_found, open_regular, put, storage, write_pieces
from intercom.system.folders import fingerprint, is_settled

_LATE = "late\n"  # precedes the ids of late messages, after those
_NAMES = "names "  # prefix of the first line
_FORMAT = "base2"  # changes with the grammar: marks refer to messages by their number as parsed
_LINE = 320  # bytes, padded
ARRIVED = "arrived\n"  #: separates the lines of marks from those of ids


class Head(NamedTuple):
    """The first line. `boot` tells whether the machine was rebooted since."""

    ledger: str  #: the ledger's id
    at: Position  #: the ledger position that the copy includes
    seen: Position  #: the ledger position up to which the page was seen to follow
    own: int  #: number of messages on the page, without further copies
    size: int  #: bytes of the copy
    more: int  #: bytes after the copy
    digest: str  #: digest of everything after this line
    boot: str

    @property
    def rebooted(self) -> bool:
        """Whether the machine was rebooted since this was written: what was not synced by then may be lost."""
        return self.boot != boot_id()


class Mark(NamedTuple):
    """Which message an entry of the page is. `copy`: a further copy of it; another entry or the archive has it."""

    id: str
    copy: bool = False


class Base(NamedTuple):
    """A verified base."""

    head: Head
    page: bytes
    marks: Mapping[int, Mark]  #: by number on the page: which message it is, if its meta line does not say
    arrived: tuple[str, ...]  #: ids of the page's messages, in ledger order
    late: tuple[str, ...] = ()  #: those that came to the page after younger ones, in that order
    names: tuple[str, ...] = ()  #: the names that were known when the page was read

    @property
    def roster(self) -> Roster:
        """The names as a roster for the parser."""
        return Roster(self.names)


class OpenBase:
    """A base that stays the same file, even if another has taken its place. OSError of all that reads it."""

    def __init__(self, path: str, handle: int, found: os.stat_result, head: Head) -> None:
        self.head = head
        self._path = path
        self._handle = handle
        self._found = found

    def page(self) -> bytes:
        """The copy of the page."""
        return host.pread(self._handle, self.head.size, _LINE)

    def more(self) -> bytes:
        """What follows the copy."""
        return host.pread(self._handle, self.head.more, _LINE + self.head.size)

    def saw(self, seen: Position) -> None:
        """Record how far the page was seen to follow, unless another base has taken its place."""
        now = self.head._replace(seen=max(seen, self.head.seen), boot=boot_id())
        if now != self.head:
            with suppress(OSError):  # then a little more than necessary is put back
                handle, found = open_found(self._path, os.O_WRONLY)  # only now: whoever watches takes it for a change
                try:
                    if os.path.samestat(found, self._found):
                        host.pwrite(handle, _line(now), 0)
                finally:
                    os.close(handle)

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)


class Bases:
    """The base of one page, on disk."""

    def __init__(self, private: Path, page: Path) -> None:
        self.path = private / f"{BASE}{page.stem}"
        self._path = os.fspath(self.path)
        self._known: tuple[str, Head | None] = "", None  # fingerprint and head of the file when it was last opened

    def opened(self) -> OpenBase | None:
        """The base as it is now, which the caller closes; None if there is no valid one."""
        try:
            handle, found = open_found(self._path)
        except OSError:
            return None
        try:
            head = _parsed(host.pread(handle, _LINE, 0))
        except OSError:
            head = None
        if head is None:
            os.close(handle)
            return None
        return OpenBase(self._path, handle, found, head)

    def fingerprint(self) -> str:
        """A fingerprint of the file; "" if there is none."""
        return fingerprint(self._path)

    def head(self) -> Head | None:
        """The first line; None if there is no valid base."""
        mark, at = fingerprint(self._path), time.time()
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
        """The verified base; None if there is no valid one of this ledger."""
        found = self.opened()
        if found is None:
            return None
        with closing(found), suppress(OSError, ValueError, MemoryError):
            head, page, more = found.head, found.page(), found.more()
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
        """Record that these page bytes agree with the ledger up to `at`, when read with these `names`. StorageError."""
        ids = list(arrived)
        lines = (mark_line(number, mark) for number, mark in marks.items())
        text = "".join([*lines, ARRIVED, *(f"{one}\n" for one in ids), _LATE, *(f"{one}\n" for one in late)])
        self.write_from(ledger, at, iter((page,)), len(ids), names_line(names) + text)

    def write_from(self, ledger: str, at: Position, page: Iterator[bytes], count: int, text: str) -> None:
        """As `write`, from pieces of the page and the lines that identify its `count` messages."""
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
            # The next page may not reach the disk; then this is the copy of people's text.
            host.sync_folder(self.path.parent)

    def drop(self) -> None:
        """Empty the base: there is no valid one then, but the page is still known as ours. StorageError."""
        _empty(self.path)

    def drop_others(self) -> None:
        """The same for the bases of our other pages. StorageError."""
        for path in self.path.parent.glob(f"{BASE}*"):
            if path != self.path:
                _empty(path)


def _empty(path: Path) -> None:
    """Replace whatever stands for a base by an empty file. StorageError."""
    if os.path.lexists(path):
        with storage(f"empty {path}"):
            put(write_pieces(path, (), sync=False), path)


def _put(path: Path, head: Head) -> None:
    handle = open_regular(path, os.O_WRONLY)
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
    """Parse a first line; None if it is not valid."""
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
    """The first line after the copy: the names that were known when the page was read."""
    return f"{_NAMES}{' '.join(names)}\n"


def _marks(text: str) -> tuple[dict[int, Mark], tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Parse the lines after the copy. ValueError."""
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
