"""Owns taking in a live log that nobody knows yet: what people wrote before the first tool came, of any length.

There is nothing to compare it with, so of the rules of `reconcile` only two are left: an entry that was there
before, to the second and to the letter, is a copy of that one (6), and everything else is new (9). That needs no
second look at a text: the file is read once, in pieces, into a new journal, and of a message no more is kept than
its id and digest. What is not so plain is left to `heal`, which makes the same of a plain one.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from hashlib import blake2b
from typing import BinaryIO

from intercom.agreement import agree_on
from intercom.files import storage
from intercom.format import MARKER, MESSAGE, Entry, Parser, digest, hand_id, rendered
from intercom.log import Log, replace_journal
from intercom.model import utc, utc_of_stamp
from intercom.reconcile import Header
from intercom.state import State

_PIECE = 1024 * 1024  #: bytes


class _NotPlain(Exception):  # a condition, not a fault
    """One of the other rules may apply, or somebody wrote into the file while we read it."""


def adopt(log: Log, state: State, db: sqlite3.Connection) -> bool:
    """Take the live log in, if nothing was known and it is plain; whether that was done. StorageError.

    `db` is the index. The caller holds the writer lock.
    """
    known = log.journal.exists() and log.journal.stat().st_size > 0
    if known or any(state.traces()) or db.execute("SELECT 1 FROM messages").fetchone() is not None:
        return False
    try:
        with open(log.live, "rb") as file, storage(f"read {log.live}", "nothing was read"):
            reader = _Reader(file)
            replace_journal(log.journal, reader.blocks())
    except (_NotPlain, FileNotFoundError):
        return False
    agree_on(state, log.journal, reader.size, reader.proof.hexdigest())
    return True


class _Reader:
    """Reads the file once: its messages as blocks for the journal, and what the agreement has to say of it."""

    def __init__(self, file: BinaryIO) -> None:
        self.size = 0
        self.proof = blake2b(digest_size=16)
        self._file = file
        self._given: set[str] = set()
        self._marks: set[int] = set()
        self._headers: set[int] = set()

    def blocks(self) -> Iterator[bytes]:
        """The messages, rendered under their ids, a few together. _NotPlain."""
        began = _times(self._file)
        parser = Parser()
        while data := self._file.read(_PIECE):
            self.size += len(data)
            self.proof.update(data)
            yield self._learned(parser.feed(data))
        yield self._learned(parser.close())
        if _times(self._file) != began:
            raise _NotPlain

    def _learned(self, entries: list[Entry]) -> bytes:
        if any(entry.kind == MARKER and not entry.raw.startswith(b"#") for entry in entries):
            raise _NotPlain  # two sides of a conflict may be two texts of one message
        return b"".join(self._block(entry) for entry in entries if entry.kind == MESSAGE)

    def _block(self, entry: Entry) -> bytes:
        mark = digest(entry)
        number = int(mark, 16)
        if number in self._marks:
            if not Header(entry.stamp, entry.sender, entry.to, entry.tag).exact:
                raise _NotPlain  # perhaps a new "ok": its neighbours tell
            return b""
        self._marks.add(number)
        header = hash((entry.stamp.strip(), entry.sender, entry.to, entry.tag))
        if header in self._headers and not entry.raw.rstrip().endswith(b"---"):
            raise _NotPlain  # perhaps a copy that was cut off
        self._headers.add(header)
        ident, occurrence = entry.id, 1
        while ident is None or ident in self._given:
            ident, occurrence = hand_id(mark, occurrence), occurrence + 1
        self._given.add(ident)
        return rendered(entry, ident, "hand", entry.at or utc_of_stamp(entry.stamp) or utc())


def _times(file: BinaryIO) -> tuple[int, int, int]:
    found = os.fstat(file.fileno())
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns
