"""Owns adding parsed entries to the index: numbering, inbox rows, versions.

Sequence numbers follow arrival: our ledger in its order, then other machines' files. The numbers of other machines'
messages cannot be derived, so they are stored in the state and left free here; a rebuild gives every message the
number it had.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain, repeat
from operator import itemgetter
from typing import Any

from intercom.core.message import FIELDS, SYSTEM, utc_of_stamp
from intercom.format import MARKER, MESSAGE, Entry, digest, hand_id
from intercom.format.grammar import SECONDS
from intercom.format.likeness import goes_on, similarity
from intercom.format.record import is_systems_own
from intercom.format.text import normal
from intercom.store.index.control import Control, apply
from intercom.store.index.revise import (
    ALIKE,
    INBOX,
    MANY,
    Source,
    follow,
    inbox_rows,
    is_own,
    revise,
    take_edits,
    told_apart,
)
from intercom.store.index.values import loaded, stored_row

# After seq and src the columns stand in the order of an Entry's fields, so that a row is a slice of one.
_SAID_OF_ALL = ("stamp", "sender", "rcpt", "tag", "urgent", "body", "id", "at", "via")
_SAID_OF_FEW = tuple(field.column for field in FIELDS)
_ALL: tuple[str, ...] = ("seq", "src", *_SAID_OF_ALL, *_SAID_OF_FEW)
_MOST: tuple[str, ...] = _ALL[: -len(_SAID_OF_FEW)]  #: the columns that most messages need, to avoid binding NULLs
_NONE = (None,) * len(_SAID_OF_FEW)
_GROUP = 50  #: rows per statement: a seventh faster than one by one


@cache
def _inserting(columns: tuple[str, ...], rows: int, src: int | None = None) -> str:
    """The statement that inserts this many rows of these columns; with `src`, sets that and numbers them itself."""
    values = ", ".join("coalesce(nullif(?, ''), 'tool')" if name == "via" else "?" for name in columns)
    if src is not None:
        columns, values = ("src", *columns), f"{src}, {values}"
    return f"INSERT INTO messages ({', '.join(columns)}) VALUES " + ", ".join([f"({values})"] * rows)


_FIRST = Entry._fields.index("stamp")
_SAID = Entry._fields.index("body") + 1
_FEW = _FIRST + len(_SAID_OF_ALL)
_said_of_all = itemgetter(slice(_FIRST, _FEW))
_LAST = _FEW + len(_SAID_OF_FEW)
_said_of_few = itemgetter(slice(_FEW, _LAST))
_at = itemgetter(Entry._fields.index("at"))
_UNSURE = (0, 0, ())
ID = Entry._fields.index("id") - _FIRST
RCPT = 2 + Entry._fields.index("to") - _FIRST
INBOX_AFTER = "INSERT OR IGNORE INTO inbox SELECT rcpt, seq FROM messages WHERE seq > ? AND instr(rcpt, ',') = 0"
_MANY = 500  #: ids per query
_VERSIONS = "SELECT body FROM versions WHERE id = ?"


def _plain(entry: Entry, ident: str, source: Source) -> tuple[Any, ...]:
    """What the index stores of a message, except its number and source."""
    if entry.id is None or not entry.at or source.ours:
        via = entry.via if source.trusted or (entry.id is not None and not source.ours) else "hand"
        entry = entry._replace(id=ident, at=entry.at or utc_of_stamp(entry.stamp) or "", via=via)
    return entry[_FIRST:_LAST]


def plain_rows(source: Source, entries: Iterable[Entry], counts: dict[str, int]) -> list[tuple[Any, ...]]:
    """The messages among `entries` as rows for `Builder.put`. `counts` is carried from call to call for one source.

    It counts the occurrences of hand-written messages.
    """
    hands = _Hands(source, counts)
    ours = source.ours
    return [
        entry[_FIRST:_LAST]
        if entry.id and entry.at and not ours
        else _plain(entry, entry.id or hands.id_of(entry), source)
        for entry in entries
        if entry.kind == MESSAGE and (source.trusted or entry.to != SYSTEM or not is_systems_own(entry))
    ]


UNDATED = "SELECT id FROM messages WHERE at = '' AND seq >= ?"
SEEN = "INSERT OR IGNORE INTO state.seen SELECT id, ?2 FROM messages WHERE at = '' AND seq >= ?1"
DATED = "UPDATE messages SET at = (SELECT s.at FROM state.seen s WHERE s.id = messages.id) WHERE at = '' AND seq >= ?"


class _Hands:
    """Derives the ids of hand-written messages from content and occurrence within one source.

    In a file that is not ours, a second entry with the same stamp to the second is a copy (rule 6 of `reconcile`)
    and gets the first one's id.
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


def add_records(
    db: sqlite3.Connection,
    source: Source,
    entries: Sequence[Entry],
    controls: Sequence[Control],
    *,
    reserved: Mapping[str, int],
    fresh: bool = False,
) -> None:
    """Add the content of a segment of our ledger: its messages, and the effect of the control records between them.

    The caller is in a write transaction.
    """
    done = 0
    for control in controls:
        add_entries(db, source, entries[done : control.before], reserved=reserved, fresh=fresh)
        apply(db, control)
        done = control.before
    add_entries(db, source, entries[done:], reserved=reserved, fresh=fresh)


Pieces = Iterable[tuple[Sequence[Entry], int]]  #: entries, and the offset from which a later parse resumes


def add_source(
    db: sqlite3.Connection, source: Source, read: Callable[[], Pieces], *, reserved: Mapping[str, int], fresh: bool
) -> tuple[list[tuple[str, int]], int]:
    """Add what is new in a file of any length: `read` yields its pieces, from its start if `fresh`.

    Returns the messages added, and the last offset. Otherwise as `add_entries`.
    """
    added: list[tuple[str, int]] = []
    before: set[str] | None = None
    if fresh:
        before, ours = set(), source.trusted or source.copy
        if not ours and db.execute("SELECT 1 FROM messages WHERE src = ?", (source.src,)).fetchone():
            added += take_edits(db, source, _named(db, source, read()))
    settled = 0
    for entries, settled in read():  # noqa: B007  # the last one counts
        added += add_entries(db, source, entries, reserved=reserved, fresh=fresh, before=before)
        fresh = False
    return added, settled


def _named(db: sqlite3.Connection, source: Source, found: Pieces) -> Iterator[tuple[str, Entry]]:
    """The messages of another's log, each with the id it will have; and its markers, without one."""
    hands, before = _Hands(source, {}), set[str]()
    for entries, _ in found:
        for entry in told_apart(source, entries, _known(db, _ids(entries)), before):
            if entry.kind == MESSAGE:
                yield entry.id or hands.id_of(entry), entry
            elif entry.kind == MARKER:
                yield "", entry


def _ids(entries: Iterable[Entry]) -> list[str]:
    return [entry.id for entry in entries if entry.kind == MESSAGE and entry.id]


def add_entries(
    db: sqlite3.Connection,
    source: Source,
    entries: Sequence[Entry],
    *,
    reserved: Mapping[str, int],
    fresh: bool,
    before: set[str] | None = None,
    anew: bool = False,
) -> list[tuple[str, int]]:
    """Add what is new among `entries`; returns (id, seq) of the messages added, in order.

    A message whose id is known is not added again. If it comes from a trusted source with another body, it is the
    newer version, and the older goes into `versions`; for another machine's log see `revise`. `reserved` are numbers
    fixed in the state, by id. `fresh`: the source is read from its start, so occurrences count from zero. `before`:
    see `told_apart`. `anew`: the index is being rebuilt, so a reserved number is used whatever came since. The
    caller is in a write transaction.
    """
    if fresh:
        db.execute("DELETE FROM hands WHERE src = ?", (source.src,))
    if not source.trusted:
        entries = [entry for entry in entries if entry.to != SYSTEM or not is_systems_own(entry)]
        entries = told_apart(source, entries, _known(db, _ids(entries)), before)
    seq = db.execute("SELECT coalesce(max(seq), 0) FROM messages").fetchone()[0]
    added = None
    if source.trusted and not fresh:
        added = _add_new(db, source, entries, seq, reserved)
    return _add_any(db, source, entries, seq, reserved, anew=anew) if added is None else added


def _add_any(
    db: sqlite3.Connection,
    source: Source,
    entries: Sequence[Entry],
    seq: int,
    reserved: Mapping[str, int],
    *,
    anew: bool,
) -> list[tuple[str, int]]:
    """Add what is new among `entries` after `seq`, of whatever kind."""
    taken = set(reserved.values())
    counts = dict(db.execute("SELECT digest, n FROM hands WHERE src = ?", (source.src,)).fetchall())
    hands = _Hands(source, counts)
    named = [(entry.id or hands.id_of(entry), entry) for entry in entries if entry.kind == MESSAGE]
    added: list[tuple[str, int]] = []
    known = _known(db, [ident for ident, _ in named])
    rows: list[tuple[Any, ...]] = []
    edited: list[tuple[str, Entry]] = []
    moved: list[tuple[int, int]] = []
    new = {ident for ident, _ in named if ident not in known and ident not in reserved} if source.copy else ()
    stamps = {entry.stamp for ident, entry in named if ident in new and entry.id is None}
    written = _Written(db, stamps, set(known)) if stamps else None
    for ident, entry in named:
        if written is not None and ident in new and written.has(entry):
            continue
        if ident in known:
            seq_, src, text = known[ident] or _UNSURE
            if text == entry[_FIRST:_SAID] and source.trusted:
                if src != source.src and not is_own(db, src):
                    moved.append((source.src, seq_))  # so far known only from another machine
            elif source.trusted:
                _flush(db, rows)
                revise(db, ident, entry, source)
                known[ident] = None
            elif known[ident] is None or (src == source.src and text != entry[_FIRST:_SAID]):
                edited.append((ident, entry))
            continue
        number = _number_of(ident, 0 if anew else seq, seq, reserved, taken)
        seq = max(seq, number)
        rows.append((number, source.src) + _plain(entry, ident, source))  # noqa: RUF005  # twice as quick as unpacking
        known[ident] = None
        added.append((ident, number))
    _flush(db, rows)
    if not source.copy:
        follow(db, source, edited)
    db.executemany("UPDATE messages SET src = ?1 WHERE seq = ?2 AND src != ?1", moved)
    db.executemany(
        "INSERT OR REPLACE INTO hands VALUES (?, ?, ?)", [(source.src, mark, counts[mark]) for mark in hands.touched]
    )
    return added


def _number_of(ident: str, least: int, seq: int, reserved: Mapping[str, int], taken: Container[int]) -> int:
    """The number of a new message: the one reserved for it if that is above `least`, else the next free after `seq`."""
    number = reserved.get(ident)
    if number is None or number <= least:
        number = seq + 1
        while number in taken:
            number += 1
    return number


def _add_new(
    db: sqlite3.Connection, source: Source, entries: Iterable[Entry], seq: int, reserved: Mapping[str, int]
) -> list[tuple[str, int]] | None:
    """Fast path: add these after `seq` as new messages with ids of their own; the index tells if they are not.

    None if one of them is anything else; then nothing was added.
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
        db.execute("DELETE FROM messages WHERE seq > ?", (seq,))  # undo those added before the failure
        return None
    if db.execute(INBOX_AFTER, (seq,)).rowcount < len(messages):
        several = [(entry.to, number) for number, entry in zip(numbers, messages, strict=True) if "," in entry.to]
        db.executemany(INBOX, chain.from_iterable(inbox_rows(*pair) for pair in several))
    return list(zip(idents, numbers, strict=True))


class _Written:
    """Our messages with certain stamps: a copy of our log may have them without ids, with older or newer texts.

    Each of them is at most one entry of the copy: that with its id, which is among those `present`, or one that is
    much like it. A text that it has or had is known wherever it stands.
    """

    def __init__(self, db: sqlite3.Connection, stamps: set[str], present: set[str]) -> None:
        self._bodies: dict[tuple[str, ...], list[tuple[str, str]]] = {}
        self._texts: set[tuple[str, ...]] = set()  # headers with texts, as formatters leave them
        self._at: dict[tuple[str, ...], int] = {}  # position of the last match: a copy keeps the order
        self._taken = present
        for row in db.execute("SELECT stamp, sender, rcpt, tag, id, body FROM messages"):
            if loaded(row[0]) in stamps:
                *header, ident, body = map(loaded, row)
                self._bodies.setdefault(tuple(header), []).append((ident, body))
                texts = [body, *(loaded(old) for (old,) in db.execute(_VERSIONS, (row[4],)))]
                self._texts.update((*header, normal(text)) for text in texts)

    def has(self, entry: Entry) -> bool:
        """Whether an entry of a copy is one of them."""
        if entry.id is not None:
            return False
        header = (entry.stamp, entry.sender, entry.to, entry.tag)
        text = (*header, normal(entry.body))
        if text in self._texts:
            return True
        bodies, at = self._bodies.get(header, []), self._at.get(header, 0)
        exact = SECONDS.search(entry.stamp) is not None
        first = max(0, at - MANY // 2)
        for place, (ident, body) in enumerate(bodies[first : first + MANY], first):
            alike = similarity(body, entry.body) >= ALIKE or (exact and goes_on(body, entry.body))
            if alike and ident not in self._taken:
                self._at[header] = place
                self._taken.add(ident)
                self._texts.add(text)
                return True
        return False


def _known(db: sqlite3.Connection, idents: list[str]) -> dict[str, tuple[int, int, tuple[Any, ...]] | None]:
    """Which of these ids the index has: number, source, and an Entry's fields from its stamp to its body."""
    known: dict[str, tuple[int, int, tuple[Any, ...]] | None] = {}
    for start in range(0, len(idents), _MANY):
        part = idents[start : start + _MANY]
        marks = ",".join("?" * len(part))
        sql = f"SELECT id, seq, src, stamp, sender, rcpt, tag, urgent, body FROM messages WHERE id IN ({marks})"
        for row in db.execute(sql, part):
            known[row[0]] = (row[1], row[2], row[3:])
    return known


def _flush(db: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> None:
    """Insert the rows with their inbox rows, and clear the list."""
    if rows:
        insert(db, rows)
        inbox = [pair for row in rows for pair in inbox_rows(row[RCPT], row[0])]
        try:
            db.executemany(INBOX, inbox)
        except UnicodeEncodeError:
            db.executemany(INBOX, map(stored_row, inbox))
        rows.clear()


def _insert_new(db: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> None:
    """Insert the rows. UnicodeEncodeError for text that SQLite cannot hold, IntegrityError for a known id."""
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


def insert(db: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> None:
    """Insert the rows, whatever characters their texts contain."""
    try:
        _insert_new(db, rows)
    except UnicodeEncodeError:  # rare, so the check should cost nothing otherwise
        sql = _inserting(_ALL, 1).replace("INSERT", "INSERT OR REPLACE", 1)
        db.executemany(sql, map(stored_row, rows))
