"""Owns search: by id, by words, and by parts of words.

Word matches come first, the best first and the newest among equals; FTS5 finds them in its word index. What more
than 5,000 messages match is not ranked, which would take half a second in a million messages: the newest come first.
Then come the messages that contain each term somewhere, newest first: the `terms` table gives the words that contain
it, and only texts with those words are scanned. A term in very many words, or with non-ASCII letters, is looked for
in all texts, at a tenth of a second per 100,000 messages. (A trigram index would take seventeen times as long to
build, at each rebuild, and finds nothing in Chinese or Japanese, where a word has two letters and no blanks around
it.)
"""

from __future__ import annotations

import re
import sqlite3
from typing import NamedTuple

from intercom.core.message import Message
from intercom.store.index.db import Index
from intercom.store.index.query import COLUMNS, FROM, beginning, by_ids, last_seq, messages_of
from intercom.store.index.terms import holding, note, note_all
from intercom.store.index.values import stored

_UNSEARCHABLE = re.compile("[\0\ud800-\udfff]")  # would end the query, or cannot be passed to SQLite
_ID = re.compile(r"[0-9a-z]{6,12}\Z")
_PART = 3  #: minimum letters of a part of a word
_MANY = 5_000  #: maximum of ranked messages
_AMONG_WORDS = "FROM words w CROSS JOIN messages m ON m.seq = w.rowid LEFT JOIN sources s ON s.src = m.src"
_TERMS = 20  #: maximum of terms looked for in texts: SQLite allows at most 1,000 conditions in a row


class Term(NamedTuple):
    """A word, a "phrase", or the beginning of a word (`star`)."""

    text: str
    star: bool

    @property
    def part(self) -> bool:
        """Whether it is also looked for inside words: long enough, or of a script without blanks."""
        return not self.star and (len(self.text) >= _PART or not self.text.isascii())

    @property
    def quoted(self) -> str:
        """The term in FTS5 syntax."""
        return '"' + self.text.replace('"', "") + '"' + ("*" if self.star else "")


def search(db: sqlite3.Connection, query: str, limit: int) -> list[Message]:
    """The message with this id, then those with all these words, then those with all these parts of words."""
    found = re.findall(r'"([^"]+)"|([^\s"*]+)(\*?)', _UNSEARCHABLE.sub(" ", query))
    terms = [Term(quoted or plain, bool(star)) for quoted, plain, star in found]
    if not terms:
        return []
    out = _by_id(db, terms)
    _add(out, _by_words(db, terms, limit))
    if len(out) < limit and all(not term.star for term in terms) and any(term.part for term in terms):
        _add(out, _by_parts(db, terms[:_TERMS], limit))
    return list(out.values())[:limit]


def _add(out: dict[str, Message], found: list[Message]) -> None:
    for message in found:
        out.setdefault(message.id, message)


def _by_id(db: sqlite3.Connection, terms: list[Term]) -> dict[str, Message]:
    begins = terms[0].text.lower()
    if len(terms) > 1 or not _ID.match(begins):
        return {}
    return {message.id: message for message in by_ids(db, beginning(db, begins, _TERMS))}


def _by_words(db: sqlite3.Connection, terms: list[Term], limit: int) -> list[Message]:
    wanted = " ".join(term.quoted for term in terms)
    few = db.execute("SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ? LIMIT ?)", (wanted, _MANY + 1))
    order = "w.rowid DESC" if few.fetchone()[0] > _MANY else "w.rank, m.seq DESC"
    sql = f"SELECT {COLUMNS} {_AMONG_WORDS} WHERE words MATCH ? AND m.hidden = 0 ORDER BY {order} LIMIT ?"
    return messages_of(db.execute(sql, (wanted, limit)))


def _by_parts(db: sqlite3.Connection, terms: list[Term], limit: int) -> list[Message]:
    sql, values = "", []
    for term in terms:
        text = term.text
        if text.isascii():
            sql += " AND instr(lower(m.body), lower(?)) > 0"
        elif text.lower() == text.upper():  # of a script without upper and lower case
            sql += " AND instr(m.body, ?) > 0"
        else:
            sql += " AND holds(m.body, ?)"
        values.append(stored(text))
    few = holding(db, [term.text for term in terms])
    if few is None:
        source = f"{FROM} WHERE"
    elif few:
        source = f"{_AMONG_WORDS} WHERE words MATCH ? AND"
        values.insert(0, few)
    else:
        return []
    return messages_of(
        db.execute(f"SELECT {COLUMNS} {source} m.hidden = 0{sql} ORDER BY m.seq DESC LIMIT ?", [*values, limit])
    )


def bring_up(index: Index, db: sqlite3.Connection) -> bool:
    """Update the word index; False if it was up to date. IndexLost, StorageError."""
    if words_upto(db) >= last_seq(db):
        return False
    with index.writing() as writing:
        index_words(writing)
    return True


def index_words(db: sqlite3.Connection) -> None:
    """Update the word index. The caller is in a write transaction."""
    upto = words_upto(db)
    db.execute("INSERT INTO words (rowid, body) SELECT seq, body FROM messages WHERE seq > ?", (upto,))
    if upto:
        note(db, db.execute("SELECT body FROM messages WHERE seq > ?", (upto,)))
    else:
        note_all(db)
    db.execute("INSERT OR REPLACE INTO meta SELECT 'words', coalesce(max(seq), 0) FROM messages")


def words_upto(db: sqlite3.Connection) -> int:
    """The last sequence number whose words are indexed."""
    row = db.execute("SELECT value FROM meta WHERE key = 'words'").fetchone()
    return int(row[0]) if row else 0
