"""Owns the two views that reconciling compares: what the live log is known to hold, and what it holds.

What is known comes from the journal (every message since the last compaction, with all its versions) and
the state (what was hidden, put back, or stood there twice); what is past comes from the index.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Container, Sequence

from intercom.agreement import Agreement
from intercom.format import MARKER, MESSAGE, Entry, digest, hand_id, parse
from intercom.index.values import loaded
from intercom.model import SYSTEM
from intercom.reconcile import DELETED, Found, Header, Known, Past
from intercom.state import Traces

_SEVERAL = 4  #: entries of unknown origin that are worth a look at every message there ever was
_SHORT = 20_000  #: messages; such a history is looked at for a single one, too


class Window:
    """The journal, read for reconciling."""

    def __init__(self, journal: bytes, agreed: Agreement | None, traces: Traces) -> None:
        self.latest: dict[str, Entry] = {}  #: in order of arrival
        self._since: dict[str, int] = {}
        self._versions: dict[str, set[str]] = {}
        self._agreed = agreed.journal_size if agreed else 0
        self._traces = traces
        for entry in parse(journal):
            if entry.kind != MESSAGE or entry.id is None:
                continue
            if entry.id in self.latest:
                self._versions.setdefault(entry.id, set()).add(digest(self.latest[entry.id]))
            else:
                self._since[entry.id] = entry.start
            self.latest[entry.id] = entry

    def known(self, past: Pastime) -> list[Known]:
        """What the live log is supposed to hold: not what was hidden, nor what the archive has already."""
        traces = self._traces
        return [
            Known(
                ident,
                digest(entry),
                _header(entry),
                number,
                traces.repaired.get(ident, (0, number))[1],
                self._since[ident] < self._agreed,
                traces.repaired.get(ident, (0, 0))[0],
                entry.via or "tool",
                entry.sender == SYSTEM,
                ident in traces.redacted,
                frozenset(self._versions.get(ident, ())),
                traces.copies.get(ident, 0),
            )
            for number, (ident, entry) in enumerate(self.latest.items())
            if past.get(ident) is None
        ]


class Pastime:
    """The messages outside the live log, asked for one by one: those the index has from the archive, and the hidden."""

    def __init__(self, db: sqlite3.Connection, journal: str, traces: Traces, live: Container[str]) -> None:
        self._db = db
        self._journal = journal
        self._traces = traces
        self._live = live  # ids in our journal: a copy that a sync tool made of our log does not make them past
        self._recalled: dict[str, list[str]] = {}  # digest -> ids

    def get(self, id: str, /) -> Past | None:  # the protocol's name
        """The message of this id, if it is past."""
        entry, path, seq = self.entry(id) or (None, "", 0)
        ours = path == self._journal or (id in self._live and elsewhere(path))
        if entry is None or (ours and id not in self._traces.hidden):
            return None
        reason = DELETED if id in self._traces.hidden else "archived"
        return Past(id, digest(entry), _header(entry), seq, reason, self._traces.copies.get(id, 0))

    def having(self, mark: str, /) -> Sequence[Past]:
        """Every past message that came with this digest by hand, or was recalled with it."""
        ids, number = [], 1
        while self.entry(ident := hand_id(mark, number)) is not None:
            ids.append(ident)
            number += 1
        found = (self.get(ident) for ident in dict.fromkeys([*ids, *self._recalled.get(mark, ())]))
        return sorted((past for past in found if past is not None), key=lambda past: past.seq)

    def recall(self, strangers: Sequence[Entry]) -> None:
        """Look for past messages with the stamps of entries that have no id and whose text is not known.

        Their ids may have been stripped, and their texts edited after they came: `having` then finds them all
        the same. It takes a look at every row, so where history is long it is only done for several at once.
        """
        last = self._db.execute("SELECT coalesce(max(seq), 0) FROM messages").fetchone()[0]
        stamps = {entry.stamp for entry in strangers}
        if not stamps or (len(strangers) < _SEVERAL and last > _SHORT):
            return
        sql = "SELECT id, stamp FROM messages"
        for (ident,) in [row[:1] for row in self._db.execute(sql) if loaded(row[1]) in stamps]:
            entry = (self.entry(ident) or (None,))[0]
            if entry is not None:
                older = self._db.execute("SELECT body FROM versions WHERE id = ?", (ident,))
                texts = [entry, *(entry._replace(body=loaded(row[0])) for row in older)]
                for mark in {digest(text) for text in texts}:
                    self._recalled.setdefault(mark, []).append(ident)

    def entry(self, ident: str) -> tuple[Entry, str, int] | None:
        """Any indexed message as an entry, with the file it is from and its sequence number."""
        row = self._db.execute(
            "SELECT m.stamp, m.sender, m.rcpt, m.tag, m.urgent, m.body, s.path, m.seq, m.at, m.via FROM messages m "
            "JOIN sources s ON s.src = m.src WHERE m.id = ?",
            (ident,),
        ).fetchone()
        if row is None:
            return None
        stamp, sender, to, tag, urgent, body, path, seq, at, via = map(loaded, row)
        return Entry(MESSAGE, 0, b"", stamp, sender, to, tag, bool(urgent), body, ident, at, via=via), path, seq


def elsewhere(path: str) -> bool:
    """Whether an indexed file is another machine's live log, or a copy that a sync tool laid beside ours."""
    return "/" not in path


def found(entries: Sequence[Entry]) -> list[Found]:
    """The messages of the live log as it is; `place` is the position among all entries."""
    out, side, sides = [], 0, 0
    for place, entry in enumerate(entries):
        if entry.kind == MARKER and entry.raw[:1] in b"<=>|" and not entry.raw.startswith(b"#"):
            sides += 1
            side = 0 if entry.raw.startswith(b">") else sides
        elif entry.kind == MESSAGE:
            closed = entry.raw.rstrip().endswith(b"---")
            out.append(Found(place, entry.id, digest(entry), _header(entry), entry.body, closed, side))
    return out


def _header(entry: Entry) -> Header:
    return Header(entry.stamp.strip(), entry.sender, entry.to, entry.tag)
