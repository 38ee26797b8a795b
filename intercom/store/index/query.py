"""Owns reading messages from the index: history, who said what, what is on the page.

The state (receipts) is attached to the connection as `state`, so a single SQL statement can leave out what was given
(see `unread`): filters apply before limits.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from intercom.core.arguments import check_count, check_since, maybe_texts
from intercom.core.message import ALL, MACHINE, SAID, Message, canonical, tag_of, type_of
from intercom.store.index.values import loaded, stored

#: The page's name for own messages on the page; otherwise the file that they are in.
_ON_PAGE = "s.own AND m.hidden = 0 AND (m.seq > (SELECT value FROM meta WHERE key = 'page') OR m.seq IN kept)"
_FILE = f"CASE WHEN {_ON_PAGE} THEN (SELECT value FROM meta WHERE key = 'log') ELSE s.path END"
COLUMNS = (
    "m.id, m.seq, m.at, m.sender, m.rcpt, m.tag, m.declared, m.body, m.urgent, m.re, m.thread, m.via, "
    + _FILE
    + ", "
    + ", ".join(f"m.{field.column}" for field in SAID)
)
_PAGE = (
    "FROM (SELECT seq FROM messages WHERE seq > (SELECT value FROM meta WHERE key = 'page') "
    "UNION SELECT seq FROM kept) k JOIN messages m ON m.seq = k.seq JOIN sources s ON s.src = m.src "
    "WHERE s.own AND m.hidden = 0"
)
_BY_PEOPLE = "m.via IN ('hand', 'cli')"  #: has a b-tree
_CONDITIONS = 20  #: words that become conditions of their own: SQLite allows at most 1,000 in a row
FROM = "FROM messages m LEFT JOIN sources s ON s.src = m.src"


_TO = "instr(', ' || m.rcpt || ', ', ', ' || ? || ', ') > 0"


class Filter(NamedTuple):
    """Which messages to return; None lets everything through. All words must occur in the body."""

    thread: str | None = None
    sender: str | None = None
    to: str | None = None
    type: str | None = None
    since: str | None = None  #: UTC ISO time, inclusive
    after: int | None = None  #: a sequence number, exclusive
    before: int | None = None  #: a sequence number, exclusive upper bound
    words: str | None = None
    about: str | None = None  #: messages from or to this name

    def lets(self, message: Message) -> bool:
        """Whether a message in memory passes."""
        if self.type is not None:
            tag, declared = tag_of(self.type)
            if message.tag != tag or (declared and not self.type.isupper() and message.type != declared):
                return False
        return (
            (self.thread is None or message.thread == self.thread)
            and (self.sender is None or message.sender == self.sender)
            and (self.to is None or self.to in message.recipients)
            and (self.about is None or self.about == message.sender or self.about in message.recipients)
            and (self.since is None or message.at >= self.since)
            and (self.after is None or (message.seq or 0) > self.after)
            and (self.before is None or (message.seq or 0) < self.before)
            and _holds(message.body, self.words or "")
        )

    def where(self) -> tuple[str, list[Any]]:
        """The filter as SQL conditions over `m`, and their values."""
        thread, sender, about, to = (
            None if name is None else stored(name) for name in (self.thread, self.sender, self.about, self.to)
        )
        conditions: tuple[tuple[str, Any], ...] = (
            ("m.thread = ?", thread),
            ("m.sender = ?", sender),
            (f"(m.sender = ? OR {_TO})", about),
            (_TO, to),
            ("m.at >= ?", self.since),
            ("m.seq > ?", self.after),
            ("m.seq < ?", self.before),
        )
        asked = [(condition, value) for condition, value in conditions if value is not None]
        sql = "".join(f" AND {condition}" for condition, _ in asked)
        values = [value for condition, value in asked for _ in range(condition.count("?"))]
        if self.type is not None:
            condition, more = _type_condition(self.type)
            sql += condition
            values += more
        words = list(dict.fromkeys((self.words or "").split()))
        # SQLite ignores case for ASCII letters only, but is far faster than calling Python.
        quick = [word for word in words if word.isascii()][:_CONDITIONS]
        for word in quick:
            sql += " AND instr(lower(m.body), lower(?)) > 0"
            values.append(stored(word))
        if rest := [word for word in words if word not in quick]:
            sql += " AND holds(m.body, ?)"
            values.append(stored(" ".join(rest)))
        return sql, values


def filter_of(
    *,
    thread: str | None = None,
    sender: str | None = None,
    to: str | None = None,
    type: str | None = None,  # shadows a built-in, but is the format's word
    since: str | None = None,
    after: int | None = None,
    before: int | None = None,
    words: str | None = None,
) -> Filter:
    """Build a filter from a caller's values, where "" means None. UsageError; FormatError for an invalid type."""
    maybe_texts("nothing was read", thread=thread, sender=sender, to=to, type=type, since=since, query=words)
    if type:
        tag_of(type)
    if after is not None:
        after = check_count("after", after, "nothing was read", least=0)
    names = [canonical(name) if name else None for name in (sender, to)]
    when = check_since(since or None)
    return Filter(thread or None, names[0], names[1], type or None, when, after, before, words)


def _holds(body: str, words: str) -> bool:
    """Whether a body contains all of the words, ignoring case."""
    lower, folded = body.lower(), body.casefold()
    return all(word.lower() in lower if word.isascii() else word.casefold() in folded for word in words.split())


def _holds_stored(body: str | bytes, words: str | bytes) -> bool:
    return _holds(loaded(body), loaded(words))


def _type_condition(word: str) -> tuple[str, list[Any]]:
    """A type in either vocabulary as SQL: `INFO` is every INFO, `status` and `announce` are each a part of those."""
    tag, declared = tag_of(word)
    if declared is None or word.isupper():
        return " AND m.tag = ?", [tag]
    if declared in {"status", "announce"}:
        other = "=" if declared == "announce" else "!="
        return (
            f" AND m.tag = ? AND (m.declared = ? OR (m.declared IS NULL AND m.rcpt {other} ?))",
            [tag, declared, ALL],
        )
    return " AND m.tag = ? AND (m.declared IS NULL OR m.declared = ?)", [tag, declared]


def attach_state(db: sqlite3.Connection, path: Path) -> None:
    """Attach the state as schema `state`, in place of an earlier one."""
    db.create_function("holds", 2, _holds_stored, deterministic=True)
    if db.execute("SELECT 1 FROM pragma_database_list WHERE name = 'state'").fetchone():
        db.execute("DETACH DATABASE state")
    db.execute("ATTACH DATABASE ? AS state", (os.fsencode(path),))


def message_of(row: Sequence[Any]) -> Message:
    """Build a message from a row of COLUMNS."""
    ident, seq, at, sender, to, tag, declared, body, urgent, re_, thread, via, path, *said = row
    if bytes in map(type, row):  # text that is not UTF-8, from a hand-written header
        at, sender, to, tag, declared, *said = map(loaded, (at, sender, to, tag, declared, *said))
    return Message(
        ident,
        seq,
        at,
        sender,
        to,
        tag,
        type_of(tag, to, declared),
        loaded(body),
        bool(urgent),
        loaded(re_),
        loaded(thread),
        via,
        path or "",
        *said,
    )


def messages_of(rows: Iterable[Sequence[Any]]) -> list[Message]:
    """As `message_of`, for many."""
    return [message_of(row) for row in rows]


def visible(db: sqlite3.Connection, reader: str, wanted: Filter, limit: int | None) -> list[Message]:
    """All messages to or from `reader` or to everybody, oldest first; `limit` selects the newest."""
    condition, values = wanted.where()
    sql = (
        f"SELECT {COLUMNS} {FROM} WHERE m.hidden != 1 AND (m.sender = ? OR m.seq IN (SELECT seq FROM inbox "
        f"WHERE rcpt IN (?, ?))){condition} ORDER BY m.seq DESC LIMIT ?"
    )
    rows = db.execute(sql, [reader, reader, ALL, *values, -1 if limit is None else limit]).fetchall()
    return messages_of(reversed(rows))


def history(db: sqlite3.Connection, wanted: Filter, limit: int | None) -> list[Message]:
    """All messages, oldest first; `limit` selects the newest."""
    condition, values = wanted.where()
    sql = f"SELECT {COLUMNS} {FROM} WHERE m.hidden != 1{condition} ORDER BY m.seq DESC LIMIT ?"
    rows = db.execute(sql, [*values, -1 if limit is None else limit]).fetchall()
    return messages_of(reversed(rows))


def following(db: sqlite3.Connection, wanted: Filter, limit: int) -> list[Message]:
    """As `history`, but `limit` selects the oldest."""
    condition, values = wanted.where()
    sql = f"SELECT {COLUMNS} {FROM} WHERE m.hidden != 1{condition} ORDER BY m.seq LIMIT ?"
    return messages_of(db.execute(sql, [*values, limit]))


def by_ids(db: sqlite3.Connection, ids: Sequence[str]) -> list[Message]:
    """The existing messages with these ids, hidden ones included, in order of arrival."""
    found = []
    for start in range(0, len(ids), 500):
        part = list(ids[start : start + 500])
        marks = ",".join("?" * len(part))
        found += messages_of(db.execute(f"SELECT {COLUMNS} {FROM} WHERE m.id IN ({marks})", part))
    return sorted(found, key=lambda message: message.seq or 0)


def last_seq(db: sqlite3.Connection) -> int:
    """The highest sequence number assigned."""
    return int(db.execute("SELECT coalesce(max(seq), 0) FROM messages").fetchone()[0])


def generation(db: sqlite3.Connection) -> str:
    """Identifies this build of the index: anything cached from another build is invalid."""
    return str(db.execute("SELECT value FROM meta WHERE key = 'generation'").fetchone()[0])


def late(db: sqlite3.Connection, found: Iterable[Message]) -> set[str]:
    """The ids of messages from other machines that arrived, by a late sync, after newer ones of their sender."""
    theirs = [one for one in found if one.via == MACHINE]
    out = set[str]()
    for sender in {one.sender for one in theirs}:
        sql = "SELECT seq, at FROM messages WHERE sender = ? AND via = ? ORDER BY seq"
        newest, before = "", {}
        for seq, at in db.execute(sql, (stored(sender), MACHINE)):
            before[seq], newest = newest, max(newest, at)
        out |= {one.id for one in theirs if one.sender == sender and one.at < before.get(one.seq, "")}
    return out


def sent_by(db: sqlite3.Connection, sender: str, ident: str | None, limit: int) -> list[Message]:
    """The newest messages of a sender, or only the one with this id, oldest first."""
    condition, values = ("", [sender]) if ident is None else (" AND m.id = ?", [sender, ident])
    sql = f"SELECT {COLUMNS} {FROM} WHERE m.sender = ?{condition} ORDER BY m.seq DESC LIMIT ?"
    return messages_of(reversed(db.execute(sql, [*values, limit]).fetchall()))


def acted(db: sqlite3.Connection, message: Message, name: str, tags: Sequence[str]) -> Message | None:
    """The first answer or completion report by `name` to `message`: by reference, else by thread."""
    marks = ",".join("?" * len(tags))
    start, end = f"SELECT {COLUMNS} {FROM} WHERE", f"m.sender = ? AND m.tag IN ({marks}) ORDER BY m.seq LIMIT 1"
    found = messages_of(db.execute(f"{start} m.re = ? AND {end}", (message.id, name, *tags)))
    if not found and message.thread is not None:
        sql = f"{start} m.thread = ? AND m.seq > ? AND {end}"
        found = messages_of(db.execute(sql, (stored(message.thread), message.seq, name, *tags)))
    return found[0] if found else None


def beginning(db: sqlite3.Connection, ident: str, most: int) -> list[str]:
    """A few ids that begin with this text."""
    sql = "SELECT id FROM messages WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"
    return [row[0] for row in db.execute(sql, (ident, ident + "\x7f", most))]


def counts(db: sqlite3.Connection) -> tuple[int, int, int]:
    """The number of messages on the page, of those that only the archive has, and of all."""
    total = int(db.execute("SELECT count(*) FROM messages").fetchone()[0])  # of an index: SQLite reads no text for it
    pages = [row[0] for row in db.execute("SELECT src FROM sources WHERE path NOT LIKE 'archive/%'")]
    marks = ",".join("?" * len(pages))
    elsewhere = db.execute(f"SELECT count(*) FROM messages WHERE src IN ({marks})", pages).fetchone()[0] if pages else 0
    live = int(db.execute(f"SELECT count(*) {_PAGE}").fetchone()[0])
    return live, total - int(elsewhere) - live, total


def latest_status(db: sqlite3.Connection) -> list[Message]:
    """Each sender's latest message with a status code."""
    sql = (
        f"SELECT {COLUMNS} {FROM} WHERE m.seq IN "
        "(SELECT max(seq) FROM messages WHERE status IS NOT NULL AND hidden != 1 GROUP BY sender) ORDER BY m.seq"
    )
    return messages_of(db.execute(sql))


def on_page(db: sqlite3.Connection) -> list[str]:
    """The ids of the messages that belong on the page, in order of arrival."""
    return [row[0] for row in db.execute(f"SELECT m.id {_PAGE} ORDER BY m.seq")]


def by_hand_on_page(db: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """Id, stamp, sender, recipients and tag of the hand-written messages on the page, in order of arrival."""
    return db.execute(
        f"SELECT m.id, m.stamp, m.sender, m.rcpt, m.tag {_PAGE} AND m.via = 'hand' ORDER BY m.seq"
    ).fetchall()


def by_hand_archived(db: sqlite3.Connection, most: int) -> list[tuple[Any, ...]]:
    """The newest `most` hand-written messages off the page that nobody deleted or redacted, newest first.

    Id, and stamp, sender, recipients, tag, urgency and text.
    """
    sql = (
        "SELECT m.id, m.stamp, m.sender, m.rcpt, m.tag, m.urgent, m.body FROM messages m "
        f"JOIN sources s ON s.src = m.src WHERE {_BY_PEOPLE} AND m.via = 'hand' AND s.own AND m.hidden = 0 "
        f"AND NOT ({_ON_PAGE}) AND m.id NOT IN (SELECT id FROM traces WHERE redacted > 0) ORDER BY m.seq DESC LIMIT ?"
    )
    return db.execute(sql, (most,)).fetchall()


def said_again(db: sqlite3.Connection, ident: str, sender: str, body: str) -> list[str]:
    """To whom a person, as `sender`, said the same text after this message."""
    sql = (
        f"SELECT m.rcpt FROM messages m WHERE {_BY_PEOPLE} AND m.hidden = 0 "
        "AND m.seq > (SELECT seq FROM messages WHERE id = ?) AND m.sender = ? AND m.body = ?"
    )
    return [loaded(row[0]) for row in db.execute(sql, (ident, stored(sender), stored(body)))]


def warned(db: sqlite3.Connection) -> list[str]:
    """The texts of all warnings by `system`, in order of arrival."""
    sql = "SELECT body FROM messages WHERE sender = 'system' AND tag = 'WARN' ORDER BY seq"
    return [str(loaded(row[0])) for row in db.execute(sql)]


def proven_names(db: sqlite3.Connection) -> list[str]:
    """Local names that sent or got a message that was not written by hand. Scans every message."""
    sql = "SELECT DISTINCT sender, rcpt FROM messages WHERE coalesce(via, 'tool') IN ('tool', 'cli')"
    found = (name for row in db.execute(sql) for part in row for name in str(loaded(part)).split(", "))
    return [name for name in dict.fromkeys(found) if "@" not in name]


def own_ids(db: sqlite3.Connection) -> list[str]:
    """The ids of all messages of our own ledger that are not to be redacted, in order of arrival."""
    sql = (
        "SELECT m.id FROM messages m JOIN sources s ON s.src = m.src WHERE s.own "
        "AND m.id NOT IN (SELECT id FROM traces WHERE redacted = 1) ORDER BY m.seq"
    )
    return [row[0] for row in db.execute(sql)]


def off_page(db: sqlite3.Connection) -> list[Message]:
    """Messages that people deleted by hand, or that are missing and were left so, in order of arrival."""
    return messages_of(db.execute(f"SELECT {COLUMNS} {FROM} WHERE m.hidden > 0 ORDER BY m.seq"))


def deleted(db: sqlite3.Connection) -> list[Message]:
    """Messages that somebody deleted, in order of arrival."""
    return messages_of(db.execute(f"SELECT {COLUMNS} {FROM} WHERE m.hidden = 1 ORDER BY m.seq"))


def is_ours(db: sqlite3.Connection, ident: str) -> bool:
    """Whether a message is in our own ledger."""
    sql = "SELECT 1 FROM messages m JOIN sources s ON s.src = m.src WHERE s.own AND m.id = ?"
    return db.execute(sql, (ident,)).fetchone() is not None


def older_bodies(db: sqlite3.Connection, ident: str) -> list[str]:
    """The former texts of a message, oldest first."""
    rows = db.execute("SELECT body FROM versions WHERE id = ? ORDER BY n", (ident,)).fetchall()
    return [loaded(row[0]) for row in rows]


def texts(db: sqlite3.Connection, ident: str) -> list[Message]:
    """A message once for each text that it had, oldest first, the present one last; empty if it does not exist."""
    present = by_ids(db, [ident])
    return [present[0]._replace(body=body) for body in older_bodies(db, ident)] + present if present else []


def unfinished(db: sqlite3.Connection) -> list[str]:
    """The ids of messages to be redacted whose redaction is not recorded as done."""
    return [row[0] for row in db.execute("SELECT id FROM traces WHERE redacted = 1")]


def purged(db: sqlite3.Connection) -> list[str]:
    """The ids of redacted messages whose texts have been destroyed."""
    return [row[0] for row in db.execute("SELECT id FROM traces WHERE redacted = 2")]


def holding(db: sqlite3.Connection, text: str) -> list[Message]:
    """Every message whose body contains `text` exactly."""
    return messages_of(
        db.execute(f"SELECT {COLUMNS} {FROM} WHERE instr(m.body, ?) > 0 ORDER BY m.seq", (stored(text),))
    )
