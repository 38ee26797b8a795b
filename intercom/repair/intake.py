"""Owns taking in a page without any history: what people wrote before the first tool came, of any length.

There is nothing to compare it with, so only two of the rules of `reconcile` apply: an entry equal to an earlier one,
in its text and to the second, is a copy of it (6), and everything else is new (9). That needs each text only once:
the file is read in pieces into a new ledger, keeping just the id and digest of each message. Anything less plain is
left to `Repair`, which gives the same result for a plain page.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterator
from typing import BinaryIO

from intercom.format import MARKER, MESSAGE, Entry, Parser, digest, hand_id
from intercom.format.near import near_misses
from intercom.format.record import by_hand, time_of
from intercom.format.roster import Roster
from intercom.repair.rules import Header
from intercom.repair.unheard import strangers
from intercom.store.log.base import ARRIVED, Mark, mark_line, names_line
from intercom.store.log.log import Log
from intercom.system.files import opened, storage

_PIECE = 1024 * 1024  #: bytes


class _NotPlain(Exception):  # a condition, not a fault
    """Another rule may apply, or somebody wrote into the file while we read it."""


def adopt(log: Log, db: sqlite3.Connection, roster: Roster, there: Collection[str]) -> bool:
    """Take the page in if there is no history and it is plain; returns whether that was done. StorageError.

    `db` is the index, `roster` the known names, `there` the names present now. The caller holds the writer lock.
    """
    if log.ledger.segments() or db.execute("SELECT 1 FROM messages").fetchone() is not None:
        return False
    try:
        with opened(log.live) as file, storage(f"read {log.live}", "nothing was read"):
            reader = _Reader(file, roster, there)
            end = log.ledger.begin(reader.records())
            file.seek(0)
            log.base.write_from(log.ledger.id, end, iter(lambda: file.read(_PIECE), b""), reader.count, reader.text())
            if reader.moved():
                log.base.drop()
    except (_NotPlain, FileNotFoundError):
        return False
    return True


class _Reader:
    """Reads the file once, and yields its messages as records and the content of its base."""

    def __init__(self, file: BinaryIO, roster: Roster, there: Collection[str]) -> None:
        self._there = there
        self._roster = roster
        self._file = file
        self._began = _times(file)
        self._marked: list[str] = []
        self._arrived: list[str] = []
        self._last: list[Entry] = []
        self._number = 0  # count of messages, copies included
        self._given: set[str] = set()
        self._ids: dict[int, str] = {}  # digest -> id
        self._headers: set[int] = set()

    @property
    def count(self) -> int:
        """The number of messages."""
        return len(self._given)

    def text(self) -> str:
        """The base's lines, which say which entry is which message."""
        return "".join([names_line(self._roster.names), *self._marked, ARRIVED, *self._arrived])

    def moved(self) -> bool:
        """Whether somebody wrote into the file since we began."""
        return _times(self._file) != self._began

    def records(self) -> Iterator[bytes]:
        """The messages with their ids. _NotPlain."""
        parser = Parser(roster=self._roster)
        while data := self._file.read(_PIECE):
            yield from self._learned(parser.feed(data))
        yield from self._learned(parser.close())
        if self.moved():
            raise _NotPlain

    def _learned(self, entries: list[Entry]) -> Iterator[bytes]:
        if any(entry.kind == MARKER and not entry.raw.startswith(b"#") for entry in entries):
            raise _NotPlain  # the sides of a conflict may hold two texts of one message
        if any(near_misses([*self._last, *entries], self._roster)):
            raise _NotPlain  # somebody must be told
        self._last = entries[-1:]
        marked, arrived = [], []
        for entry in entries:
            if entry.kind == MESSAGE:
                if entry.id is None and strangers(entry.to, self._there):
                    raise _NotPlain
                ident, record = self._named(entry)
                if not record or ident != entry.id:
                    marked.append(mark_line(self._number, Mark(ident, copy=not record)))
                self._number += 1
                if record:
                    arrived.append(f"{ident}\n")
                    yield record
        self._marked.append("".join(marked))
        self._arrived.append("".join(arrived))

    def _named(self, entry: Entry) -> tuple[str, bytes]:
        """The id of a message, and its record; b"" for a further copy."""
        mark = digest(entry)
        number = int(mark, 16)
        if number in self._ids:
            if entry.id is None or not Header(entry.stamp, entry.sender, entry.to, entry.tag).exact:
                raise _NotPlain  # perhaps a new message that says the same
            return self._ids[number], b""
        header = hash((entry.stamp.strip(), entry.sender, entry.to, entry.tag))
        if header in self._headers and not entry.raw.rstrip().endswith(b"---"):
            raise _NotPlain  # perhaps a truncated copy
        self._headers.add(header)
        ident, occurrence = entry.id, 1
        while ident is None or ident in self._given:
            ident, occurrence = hand_id(mark, occurrence), occurrence + 1
        self._given.add(ident)
        self._ids[number] = ident
        return ident, by_hand(entry, ident, time_of(entry))


def _times(file: BinaryIO) -> tuple[int, int, int]:
    found = os.fstat(file.fileno())
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns
