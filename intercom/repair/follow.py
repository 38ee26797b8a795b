"""Owns what a page must follow: what became of its messages under another machine's name.

Every name has a page of its own, and all of them one ledger. What somebody edits or deletes on one page is in the
ledger from then on; another page still holds the message as it was when it last agreed with the ledger. That is
nobody's will: only where an entry differs from that has somebody been at it.
"""

from __future__ import annotations

import sqlite3

from intercom.format import MESSAGE, digest, parse
from intercom.format.record import REMOVED, RETURNED, as_is, is_control
from intercom.format.roster import Roster
from intercom.repair.sides import entry_of, identified, index_rows
from intercom.store.index.control import DELETED
from intercom.store.log.base import Base, Mark
from intercom.store.log.unfinished import Read, Tail, entries_of, without


def followed(page: bytes, base: Base | None, tail: Tail, db: sqlite3.Connection, roster: Roster) -> bytes:
    """The page, where each message that nobody touched is as the ledger has it since, or gone if it is deleted."""
    if base is None:
        return page
    changed, untouched = _learned(tail)
    now = {row.id: row for row in index_rows(db, sorted(changed)) if not row.redacted}
    if not now:
        return page
    messages = (entry for entry in entries_of(base.page, base.roster) if entry.kind == MESSAGE)
    for entry, (ident, _) in zip(messages, identified(base.page, base), strict=True):
        if ident in now:
            untouched[entry.id, digest(entry)] = ident
    parts: list[bytes] = []
    gone: dict[int, Mark] = {}
    number = -1
    for entry in entries_of(page, roster):
        raw = entry.raw
        if entry.kind == MESSAGE:
            number += 1
            row = now.get(untouched.get((entry.id, digest(entry)), ""))
            if row is not None and row.hidden == DELETED:
                gone[number] = Mark(row.id)
            elif row is not None and row.digest != digest(entry) and (found := entry_of(db, row.id)):
                raw = as_is(found[0])
        parts.append(raw)
    page = b"".join(parts)
    return without(page, Read(roster, gone), {mark.id for mark in gone.values()}) if gone else page


def _learned(tail: Tail) -> tuple[set[str], dict[tuple[str | None, str], str]]:
    """The ids of which the ledger learned another text, or that they were deleted or put back; and all texts there."""
    changed: set[str] = set()
    texts: dict[tuple[str | None, str], str] = {}
    for _, data in tail:
        for entry in parse(data):
            if entry.kind != MESSAGE or entry.id is None:
                continue
            if is_control(entry):
                changed.update(entry.body.split() if entry.tag in {REMOVED, RETURNED} else ())
                continue
            texts[entry.id, digest(entry)] = entry.id
            if entry.via == "hand":
                changed.add(entry.id)
    return changed, texts
