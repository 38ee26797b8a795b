"""Owns the ledger: append-only segments that only Intercom writes, the only thing that is synced and true.

Segments are `archive/INTERCOM-<machine>-NNNNNN.md`; the newest is open. The first record of each (OPEN) names the
ledger and the segment that it follows, so a segment is ours by that chain and not by its name: a machine that is
renamed goes on under the new name, and a file that somebody lays beside ours is not trusted. Segments of older
versions of Intercom have no such record; the first OPEN lists those that were there.

An append writes whole records and syncs them: that is the commit. No byte of an accepted record is rewritten or
renamed afterwards, redaction excepted. Whoever dies before the sync leaves at most a torn end, and the next writer
cuts that back. A record that does not fit its seal although whole ones follow was changed by somebody: it is never
cut, and counts as written by hand.

All that writes is called with the writer lock held.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

from intercom.core.config import Config
from intercom.core.message import new_id
from intercom.format.record import END, OPEN, START, control, extent, ident
from intercom.system.files import make_private_folder, opened, read_from, storage, sync_folder, write_all, write_pieces
from intercom.system.folders import Names, file_size

SEGMENT_BYTES = 512 * 1024  #: a segment that has reached this size is not added to
_AT_ONCE = 8 * 1024 * 1024  #: bytes; so much of one batch goes into one segment
_WINDOW = 4096
_HEAD = 1024  #: bytes; an OPEN record says whose a segment is within these
_TORN = "the ledger's end could not be mended"
_NAME = re.compile(r"INTERCOM-.+-([0-9]{6,9})\.md\Z", re.IGNORECASE)
_OPENED = re.compile(
    rb"## \[[^\]\n]*\] system \xe2\x86\x92 system \[OPEN\]\n<!-- intercom [^\n]*-->\n\n"
    rb"ledger ([0-9a-z]{12})\nfollows ([^\n]*)\n(?:whole ([0-9a-f]{32})\n)?"
)
_NOTHING = "-"
_READ_WRITE = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC


class Position(NamedTuple):
    """A place in the ledger: the number of a segment, and an offset in it in bytes. They compare in order."""

    number: int
    offset: int


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


class Ledger:
    """The ledger of one bus. Cheap to create; opens files only to work on them."""

    def __init__(self, config: Config) -> None:
        self.folder: Final = config.archive
        self._machine = config.machine
        self._note = config.private / "ledger"
        self._names = Names(config.archive)
        self._listed: list[str] | None = None  # the names of which `_segments` was made
        self._segments: list[Segment] = []
        self._heads: dict[str, tuple[object, _Opened | None]] = {}  # name -> which file, what its first record says
        self._id = ""
        self._whole: tuple[Path | None, int, bytes] = None, 0, b""  # a segment as we left it, and its last record

    # -- which segments there are -----------------------------------------------------------------

    @property
    def id(self) -> str:
        """What names this ledger; "" while there is none."""
        self.segments()
        return self._id

    def exists(self) -> bool:
        """Whether there is a segment to add to."""
        return self.open() is not None

    def segments(self) -> list[Segment]:
        """All segments of ours, oldest first; as long as they stay the same, the same object."""
        names = self._names.now()
        if names is not self._listed:
            self._segments = self._chain(names)
            self._listed = names
        return self._segments

    def open(self) -> Segment | None:
        """The segment that is added to; None while there is no ledger."""
        found = self.segments()
        return found[-1] if found and found[-1].sealed else None

    def path(self, segment: Segment) -> Path:
        """Where a segment is."""
        return self.folder / segment.name

    def end(self) -> Position | None:
        """Where the next record would go; None while there is no ledger."""
        last = self.open()
        return Position(last.number, file_size(f"{self.folder}/{last.name}")) if last else None

    def forget(self) -> None:
        """List the folder again, whatever its times say."""
        self._names.forget()
        self._listed = None

    def _chain(self, names: Sequence[str]) -> list[Segment]:
        """The segments among these files: each follows the one before."""
        numbered = sorted((int(found[1]), name) for name in names if (found := _NAME.match(name)))
        numbered.sort(key=lambda one: (one[0], not self.is_named(one[1])))  # of two, the one under our present name
        heads = [(number, name, head) for number, name in numbered if (head := self._head(name)) is not None]
        noted = (read_from(self._note) or b"").decode("ascii", "replace").strip()
        mine = noted or next((head[0] for _, name, head in heads if self.is_named(name)), "")
        chain: list[Segment] = []
        for number, name, (ledger, follows, digest) in heads:
            if ledger != mine or (chain and follows != chain[-1].name) or (not chain and self._follows_ours(follows)):
                continue
            if chain:
                chain[-1] = chain[-1]._replace(digest=digest)
            chain.append(Segment(name, number))
        self._id = mine
        if not chain:
            return [Segment(name, number, sealed=False) for number, name in numbered if self.is_named(name)]
        return self._before(chain[0], names) + chain

    def is_named(self, name: str) -> bool:
        """Whether a file has the name of a segment of this machine's, whosever it is."""
        return re.fullmatch(rf"INTERCOM-{re.escape(self._machine)}-[0-9]{{6,9}}\.md", name, re.IGNORECASE) is not None

    def _follows_ours(self, follows: str) -> bool:
        """Whether a segment follows another of this ledger, so that it cannot be the first."""
        return follows != _NOTHING and follows in self._names.now() and self._head(follows) is not None

    def _before(self, first: Segment, names: Sequence[str]) -> list[Segment]:
        """The segments of an older version that the first one lists."""
        data = read_from(self.path(first)) or b""
        body = data[: extent(data)].partition(b"\n\n")[2].decode("utf-8", "replace").splitlines()
        present = set(names)
        older = [line.removeprefix("older ") for line in body if line.startswith("older ")]
        return [Segment(name, _number(name), sealed=False) for name in older if name in present]

    def _head(self, name: str) -> _Opened | None:
        """Which ledger a file belongs to, and which segment it follows; None if it does not say."""
        try:
            stat = os.stat(f"{self.folder}/{name}")
            if self._heads.get(name, (0,))[0] != (mark := (stat.st_ino, stat.st_ctime_ns)):  # a name outlives its file
                with opened(f"{self.folder}/{name}") as file:
                    found = _OPENED.match(file.read(_HEAD))
                said = [part.decode("utf-8", "replace") for part in found.groups(b"")] if found else []
                self._heads[name] = mark, _Opened(*said) if said else None
        except OSError:
            return None
        return self._heads[name][1]

    # -- appending --------------------------------------------------------------------------------

    def append(self, records: Sequence[bytes], outcome: str = "nothing was sent") -> Position:
        """Append records and sync them; return where they end. StorageError: then none of them is there."""
        segment = self.open()
        if segment is not None and not file_size(self.path(segment)):  # somebody emptied it: it is a segment no more
            self.forget()
            segment = self.open()
        if segment is None:
            self.begin()
            segment = self.segments()[-1]
        path = self.path(segment)
        with storage(f"append to {path}", outcome):
            if file_size(path) >= SEGMENT_BYTES:
                segment = self._make(segment.number + 1, segment.name)
                path = self.path(segment)
            size = file_size(path)
            for batch in _batches(records):
                if file_size(path) >= max(SEGMENT_BYTES, _AT_ONCE):
                    segment = self._make(segment.number + 1, segment.name)
                    path = self.path(segment)
                size = _append(path, batch)
        if records and len(records[-1]) < _WINDOW:
            self._whole = path, size, records[-1]
        return Position(segment.number, size)

    def begin(self, records: Iterable[bytes] = ()) -> Position:
        """Begin the ledger, behind the segments of an older version, with these records; return where they end.

        They are drafted and synced before anything gets its name. StorageError; what `records` raises: then there is
        no ledger.
        """
        make_private_folder(self.folder)
        number = max((int(found[1]) for name in self._names.now() if (found := _NAME.match(name))), default=0) + 1
        old = [segment.name for segment in self.segments() if not segment.sealed]
        with storage(f"begin the ledger in {self.folder}"):
            for folder in (self.folder.parent, *self.folder.parent.parents[:2]):
                sync_folder(folder)  # whoever made one of them may not have brought that to the disk
            self._id = new_id()
            # Noted in the private folder, too: so no file in the archive can claim to be the first, nor another name
            # of this machine's miss it. First: a name without a ledger is as good as none.
            os.replace(write_pieces(self._note, [f"{self._id}\n".encode()]), self._note)
            sync_folder(self._note.parent)
            drafts: list[tuple[Path, Path]] = []
            try:
                for part in _parts(records):
                    path = self._free(number)
                    follows, older = (drafts[-1], ()) if drafts else (None, old)
                    drafts.append((write_pieces(path, chain([self._first(follows, older)], part)), path))
                    number = _number(path.name) + 1
                for draft, path in drafts:
                    os.replace(draft, path)
            except BaseException:
                for draft, _ in drafts:
                    draft.unlink(missing_ok=True)
                raise
            sync_folder(self.folder)
        self.forget()
        return Position(_number(path.name), file_size(path))

    def _make(self, number: int, follows: str) -> Segment:
        """A new segment under its final name, synced, with its folder. OSError."""
        path = self._free(number)
        os.replace(write_pieces(path, [self._first((self.folder / follows,) * 2)]), path)
        sync_folder(self.folder)
        self.forget()
        return Segment(path.name, _number(path.name))

    def _free(self, number: int) -> Path:
        """Where the next segment goes: somebody's file may have the name."""
        while (path := self.folder / f"INTERCOM-{self._machine}-{number:06d}.md").exists():
            number += 1
        return path

    def _first(self, follows: tuple[Path, Path] | None, older: Iterable[str] = ()) -> bytes:
        """The OPEN record of a segment that follows another: where that is now, and where it will be."""
        lines = [f"ledger {self._id}", f"follows {follows[1].name if follows else _NOTHING}"]
        if follows is not None and (data := read_from(follows[0])) is not None:
            lines.append(f"whole {whole(data)}")
        lines.append(f"machine {self._machine}")
        return control(OPEN, [*lines, *(f"older {name}" for name in older), ""], time.time())

    def mend(self, accepted: Callable[[str], bool]) -> bytes:
        """Cut back what a writer that died left torn at the end; return the last whole record there. StorageError.

        `accepted` tells whether a message of this id is known to have been accepted: it is somebody's hand then that
        is on its record.
        """
        segment = self.open()
        if segment is None:
            return b""
        path = self.path(segment)
        if self._whole[:2] == (path, file_size(path)):
            return self._whole[2]
        with storage(f"open {path}", _TORN):
            handle = os.open(path, _READ_WRITE)
        try:
            with storage(f"mend {path}", _TORN):
                return _mended(handle, accepted)
        finally:
            os.close(handle)

    def settle(self) -> None:
        """Sync the open segment: whoever wrote to it may have died before that. StorageError."""
        segment = self.open()
        if segment is not None:
            path = self.path(segment)
            with storage(f"sync {path}", "nothing was read"):
                handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fdatasync(handle)
                finally:
                    os.close(handle)

    # -- reading ----------------------------------------------------------------------------------

    def since(self, position: Position) -> list[tuple[Position, bytes]]:
        """What was appended after a position: pieces of segments, each with where it begins. StorageError."""
        out = []
        for segment in self.segments():
            if segment.sealed and segment.number >= position.number:
                start = position.offset if segment.number == position.number else 0
                data = read_from(self.path(segment), start) or b""
                if data:
                    out.append((Position(segment.number, start), data))
        return out

    def tail(self, position: Position) -> bytes:
        """The same in one piece, without what only begins segments. StorageError."""
        return b"".join(without_open(at, data) for at, data in self.since(position))


def without_open(at: Position, data: bytes) -> bytes:
    """What was read of a segment, from `at` on, without the OPEN record that it begins with."""
    return data if at.offset else data[extent(data) :]


def _number(name: str) -> int:
    found = _NAME.match(name)
    assert found is not None, "the name of a segment"
    return int(found[1])


def _parts(records: Iterable[bytes]) -> Iterator[Iterator[bytes]]:
    """The records in their order, each part as much as one segment takes at once; read one part before the next."""
    rest, more = iter(records), True

    def part() -> Iterator[bytes]:
        nonlocal more
        size = 0
        for record in rest:
            yield record
            size += len(record)
            if size >= _AT_ONCE:
                return
        more = False

    while more:
        yield part()


def _batches(records: Sequence[bytes]) -> Iterable[list[bytes]]:
    """The records in their order, no more of them together than one segment takes at once."""
    batch: list[bytes] = []
    size = 0
    for record in records:
        if batch and size + len(record) > _AT_ONCE:
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += len(record)
    yield batch


def _append(path: Path, records: Sequence[bytes]) -> int:
    """Append and sync; return the size. OSError: then nothing of it is there."""
    handle = os.open(path, _READ_WRITE)
    try:
        before = os.fstat(handle).st_size
        data = b"".join(records)
        try:
            if data:
                write_all(handle, data)
                os.fdatasync(handle)
        except BaseException:
            with suppress(OSError):
                os.ftruncate(handle, before)
            raise
        return before + len(data)
    finally:
        with suppress(OSError):  # what was synced is on the disk, whatever is said now
            os.close(handle)


def _mended(handle: int, accepted: Callable[[str], bool]) -> bytes:
    """Cut a segment back to the end of its last whole record; return that record. OSError."""
    while True:
        size = os.fstat(handle).st_size
        start, raw = _last(handle, size)
        length = extent(raw)
        if length == len(raw) or not raw:
            return raw
        if length:
            os.ftruncate(handle, start + length)
            return raw[:length]
        if start == 0 or (raw.endswith(END) and accepted(ident(raw))):
            return b""
        os.ftruncate(handle, start)


def _last(handle: int, size: int) -> tuple[int, bytes]:
    """Where the last record begins, and what stands from there on."""
    window = _WINDOW
    while True:
        begin = max(0, size - window)
        tail = os.pread(handle, size - begin, begin)
        at = tail.rfind(END + START)
        if at >= 0:
            return begin + at + len(END), tail[at + len(END) :]
        if begin == 0:
            return 0, tail
        window *= 8
