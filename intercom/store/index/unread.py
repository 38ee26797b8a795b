"""Owns what a reader has not got yet: the messages, how many there are, and the first of them.

`user`, who reads the page, may have a hundred thousand unread, and the number is asked for all the time. So no text is
read for it: the rows of the inbox are counted, and those taken off that do not count.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from intercom.core.message import ALL, Message
from intercom.store.index.query import COLUMNS, Filter, messages_of
from intercom.store.state.receipts import HOW_MANY, NOT_GIVEN, NUMBERS_GIVEN

_FEW = 200  #: messages that are looked at one by one, whatever else there is

# CROSS JOIN, for which SQLite keeps the order of the tables.
_TO_READER = (
    "FROM inbox i CROSS JOIN messages m ON m.seq = i.seq LEFT JOIN sources s ON s.src = m.src "
    f"WHERE i.rcpt = ? AND i.seq > ? AND m.hidden != 1 AND {NOT_GIVEN}"
)
_TO_ALL = f"{_TO_READER} AND m.sender != ? AND NOT EXISTS (SELECT 1 FROM inbox d WHERE d.rcpt = ? AND d.seq = i.seq)"
_URGENT = "SELECT seq FROM messages INDEXED BY urgent_ones WHERE urgent > 0 AND seq > ?"
_COUNTED = "(SELECT count(*) FROM inbox WHERE rcpt = ? AND seq > ?)"
_ROWS = f"SELECT {_COUNTED}, {_COUNTED}"
#: The numbers of messages that do not count for a reader, beyond the floor: deleted, or given.
_OFF = f"SELECT seq FROM messages WHERE hidden > 0 AND hidden = 1 AND seq > ?2 UNION {NUMBERS_GIVEN} AND m.seq > ?2"
#: The same for what is for everybody: also what is from the reader, or for it by name.
_OFF_ALL = (
    f"{_OFF} UNION SELECT seq FROM messages INDEXED BY to_all WHERE sender = ?1 AND instr(rcpt, 'all') > 0 "
    "AND seq > ?2 UNION SELECT m.seq FROM messages m INDEXED BY to_all_twice CROSS JOIN inbox d ON d.rcpt = ?1 "
    "AND d.seq = m.seq WHERE instr(m.rcpt, 'all') > 0 AND instr(m.rcpt, ',') > 0 AND m.seq > ?2"
)
_AMONG = "SELECT count(*) FROM ({}) e CROSS JOIN inbox i ON i.rcpt = ?3 AND i.seq = e.seq"


def unread(
    db: sqlite3.Connection, reader: str, floor: int, joined: int, wanted: Filter, limit: int | None
) -> list[Message]:
    """What `reader` has not got beyond sequence number `floor`, with broadcasts from `joined` on.

    In order of arrival; if `limit` cuts it, urgent messages come first.
    """
    condition, values = wanted.where()

    def found(order: str, *more: Any) -> list[Message]:
        return sorted(
            messages_of(
                row
                for sql, about in _parts(reader, floor, joined)
                for row in db.execute(f"SELECT {COLUMNS} {sql}{condition} {order}", (*about, *values, *more))
            ),
            key=lambda message: message.seq or 0,
        )

    if limit is None:
        return found("")
    few = found("ORDER BY i.seq LIMIT ?", limit)
    if len(few) < limit:
        return few
    urgent = found(f"AND i.seq IN ({_URGENT}) ORDER BY i.seq LIMIT ?", floor, limit)
    return [*urgent, *found("AND m.urgent = 0 ORDER BY i.seq LIMIT ?", limit)][:limit]


def count(db: sqlite3.Connection, reader: str, floor: int, joined: int) -> int:
    """How many messages that is."""
    parts, total = _parts(reader, floor, joined), 0
    both = db.execute(_ROWS, [value for _, about in parts for value in about[:2]]).fetchone()
    for rows, (sql, about), off in zip(both, parts, (_OFF, _OFF_ALL), strict=True):
        if rows <= _FEW or _number(db, HOW_MANY, reader, rows) >= rows:
            total += _number(db, f"SELECT count(*) {sql}", *about) if rows else 0
        else:
            total += rows - _number(db, _AMONG.format(off), reader, about[1], about[0])
    return total


def first(db: sqlite3.Connection, reader: str, floor: int, joined: int) -> int | None:
    """The lowest sequence number among these; None if there is none."""
    rows = [
        db.execute(f"SELECT i.seq {sql} ORDER BY i.seq LIMIT 1", about).fetchone()
        for sql, about in _parts(reader, floor, joined)
    ]
    return min((row[0] for row in rows if row is not None), default=None)


def _parts(reader: str, floor: int, joined: int) -> Sequence[tuple[str, tuple[Any, ...]]]:
    """The end of a query, and its values, for what is for the reader by name, and for what is for everybody."""
    return (_TO_READER, (reader, floor, reader)), (_TO_ALL, (ALL, max(floor, joined), reader, reader, reader))


def _number(db: sqlite3.Connection, sql: str, *values: Any) -> int:
    return int(db.execute(sql, values).fetchone()[0])
