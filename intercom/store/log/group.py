"""Owns group commit: who finds the log locked leaves the record to whoever holds the lock, and one sync carries many.

A *request* is a file of the sender's, locked by it, that holds one record. Whoever appends next with the writer lock
held *takes* those that are there: unlinks each, appends them all at once, syncs, and writes its answer into the file,
which both still have open. No more than that is agreed on: a sender that gets the lock itself before it has an answer
looks into the ledger for its record, so nothing is lost, or there twice, whoever dies meanwhile. A request that its
sender holds no more is a dead process's, and is never sent.
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

LONGEST = 64 * 1024  #: bytes; a longer record waits for its turn
_AT_ONCE = TOGETHER - 3 * LONGEST  # bytes that are taken along, before the last of them and the own record
_ANSWER = 4096  # bytes
_QUEUE = "queue."
_DRAFT = "."  # begins the name of a request that is being made


def folder_of(private: Path, page: Path) -> Path:
    """Where the requests of those who write to this page are."""
    return private / f"{_QUEUE}{page.stem}"


class Request:
    """What one sender asks of whoever holds the lock; made when `accepted` is first called. For it to close."""

    def __init__(self, folder: Path, block: bytes) -> None:
        self.notice = ""  #: what the sender should be told, if it was accepted
        self.record = b""  #: what it asks to append, once it does
        self._folder = folder
        self._block = block
        self._path = ""
        self._handle = -1

    @property
    def made(self) -> bool:
        """Whether somebody may know of it."""
        return self._handle >= 0

    def accepted(self) -> bool:
        """Whether somebody has accepted it."""
        self.record = self.record or seal(self._block)
        if len(self.record) > LONGEST:
            return False
        answer = b""
        with suppress(OSError, StorageError):  # then it waits for its turn
            if self._handle < 0:
                self._ask()
            answer = host.pread(self._handle, _ANSWER, len(self.record))
        if not answer.endswith(b"\n"):
            return False
        self.notice = answer.decode("utf-8", "replace").strip()
        return True

    def _ask(self) -> None:
        """Make it: it is locked and whole when it gets its name. OSError, StorageError."""
        if not self._folder.is_dir():
            make_private_folder(self._folder)
        name = ident(self.record)
        draft, self._path = f"{self._folder}/{_DRAFT}{name}", f"{self._folder}/{name}"
        handle = host.open_file(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        try:
            host.try_lock(handle)  # nobody else knows of it yet
            write_all(handle, self.record)
            host.rename(draft, self._path)
        except BaseException:
            with suppress(OSError):
                os.close(handle)
                os.unlink(draft)
            raise
        self._handle = handle

    def withdraw(self) -> bool:
        """Nobody can take it any more; False if somebody did."""
        if self._handle >= 0:
            try:
                os.unlink(self._path)
            except OSError:
                return False
        return True

    def close(self) -> None:
        """Let go of it."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            with suppress(OSError):
                os.close(handle)


class Taken(NamedTuple):
    """A request of another sender, who waits for the answer."""

    handle: int
    record: bytes

    def accept(self, notice: str = "") -> None:
        """Tell the sender that its record is synced, and what it should know."""
        with suppress(OSError):  # then it finds its record in the ledger
            host.pwrite(self.handle, " ".join(notice.split()).encode()[: _ANSWER - 1] + b"\n", len(self.record))


@contextmanager
def taken(folder: Path) -> Iterator[Sequence[Taken]]:
    """Take what others ask for, in order of their ids. The caller holds the writer lock, and appends in the block."""
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
    """Remove what was left half made; who is making one just now does so again."""
    with suppress(OSError):
        for name in os.listdir(folder):
            if name.startswith(_DRAFT):
                os.unlink(folder / name)


def _take(path: str, name: str) -> Taken | None:
    """One request, if its sender still waits; that of a dead process is removed."""
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
            os.unlink(path)  # where that fails it was withdrawn just now
        if fits:
            return Taken(handle, record)
    except OSError:
        pass
    os.close(handle)
    return None
