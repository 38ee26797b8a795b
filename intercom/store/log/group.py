"""Owns group commit: a sender that finds the log locked leaves its record to the lock holder, and one sync serves many.

A *request* is a file of the sender's, locked by it, that holds one record. Whoever appends next under the writer
lock *takes* the requests that are there: it unlinks each, appends all records at once, syncs, and writes its answer
into the file, which both sides still have open. That is the whole protocol: a sender that gets the lock before it
has an answer looks for its record in the ledger, so nothing is lost or appended twice, whoever dies meanwhile. A
request that its sender no longer holds belongs to a dead process, and is never sent.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from intercom.core.errors import StorageError
from intercom.format.record import extent, ident, seal
from intercom.store.log.ledger import TOGETHER
from intercom.system import host
from intercom.system.files import make_private_folder, open_regular, whole, write_all

LONGEST = 64 * 1024  #: bytes; a longer record waits for the lock
_AT_ONCE = TOGETHER - 3 * LONGEST  # bytes taken along, not counting the last of them and the own record
_ANSWER = 4096  # bytes
_QUEUE = "queue."
_DRAFT = "."  # prefix of the name of an unfinished request


def folder_of(private: Path, page: Path) -> Path:
    """The folder of the requests for this page."""
    return private / f"{_QUEUE}{page.stem}"


class Request:
    """One sender's request to the lock holder; created when `accepted` is first called. The sender closes it."""

    def __init__(self, folder: Path, block: bytes) -> None:
        self.notice = ""  #: what to tell the sender, if it was accepted
        self.record = b""  #: the record to append, once it is made
        self._folder = folder
        self._block = block
        self._path = ""
        self._handle = -1

    @property
    def made(self) -> bool:
        """Whether the file exists, so that somebody may know of it."""
        return self._handle >= 0

    def accepted(self) -> bool:
        """Whether somebody has appended it. Makes the request on the first call."""
        self.record = self.record or seal(self._block)
        if len(self.record) > LONGEST:
            return False
        answer = b""
        with suppress(OSError, StorageError):  # then it waits for the lock
            if self._handle < 0:
                self._ask()
            answer = host.pread(self._handle, _ANSWER, len(self.record))
        if not answer.endswith(b"\n"):
            return False
        self.notice = answer.decode("utf-8", "replace").strip()
        return True

    def _ask(self) -> None:
        """Create the file: it is locked and complete by the time it gets its name. OSError, StorageError."""
        if not self._folder.is_dir():
            make_private_folder(self._folder)
        name = ident(self.record)
        draft, self._path = f"{self._folder}/{_DRAFT}{name}", f"{self._folder}/{name}"
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

    def accept(self, notice: str = "") -> None:
        """Tell the sender that its record is synced, with a notice for it."""
        with suppress(OSError):  # then the sender finds its record in the ledger
            host.pwrite(self.handle, " ".join(notice.split()).encode()[: _ANSWER - 1] + b"\n", len(self.record))


@contextmanager
def taken(folder: Path) -> Iterator[Sequence[Taken]]:
    """Take the pending requests, in order of id. The caller holds the writer lock, and appends within the block."""
    found: list[Taken] = []
    try:
        with suppress(OSError):
            size = 0
            for name in sorted(os.listdir(folder)):
                if size < _AT_ONCE and (one := _take(f"{folder}/{name}", name)) is not None:
                    found.append(one)
                    size += len(one.record)
        yield found
    finally:
        for one in found:
            with suppress(OSError):
                os.close(one.handle)


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
        fits = not dead and 0 < len(record) <= LONGEST and extent(record) == len(record) and ident(record) == name
        if dead or fits:
            os.unlink(path)  # fails if it was withdrawn just now
        if fits:
            return Taken(handle, record)
    except OSError:
        pass
    os.close(handle)
    return None
