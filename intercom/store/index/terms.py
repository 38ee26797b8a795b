"""Owns the table of all distinct words in all texts: it gives the words that contain a part, to narrow a search.

The words come from FTS5's own vocabulary. A word stays after its last text is gone; it then finds nothing.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable

from intercom.core.message import new_id

_MANY = 200  #: words per part; a part in more words is in so many texts that scanning the newest is enough
_PIECE = re.compile("[a-z0-9]+")  # in ASCII text, what FTS5 never splits


def note_all(db: sqlite3.Connection) -> None:
    """Add the words of everything that FTS5 has indexed. The caller is in a write transaction."""
    _note(db, "main", "words")


def note(db: sqlite3.Connection, bodies: Iterable[tuple[str | bytes]]) -> None:
    """Add the words of these texts. The caller is in a write transaction."""
    fresh = f"fresh_{new_id()}"
    db.execute(f"CREATE VIRTUAL TABLE temp.{fresh} USING fts5(body, content='')")
    db.executemany(f"INSERT INTO temp.{fresh} (body) VALUES (?)", bodies)
    _note(db, "temp", fresh)
    db.execute(f"DROP TABLE temp.{fresh}")


def _note(db: sqlite3.Connection, schema: str, table: str) -> None:
    db.execute(f"CREATE VIRTUAL TABLE temp.vocabulary_of_{table} USING fts5vocab('{schema}', '{table}', 'row')")
    db.execute(f"INSERT OR IGNORE INTO main.terms SELECT term FROM temp.vocabulary_of_{table}")
    db.execute(f"DROP TABLE temp.vocabulary_of_{table}")


def holding(db: sqlite3.Connection, parts: Iterable[str]) -> str | None:
    """The FTS5 query for texts that may contain all these parts; "" if none can, None if it would be too long."""
    groups = []
    for part in parts:
        for piece in _PIECE.findall(part.lower()) if part.isascii() else ():
            sql = "SELECT term FROM terms WHERE instr(term, ?) LIMIT ?"
            found = [row[0] for row in db.execute(sql, (piece, _MANY + 1))]
            if not found:
                return ""
            if len(found) <= _MANY:
                groups.append("({})".format(" OR ".join(f'"{term}"' for term in found)))
    return " AND ".join(groups) or None
