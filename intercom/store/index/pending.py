"""Owns reading from the index what is pending: unanswered questions, the newest task, the newest messages."""

from __future__ import annotations

import sqlite3

from intercom.core.message import Message
from intercom.store.index.query import COLUMNS, FROM, message_of, messages_of

_WANT = ("ASK", "TASK")  #: tags that want an answer; others do if the sender says that it waits
_WAITING = ("waiting", "blocked")
_LOOK_BACK = 1_000  #: how many of a reader's newest messages are searched for a task


def wanting_answer(db: sqlite3.Connection, name: str) -> list[Message]:
    """What others asked `name` without an answer that refers to it or follows in its thread; oldest first."""
    sql = (
        f"SELECT {COLUMNS} {FROM} WHERE m.seq IN (SELECT seq FROM inbox WHERE rcpt = ?1) AND m.hidden != 1 "
        f"AND m.sender NOT IN (?1, 'system') AND (m.tag IN {_WANT} OR m.status IN {_WAITING}) "
        "AND NOT EXISTS (SELECT 1 FROM messages a WHERE a.re = m.id AND a.sender = ?1 AND a.hidden != 1) "
        "AND NOT EXISTS (SELECT 1 FROM messages a WHERE a.thread = m.thread AND a.seq > m.seq AND a.sender = ?1 "
        "AND a.hidden != 1) ORDER BY m.seq"
    )
    return messages_of(db.execute(sql, (name,)))


def loose_answers(db: sqlite3.Connection, name: str, after: int) -> list[Message]:
    """Answers by `name` without a reference or a thread, oldest first."""
    sql = (
        f"SELECT {COLUMNS} {FROM} WHERE m.seq > ? AND m.sender = ? AND m.tag = 'REPLY' AND m.re IS NULL "
        "AND m.thread IS NULL AND m.hidden != 1 ORDER BY m.seq"
    )
    return messages_of(db.execute(sql, (after, name)))


def newest_task(db: sqlite3.Connection, name: str) -> Message | None:
    """The newest task for `name`."""
    sql = (
        f"SELECT {COLUMNS} {FROM} WHERE m.seq IN (SELECT seq FROM inbox WHERE rcpt = ? ORDER BY seq DESC LIMIT ?) "
        "AND m.tag = 'TASK' AND m.hidden != 1 AND m.sender != ? ORDER BY m.seq DESC LIMIT 1"
    )
    row = db.execute(sql, (name, _LOOK_BACK, name)).fetchone()
    return message_of(row) if row else None


def newest_to(db: sqlite3.Connection, name: str) -> Message | None:
    """The newest message from somebody else addressed to `name` by name."""
    sql = (
        f"SELECT {COLUMNS} {FROM} WHERE m.seq IN (SELECT seq FROM inbox WHERE rcpt = ?1) AND m.hidden != 1 "
        "AND m.sender NOT IN (?1, 'system') ORDER BY m.seq DESC LIMIT 1"
    )
    row = db.execute(sql, (name,)).fetchone()
    return message_of(row) if row else None


def newest(db: sqlite3.Connection, most: int) -> list[Message]:
    """The newest messages, newest first."""
    sql = f"SELECT {COLUMNS} {FROM} WHERE m.hidden != 1 ORDER BY m.seq DESC LIMIT ?"
    return messages_of(db.execute(sql, (most,)))
