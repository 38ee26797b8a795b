"""Owns applying the ledger's control records to the index: what is on the page, hidden, put back or redacted."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

from intercom.format import Entry
from intercom.format.record import LEFT, OPEN, PAGE, PURGED, REDACTED, REMOVED, RETURNED, is_control

VISIBLE, DELETED, OFF_PAGE = 0, 1, 2  #: messages.hidden
PENDING, DONE = 1, 2  #: traces.redacted


class Control(NamedTuple):
    """A control record: its kind, its message ids, and how many messages precede it in what was read."""

    tag: str
    ids: tuple[str, ...]
    before: int = 0


def split(entries: Sequence[Entry]) -> tuple[Sequence[Entry], list[Control]]:
    """Split a segment's entries into messages and the control records between them."""
    if not any(entry.to == "system" for entry in entries):
        return entries, []
    messages: list[Entry] = []
    controls: list[Control] = []
    for entry in entries:
        if is_control(entry):
            if entry.tag != OPEN:
                controls.append(Control(entry.tag, _ids(entry), len(messages)))
            elif _FIRST in entry.body.splitlines():
                controls.append(Control(PAGE, (), len(messages)))  # nothing from before the ledger is on the page
        else:
            messages.append(entry)
    return messages, controls


def _ids(entry: Entry) -> tuple[str, ...]:
    """The ids that a control record lists; its other words contain a blank."""
    return tuple(line for line in entry.body.splitlines() if line and " " not in line)


def apply(db: sqlite3.Connection, control: Control) -> None:
    """Apply a control record, after all messages before it were added; inside a write transaction."""
    names = [(ident,) for ident in control.ids]
    if control.tag == PAGE:
        last = db.execute("SELECT coalesce(max(seq), 0) FROM messages").fetchone()[0]
        _keep(db, control.ids, last)
    elif control.tag in _HIDES:
        db.executemany(f"UPDATE messages SET hidden = {_HIDES[control.tag]} WHERE id = ?", names)
    elif control.tag == RETURNED:
        db.executemany("UPDATE messages SET hidden = 0 WHERE id = ?", names)
        db.executemany("INSERT OR IGNORE INTO kept SELECT seq FROM messages WHERE id = ?", names)
        db.executemany(_RETURNED, names)
        new_generation(db)
    elif control.tag in _REDACTS:
        db.executemany(_REDACTED, [(ident, _REDACTS[control.tag]) for ident in control.ids])
        db.execute("INSERT OR REPLACE INTO meta SELECT 'pending', count(*) FROM traces WHERE redacted = 1")


def standing(db: sqlite3.Connection) -> list[Control]:
    """The combined effect of all control records but PAGE, for a ledger that lost some of them."""
    ids = partial(_column, db)
    deleted, left = ids(_HIDDEN, DELETED), ids(_HIDDEN, OFF_PAGE)
    unfinished, purged = ids(_TRACED, PENDING), ids(_TRACED, DONE)
    said = [
        Control(REMOVED, deleted),
        Control(LEFT, left),
        Control(REDACTED, unfinished + purged),
        Control(PURGED, purged),
    ]
    return [control for control in said if control.ids]


def _column(db: sqlite3.Connection, sql: str, value: int) -> tuple[str, ...]:
    return tuple(row[0] for row in db.execute(sql, (value,)))


_HIDDEN = "SELECT id FROM messages WHERE hidden = ? ORDER BY seq"
_TRACED = "SELECT id FROM traces WHERE redacted = ?"
_FIRST = "follows -"  # in the OPEN record of the ledger's first segment
_HIDES = {REMOVED: DELETED, LEFT: OFF_PAGE}
_REDACTS = {REDACTED: PENDING, PURGED: DONE}
_RETURNED = "INSERT INTO traces (id, returned) VALUES (?, 1) ON CONFLICT (id) DO UPDATE SET returned = returned + 1"
_REDACTED = (
    "INSERT INTO traces (id, redacted) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET redacted = excluded.redacted"
)


def _keep(db: sqlite3.Connection, idents: Iterable[str], last: int) -> None:
    db.execute("DELETE FROM kept")
    db.executemany("INSERT OR IGNORE INTO kept SELECT seq FROM messages WHERE id = ?", [(one,) for one in idents])
    db.execute("INSERT OR REPLACE INTO meta VALUES ('page', ?)", (last,))


def new_generation(db: sqlite3.Connection) -> None:
    """Invalidate everything that was cached about this index: an old message may now be new to somebody."""
    db.execute("INSERT OR REPLACE INTO meta VALUES ('generation', ?)", (os.urandom(8).hex(),))


class Folded:
    """Collects the control records of a bulk load, to apply them together at its end."""

    def __init__(self) -> None:
        self._others: list[Control] = []
        self._page: Control | None = None
        self._last = 0
        self._back: list[Control] = []  # messages put back on the page since the last compaction

    def add(self, control: Control, last: int) -> None:
        """Add a record; `last` is the number of the last message before it."""
        if control.tag == PAGE:
            self._page, self._last, self._back = control, last, []
            return
        self._others.append(control)
        if control.tag == RETURNED:
            self._back.append(control)

    def carry_out(self, db: sqlite3.Connection) -> None:
        """Apply them; all messages have been added."""
        for control in self._others:
            apply(db, control)
        if self._page is not None:
            back = (ident for control in self._back for ident in control.ids)
            _keep(db, (*self._page.ids, *back), self._last)
