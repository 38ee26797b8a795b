"""Owns what becomes of a ledger that lost some of what it had: a segment was deleted, or replaced by a shorter one.

The index had read what is gone, and nobody but Intercom writes it. So what is to be on the page is written into the
ledger anew, under its id and with its sender's authority; without the index, repair takes the page in as it stands.
"""

from __future__ import annotations

import sqlite3

from intercom.format.record import as_is
from intercom.repair.sides import entry_of
from intercom.store.index import query
from intercom.store.log.log import Log
from intercom.system.folders import file_size


def _is_short(log: Log, db: sqlite3.Connection) -> bool:
    """Whether the index `db` has read more of the ledger than there is."""
    there = {f"archive/{segment.name}": file_size(log.ledger.path(segment)) for segment in log.ledger.segments()}
    read = db.execute("SELECT path, settled FROM sources WHERE own").fetchall()
    return any(there.get(path, -1) < settled for path, settled in read)


def refill(log: Log, db: sqlite3.Connection) -> int:
    """Write anew what the ledger lost of what is to be on the page; return how many messages. StorageError.

    Where there are any, the base goes, first: it speaks of places that are not what they were; and the index `db` is to
    be made anew afterwards. The caller holds the writer lock.
    """
    if not _is_short(log, db):
        return 0
    there = log.idents()
    gone = [entry_of(db, ident) for ident in query.on_page(db) if ident not in there]
    records = [as_is(found[0]) for found in gone if found is not None]
    if not records:
        return 0
    log.base.drop()
    if not log.ledger.exists():
        log.ledger.begin()
    log.learn(records, "what the ledger lost is not written anew yet")
    return len(records)
