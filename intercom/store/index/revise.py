"""Owns changes to messages that the index already has: another text or header, in our ledger or in other logs.

For our own messages the ledger decides: the last text there is current. Another machine's ledger is not here. Its
file is all we have, so:

- another text under the id of a message that we have from this file is that message, edited. Under the id of one
  from elsewhere it means nothing: a message can only be changed in its own log.
- if an id occurs twice in the file, and the two differ in header or are not alike, somebody copied a block as a
  template for a new message: the second is that new message. The same holds for the id of any other message that we
  have, if neither header nor text match: its block was the template, or was typed over.
- an entry without an id gets one derived from its content, so an edit changes it. It counts as the message that we
  had from this file under the same header, with a time to the second, if that text is gone, the two are alike, and it
  is in the same position; a message gone from elsewhere may have been compacted. The message then has the new id, as
  it will after a rebuild, and keeps its number, its receipts and its older texts.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from intercom.format import MESSAGE, Entry
from intercom.format.grammar import SECONDS
from intercom.format.likeness import similarity
from intercom.store.index.control import new_generation
from intercom.store.index.terms import note
from intercom.store.index.values import entry_of_row, loaded, stored, stored_row
from intercom.store.state import receipts

INBOX = "INSERT OR IGNORE INTO inbox VALUES (?, ?)"
MANY = 100  #: texts compared under one header: nobody has more except by intent
ALIKE = 0.6  #: texts under one header that are at least this similar are one message, as in `reconcile`
_ANYWHERE = 1 << 62  #: above every number
_STATE = "SELECT 1 FROM pragma_database_list WHERE name = 'state'"


class Source(NamedTuple):
    """Where entries come from. `trusted`: a segment of our own ledger, whose meta lines only we write."""

    src: int
    trusted: bool
    copy: bool = False  #: a sync tool's copy of a live log, perhaps from before or after an edit
    ours: bool = False  #: our own log: we have what our tools wrote, so all else in it is hand-written
    machine: str = ""  #: the machine whose log it is, if not this one
    here: tuple[str, ...] = ()  #: names by which that machine may refer to this one


#: For messages in the index, by id: number, source, and an Entry's fields from its stamp to its body.
Rows = Mapping[str, tuple[int, int, tuple[Any, ...]] | None]


def inbox_rows(rcpt: str, seq: int) -> Iterable[tuple[str, int]]:
    """One row for each recipient of a message."""
    return [(rcpt, seq)] if "," not in rcpt else [(name, seq) for name in dict.fromkeys(rcpt.split(", "))]


def told_apart(source: Source, entries: Sequence[Entry], rows: Rows, before: set[str] | None = None) -> list[Entry]:
    """The entries of another's log, where those made from another message's block lose its id.

    `rows` is what we have under these ids. `before` are the ids that precede these entries in the file, to which
    theirs are added; None if these entries are the whole file.
    """
    seen: dict[str, Entry] = {}
    out = []
    for entry in entries:
        ident = entry.id if entry.kind == MESSAGE else None
        if ident is None:
            out.append(entry)
            continue
        first, row = seen.get(ident), rows.get(ident)
        stands = row is not None and row[1] == source.src and (before is None or ident in before)
        other = first is not None and _another(first, entry, both=True)
        if other or (row is not None and _another(entry_of_row(row[2]), entry, both=stands)):
            out.append(entry._replace(id=None, at=None))
        else:
            seen.setdefault(ident, entry)
            out.append(entry)
    if before is not None:
        before.update(seen)
    return out


def _another(one: Entry, other: Entry, *, both: bool) -> bool:
    """Whether the two are different messages; if both are in the file, header and text must `both` differ."""
    same = _header(one) == _header(other)
    if same and one.body == other.body:
        return False
    if both:
        return not (same and _alike(one.body, other.body))
    return not (same or _alike(one.body, other.body))


def follow(db: sqlite3.Connection, source: Source, edited: Iterable[tuple[str, Entry]]) -> None:
    """Make the newer texts current of messages that we have from this source; they were edited by hand."""
    for ident, entry in edited:
        sql = "SELECT sender, rcpt, tag, body FROM messages WHERE id = ? AND src = ?"
        row = db.execute(sql, (ident, source.src)).fetchone() if entry.id else None
        if row is not None and tuple(map(loaded, row)) != (entry.sender, entry.to, entry.tag, entry.body):
            revise(db, ident, entry._replace(via="hand"), source)


def take_edits(db: sqlite3.Connection, source: Source, named: Iterable[tuple[str, Entry]]) -> list[tuple[str, int]]:
    """Find messages of this source without ids whose texts were edited; returns (new id, number).

    `named` is the whole source, from its start.
    """
    order: list[str] = []
    strangers: dict[str, Entry] = {}
    for ident, entry in named:
        order.append(ident)
        if entry.kind == MESSAGE and entry.id is None and SECONDS.search(entry.stamp) and not _has(db, ident):
            strangers[ident] = entry
    if not strangers:
        return []
    out = []
    gone = _by_header(db, source, set(order), {entry.stamp for entry in strangers.values()})
    places = _places(db, source, order) if gone else {}
    for ident, entry in strangers.items():
        for old, number, body in gone.get(_header(entry), [])[:MANY]:
            if _stands(number, *places[ident]) and _alike(body, entry.body) and not _has(db, ident):
                _rename(db, old, ident)
                revise(db, ident, entry._replace(via="hand"), source)
                gone[_header(entry)].remove((old, number, body))
                out.append((ident, number))
                break
    return out


def _places(db: sqlite3.Connection, source: Source, order: list[str]) -> dict[str, tuple[int, int]]:
    """For each message of a log, in order, the numbers of the known messages around it.

    Without one before, it is at the start, or, in a compacted log, the position is unknown.
    """
    known = dict(db.execute("SELECT id, seq FROM messages WHERE src = ?", (source.src,)).fetchall())
    before, places = (_ANYWHERE if "" in order else 0), {}
    for ident in order:
        places[ident] = (before, 0)
        before = known.get(ident, before)
    after = _ANYWHERE
    for ident in reversed(order):
        places[ident] = (places[ident][0], after)
        after = known.get(ident, after)
    return places


def _stands(number: int, before: int, after: int) -> bool:
    """Whether a message with this number was between these two; never true beyond known messages in a compacted log."""
    return before < number < after


def _by_header(
    db: sqlite3.Connection, source: Source, present: set[str], stamps: set[str]
) -> dict[tuple[str, ...], list[tuple[str, int, str]]]:
    """Our messages from this source with these stamps that are no longer in it."""
    gone: dict[tuple[str, ...], list[tuple[str, int, str]]] = {}
    sql = "SELECT id, seq, body, stamp, sender, rcpt, tag FROM messages WHERE src = ?"
    for row in db.execute(sql, (source.src,)):
        if row[0] not in present and loaded(row[3]) in stamps:
            ident, number, body, *header = map(loaded, row)
            gone.setdefault(tuple(header), []).append((ident, number, body))
    return gone


def _rename(db: sqlite3.Connection, old: str, new: str) -> None:
    """Give a message a new id, here and in the state, where its number and receipts are stored by id."""
    db.execute("UPDATE versions SET id = ? WHERE id = ?", (new, old))
    db.execute("UPDATE messages SET id = ? WHERE id = ?", (new, old))
    if db.execute(_STATE).fetchone():
        db.execute("DELETE FROM state.numbers WHERE id = ?", (old,))
        db.execute("UPDATE OR REPLACE state.seen SET id = ? WHERE id = ?", (new, old))
        receipts.rename(db, old, new)


def _has(db: sqlite3.Connection, ident: str) -> bool:
    return db.execute("SELECT 1 FROM messages WHERE id = ?", (ident,)).fetchone() is not None


def _header(entry: Entry) -> tuple[str, str, str, str]:
    return entry.stamp, entry.sender, entry.to, entry.tag


def _alike(one: str, other: str) -> bool:
    return similarity(one, other) >= ALIKE


def revise(db: sqlite3.Connection, ident: str, entry: Entry, source: Source) -> None:
    """Make a newer text of a known message current, and store the older one as a version."""
    sql = "SELECT seq, body, at, src, stamp, sender, rcpt, tag, urgent FROM messages WHERE id = ?"
    seq, body, at, src, *before = db.execute(sql, (ident,)).fetchone()
    new = stored(entry.body)
    _readdress(db, seq, entry)
    if source.trusted and not is_own(db, src):
        db.execute("UPDATE messages SET src = ? WHERE seq = ?", (source.src, seq))
    if new == body:
        return
    db.execute("DELETE FROM versions WHERE id = ? AND body = ?", (ident, new))
    number = db.execute("SELECT coalesce(max(n), 0) FROM versions WHERE id = ?", (ident,)).fetchone()[0]
    db.execute("INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (ident, number + 1, at, *before, body))
    upto = db.execute("SELECT value FROM meta WHERE key = 'words'").fetchone()
    if upto is not None and seq <= upto[0]:
        db.execute("INSERT INTO words (words, rowid, body) VALUES ('delete', ?, ?)", (seq, body))
        db.execute("INSERT INTO words (rowid, body) VALUES (?, ?)", (seq, new))
        note(db, [(new,)])
    db.execute("UPDATE messages SET body = ?, via = ? WHERE seq = ?", (new, entry.via or "tool", seq))


def _readdress(db: sqlite3.Connection, seq: int, entry: Entry) -> None:
    """Apply a newer header of a known message: a person may have corrected the recipient."""
    now = (*map(stored, (entry.sender, entry.to, entry.tag)), 1 if entry.urgent else 0, stored(entry.stamp))
    before = db.execute("SELECT sender, rcpt, tag, urgent, stamp FROM messages WHERE seq = ?", (seq,)).fetchone()
    if now != before:
        sql = "UPDATE messages SET sender = ?, rcpt = ?, tag = ?, urgent = ?, stamp = ?, via = ? WHERE seq = ?"
        db.execute(sql, (*now, entry.via or "tool", seq))
        old = inbox_rows(loaded(before[1]), seq)
        db.executemany("DELETE FROM inbox WHERE rcpt = ? AND seq = ?", map(stored_row, old))
        if now[1] != before[1]:
            new_generation(db)
        db.executemany(INBOX, map(stored_row, inbox_rows(entry.to, seq)))


def is_own(db: sqlite3.Connection, src: int) -> bool:
    """Whether a source is a segment of our own ledger."""
    row = db.execute("SELECT own FROM sources WHERE src = ?", (src,)).fetchone()
    return row is not None and bool(row[0])
