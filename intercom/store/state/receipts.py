"""Owns the SQL on `receipts`: which reader was given which message in which session, and when it was received.

When the state is attached to the index, its tables are in the schema `state`: the conditions below are for such
queries, with the messages as `m`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from intercom.core.message import utc

#: A condition on messages, with the index; its one value is the reader.
NOT_GIVEN = "NOT EXISTS (SELECT 1 FROM state.receipts r WHERE r.reader = ? AND r.id = m.id)"
#: A join of messages, with the index: those that the reader ?1 was given.
GIVEN = "JOIN state.receipts r ON r.id = m.id AND r.reader = ?1"

#: The numbers of the messages that the reader ?1 was given, with the index; found from the receipts.
NUMBERS_GIVEN = "SELECT m.seq FROM state.receipts r CROSS JOIN messages m ON m.id = r.id WHERE r.reader = ?1"
#: How many receipts a reader has, with the index; counts no further than the second value.
HOW_MANY = "SELECT count(*) FROM (SELECT 1 FROM state.receipts WHERE reader = ? LIMIT ?)"

_OPEN = "FROM receipts INDEXED BY open_receipts WHERE received IS NULL"
_HAND_OVER = "UPDATE receipts SET session = ? WHERE reader = ? AND received IS NULL AND session"
_GIVE = (
    "INSERT INTO receipts (reader, id, given, session) VALUES (?, ?, ?, ?) ON CONFLICT (reader, id) DO UPDATE "
    "SET session = excluded.session, received = NULL, times = times + 1"
)
_CONFIRM = (
    "UPDATE receipts INDEXED BY open_receipts SET received = ? WHERE reader = ? AND session = ? AND received IS NULL"
)


def unconfirmed(db: sqlite3.Connection, reader: str) -> list[tuple[str, str]]:
    """What `reader` was given and is not known to have received: ids, each with its session."""
    return db.execute(f"SELECT id, session {_OPEN} AND reader = ?", (reader,)).fetchall()


def unconfirmed_readers(db: sqlite3.Connection) -> list[str]:
    """All readers with messages that they are not known to have received."""
    return [row[0] for row in db.execute(f"SELECT DISTINCT reader {_OPEN}")]


def give(db: sqlite3.Connection, reader: str, ids: Iterable[str], session: str) -> None:
    """Record that `reader` is given these messages now, some perhaps again."""
    now = utc()
    db.executemany(_GIVE, [(reader, ident, now, session) for ident in ids])


def confirm(db: sqlite3.Connection, reader: str, session: str) -> None:
    """Mark everything that this session was given for `reader` as received."""
    db.execute(_CONFIRM, (utc(), reader, session))


def shown(db: sqlite3.Connection, ident: str) -> dict[str, str]:
    """For each reader who was given the message: when it first was."""
    return dict(db.execute("SELECT reader, given FROM receipts WHERE id = ?", (ident,)).fetchall())


def receipt(db: sqlite3.Connection, reader: str, ident: str) -> tuple[str, str | None] | None:
    """The session in which `reader` was given the message, and when it was received; None: not given."""
    sql = "SELECT session, received FROM receipts WHERE reader = ? AND id = ?"
    row: tuple[str, str | None] | None = db.execute(sql, (reader, ident)).fetchone()
    return row


def hand_over(db: sqlite3.Connection, reader: str, session: str, to: str, ids: Iterable[str] | None = None) -> None:
    """Move what `session` was given for `reader` and did not confirm (all of it, or these ids) to session `to`."""
    if ids is None:
        db.execute(f"{_HAND_OVER} = ?", (to, reader, session))
    else:
        db.executemany(f"{_HAND_OVER} = ? AND id = ?", [(to, reader, session, ident) for ident in ids])


def hand_over_waiters(db: sqlite3.Connection, reader: str, mark: str | None, to: str) -> None:
    """As `hand_over`, for everything that waiters of session `mark` were given."""
    db.execute(f"{_HAND_OVER} LIKE ?", (to, reader, f"{mark}.%.w"))


def readers(db: sqlite3.Connection) -> dict[str, set[str]]:
    """For each message, with the index: who has received it."""
    found: dict[str, set[str]] = {}
    for ident, reader in db.execute("SELECT id, reader FROM state.receipts WHERE received IS NOT NULL"):
        found.setdefault(ident, set()).add(reader)
    return found


def rename(db: sqlite3.Connection, old: str, new: str) -> None:
    """Give a message's receipts its new id, with the index."""
    db.execute("UPDATE OR REPLACE state.receipts SET id = ? WHERE id = ?", (new, old))
