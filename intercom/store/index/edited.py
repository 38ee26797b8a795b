"""Owns which messages were edited after a reader got them; only edited messages have versions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from intercom.core.digests import blake2b
from intercom.store.state.receipts import GIVEN

_GIVEN = (
    "SELECT m.id, m.body, (SELECT v.body FROM versions v WHERE v.id = m.id ORDER BY v.n LIMIT 1), t.text "
    "FROM (SELECT DISTINCT id FROM versions) e JOIN messages m ON m.id = e.id "
    f"{GIVEN} "
    "LEFT JOIN state.told t ON t.id = m.id AND t.reader = ?1 WHERE m.hidden = 0 ORDER BY m.seq"
)


def any_edited(db: sqlite3.Connection) -> bool:
    """Whether any message was ever edited; usually none was."""
    return db.execute("SELECT 1 FROM versions LIMIT 1").fetchone() is not None


def text_mark(body: Any) -> str:
    """A digest of a text in the form that the index stores."""
    data = body if isinstance(body, bytes) else str(body).encode()
    return blake2b(data, digest_size=8).hexdigest()


def edited_since(db: sqlite3.Connection, reader: str) -> list[tuple[str, str]]:
    """Messages that `reader` got, or was told of, with another text: ids, and digests of the present texts.

    The state is attached to the index as `state`.
    """
    out = []
    for ident, body, first, told in db.execute(_GIVEN, (reader,)):
        now = text_mark(body)
        if now != (told or text_mark(first)):
            out.append((ident, now))
    return out


def texts_of(db: sqlite3.Connection, idents: Iterable[str]) -> list[tuple[str, str]]:
    """Those of these messages that were edited: ids, and digests of their texts."""
    sql = "SELECT id, body FROM messages m WHERE id = ? AND EXISTS (SELECT 1 FROM versions v WHERE v.id = m.id)"
    found = (db.execute(sql, (ident,)).fetchone() for ident in idents)
    return [(row[0], text_mark(row[1])) for row in found if row is not None]
