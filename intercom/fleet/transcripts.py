"""Owns which conversations each name has had: a table in `state.db`, for computing usage later.

A session's row only has the latest one; a successor, or `/clear`, starts another.
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
    ended: str | None  #: when that worker was torn down; the next of its name is another


def note(db: sqlite3.Connection, name: str, path: str, program: str) -> None:
    """Record that this name has this conversation; inside a transaction."""
    db.execute("INSERT OR IGNORE INTO transcripts VALUES (?, ?, ?, ?, NULL)", (name, path, program, utc()))


def end(db: sqlite3.Connection, name: str) -> None:
    """Record that the present owner of the name is done; inside a transaction."""
    db.execute("UPDATE transcripts SET ended = ? WHERE name = ? AND ended IS NULL", (utc(), name))
