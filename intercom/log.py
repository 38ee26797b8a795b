"""Owns this machine's live log and its journal: appending to both as one act, and putting right torn ends.

The *live log* belongs to everybody: people, editors and agents rewrite it as they like. The
*journal* (`.intercom/journal.md`) is ours alone: the same bytes, written first, so that whatever
happens to the live log, nothing accepted is lost, and so that a line in the live log that the
journal does not know is known to be hand-written, whatever its meta line claims.

An append, under the writer lock: the journal, then the live log, then fdatasync of the live log.
That is the commit. A writer that dies before leaves at most a torn end: of the journal (nothing
had reached the log: the end is dropped) or of the live log (the journal has the whole: the missing
rest is written). What other programs leave unfinished is closed off with a newline, never touched.

A torn journal cannot be told from a whole one by its text alone, as a body may hold what ends a block; nor
a writer that died between the two files from somebody who took its message out of the log. So what is
about to be appended is noted first, by its place and length, and at the end that it is done (`journal.next`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from intercom.config import COMPACT_ABOVE, COMPACT_BYTES, COMPACT_KEEP, KEPT, Config
from intercom.errors import StorageError
from intercom.files import make_private_folder, read_from, storage, write_all, write_pieces
from intercom.format import MESSAGE, digest, parse
from intercom.lock import WriterLock
from intercom.swap import gather

END = b"\n---\n\n"  #: how every block that we render ends
META = b"\n<!-- intercom id="  #: begins the second line of every block that we render
_TAIL = 4096
_LONG = 4 * 1024 * 1024  #: bytes; whoever works on less is done before anybody loses patience
_PACE = 2 / 1_000_000  #: seconds per byte that may be needed with the lock held: ten times what it takes
_BATCH = 512  #: blocks in one write
_LEAD = 512  #: bytes before a block by which its place is known
_PROVES = 20  #: bytes; a header is never shorter than its opening and a time, less than that proves nothing
_OPEN_STATE, _DONE = b"open", b"done"
_OPEN = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC


class Appended(NamedTuple):
    """What an append left behind: what the caller needs to decide whether to compact."""

    journal_messages: int  #: in the journal now, versions included
    live_size: int  #: bytes

    @property
    def too_long(self) -> bool:
        """Whether the live log is to be compacted."""
        many = self.journal_messages > COMPACT_ABOVE
        return many or (self.live_size > COMPACT_BYTES and self.journal_messages > COMPACT_KEEP)

    @property
    def full(self) -> bool:
        """Whether the next message makes it too long."""
        return self.journal_messages >= COMPACT_ABOVE


class Log:
    """The live log and journal of one bus. Cheap to create; opens files only to work on them."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.live = config.log
        self.journal = config.private / "journal.md"
        self._lock = WriterLock(config.private / "lock")
        self._mark = config.private / f"{KEPT}{self.live.stem}"

    @property
    def kept(self) -> bool:
        """Whether journal and live log were last brought together, and written, under this machine's name alone."""
        return os.access(self._mark, os.F_OK)

    def kept_elsewhere(self) -> list[Path]:
        """The marks of others under which they were, of no name where several wrote to them since."""
        return [path for path in self._config.private.glob(f"{KEPT}*") if path != self._mark]

    def keep(self, name: str | None = None) -> None:
        """Note that they are together under our name, or this mark. The caller holds the lock. StorageError."""
        mark = self._mark.with_name(name or self._mark.name)
        with storage(f"create {mark}", "nothing was done"):
            others = [path for path in self.kept_elsewhere() if path != mark]
            for path in others[1:]:
                path.unlink(missing_ok=True)
            if others:
                os.replace(others[0], mark)  # there is one at any moment, whoever dies
            else:
                mark.touch(mode=0o600)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the writer lock (creating our folders first). LockTimeout, StorageError."""
        make_private_folder(self._config.private)
        with self._lock.held():
            size = _size(self.live) + _size(self.journal)
            if size > _LONG:
                self.promise(size)
            yield

    def promise(self, size: int) -> None:
        """Say to those who wait for the lock that so many bytes are worked on with it held; the caller holds it."""
        self._lock.promise(size * _PACE)

    def mend(self, agreed: int = 0) -> None:
        """Put right what a writer that died left torn; fetch what was written into a log that was replaced.

        The live log is known to have held the first `agreed` bytes of the journal: what is torn there, somebody cut.
        StorageError. The caller holds the lock.
        """
        self._mend(agreed)
        with storage(f"add to {self.live} what was written into the file that it replaced", "nothing was read"):
            gather(self.live, self._known)

    def _known(self) -> set[str]:
        """Digests of what may stand in a log that was replaced not long ago."""
        archive = sorted(self._config.archive.glob(f"{self.live.stem}-*.md"))[-2:]
        texts = (read_from(path) or b"" for path in (self.journal, self.live, *archive))
        return {digest(entry) for text in texts for entry in parse(text) if entry.kind == MESSAGE}

    def _mend(self, agreed: int) -> None:
        try:
            journal = os.open(self.journal, _OPEN)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageError(f"cannot open {self.journal}: {error.strerror}; nothing was read.") from error
        try:
            last, before = self._lasts(journal)
            if os.fstat(journal).st_size - len(last) < agreed:
                return
            with suppress(FileNotFoundError):  # a log that was removed is for the repairs to bring back
                live = os.open(self.live, _OPEN)
                try:
                    _mend_live(live, last, before)
                finally:
                    os.close(live)
        except OSError as error:
            raise StorageError(f"cannot mend {self.live}: {error.strerror}; nothing was read.") from error
        finally:
            os.close(journal)

    def append(self, block: bytes, first: Callable[[], bytes]) -> Appended:
        """Append one rendered block to journal and live log; `first` makes the beginning of a log that is empty.

        Returns after fdatasync. On any StorageError neither file holds anything of the block. The
        caller holds the lock.
        """
        journal = self._open(self.journal)
        try:
            live = self._open(self.live)
            try:
                if not self.kept:
                    self.keep(KEPT if self.kept_elsewhere() else self._mark.name)  # no log but ours has this message
                return self._append(journal, live, block, first)
            finally:
                os.close(live)
        finally:
            os.close(journal)

    def _open(self, path: os.PathLike[str]) -> int:
        try:
            return os.open(path, _OPEN | os.O_CREAT, 0o600)
        except OSError as error:
            raise StorageError(f"cannot open {path}: {error.strerror}; nothing was sent.") from error

    def _append(self, journal: int, live: int, block: bytes, first: Callable[[], bytes]) -> Appended:
        try:
            _mend_live(live, *self._lasts(journal))
            journal_size, live_size = os.fstat(journal).st_size, os.fstat(live).st_size
        except OSError as error:
            raise StorageError(f"cannot prepare {self.live}: {error.strerror}; nothing was sent.") from error
        # A log that is empty though messages are known is being saved just now, or is to be repaired: no new top.
        text = (_joint(live, live_size, first) if live_size or not journal_size else b"") + block
        try:
            with self._noted(journal, journal_size, len(block), _OPEN_STATE):
                write_all(journal, block)
                write_all(live, text)
                os.fdatasync(live)
        except OSError as error:
            # Only what we wrote is taken back: if somebody appended meanwhile, their bytes stay.
            with suppress(OSError):
                if text.startswith(os.pread(live, len(text) + 1, live_size)):
                    os.ftruncate(live, live_size)
            with suppress(OSError):
                os.ftruncate(journal, journal_size)
            raise StorageError(
                f"cannot append to {self.live}: {error.strerror}; nothing was sent. Free some space and send again."
            ) from error
        return Appended(_count(journal, journal_size + len(block)), live_size + len(text))

    def _lasts(self, journal: int) -> tuple[bytes, bytes]:
        """The journal's last block, once it is mended, and what stands before it."""
        last = self._mended(journal)
        begin = os.fstat(journal).st_size - len(last)
        start = max(0, begin - _LEAD)
        return last, os.pread(journal, begin - start, start)

    def adopt(self, blocks: Sequence[bytes]) -> None:
        """Append blocks to the journal alone: what somebody wrote into the live log. The caller holds the lock."""
        journal = self._open(self.journal)
        try:
            self._mended(journal)
            before = os.fstat(journal).st_size
            try:
                with self._noted(journal, before, sum(map(len, blocks)), _DONE):
                    for start in range(0, len(blocks), _BATCH):
                        write_all(journal, b"".join(blocks[start : start + _BATCH]))
            except OSError:
                os.ftruncate(journal, before)
                raise
        except OSError as error:
            raise StorageError(
                f"cannot write {self.journal}: {error.strerror}; what was written by hand is not delivered yet."
            ) from error
        finally:
            os.close(journal)

    @contextmanager
    def _noted(self, journal: int, start: int, length: int, state: bytes) -> Iterator[None]:
        """Note what the block is about to write to the journal, and when it is done. OSError."""
        handle = os.open(_next(self.journal), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            write_all(handle, b"%-20d %-20d %-20d %s" % (os.fstat(journal).st_ino, start, length, state))
            yield
            if state != _DONE:
                with suppress(OSError):  # the message is safe already
                    os.pwrite(handle, _DONE, 63)
        finally:
            os.close(handle)

    def _mended(self, journal: int) -> bytes:
        """Drop the end of the journal that a dead writer left torn, or had not begun to put into the live log.

        Return the last block. OSError.
        """
        try:
            with open(_next(self.journal), "rb") as file:
                *numbers, state = file.read().split()
            inode, start, length = map(int, numbers)
        except (FileNotFoundError, ValueError):
            return _mend_journal(journal)
        found = os.fstat(journal)
        if inode == found.st_ino and start < found.st_size <= start + length:
            whole = found.st_size == start + length
            if whole and state != _DONE:
                whole = _begun(os.pread(journal, length, start), read_from(self.live) or b"")
            if not whole:
                os.ftruncate(journal, start)
        return _mend_journal(journal)


def replace_journal(path: Path, blocks: Iterable[bytes]) -> None:
    """Replace the journal, atomically. StorageError. The caller holds the writer lock."""
    with storage(f"write {path}"):
        install_journal(path, write_pieces(path, blocks))


def install_journal(path: Path, draft: Path) -> None:
    """Put a synced draft in the journal's place. OSError. The caller holds the writer lock.

    The rename need not be on disk: after a power cut the old journal does as well, as after a kill just before.
    """
    _next(path).unlink(missing_ok=True)  # the note is about the file that goes
    os.replace(draft, path)


def _begun(block: bytes, live: bytes) -> bool:
    """Whether the live log has something of a block that a writer left there: its second line has its id."""
    meta = block.find(b"\n", block.find(b"\n") + 1)
    if block[:meta] in live:
        return True
    begin = live.rfind(b"\n## [") + 1
    return len(live) - begin > _PROVES and block.startswith(live[begin:])


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _next(journal: Path) -> Path:
    return journal.with_name("journal.next")


def _count(journal: int, size: int) -> int:
    """How many messages the journal holds, by their meta lines (no body can hold one unescaped)."""
    return os.pread(journal, size, 0).count(META)


def _joint(live: int, size: int, first: Callable[[], bytes]) -> bytes:
    """What must stand between the live log's present end and a new block."""
    if size == 0:
        return first()
    end = os.pread(live, 2, max(0, size - 2))
    if end.endswith(b"\n\n") or (size == 1 and end == b"\n"):
        return b""
    return b"\n" if end.endswith(b"\n") else b"\n\n"


def _mend_journal(journal: int) -> bytes:
    """Drop a torn end of the journal; return its last block (b"" if there is none)."""
    size = os.fstat(journal).st_size
    if size == 0:
        return b""
    window = _TAIL
    while True:
        start = max(0, size - window)
        tail = os.pread(journal, size - start, start)
        if not tail.endswith(END):
            torn = _torn_from(tail)
            if torn is None and start:
                window *= 8
                continue
            os.ftruncate(journal, start + (torn or 0))
            return _mend_journal(journal)
        begin = tail.rfind(END + b"## [", 0, len(tail) - 1)
        if begin >= 0:
            return tail[begin + len(END) :]
        if not start:
            return tail
        window *= 8


def _torn_from(tail: bytes) -> int | None:
    """Where in `tail` the torn last block begins, or None if it begins before `tail`.

    A body never holds `## [` at a line's start (rendering escapes it), so the last one is a header;
    unless so little was written that it is no header yet.
    """
    last_end = tail.rfind(END) + len(END)
    if last_end >= len(END) and b"## [".startswith(tail[last_end:]):
        return last_end
    header = tail.rfind(END + b"## [")
    return header + len(END) if header >= 0 else None


def _mend_live(live: int, last: bytes, before: bytes) -> None:
    """Write the missing rest of the journal's last block where a killed writer left the live log torn.

    A piece that does not reach the block's id could be any message's of that second, cut off by somebody: it is
    taken for the last block's only where it stands in that one's place, after what stands `before` it.
    """
    size = os.fstat(live).st_size
    start = max(0, size - len(last))
    tail = os.pread(live, size - start, start)
    if not last or tail == last:
        return
    # The torn block begins with the last header in the file: none stands in a body that we render.
    begin = tail.rfind(b"\n## [") + 1
    length = len(tail) - begin
    if (begin or start == 0) and _PROVES < length < len(last) and last.startswith(tail[begin:]):
        at = size - length
        named = length > last.find(b" ", last.find(META) + len(META)) > 0
        if named or os.pread(live, len(before), max(0, at - len(before))) == before:
            write_all(live, last[length:])
