"""Owns which conversations each name has had: a table in `state.db`, so that what they used can be read later.

A session's row knows its newest alone; an heir, or `/clear`, begins another.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from intercom.core.message import utc

ALL = "SELECT name, path, program, ended FROM transcripts ORDER BY noted, path"


class Transcript(NamedTuple):
    """One conversation."""

    name: str  #: who had it
    path: str  #: the file
    program: str
    ended: str | None  #: when that worker was torn down: the next of its name is another one


def note(db: sqlite3.Connection, name: str, path: str, program: str) -> None:
    """This name has this conversation; inside a transaction."""
    db.execute("INSERT OR IGNORE INTO transcripts VALUES (?, ?, ?, ?, NULL)", (name, path, program, utc()))


def end(db: sqlite3.Connection, name: str) -> None:
    """Whoever has the name now is done with it; inside a transaction."""
    db.execute("UPDATE transcripts SET ended = ? WHERE name = ? AND ended IS NULL", (utc(), name))
