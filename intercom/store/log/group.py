"""Owns group commit: a sender that finds the log locked leaves its record to the lock holder, and one sync serves many.

A *request* is a file of the sender's, locked by it, that holds one record. Whoever appends next under the writer
lock *takes* the requests that are there: it unlinks each, appends all records at once, syncs, and writes its answer
into the file, which both sides still have open. That is the whole protocol: a sender that gets the lock before it
has an answer looks for its record in the ledger, so nothing is lost or appended twice, whoever dies meanwhile. A
request that its sender no longer holds belongs to a dead process, and is never sent.

A sender sleeps until it is answered, or next to have the lock: whoever gave that back rings its bell, which the name
of the request names. Where there are no bells, or whoever should have rung died, the sender finds out by looking.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from intercom.core.errors import StorageError
from intercom.core.message import new_id
from intercom.format.record import extent, ident, seal
from intercom.store.log.ledger import TOGETHER
from intercom.system import host
from intercom.system.files import make_private_folder, open_regular, whole, write_all
from intercom.system.host import Bell

LONGEST = 64 * 1024  #: bytes; a longer record waits for the lock
_AT_ONCE = TOGETHER - 3 * LONGEST  # bytes taken along, not counting the last of them and the own record
_ANSWER = 4096  # bytes
_QUEUE = "queue."
_DRAFT = "."  # prefix of the name of an unfinished request
_BELL = "."  # in the name of a request, between the id of its record and the name of its sender's bell


def folder_of(private: Path, page: Path) -> Path:
    """The folder of the requests for this page."""
    return private / f"{_QUEUE}{page.stem}"


class Queue:
    """The requests for one page, and the bell of who makes some. Cheap to create."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._bell: Bell | None = None
        self._without = False  # whether a bell could not be made
        self._answered: list[str] = []  # whose bells are still to be rung

    def bell(self, name: str = "") -> Bell | None:
        """Our bell; None if there can be none."""
        if self._bell is None and not self._without:
            try:
                self._bell = Bell(name or new_id())
            except OSError:
                self._without = True
        return self._bell

    def release(self) -> None:
        """Wake who has been answered, and one who waits. The caller has just given the writer lock back."""
        answered, self._answered = self._answered, []
        with suppress(OSError):
            for name in sorted(os.listdir(self.folder)):
                if (bell := _bell_in(name)) and (ours := self.bell()) and ours.ring(bell):
                    break
        for bell in answered:
            if ours := self.bell():
                ours.ring(bell)

    def close(self) -> None:
        """Close the bell; the next request makes another."""
        bell, self._bell, self._without = self._bell, None, False
        if bell is not None:
            bell.close()

    @contextmanager
    def taken(self) -> Iterator[Sequence[Taken]]:
        """Take the pending requests, oldest first. The caller holds the writer lock, and appends within the block."""
        found: list[Taken] = []
        try:
            with suppress(OSError):
                size = 0
                for name in sorted(os.listdir(self.folder)):
                    if size < _AT_ONCE and (one := _take(f"{self.folder}/{name}", name)) is not None:
                        found.append(one)
                        size += len(one.record)
            yield found
        finally:
            self._answered += [one.bell for one in found if one.bell]
            for one in found:
                with suppress(OSError):
                    os.close(one.handle)


class Request:
    """One sender's request to the lock holder; created when `done` is first called. The sender closes it."""

    def __init__(self, queue: Queue, block: bytes) -> None:
        self.notice = ""  #: what to tell the sender, if it was accepted
        self.record = b""  #: the record to append, once it is made
        self._queue = queue
        self._block = block
        self._path = ""
        self._handle = -1
        self._done = False

    @property
    def made(self) -> bool:
        """Whether the file exists, so that somebody may know of it."""
        return self._handle >= 0

    def done(self) -> bool:
        """Whether somebody has appended it. Makes the request on the first call."""
        if self._done:
            return True
        self.record = self.record or seal(self._block)
        if len(self.record) > LONGEST:
            return False
        answer = b""
        with suppress(OSError, StorageError):  # then it waits for the lock
            if self._handle < 0:
                self._ask()
            else:
                answer = host.pread(self._handle, _ANSWER, len(self.record))
        if answer.endswith(b"\n"):
            self.notice = answer.decode("utf-8", "replace").strip()
            self._done = True
        return self._done

    def sleep(self, seconds: float) -> bool:
        """Sleep so long, or until we are rung; False, at once, if nobody can ring."""
        bell = self._queue.bell() if self.made else None
        if bell is None:
            return False
        bell.sleep(seconds)
        return True

    def _ask(self) -> None:
        """Create the file: it is locked and complete by the time it gets its name. OSError, StorageError."""
        folder = self._queue.folder
        if not folder.is_dir():
            make_private_folder(folder)
        name = ident(self.record)
        if bell := self._queue.bell(name):
            name += _BELL + bell.name
        draft, self._path = f"{folder}/{_DRAFT}{name}", f"{folder}/{name}"
        handle = host.open_file(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        try:
            host.try_lock(handle)  # always succeeds: nobody else knows of it yet
            write_all(handle, self.record)
            host.rename(draft, self._path)
        except BaseException:
            with suppress(OSError):
                os.close(handle)
                os.unlink(draft)
            raise
        self._handle = handle

    def withdraw(self) -> bool:
        """Make sure that nobody can take it any more; False if somebody did."""
        if self._done:
            return False
        if self._handle >= 0:
            try:
                os.unlink(self._path)
            except OSError:
                return False
        return True

    def close(self) -> None:
        """Close the file, which gives the request up."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            with suppress(OSError):
                os.close(handle)


class Taken(NamedTuple):
    """A request of another sender, who waits for the answer."""

    handle: int
    record: bytes
    bell: str  #: of its sender; "" if it has none

    def accept(self, notice: str = "") -> None:
        """Tell the sender that its record is synced, with a notice for it."""
        with suppress(OSError):  # then the sender finds its record in the ledger
            host.pwrite(self.handle, " ".join(notice.split()).encode()[: _ANSWER - 1] + b"\n", len(self.record))


def sweep(folder: Path) -> None:
    """Remove unfinished requests; a sender that is just making one starts over."""
    with suppress(OSError):
        for name in os.listdir(folder):
            if name.startswith(_DRAFT):
                os.unlink(folder / name)


def clear(private: Path) -> None:
    """Remove what dead senders left, for whichever page. The caller holds the writer lock."""
    for folder in private.glob(f"{_QUEUE}*"):
        sweep(folder)
        with suppress(OSError):
            for name in os.listdir(folder):
                _clear(folder / name)


def _clear(path: Path) -> None:
    with suppress(OSError):
        handle = open_regular(path, os.O_RDWR)
        try:
            if host.try_lock(handle):
                os.unlink(path)
        finally:
            os.close(handle)


def _bell_in(name: str) -> str:
    """The bell that a request names; "" if it names none."""
    return "" if name.startswith(_DRAFT) else name.partition(_BELL)[2]


def _take(path: str, name: str) -> Taken | None:
    """Take one request if its sender still waits; remove that of a dead process."""
    if name.startswith(_DRAFT):
        return None
    try:
        handle = open_regular(path, os.O_RDWR)
    except OSError:
        return None
    try:
        dead = host.try_lock(handle)
        record = whole(handle)
        fits = not dead and 0 < len(record) <= LONGEST and extent(record) == len(record)
        fits = fits and ident(record) == name.partition(_BELL)[0]
        if dead or fits:
            os.unlink(path)  # fails if it was withdrawn just now
        if fits:
            return Taken(handle, record, _bell_in(name))
    except OSError:
        pass
    os.close(handle)
    return None
