"""Owns putting parsed entries into the index: numbering, inbox rows, versions, and the bulk build.

Sequence numbers follow arrival: archives in order of their names, then the journal. Numbers that
another machine's messages took are kept in the state (they cannot be derived) and left free here,
so a rebuild gives every message the number it had.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Container, Iterable, Mapping, Sequence
from functools import cache
from itertools import chain, repeat
from operator import itemgetter
from typing import Any

from intercom.format import MESSAGE, Entry, digest, hand_id
from intercom.index.db import UNIQUE_INDEX
from intercom.index.revise import ALIKE, INBOX, Source, follow, inbox_rows, revise, take_edits, told_apart
from intercom.index.values import loaded, stored_row
from intercom.model import utc_of_stamp
from intercom.reconcile.likeness import similarity
from intercom.reconcile.values import SECONDS

# After seq and src the columns stand in the order of an Entry's fields, so that a row is a slice of one.
_SAID_OF_ALL = ("stamp", "sender", "rcpt", "tag", "urgent", "body", "id", "at", "via")
_SAID_OF_FEW = ("re", "thread", "declared", "status", "progress")
_ALL: tuple[str, ...] = ("seq", "src", *_SAID_OF_ALL, *_SAID_OF_FEW)
_MOST: tuple[str, ...] = _ALL[: -len(_SAID_OF_FEW)]  #: binding NULLs is left out
_NONE = (None,) * len(_SAID_OF_FEW)
_GROUP = 50  #: rows in one statement: a seventh quicker than each by its own


@cache
def _inserting(columns: tuple[str, ...], rows: int, src: int | None = None) -> str:
    """The statement that inserts so many rows of these columns; with `src` that one for all, and the next numbers."""
    values = ", ".join("coalesce(nullif(?, ''), 'tool')" if name == "via" else "?" for name in columns)
    if src is not None:
        columns, values = ("src", *columns), f"{src}, {values}"
    return f"INSERT INTO messages ({', '.join(columns)}) VALUES " + ", ".join([f"({values})"] * rows)


_FIRST = Entry._fields.index("stamp")
_SAID = Entry._fields.index("body") + 1
_FEW = _FIRST + len(_SAID_OF_ALL)
_said_of_all = itemgetter(slice(_FIRST, _FEW))
_said_of_few = itemgetter(slice(_FEW, None))
_at = itemgetter(Entry._fields.index("at"))
_UNSURE = (0, 0, ())
_ID = Entry._fields.index("id") - _FIRST
_RCPT = 2 + Entry._fields.index("to") - _FIRST
_INBOX_AFTER = "INSERT OR IGNORE INTO inbox SELECT rcpt, seq FROM messages WHERE seq > ? AND instr(rcpt, ',') = 0"
_MANY = 500  #: ids asked for at once


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
    hands = _Hands(source, counts)
    return [
        entry[_FIRST:] if entry.id and entry.at else _plain(entry, entry.id or hands.id_of(entry), source)
        for entry in entries
        if entry.kind == MESSAGE
    ]


class _Hands:
    """Ids of hand-written messages: content and occurrence within one source.

    In a file that is not ours a second entry with a stamp to the second is a copy (rule 6 of `reconcile`) and gets
    the first one's id.
    """

    def __init__(self, source: Source, counts: dict[str, int]) -> None:
        self._source = source
        self.counts = counts
        self.touched: set[str] = set()

    def id_of(self, entry: Entry) -> str:
        mark = digest(entry)
        if self._source.trusted or mark not in self.counts or SECONDS.search(entry.stamp) is None:
            self.counts[mark] = self.counts.get(mark, 0) + 1
        self.touched.add(mark)
        return hand_id(mark, self.counts[mark])


def add_entries(
    db: sqlite3.Connection, source: Source, entries: Sequence[Entry], *, reserved: dict[str, int], fresh: bool
) -> list[tuple[str, int]]:
    """Add what is new among `entries`; return (id, seq) of the messages added, in order.

    A message whose id is known is not added again; if it comes from a trusted source with another body it is
    the newer version, and the older goes into `versions`; where the source is another machine's log, see
    `revise`. `reserved` are numbers fixed in the state by id. `fresh`: the source is read from its start, so
    occurrences count from nothing. The caller is in a write transaction.
    """
    if fresh:
        db.execute("DELETE FROM hands WHERE src = ?", (source.src,))
    if not (source.trusted or source.copy):
        entries = told_apart(entries)
    seq = db.execute("SELECT coalesce(max(seq), 0) FROM messages").fetchone()[0]
    added = None
    if source.trusted and not source.final:
        added = _add_new(db, source, entries, seq, reserved)
    return _add_any(db, source, entries, seq, reserved, fresh=fresh) if added is None else added


def _add_any(
    db: sqlite3.Connection,
    source: Source,
    entries: Sequence[Entry],
    seq: int,
    reserved: Mapping[str, int],
    *,
    fresh: bool,
) -> list[tuple[str, int]]:
    """Add what is new among `entries` after `seq`, whatever they are."""
    taken = set(reserved.values())
    counts = dict(db.execute("SELECT digest, n FROM hands WHERE src = ?", (source.src,)).fetchall())
    hands = _Hands(source, counts)
    named = [(entry.id or hands.id_of(entry), entry) for entry in entries if entry.kind == MESSAGE]
    added = take_edits(db, source, named) if fresh and not (source.trusted or source.copy) else []
    known = _known(db, [ident for ident, _ in named])
    rows: list[tuple[Any, ...]] = []
    edited: list[tuple[str, Entry]] = []
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
                revise(db, ident, entry, source)
                known[ident] = None
            elif known[ident] is None or (src == source.src and text != entry[_FIRST:_SAID]):
                edited.append((ident, entry))
            continue
        seq = _number_of(ident, seq, reserved, taken)
        rows.append((seq, source.src) + _plain(entry, ident, source))  # noqa: RUF005  # twice as quick as unpacking
        known[ident] = None
        added.append((ident, seq))
    _flush(db, rows)
    if not source.copy:
        follow(db, source, edited)
    db.executemany("UPDATE messages SET src = ?1 WHERE seq = ?2 AND src != ?1", moved)
    db.executemany(
        "INSERT OR REPLACE INTO hands VALUES (?, ?, ?)", [(source.src, mark, counts[mark]) for mark in hands.touched]
    )
    return added


def _number_of(ident: str, seq: int, reserved: Mapping[str, int], taken: Container[int]) -> int:
    """The number of a new message after `seq`: its own if one is reserved for it, else the next that is free."""
    number = reserved.get(ident)
    if number is None or number <= seq:
        number = seq + 1
        while number in taken:
            number += 1
    return number


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
    try:
        if all(map(_at, messages)) and [*map(_said_of_few, messages)].count(_NONE) == len(messages):
            _insert_rows(db, _SAID_OF_ALL, [*map(_said_of_all, messages)], source.src)
        else:
            rows = zip(numbers, repeat(source.src), messages, strict=False)
            _insert_new(db, [(number, src) + _plain(entry, "", source) for number, src, entry in rows])  # noqa: RUF005
    except (sqlite3.IntegrityError, UnicodeEncodeError):
        db.execute("DELETE FROM messages WHERE seq > ?", (seq,))  # those before the one that could not be
        return None
    if db.execute(_INBOX_AFTER, (seq,)).rowcount < len(messages):
        several = [(entry.to, number) for number, entry in zip(numbers, messages, strict=True) if "," in entry.to]
        db.executemany(INBOX, chain.from_iterable(inbox_rows(*pair) for pair in several))
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
        return entry.id is None and any(similarity(body, entry.body) >= ALIKE for body in bodies)


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
        inbox = [pair for row in rows for pair in inbox_rows(row[_RCPT], row[0])]
        try:
            db.executemany(INBOX, inbox)
        except UnicodeEncodeError:
            db.executemany(INBOX, map(stored_row, inbox))
        rows.clear()


def _insert_new(db: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> None:
    """Insert the rows. UnicodeEncodeError where a text is none for SQLite, IntegrityError where an id is known."""
    most = len(_MOST)
    short = [row[:most] for row in rows if row[most:] == _NONE]
    _insert_rows(db, _MOST, short)
    if len(short) < len(rows):
        _insert_rows(db, _ALL, [row for row in rows if row[most:] != _NONE])


def _insert_rows(
    db: sqlite3.Connection, columns: tuple[str, ...], rows: list[tuple[Any, ...]], src: int | None = None
) -> None:
    grouped = len(rows) - len(rows) % _GROUP
    for start in range(0, grouped, _GROUP):
        part = chain.from_iterable(rows[start : start + _GROUP])
        db.execute(_inserting(columns, _GROUP, src), [*part])
    if grouped < len(rows):
        db.executemany(_inserting(columns, 1, src), rows[grouped:])


def _insert(db: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> None:
    try:
        _insert_new(db, rows)
    except UnicodeEncodeError:  # rare, so it costs nothing where it does not happen
        sql = _inserting(_ALL, 1).replace("INSERT", "INSERT OR REPLACE", 1)
        db.executemany(sql, map(stored_row, rows))


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
        elif not source.trusted:
            entries = told_apart(entries)
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
        many = [pair for row in whole if "," in row[_RCPT] for pair in inbox_rows(row[_RCPT], row[0])]
        self._db.executemany(INBOX, map(stored_row, many))

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
            if source.trusted or not source.copy:
                add_entries(db, source, [entry], reserved={}, fresh=False)
        for source, entries in self._copied.items():
            add_entries(db, source, entries, reserved=dict(self._reserved), fresh=True)
        db.execute("INSERT INTO words (words) VALUES ('rebuild')")
        count, last = db.execute("SELECT count(*), coalesce(max(seq), 0) FROM messages").fetchone()
        db.execute("INSERT OR REPLACE INTO meta VALUES ('words', ?)", (last,))
        db.execute("COMMIT")
        return int(count)
