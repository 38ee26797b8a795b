"""Owns the bulk build of a new index: rows in batches, then the b-trees over them, then copies of logs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from intercom.format import MESSAGE, Entry
from intercom.store.index.control import Control, Folded
from intercom.store.index.ingest import ID, INBOX_AFTER, RCPT, add_entries, insert, plain_rows
from intercom.store.index.revise import INBOX, Source, inbox_rows, told_apart
from intercom.store.index.tables import UNIQUE_INDEX
from intercom.store.index.terms import note_all
from intercom.store.index.values import stored_row

_WORDS = 8 * 1024 * 1024  #: bytes of words that FTS5 gathers before it writes them: fewer parts to merge


class Builder:
    """The bulk load of a new index: rows in batches, then the b-trees over them."""

    def __init__(self, db: sqlite3.Connection, reserved: Mapping[str, int]) -> None:
        self._db = db
        self._reserved = reserved
        self._taken = set(reserved.values())
        self._seen: set[str] = set()
        self._seq = 0
        self._hands: dict[int, dict[str, int]] = {}  # by source: its counts
        self._again: list[tuple[Source, Entry]] = []
        self._folded = Folded()
        self._copies: set[int] | None = None  # sources that are copies of logs; they come after all others
        db.execute("BEGIN")

    def add(self, source: Source, entries: Sequence[Entry], hands: dict[str, int]) -> None:
        """Add the messages among `entries`; `hands` counts occurrences across calls for one source."""
        if source.copy:  # it must be compared with what we have
            began = self._settle()
            fresh = source.src not in began
            began.add(source.src)
            add_entries(self._db, source, entries, reserved=self._reserved, fresh=fresh, anew=True)
            return
        if not source.trusted:
            entries = told_apart(source, entries, {})
        waiting = len(self._again)
        self.put(source, plain_rows(source, entries, hands), hands)
        if len(self._again) > waiting and source.machine:  # they may still need a digest
            wrote = {entry.id: entry.wrote for entry in entries}
            late = [(one, entry._replace(wrote=wrote.get(entry.id))) for one, entry in self._again[waiting:]]
            self._again[waiting:] = late

    def put(
        self,
        source: Source,
        rows: Sequence[tuple[Any, ...]],
        hands: dict[str, int],
        controls: Sequence[Control] = (),
    ) -> None:
        """Add messages in the form of `plain_rows`; `hands` are its counts, the same object for all of one source.

        `controls` are the control records between them.
        """
        done = 0
        for control in controls:
            self._put(source, rows[done : control.before], hands)
            self._folded.add(control, self._seq)
            done = control.before
        self._put(source, rows[done:] if done else rows, hands)

    def _put(self, source: Source, rows: Sequence[tuple[Any, ...]], hands: dict[str, int]) -> None:
        self._hands[source.src] = hands
        idents = {row[ID] for row in rows}
        ahead = range(self._seq + 1, self._seq + len(rows) + 1)
        free = not self._taken or (self._taken.isdisjoint(ahead) and idents.isdisjoint(self._reserved))
        if free and len(idents) == len(rows) and self._seen.isdisjoint(idents):
            self._seen |= idents
            self._seq += len(rows)
            numbers: Iterable[int] = ahead
        else:
            numbers, rows = self._numbered(source, rows)
        whole = [(number, source.src) + row for number, row in zip(numbers, rows, strict=True)]  # noqa: RUF005  # quicker
        insert(self._db, whole)
        many = [pair for row in whole if "," in row[RCPT] for pair in inbox_rows(row[RCPT], row[0])]
        self._db.executemany(INBOX, map(stored_row, many))

    def _numbered(self, source: Source, rows: Sequence[tuple[Any, ...]]) -> tuple[list[int], Sequence[tuple[Any, ...]]]:
        """Number the rows of unseen messages; the others wait for the end."""
        numbers, new = [], []
        for row in rows:
            ident = row[ID]
            if ident in self._seen:
                self._again.append((source, Entry(MESSAGE, 0, b"", *row)))
                continue
            self._seen.add(ident)
            number = self._reserved.get(ident)
            if number is None:
                self._seq += 1
                while self._seq in self._taken:
                    self._seq += 1
                number = self._seq
            numbers.append(number)
            new.append(row)
        return numbers, new

    def _settle(self) -> set[int]:
        """Build the b-trees and add the messages whose ids occurred before; copies of logs come later."""
        if self._copies is not None:
            return self._copies
        self._copies = set()
        db = self._db
        db.execute(UNIQUE_INDEX)
        counts = ((src, mark, n) for src, hands in self._hands.items() for mark, n in hands.items())
        db.executemany("INSERT INTO hands VALUES (?, ?, ?)", counts)
        db.execute(f"{INBOX_AFTER} ORDER BY 1, 2", (0,))
        # Old versions come after what they repeat, so the last one read counts.
        for source, found in groupby(self._again, itemgetter(0)):
            add_entries(db, source, [entry for _, entry in found], reserved=self._reserved, fresh=False, anew=True)
        return self._copies

    def finish(self) -> int:
        """Build the b-trees and the word index; returns the number of messages."""
        self._settle()
        db = self._db
        self._folded.carry_out(db)
        db.execute("INSERT INTO words (words, rank) VALUES ('hashsize', ?)", (_WORDS,))
        db.execute("INSERT INTO words (words) VALUES ('rebuild')")
        note_all(db)
        count, last = db.execute("SELECT count(*), coalesce(max(seq), 0) FROM messages").fetchone()
        db.execute("INSERT OR REPLACE INTO meta VALUES ('words', ?)", (last,))
        db.execute("COMMIT")
        return int(count)
