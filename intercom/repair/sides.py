"""Owns the inputs of reconciling: what a page is expected to hold, what it holds, and what is past.

What is expected comes from the base (the page at its last agreement with the ledger) and from what the ledger gained
since; what is known of each message, and everything past, comes from the index. A page may have any length, so no
side keeps texts: digests are compared, and the few texts that a rule needs are read again.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from functools import lru_cache
from sys import intern
from typing import Any, NamedTuple, cast

from intercom.core.message import FIELDS, SYSTEM
from intercom.format import MARKER, MESSAGE, Entry, digest, hand_id, one, parse
from intercom.format.record import RETURNED, is_control
from intercom.format.roster import Roster
from intercom.repair.rules import Found, Header, Known, Past, Reason, trimmed
from intercom.store.index import query
from intercom.store.index.edited import any_edited
from intercom.store.index.values import entry_of_row, loaded
from intercom.store.log.base import Base, Mark
from intercom.store.log.ledger import Position
from intercom.store.log.unfinished import Reading, entries_of

_SEVERAL = 4  #: from this many entries of unknown origin on, scan the whole history
_SHORT = 20_000  #: messages; a history this short is scanned for a single entry, too
_KEPT = 4_000  #: bytes or characters; of longer messages nothing is kept in memory
_BOM = b"\xef\xbb\xbf"
_FIELDS = ", ".join(f"m.{field.column}" for field in FIELDS)


class Expected:
    """What a page is supposed to hold: what it held at its last agreement with the ledger, and what came since.

    Without a base: everything that the ledger says is on the page, none of it known to have been seen there.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        base: Base | None,
        tail: Sequence[tuple[Position, bytes]],
        received: Callable[[str, Header], bool],
    ) -> None:
        self.copies: dict[str, int] = {}  #: by id: how many further copies of it the page held
        self.late: dict[str, None] = dict.fromkeys(base.late if base else ())  #: came to the page after younger ones
        self._db = db
        self._received = received
        self._order: dict[str, bool] = {}  # by id, in order of the page: whether it was seen there
        if base is not None:
            self._of_base(base)
            self._of_tail(tail, base.head.seen)
        for ident in query.on_page(db):
            self._order.setdefault(ident, False)
        self.known: list[Known] = self._known()  #: in order of the page
        self.ids = {one.id for one in self.known}

    @property
    def arrived(self) -> list[str]:
        """The ids of the expected messages, in ledger order."""
        return [one.id for one in sorted(self.known, key=lambda one: one.seq)]

    def drop_trimmed(self, on_page: Container[str], found: Sequence[Found]) -> None:
        """Stop expecting what a compaction removed, unless the compaction was killed before it did."""
        ids, marks = {one.id for one in found}, {one.digest for one in found}
        self.known = [
            one for one in self.known if one.id in on_page or one.id in ids or not marks.isdisjoint(_texts(one))
        ]
        self.ids = {one.id for one in self.known}

    def _of_base(self, base: Base) -> None:
        for ident, copy in identified(base.page, base):
            if copy:
                self.copies[ident] = self.copies.get(ident, 0) + 1
            elif ident:
                self._order[ident] = True

    def _of_tail(self, tail: Sequence[tuple[Position, bytes]], seen: Position) -> None:
        """Take in what the ledger gained: messages that tools sent, and control records."""
        for (number, start), data in tail:
            for entry in parse(data):
                if entry.kind != MESSAGE or entry.id is None:
                    continue
                was_seen = Position(number, start + entry.start) < seen
                if not is_control(entry):
                    self._order.setdefault(entry.id, was_seen)
                elif entry.tag == RETURNED:
                    for ident in entry.body.split():
                        self._order[ident] = was_seen
                        self.late.pop(ident, None)
                        self.late[ident] = None

    def _known(self) -> list[Known]:
        rows = {row.id: row for row in index_rows(self._db, list(self._order))}
        versions = former(self._db, list(rows))
        ranks = {row.id: rank for rank, row in enumerate(sorted(rows.values(), key=lambda row: row.seq))}
        late = {ident: _AFTER_ALL + number for number, ident in enumerate(self.late)}
        return [
            Known(
                ident,
                row.digest,
                row.header,
                ranks[ident],
                late.get(ident, ranks[ident]),
                seen,
                row.returned,
                row.via,
                row.header.sender == SYSTEM,
                row.redacted,
                versions.get(ident, _NONE),
                self.copies.get(ident, 0),
                self._received(ident, row.header),
            )
            for ident, seen in self._order.items()
            if (row := rows.get(ident)) is not None and not row.hidden
        ]


def _texts(one: Known) -> Iterator[str]:
    yield one.digest
    yield from one.versions


_NONE: frozenset[str] = frozenset()
_AFTER_ALL = 1 << 40  # greater than every rank


def identified(page: bytes, read: Reading) -> Iterator[tuple[str, bool]]:
    """For each message of a page: its id ("" if unknown), and whether it is a further copy."""
    messages = (entry for entry in entries_of(page, read.roster) if entry.kind == MESSAGE)
    for number, entry in enumerate(messages):
        yield read.marks.get(number, Mark(entry.id or ""))


class Row(NamedTuple):
    """What the index has of a message, without its text."""

    id: str
    seq: int
    digest: str
    header: Header
    via: str
    hidden: int
    returned: int
    redacted: bool


def index_rows(db: sqlite3.Connection, idents: Sequence[str]) -> Iterator[Row]:
    """The index rows of these ids; unknown ids are skipped."""
    for row in _asked(db, _ROWS, idents):
        ident, seq, via, own, hidden, returned, redacted, *said = row
        known = _marked if len(said[-1]) <= _KEPT else _marked.__wrapped__
        yield Row(ident, seq, *known(tuple(said), bool(own)), intern(via), hidden, returned, bool(redacted))


@lru_cache(maxsize=256)
def _marked(said: tuple[Any, ...], own: bool) -> tuple[str, Header]:
    """Digest and header of a row; a page is compared with the same ones after each save of somebody's."""
    entry = entry_of_row(said)
    if not own:  # as in the other machine's file, and in text pasted from there
        entry = entry._replace(sender=entry.sender.rpartition("@")[0] or entry.sender)
    return digest(entry), _header(entry)


_ROWS = (
    "SELECT m.id, m.seq, m.via, coalesce(s.own, 1), m.hidden, coalesce(t.returned, 0), coalesce(t.redacted, 0), "
    "m.stamp, m.sender, m.rcpt, m.tag, m.urgent, m.body "
    "FROM messages m LEFT JOIN traces t ON t.id = m.id LEFT JOIN sources s ON s.src = m.src WHERE m.id IN "
)
_FORMER = "SELECT id, stamp, sender, rcpt, tag, urgent, body FROM versions WHERE id IN "
_MANY = 500


def _asked(db: sqlite3.Connection, sql: str, idents: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    for start in range(0, len(idents), _MANY):
        part = idents[start : start + _MANY]
        yield from db.execute(f"{sql}({','.join('?' * len(part))})", part)


def former(db: sqlite3.Connection, idents: Sequence[str]) -> dict[str, frozenset[str]]:
    """Digests of the former texts of these messages."""
    if not any_edited(db):
        return {}
    found: dict[str, set[str]] = {}
    for ident, *said in _asked(db, _FORMER, idents):
        found.setdefault(ident, set()).add(digest(entry_of_row(said)))
    return {ident: frozenset(marks) for ident, marks in found.items()}


def former_texts(db: sqlite3.Connection, ident: str) -> list[str]:
    """The texts that a message had before."""
    return [loaded(body) for (body,) in db.execute("SELECT body FROM versions WHERE id = ?", (ident,))]


class Pastime:
    """The messages that are not expected on the page, looked up in the index one by one."""

    def __init__(self, db: sqlite3.Connection, expected: Container[str], copies: Mapping[str, int]) -> None:
        self._db = db
        self._expected = expected
        self._copies = copies
        self._recalled: dict[str, list[str]] = {}  # by digest: ids

    def get(self, id: str, /) -> Past | None:  # the protocol's name
        """The past message with this id, or None."""
        if id in self._expected:
            return None
        row = next(index_rows(self._db, [id]), None)
        if row is None:
            return None
        reason = Reason.DELETED if row.hidden else Reason.REDACTED if row.redacted else Reason.ARCHIVED
        return Past(id, row.digest, row.header, row.seq, reason, self._copies.get(id, 0))

    def having(self, mark: str, /) -> Sequence[Past]:
        """Every past hand-written message with this digest, and every past one found by `recall`."""
        ids, number = [], 1
        while self._has(ident := hand_id(mark, number)):
            ids.append(ident)
            number += 1
        found = (self.get(ident) for ident in dict.fromkeys([*ids, *self._recalled.get(mark, ())]))
        return sorted((past for past in found if past is not None), key=lambda past: past.seq)

    def copied(self) -> Sequence[Past]:
        """Every past message of which the page held copies at its last agreement with the ledger."""
        found = (self.get(ident) for ident in self._copies)
        return [past for past in found if past is not None]

    def recall(self, strangers: Sequence[str]) -> None:
        """Look for past messages with these stamps, each of an entry without id whose text is unknown.

        Such entries may be messages whose ids were stripped and whose texts were edited; `having` then finds them
        anyway. It scans every row, so in a long history it is only done for several entries at once.
        """
        last = self._db.execute("SELECT coalesce(max(seq), 0) FROM messages").fetchone()[0]
        stamps = set(strangers)
        if not stamps or (len(strangers) < _SEVERAL and last > _SHORT):
            return
        idents = [row[0] for row in self._db.execute("SELECT id, stamp FROM messages") if loaded(row[1]) in stamps]
        older = former(self._db, idents)
        for row in index_rows(self._db, idents):
            for mark in {row.digest, *older.get(row.id, ())}:
                self._recalled.setdefault(mark, []).append(row.id)

    def _has(self, ident: str) -> bool:
        return self._db.execute("SELECT 1 FROM messages WHERE id = ?", (ident,)).fetchone() is not None

    def entry(self, ident: str) -> tuple[Entry, bool] | None:
        """Any message in the index as an entry, and whether it is from our ledger."""
        return entry_of(self._db, ident)


def entry_of(db: sqlite3.Connection, ident: str) -> tuple[Entry, bool] | None:
    """A message in the index as an entry, and whether it is from our ledger."""
    row = db.execute(
        f"SELECT m.stamp, m.sender, m.rcpt, m.tag, m.urgent, m.body, m.at, m.via, {_FIELDS}, s.own "
        "FROM messages m JOIN sources s ON s.src = m.src WHERE m.id = ?",
        (ident,),
    ).fetchone()
    if row is None:
        return None
    *said, own = map(loaded, row)
    stamp, sender, to, tag, urgent, body, at, via, *few = said
    return Entry(MESSAGE, 0, b"", stamp, sender, to, tag, bool(urgent), body, ident, at or None, via, *few), bool(own)


class _Texts:
    """The bytes of the live log, and where each entry begins; the last offset is the end."""

    def __init__(self, data: bytes, roster: Roster) -> None:
        self.data = data
        self.roster = roster
        self.starts = array("Q")
        self._last: tuple[int, Entry] | None = None  # the same entry is often asked for again

    def entry(self, place: int) -> Entry:
        """Parse the message at this place, with its text."""
        if self._last is None or self._last[0] != place:
            start = self.starts[place]
            self._last = place, one(self.data[start : self.starts[place + 1]], start, self.roster)
        return self._last[1]


class _Sight(Found):
    """An entry of the live log whose text is read on demand, by its place."""

    __slots__ = ()

    @property
    def body(self) -> str:  # a property instead of the stored text
        """The text."""
        return cast("_Texts", self[4]).entry(self.place).body


class View:
    """The live log as it is now, for reconciling. A *place* is the number of an entry among all."""

    def __init__(self, data: bytes, roster: Roster) -> None:
        self.roster = roster
        self.found: list[Found] = []  #: the messages
        texts = self._texts = _Texts(data, roster)
        side, sides = 0, 0
        for place, entry in enumerate(entries_of(data, roster)):
            texts.starts.append(entry.start)
            first = entry.raw.removeprefix(_BOM)[:1] if entry.kind == MARKER else b"#"
            if first != b"#":
                sides += 1
                side = 0 if first == b">" else sides
            elif entry.kind == MESSAGE:
                mark, header, closed, cut, holed = (_seen if len(entry.raw) <= _KEPT else _seen.__wrapped__)(entry)
                self.found.append(_Sight(place, entry.id, mark, header, cast("str", texts), closed, side, cut, holed))
        texts.starts.append(len(data))

    @property
    def broken(self) -> bool:
        """Whether the log ends within a line that belongs to no message."""
        loose = not self.found or self.found[-1].place < len(self) - 1
        return loose and not self.data.endswith(b"\n")

    def __len__(self) -> int:
        """The number of entries."""
        return len(self._texts.starts) - 1

    @property
    def data(self) -> bytes:
        """The whole log."""
        return self._texts.data

    def raw(self, place: int) -> bytes:
        """The bytes of an entry."""
        return self.data[self._texts.starts[place] : self._texts.starts[place + 1]]

    def entry(self, place: int) -> Entry:
        """A message, with its text."""
        return self._texts.entry(place)


@lru_cache(maxsize=256)
def _seen(entry: Entry) -> tuple[str, Header, bool, str | None, bool]:
    """Of an entry: digest, header, whether it is closed, the digest without its trimmed end, whether it has holes."""
    closed = entry.raw.rstrip().endswith(b"---")
    short = entry.body if closed else trimmed(entry.body)
    cut = None if short == entry.body else digest(entry._replace(body=short))
    return digest(entry), _header(entry), closed, cut, b"\0" in entry.raw


def _header(entry: Entry) -> Header:
    return Header(entry.stamp.strip(), intern(entry.sender), intern(entry.to), intern(entry.tag))
