"""Owns the ledger: append-only segments that only Intercom writes, the only synced file, and the source of truth.

Segments are `archive/INTERCOM-<machine>-NNNNNN.md`; the newest is open (`segments` decides which files are ours).

An append writes whole records and syncs them: that is the commit. No byte of an accepted record is rewritten or
renamed afterwards, redaction excepted. A writer that dies before the sync leaves at most a torn end, which the next
writer cuts back. A record that does not fit its seal although whole ones follow was changed by somebody: it is never
cut, and counts as hand-written.

The caller of anything that writes holds the writer lock.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

from intercom.core.config import Config
from intercom.core.errors import StorageError
from intercom.core.message import new_id
from intercom.format.record import END, OPEN, START, control, extent, ident, idents
from intercom.store.log import spare
from intercom.store.log.segments import NOTHING, OLDER, Segment, Segments, number_of, whole
from intercom.system import host
from intercom.system.files import make_private_folder, read_from, storage, write_all, write_pieces
from intercom.system.folders import file_size

SEGMENT_BYTES = 512 * 1024  #: a segment of this size is closed
TOGETHER = 512 * 1024  #: bytes; limit for messages of several senders in one append
_AT_ONCE = 8 * 1024 * 1024  #: bytes of one batch that go into one segment
_WINDOW = 4096
_TORN = "the ledger's end could not be mended"
_UNPROVEN = (
    "{} and the files beside it do not prove to be yours (nothing in them is signed with your key): what they say "
    "counts as written by hand"
)
_READ_WRITE = os.O_RDWR | os.O_APPEND


class Position(NamedTuple):
    """A position in the ledger: the number of a segment, and an offset in bytes. Positions are ordered."""

    number: int
    offset: int


class Ledger:
    """The ledger of one bus. Cheap to create; opens files only when used."""

    def __init__(self, config: Config, notices: list[str] | None = None) -> None:
        """`notices` collects what a person should be told."""
        self._config = config
        self._notices = notices if notices is not None else []
        self._segments = Segments(config)
        self._unsynced: Path | None = None  # a segment whose sync failed
        self._spared = False  # whether all segments have their second names
        self.folder: Final = config.archive
        self._machine = config.machine
        self._started = False  # whether we looked for damage by a power cut; none can come while we run
        self._paths: dict[str, Path] = {}
        self._ended: tuple[Segment, Position] | None = None  # the open segment, and where it ended at the last look
        # A segment as we left it, with its size and last record.
        self._whole: tuple[Path | None, int, bytes] = None, 0, b""
        self.segments: Final = self._segments.all
        self.is_named: Final = self._segments.is_named
        self.forget: Final = self._segments.forget

    @property
    def id(self) -> str:
        """The ledger's id; "" while there is none."""
        return self._segments.id

    def exists(self) -> bool:
        """Whether there is an open segment."""
        return self.open() is not None

    def open(self) -> Segment | None:
        """The open segment; None while there is no ledger."""
        found = self.segments()
        return found[-1] if found and found[-1].sealed else None

    def path(self, segment: Segment) -> Path:
        """The path of a segment."""
        if (found := self._paths.get(segment.name)) is None:
            found = self._paths[segment.name] = self.folder / segment.name
        return found

    def end(self) -> Position | None:
        """Where the next record would go; None while there is no ledger."""
        last = self.open()
        if last is None:
            return None
        self._ended = last, Position(last.number, file_size(f"{self.folder}/{last.name}"))
        return self._ended[1]

    # -- appending --------------------------------------------------------------------------------

    def append(
        self, records: Sequence[bytes], outcome: str = "nothing was sent", *, at: Position | None = None
    ) -> Position:
        """Append records and sync them; returns where they end. On StorageError none of them was appended.

        `at`: where the ledger was just found to end, which is not looked up again.
        """
        ended = self._ended if at is not None else None
        segment, size = (ended[0], ended[1].offset) if ended is not None and ended[1] == at else self._for_more()
        path, full = self.path(segment), SEGMENT_BYTES
        with storage(f"append to {path}", outcome):
            for batch in _batches(records):
                if size >= full or self._segments.lacks_sign():
                    segment = self._make(segment.number + 1, segment.name)
                    path = self.path(segment)
                size, full = _append(path, batch), max(SEGMENT_BYTES, _AT_ONCE)
        if records and len(records[-1]) < _WINDOW:
            self._whole = path, size, records[-1]
        if not self._spared:
            self._spared = True
            with suppress(OSError, StorageError):  # failures from here on undo nothing
                spare.keep(self._config, [one.name for one in self.segments() if one.sealed])
        return Position(segment.number, size)

    def _for_more(self) -> tuple[Segment, int]:
        """The open segment and its size; the ledger is begun if there is none. StorageError."""
        segment = self.open()
        size = file_size(self.path(segment)) if segment is not None else 0
        if segment is not None and not size:  # somebody emptied it: it is no longer a segment
            self.forget()
            segment = self.open()
        if segment is None and self.bring_back():
            segment = self.open()
        if segment is None:
            self.begin()
            segment = self.segments()[-1]
        return segment, size or file_size(self.path(segment))

    def bring_back(self) -> bool:
        """Restore segments that were deleted with the folder; returns whether any was. StorageError."""
        said = spare.bring_back(self._config)
        if said:
            self.forget()
            self._notices.append(said)
        return bool(said)

    def begin(self, records: Iterable[bytes] = ()) -> Position:
        """Begin the ledger with these records, after the segments of an older version; returns where they end.

        Everything is drafted and synced before any file gets its name. Raises StorageError and whatever `records`
        raises; then there is no ledger.
        """
        make_private_folder(self.folder)
        number = self._segments.highest() + 1
        old = [segment.name for segment in self.segments() if not segment.sealed]
        ledger = new_id()
        with storage(f"begin the ledger in {self.folder}"):
            for folder in (self.folder.parent, *self.folder.parent.parents[:2]):
                host.sync_folder(folder)  # whoever created one of them may not have synced it
            drafts: list[tuple[Path, Path]] = []
            try:
                for part in _parts(records):
                    path = self._segments.free(number)
                    follows, older = (drafts[-1], ()) if drafts else (None, old)
                    first = self._first(ledger, follows, older)
                    drafts.append((write_pieces(path, chain([first], part)), path))
                    number = number_of(path.name) + 1
                self._segments.enlist(ledger, [path.name for _, path in drafts])
                for draft, path in drafts:
                    host.rename(draft, path)
                host.sync_folder(self.folder)
            except BaseException:
                for either in chain(*drafts):  # a file that has its name already has no content of its own yet
                    either.unlink(missing_ok=True)
                raise
        if self._segments.unproven:
            self._notices.append(_UNPROVEN.format(self.folder / self._segments.unproven[0]))
        self.forget()
        return Position(number_of(path.name), file_size(path))

    def _make(self, number: int, follows: str) -> Segment:
        """Create a segment under its final name, synced, and sync its folder. OSError."""
        path = self._segments.free(number)
        draft = write_pieces(path, [self._first(self.id, (self.folder / follows,) * 2)])
        self._segments.enlist(self.id, [path.name])
        host.rename(draft, path)
        try:
            host.sync_folder(self.folder)
        except OSError:
            path.unlink(missing_ok=True)  # otherwise the next record would go into a file that a power cut may remove
            raise
        self.forget()
        self._spared = False
        return Segment(path.name, number_of(path.name))

    def _first(self, ledger: str, follows: tuple[Path, Path] | None, older: Iterable[str] = ()) -> bytes:
        """The OPEN record of a segment that follows another: the other's position now, and its own."""
        lines = [f"ledger {ledger}", f"follows {follows[1].name if follows else NOTHING}"]
        if follows is not None and (data := read_from(follows[0])) is not None:
            lines.append(f"whole {whole(data)}")
        lines.append(f"machine {self._machine}")
        if mine := self._segments.sign(ledger):
            lines.append(f"mine {mine}")
        return control(OPEN, [*lines, *(OLDER + name for name in older), ""], time.time())

    def mend(self, accepted: Callable[[str], bool]) -> bytes:
        """Cut back what a writer that died left torn at the end; returns the last whole record. StorageError.

        `accepted` tells whether the message with an id is known to have been accepted: then somebody has changed its
        record by hand.
        """
        segment = self.open()
        if segment is None:
            return b""
        path = self.path(segment)
        with storage(f"list the segments in {self.folder}", _TORN):
            self._segments.relist()
        if self._whole[:2] == (path, file_size(path)):
            return self._whole[2]
        with storage(f"open {path}", _TORN):
            handle = host.open_file(path, _READ_WRITE)
        try:
            with storage(f"mend {path}", _TORN):
                if not self._started:
                    _cut_holed(handle, accepted)
                self._started = True
                return _mended(handle, accepted)
        finally:
            os.close(handle)

    def settle(self) -> None:
        """Sync the open segment: its writer may have died before it did. StorageError."""
        segment = self.open()
        if segment is None:
            return
        path = self.path(segment)
        with storage(f"sync {path}", "nothing was read"):
            try:
                if self._unsynced != path:
                    host.sync_file(path)
                    return
            except OSError:
                self._unsynced = path
            _rewrite(path)
            self._unsynced = None

    # -- reading ----------------------------------------------------------------------------------

    def holds(self, record: bytes) -> bool:
        """Whether exactly this record is among the newest. StorageError."""
        newest = self.segments()[-2:]
        return any(record in (read_from(self.path(segment)) or b"") for segment in newest if segment.sealed)

    def since(self, position: Position) -> list[tuple[Position, bytes]]:
        """What was appended after a position: pieces of segments, each with its position. StorageError."""
        out = []
        for segment in self.segments():
            if segment.sealed and segment.number >= position.number:
                start = position.offset if segment.number == position.number else 0
                data = read_from(self.path(segment), start) or b""
                if data:
                    out.append((Position(segment.number, start), data))
        return out

    def tail(self, position: Position) -> bytes:
        """The same in one piece, without the OPEN records. StorageError."""
        return b"".join(without_open(at, data) for at, data in self.since(position))


def without_open(at: Position, data: bytes) -> bytes:
    """Data of a segment, read from `at` on, without the OPEN record at its beginning."""
    return data if at.offset else data[extent(data) :]


def _parts(records: Iterable[bytes]) -> Iterator[Iterator[bytes]]:
    """Split the records, in order, into parts for one segment each; consume one part before the next."""
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
    """Split the records, in order, into batches of at most what one segment takes at once."""
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
    """Append and sync; returns the new size. On OSError nothing of it was appended."""
    handle = host.open_file(path, _READ_WRITE)
    try:
        before = os.fstat(handle).st_size
        data = b"".join(records)
        try:
            if data:
                write_all(handle, data)
                host.sync(handle)
        except BaseException as error:
            _take_back(handle, before, data, error)
            raise
        return before + len(data)
    finally:
        with suppress(OSError):  # the data is on disk already; a failing close changes nothing
            os.close(handle)


def _take_back(handle: int, before: int, data: bytes, error: BaseException) -> None:
    """Cut off what could not be synced. StorageError if that fails, too, and all of it is still there."""
    try:
        host.truncate(handle, before)
    except OSError:
        if os.fstat(handle).st_size >= before + len(data):
            raise StorageError(
                f"the ledger could neither be synced nor cut back: {error}; whether this was sent is not known. "
                "Look (intercom log) before you send it again."
            ) from error


def _rewrite(path: Path) -> None:
    """Write a segment's bytes again in place, and sync them. OSError.

    After a failed sync, the kernel counts pages as written that never reached the disk.
    """
    handle = host.open_file(path, os.O_RDWR)
    try:
        write_all(handle, host.pread(handle, os.fstat(handle).st_size, 0), 0)
        host.sync(handle)
    finally:
        with suppress(OSError):
            os.close(handle)


def _mended(handle: int, accepted: Callable[[str], bool]) -> bytes:
    """Cut a segment back to the end of its last whole record; returns that record. OSError."""
    while True:
        size = os.fstat(handle).st_size
        start, raw = _last(handle, size)
        length = extent(raw)
        if length == len(raw) or not raw:
            return raw
        if length:
            host.truncate(handle, start + length)
            return raw[:length]
        if start == 0 or (raw.endswith(END) and accepted(ident(raw))):
            return b""
        host.truncate(handle, start)


def _cut_holed(handle: int, accepted: Callable[[str], bool]) -> None:
    """Cut off a batch of records of which a power cut kept only later ones. OSError.

    The batch would have been synced as a whole, so none of it was accepted: page and base have none of it. A hole
    consists of NULs.
    """
    size = os.fstat(handle).st_size
    begin = max(0, size - TOGETHER)
    tail = host.pread(handle, size - begin, begin)
    at = tail.find(END + START) + len(END) if b"\0" in tail else 0
    while at >= len(END):
        after = tail.find(END + START, at) + len(END)
        record = tail[at : after if after >= len(END) else None]
        end = at + extent(record)
        if b"\0" in record and end < at + len(record) and not any(map(accepted, idents(tail[end:]))):
            host.truncate(handle, begin + end)
            return
        at = after


def _last(handle: int, size: int) -> tuple[int, bytes]:
    """Where the last record begins, and its bytes."""
    window = _WINDOW
    while True:
        begin = max(0, size - window)
        tail = host.pread(handle, size - begin, begin)
        at = tail.rfind(END + START)
        if at >= 0:
            return begin + at + len(END), tail[at + len(END) :]
        if begin == 0:
            return 0, tail
        window *= 8
