"""Owns restoring a ledger that lost records: a segment was deleted, or replaced by a shorter one.

Only Intercom writes the ledger, and the index had read what is gone. So the messages are written into the ledger
again, with their ids and their senders' authority, and then what had become of them, since the records that said so
may be lost as well. Without the index, repair takes in the page as it stands.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator

from intercom.format import parse
from intercom.format.record import PAGE, REDACTED, as_is, control, is_control
from intercom.repair.sides import entry_of
from intercom.store.index import query
from intercom.store.index.control import standing
from intercom.store.log.log import Log
from intercom.system.files import read_from
from intercom.system.folders import file_size

_REDACTED = f"[{REDACTED}]\n".encode()
_MANY = 1000  #: messages per write


def _is_short(log: Log, db: sqlite3.Connection) -> bool:
    """Whether the index `db` has read more of the ledger than exists."""
    there = {f"archive/{segment.name}": file_size(log.ledger.path(segment)) for segment in log.ledger.segments()}
    read = db.execute("SELECT path, settled FROM sources WHERE own").fetchall()
    return any(there.get(path, -1) < settled for path, settled in read)


def _is_missing(log: Log, db: sqlite3.Connection) -> bool:
    """Whether a segment that the index `db` has read no longer exists."""
    there = {f"archive/{segment.name}" for segment in log.ledger.segments()}
    return any(row[0] not in there for row in db.execute("SELECT path FROM sources WHERE own"))


def refill(log: Log, db: sqlite3.Connection) -> int | None:
    """Write lost messages into the ledger again; returns how many, or None if nothing is missing. StorageError.

    Safe to kill and repeat: the records of what became of messages come last, and are written every time. The base
    is removed first, because it refers to positions that are no longer valid. The index `db` must be rebuilt
    afterwards. The caller holds the writer lock.
    """
    log.ledger.forget()
    if not _is_short(log, db):
        return None
    there = log.idents()
    gone = [ident for ident in query.own_ids(db) if ident not in there]
    if not gone and (not _is_missing(log, db) or _redacted(log, db)):
        return None  # shortened by a redaction, or by somebody's edit of a text
    log.base.drop()
    if not log.ledger.exists():
        log.ledger.begin()
    for some in _batches(gone):
        found = [entry_of(db, ident) for ident in some]
        log.learn([as_is(one[0]) for one in found if one is not None], "what the ledger lost is not written back yet")
    shown, now = query.on_page(db), time.time()
    said = [control(one.tag, one.ids, now) for one in standing(db)]
    log.learn([*said, control(PAGE, [f"{query.counts(db)[1]} left", *shown], now)], "what was deleted is shown again")
    return len(gone)


def _redacted(log: Log, db: sqlite3.Connection) -> bool:
    """Whether a redaction shortened segments that the index does not know of, or that is not finished."""
    done = set(query.purged(db))
    texts = (read_from(log.ledger.path(segment)) or b"" for segment in log.ledger.segments())
    controls = (one for text in texts if _REDACTED in text for one in parse(text) if is_control(one))
    return any(one.tag == REDACTED and not done.issuperset(one.body.splitlines()) for one in controls)


def _batches(idents: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(idents), _MANY):
        yield idents[start : start + _MANY]
