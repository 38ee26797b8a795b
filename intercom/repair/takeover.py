"""Owns migrating a bus from a version before the ledger, which kept a journal beside the page and notes in the state.

The whole journal goes into the ledger, with the notes about messages; the base is what page and journal last agreed
on. Only then is the journal removed. After a kill, the next command finds the journal and adds what the ledger
lacks; it does the same if an old server is still running and writes a new journal.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from intercom.core.digests import blake2b
from intercom.format import MESSAGE, Entry, digest
from intercom.format.record import LEFT, PURGED, REDACTED, REMOVED, RETURNED, as_is, by_hand, control, idents, time_of
from intercom.format.roster import Roster
from intercom.store.log.base import Mark
from intercom.store.log.log import Log
from intercom.store.log.unfinished import entries_of
from intercom.store.state.db import State
from intercom.system import host
from intercom.system.files import read_from, storage

_TABLES = ("hidden", "repaired", "copies", "redacted")
_NOTES = ("agreed", "order", "traces")
_DELETED = "deleted by hand"


class _Noted(NamedTuple):
    """What the state of an older version says about messages, by id."""

    deleted: list[str]
    left: list[str]
    returned: list[str]
    redacted: list[str]
    agreed: str  #: inode and size of the journal, size and checksum of the page, a counter
    order: list[str]


def take_over(log: Log, state: State) -> None:
    """Migrate what an older version kept; the caller holds the lock. StorageError."""
    path = log.journal
    data = read_from(path)
    if data is None:
        return
    log.cut_back()  # a torn record is unknown, and nothing may follow it
    noted, fresh = _noted(state), not log.ledger.exists()
    known = set() if fresh else log.idents()
    records = [*_records(data, known), *_controls(noted)]
    if fresh:
        log.ledger.begin(records)
        _agree(log, data, noted)
    else:
        log.learn(records, "what an older Intercom kept is not taken over yet")
    _forget(state)
    with storage(f"remove {path}", "its messages are in the ledger"):
        for old in (path, path.with_name("journal.next"), *path.parent.glob("kept.INTERCOM-*")):
            host.remove(old)


def _records(journal: bytes, known: set[str]) -> Iterator[bytes]:
    """The journal's messages that are not known, with every text that they had."""
    for entry in entries_of(journal):
        if entry.kind == MESSAGE and entry.id and entry.id not in known and entry.raw.endswith(b"\n---\n\n"):
            if entry.via in {None, "tool", "cli"}:
                yield as_is(entry._replace(declared=None if entry.declared == "control" else entry.declared))
            else:
                yield by_hand(entry, entry.id, time_of(entry))


def _controls(noted: _Noted) -> list[bytes]:
    said = {RETURNED: noted.returned, REMOVED: noted.deleted, LEFT: noted.left, REDACTED: noted.redacted}
    said[PURGED] = noted.redacted
    return [control(tag, idents, time.time()) for tag, idents in said.items() if idents]


def _noted(state: State) -> _Noted:
    """Read an older version's tables; empty if they do not exist."""
    with state.guarded():
        db = state.db
        tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables.issuperset(_TABLES):
            return _Noted([], [], [], [], "", [])
        hidden = db.execute("SELECT id, why FROM hidden ORDER BY at, id").fetchall()
        return _Noted(
            [ident for ident, why in hidden if why == _DELETED],
            [ident for ident, why in hidden if why != _DELETED],
            [row[0] for row in db.execute("SELECT id FROM repaired ORDER BY arrived")],
            [row[0] for row in db.execute("SELECT id FROM redacted ORDER BY at, id")],
            str(state.meta("agreed") or ""),
            str(state.meta("order") or "").split(),
        )


def _forget(state: State) -> None:
    """Drop the tables that have become records."""
    with state.transaction() as db:
        with suppress(sqlite3.OperationalError):  # a table may never have existed
            for table in _TABLES:
                db.execute(f"DELETE FROM {table}")  # noqa: S608  # a name of ours
        db.executemany("DELETE FROM meta WHERE key = ?", [(key,) for key in _NOTES])


def _agree(log: Log, journal: bytes, noted: _Noted) -> None:
    """Write the base for the last agreement, if page and journal still begin with it."""
    end, page = log.ledger.end(), read_from(log.live) or b""
    try:
        _, reach, size, proof, _ = noted.agreed.split()
        agreed, text = int(reach), page[: int(size)]
    except ValueError:
        return
    whole = blake2b(text, digest_size=16).hexdigest() == proof and len(text) == int(size)
    if end is None or not whole or agreed != len(journal):
        return  # whatever the page lacks is added to it, once
    marks, own = _identified(text, journal)
    order = [ident for ident in _order(journal) if ident in own]
    log.base.write(log.ledger.id, end, text, marks, order)


def _order(journal: bytes) -> dict[str, None]:
    return dict.fromkeys(idents(journal))


def _identified(page: bytes, journal: bytes) -> tuple[dict[int, Mark], set[str]]:
    """Match messages of the page to the journal (by id, else content): each one's mark, and all ids on the page."""
    by_digest: dict[str, list[str]] = {}
    texts: dict[str, Entry] = {}
    for entry in entries_of(journal):
        if entry.kind == MESSAGE and entry.id:
            texts[entry.id] = entry
    for ident, entry in texts.items():
        by_digest.setdefault(digest(entry), []).append(ident)
    marks: dict[int, Mark] = {}
    own: set[str] = set()
    messages = (entry for entry in entries_of(page, Roster()) if entry.kind == MESSAGE)
    for number, entry in enumerate(messages):
        alike = by_digest.get(digest(entry), [])
        found = entry.id if entry.id in texts else next((one for one in alike if one not in own), (alike or [""])[-1])
        ident = found or entry.id or ""
        copy = not found or found in own
        if copy or ident != entry.id:
            marks[number] = Mark(ident, copy)
        if not copy:
            own.add(ident)
    return marks, own
