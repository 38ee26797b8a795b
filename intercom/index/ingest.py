"""Owns putting parsed entries into the index: numbering, inbox rows, versions, and the bulk build.

Sequence numbers follow arrival: archives in order of their names, then the journal. Numbers that
another machine's messages took are kept in the state (they cannot be derived) and left free here,
so a rebuild gives every message the number it had.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from intercom.format import MESSAGE, Entry, digest, hand_id
from intercom.index.db import UNIQUE_INDEX
from intercom.index.values import loaded, stored, stored_row
from intercom.model import utc_of_stamp
from intercom.reconcile.likeness import similarity

# After seq and src the columns stand in the order of an Entry's fields, so that a row is a slice of one.
_VALUES = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, coalesce(nullif(?, ''), 'tool'), ?, ?, ?)"
_INSERT = (
    "INSERT INTO messages (seq, src, stamp, sender, rcpt, tag, urgent, body, id, at, re, thread, via, declared, "
    "status, progress) VALUES " + _VALUES
)
_GROUP = 50  #: rows in one statement: a seventh quicker than each by its own
_INSERT_GROUP = _INSERT + f", {_VALUES}" * (_GROUP - 1)
_FIRST = Entry._fields.index("stamp")
_SAID = Entry._fields.index("body") + 1
_UNSURE = (0, 0, ())
_ID = Entry._fields.index("id") - _FIRST
_RCPT = 2 + Entry._fields.index("to") - _FIRST
_INBOX = "INSERT OR IGNORE INTO inbox VALUES (?, ?)"
_INBOX_AFTER = "INSERT OR IGNORE INTO inbox SELECT rcpt, seq FROM messages WHERE seq > ? AND instr(rcpt, ',') = 0"
_ALIKE = 0.6  #: texts under one header at least so alike are one message, as in `reconcile`
_MANY = 500  #: ids asked for at once


class Source(NamedTuple):
    """Where entries come from. `trusted`: the journal or our own archive, whose meta lines only we write."""

    src: int
    trusted: bool
    final: bool = True  #: where a message stays: False for the journal, from which it moves to the archive
    copy: bool = False  #: what a sync tool made of our own live log, perhaps before or after somebody edited it


def _plain(entry: Entry, ident: str, source: Source) -> tuple[Any, ...]:
    """What the index holds of a message, but for its number and source."""
    if entry.id is None or not entry.at:
        via = entry.via if source.trusted or entry.id is not None else "hand"
        entry = entry._replace(id=ident, at=entry.at or utc_of_stamp(entry.stamp) or "", via=via)
    return entry[_FIRST:]


def plain_rows(source: Source, entries: Iterable[Entry], counts: dict[str, int]) -> list[tuple[Any, ...]]:
    """The messages among `entries`, each as `Builder.put` takes it. `counts` goes on from call to call for one source.

    It counts the occurrences of what was written by hand.
    """
    hands = _Hands(source.src, counts)
    return [
        entry[_FIRST:] if entry.id and entry.at else _plain(entry, entry.id or hands.id_of(entry), source)
        for entry in entries
        if entry.kind == MESSAGE
    ]


class _Hands:
    """Ids of hand-written messages: content and occurrence within one source."""

    def __init__(self, src: int, counts: dict[str, int]) -> None:
        self.src = src
        self.counts = counts
        self.touched: set[str] = set()

    def id_of(self, entry: Entry) -> str:
        mark = digest(entry)
        self.counts[mark] = self.counts.get(mark, 0) + 1
        self.touched.add(mark)
        return hand_id(mark, self.counts[mark])


def _inbox_rows(rcpt: str, seq: int) -> Iterable[tuple[str, int]]:
    return [(rcpt, seq)] if "," not in rcpt else [(name, seq) for name in dict.fromkeys(rcpt.split(", "))]


def add_entries(
    db: sqlite3.Connection, source: Source, entries: Sequence[Entry], *, reserved: dict[str, int], fresh: bool
) -> list[tuple[str, int]]:
    """Add what is new among `entries`; return (id, seq) of the messages added, in order.

    A message whose id is known is not added again; if it comes from a trusted source with another
    body it is the newer version, and the older goes into `versions`. `reserved` are numbers fixed in
    the state by id. `fresh`: the source is read from its start, so occurrences count from nothing.
    The caller is in a write transaction.
    """
    if fresh:
        db.execute("DELETE FROM hands WHERE src = ?", (source.src,))
    seq = db.execute("SELECT coalesce(max(seq), 0) FROM messages").fetchone()[0]
    added = None
    if source.trusted and not source.final:
        added = _add_new(db, source, entries, seq, reserved)
    return _add_any(db, source, entries, seq, reserved) if added is None else added


def _add_any(
    db: sqlite3.Connection, source: Source, entries: Sequence[Entry], seq: int, reserved: Mapping[str, int]
) -> list[tuple[str, int]]:
    """Add what is new among `entries` after `seq`, whatever they are."""
    taken = set(reserved.values())
    counts = dict(db.execute("SELECT digest, n FROM hands WHERE src = ?", (source.src,)).fetchall())
    hands = _Hands(source.src, counts)
    named = [(entry.id or hands.id_of(entry), entry) for entry in entries if entry.kind == MESSAGE]
    known = _known(db, [ident for ident, _ in named])
    added: list[tuple[str, int]] = []
    rows: list[tuple[Any, ...]] = []
    moved: list[tuple[int, int]] = []
    stamps = {entry.stamp for ident, entry in named if entry.id is None and ident not in known} if source.copy else None
    written = _Written(db, stamps) if stamps else None
    for ident, entry in named:
        if written is not None and ident not in known and written.has(entry):
            continue
        if ident in known:
            seq_, src, text = known[ident] or _UNSURE
            if text == entry[_FIRST:_SAID] and (src == source.src or source.final) and source.trusted:
                moved.append((source.src, seq_))  # as most are: compaction has put into the archive what we have
            elif source.trusted:
                _flush(db, rows)
                _revise(db, ident, entry, source)
                known[ident] = None
            continue
        number = reserved.get(ident)
        if number is None or number <= seq:
            number = seq + 1
            while number in taken:
                number += 1
        seq = number
        rows.append((seq, source.src) + _plain(entry, ident, source))  # noqa: RUF005  # twice as quick as unpacking
        known[ident] = None
        added.append((ident, seq))
    _flush(db, rows)
    db.executemany("UPDATE messages SET src = ?1 WHERE seq = ?2 AND src != ?1", moved)
    db.executemany(
        "INSERT OR REPLACE INTO hands VALUES (?, ?, ?)", [(source.src, mark, counts[mark]) for mark in hands.touched]
    )
    return added


def _add_new(
    db: sqlite3.Connection, source: Source, entries: Iterable[Entry], seq: int, reserved: Mapping[str, int]
) -> list[tuple[str, int]] | None:
    """Add these after `seq` as what they mostly are, new messages with ids of their own: the index tells if not.

    None if one is of another kind; then nothing was added.
    """
    messages = [entry for entry in entries if entry.kind == MESSAGE]
    idents = [entry.id for entry in messages if entry.id]
    numbers = range(seq + 1, seq + len(messages) + 1)
    if len(idents) < len(messages) or not reserved.keys().isdisjoint(idents):
        return None
    if reserved and not set(numbers).isdisjoint(reserved.values()):
        return None
    src = source.src
    rows: list[tuple[Any, ...]] = [
        (number, src) + (entry[_FIRST:] if entry.at else _plain(entry, "", source))
        for number, entry in zip(numbers, messages, strict=True)
    ]
    try:
        _insert_new(db, rows)
    except (sqlite3.IntegrityError, UnicodeEncodeError):
        db.execute("DELETE FROM messages WHERE seq > ?", (seq,))  # those before the one that could not be
        return None
    db.execute(_INBOX_AFTER, (seq,))
    many = [pair for row in rows if "," in row[_RCPT] for pair in _inbox_rows(row[_RCPT], row[0])]
    if many:
        db.executemany(_INBOX, many)
    return list(zip(idents, numbers, strict=True))


class _Written:
    """What we have under certain stamps: a copy of our log may hold it without its id, with an older or newer text."""

    def __init__(self, db: sqlite3.Connection, stamps: set[str]) -> None:
        self._bodies: dict[tuple[str, ...], list[str]] = {}
        for row in db.execute("SELECT stamp, sender, rcpt, tag, body FROM messages"):
            if loaded(row[0]) in stamps:
                *header, body = map(loaded, row)
                self._bodies.setdefault(tuple(header), []).append(body)

    def has(self, entry: Entry) -> bool:
        """Whether an entry of a copy is one of them."""
        bodies = self._bodies.get((entry.stamp, entry.sender, entry.to, entry.tag), ())
        return entry.id is None and any(similarity(body, entry.body) >= _ALIKE for body in bodies)


def _known(db: sqlite3.Connection, idents: list[str]) -> dict[str, tuple[int, int, tuple[Any, ...]] | None]:
    """Those of these ids that the index has: number, source, and what an Entry says from its stamp to its body.

    Who changes one of them, or adds one, puts None there.
    """
    known: dict[str, tuple[int, int, tuple[Any, ...]] | None] = {}
    for start in range(0, len(idents), _MANY):
        part = idents[start : start + _MANY]
        marks = ",".join("?" * len(part))
        sql = f"SELECT id, seq, src, stamp, sender, rcpt, tag, urgent, body FROM messages WHERE id IN ({marks})"
        for row in db.execute(sql, part):
            known[row[0]] = (row[1], row[2], row[3:])
    return known


def _flush(db: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> None:
    """Insert the rows, and forget them."""
    if rows:
        _insert(db, rows)
        inbox = [pair for row in rows for pair in _inbox_rows(row[_RCPT], row[0])]
        try:
            db.executemany(_INBOX, inbox)
        except UnicodeEncodeError:
            db.executemany(_INBOX, map(stored_row, inbox))
        rows.clear()


def _insert_new(db: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> None:
    """Insert the rows. UnicodeEncodeError where a text is none for SQLite, IntegrityError where an id is known."""
    grouped = len(rows) - len(rows) % _GROUP
    for start in range(0, grouped, _GROUP):
        db.execute(_INSERT_GROUP, [*chain.from_iterable(rows[start : start + _GROUP])])
    db.executemany(_INSERT, rows[grouped:])


def _insert(db: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> None:
    try:
        _insert_new(db, rows)
    except UnicodeEncodeError:  # rare, so it costs nothing where it does not happen
        db.executemany(_INSERT.replace("INSERT", "INSERT OR REPLACE", 1), map(stored_row, rows))


def _revise(db: sqlite3.Connection, ident: str, entry: Entry, source: Source) -> None:
    """Let the newer text of a known message count; keep the older as a version."""
    seq, body, at, src = db.execute("SELECT seq, body, at, src FROM messages WHERE id = ?", (ident,)).fetchone()
    new = stored(entry.body)
    _readdress(db, seq, entry)
    if src != source.src and (source.final or _elsewhere(db, src)):
        db.execute("UPDATE messages SET src = ? WHERE seq = ?", (source.src, seq))
    if new == body or (source.final and _is_version(db, ident, new)):
        return  # the archive may be read again, and late; in the journal the last word counts, even an old one
    db.execute("DELETE FROM versions WHERE id = ? AND body = ?", (ident, new))
    number = db.execute("SELECT coalesce(max(n), 0) FROM versions WHERE id = ?", (ident,)).fetchone()[0]
    db.execute("INSERT INTO versions VALUES (?, ?, ?, ?)", (ident, number + 1, at, body))
    upto = db.execute("SELECT value FROM meta WHERE key = 'words'").fetchone()
    if upto is not None and seq <= upto[0]:
        db.execute("INSERT INTO words (words, rowid, body) VALUES ('delete', ?, ?)", (seq, body))
        db.execute("INSERT INTO words (rowid, body) VALUES (?, ?)", (seq, new))
    db.execute("UPDATE messages SET body = ?, via = ? WHERE seq = ?", (new, entry.via or "tool", seq))


def _readdress(db: sqlite3.Connection, seq: int, entry: Entry) -> None:
    """Let the newer header of a known message count: a person may have corrected the name it is for."""
    now = (*map(stored, (entry.sender, entry.to, entry.tag)), 1 if entry.urgent else 0, stored(entry.stamp))
    before = db.execute("SELECT sender, rcpt, tag, urgent, stamp FROM messages WHERE seq = ?", (seq,)).fetchone()
    if now != before:
        sql = "UPDATE messages SET sender = ?, rcpt = ?, tag = ?, urgent = ?, stamp = ?, via = ? WHERE seq = ?"
        db.execute(sql, (*now, entry.via or "tool", seq))
        old = _inbox_rows(loaded(before[1]), seq)
        db.executemany("DELETE FROM inbox WHERE rcpt = ? AND seq = ?", map(stored_row, old))
        db.executemany(_INBOX, map(stored_row, _inbox_rows(entry.to, seq)))


def _elsewhere(db: sqlite3.Connection, src: int) -> bool:
    """Whether a message is so far known from another machine's live log, or a copy that a sync tool made of ours."""
    row = db.execute("SELECT path FROM sources WHERE src = ?", (src,)).fetchone()
    return row is not None and "/" not in row[0]


def _is_version(db: sqlite3.Connection, ident: str, body: str | bytes) -> bool:
    return db.execute("SELECT 1 FROM versions WHERE id = ? AND body = ?", (ident, body)).fetchone() is not None


class Builder:
    """The bulk load of a new index: rows in batches, the b-trees over them at the end."""

    def __init__(self, db: sqlite3.Connection, reserved: Mapping[str, int]) -> None:
        self._db = db
        self._reserved = reserved
        self._taken = set(reserved.values())
        self._seen: set[str] = set()
        self._seq = 0
        self._hands: dict[int, dict[str, int]] = {}  # source -> its counts
        self._again: list[tuple[Source, Entry]] = []
        self._copied: dict[Source, list[Entry]] = {}  # they need a look at what we have
        db.execute("BEGIN")

    def add(self, source: Source, entries: Sequence[Entry], hands: dict[str, int]) -> None:
        """Add the messages among `entries`; `hands` counts occurrences across calls for one source."""
        if source.copy:
            self._copied.setdefault(source, []).extend(
                entry for entry in entries if entry.kind == MESSAGE and entry.id is None
            )
            entries = [entry for entry in entries if entry.id is not None]
        self.put(source, plain_rows(source, entries, hands), hands)

    def put(self, source: Source, rows: Sequence[tuple[Any, ...]], hands: dict[str, int]) -> None:
        """Add messages as `plain_rows` gives them; `hands` are its counts, the same for all of one source."""
        self._hands[source.src] = hands
        idents = {row[_ID] for row in rows}
        ahead = range(self._seq + 1, self._seq + len(rows) + 1)
        free = not self._taken or (self._taken.isdisjoint(ahead) and idents.isdisjoint(self._reserved))
        if free and len(idents) == len(rows) and self._seen.isdisjoint(idents):
            self._seen |= idents
            self._seq += len(rows)
            numbers: Iterable[int] = ahead
        else:
            numbers, rows = self._numbered(source, rows)
        whole = [(number, source.src) + row for number, row in zip(numbers, rows, strict=True)]  # noqa: RUF005  # quicker
        _insert(self._db, whole)
        many = [pair for row in whole if "," in row[_RCPT] for pair in _inbox_rows(row[_RCPT], row[0])]
        self._db.executemany(_INBOX, map(stored_row, many))

    def _numbered(self, source: Source, rows: Sequence[tuple[Any, ...]]) -> tuple[list[int], Sequence[tuple[Any, ...]]]:
        """The rows of messages not seen before, with their numbers; the others wait for the end."""
        numbers, new = [], []
        for row in rows:
            ident = row[_ID]
            if ident in self._seen:
                self._again.append((source, Entry(MESSAGE, 0, b"", *row)))
                continue
            self._seen.add(ident)
            number = self._reserved.get(ident)
            if number is None:
                self._seq += 1
                while self._seq in self._taken:
                    self._seq += 1
                number = self._seq
            numbers.append(number)
            new.append(row)
        return numbers, new

    def finish(self) -> int:
        """Build the b-trees and the word index; return how many messages there are."""
        db = self._db
        db.execute(UNIQUE_INDEX)
        counts = ((src, mark, n) for src, hands in self._hands.items() for mark, n in hands.items())
        db.executemany("INSERT INTO hands VALUES (?, ?, ?)", counts)
        db.execute(f"{_INBOX_AFTER} ORDER BY 1, 2", (0,))
        # Old versions and copies come after what they repeat, so the last one read counts.
        for source, entry in self._again:
            if source.trusted:
                add_entries(db, source, [entry], reserved={}, fresh=False)
        for source, entries in self._copied.items():
            add_entries(db, source, entries, reserved=dict(self._reserved), fresh=True)
        db.execute("INSERT INTO words (words) VALUES ('rebuild')")
        count, last = db.execute("SELECT count(*), coalesce(max(seq), 0) FROM messages").fetchone()
        db.execute("INSERT OR REPLACE INTO meta VALUES ('words', ?)", (last,))
        db.execute("COMMIT")
        return int(count)
