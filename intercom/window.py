"""Owns the two views that reconciling compares: what the live log is known to hold, and what it holds.

What is known comes from the journal (every message since the last compaction, with all its versions) and
the state (what was hidden, put back, or stood there twice); what is past comes from the index.

A log may be of any length, so neither view keeps texts: digests say what is equal, and the few texts that a
rule compares are read again from the bytes.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Container, Iterator, Sequence
from sys import intern
from typing import NamedTuple, cast

from intercom.agreement import Agreement
from intercom.format import MARKER, MESSAGE, Entry, Parser, digest, hand_id, one
from intercom.index.values import loaded
from intercom.model import SYSTEM
from intercom.reconcile import DELETED, Found, Header, Known, Past
from intercom.state import Traces

_SEVERAL = 4  #: entries of unknown origin that are worth a look at every message there ever was
_SHORT = 20_000  #: messages; such a history is looked at for a single one, too
_BOM = b"\xef\xbb\xbf"
_PIECE = 1024 * 1024  #: bytes that are parsed at once


def entries_of(data: bytes) -> Iterator[Entry]:
    """The entries of a file one after the other: not all of them are held at once."""
    parser = Parser()
    for at in range(0, len(data), _PIECE):
        yield from parser.feed(data[at : at + _PIECE])
    yield from parser.close()


class Kept(NamedTuple):
    """What is remembered of a message in the journal: its last version."""

    start: int
    stop: int
    digest: str
    header: Header
    at: str | None
    via: str


class Window:
    """The journal, read for reconciling."""

    def __init__(self, journal: bytes, agreed: Agreement | None, traces: Traces) -> None:
        self.latest: dict[str, Kept] = {}  #: in order of arrival
        self._journal = journal
        self._since: dict[str, int] = {}
        self._versions: dict[str, set[str]] = {}
        self._agreed = agreed.journal_size if agreed else 0
        self._traces = traces
        for entry in entries_of(journal):
            if entry.kind != MESSAGE or entry.id is None:
                continue
            if entry.id in self.latest:
                self._versions.setdefault(entry.id, set()).add(self.latest[entry.id].digest)
            else:
                self._since[entry.id] = entry.start
            stop = entry.start + len(entry.raw)
            self.latest[entry.id] = Kept(
                entry.start, stop, digest(entry), _header(entry), entry.at, intern(entry.via or "tool")
            )

    def raw(self, ident: str) -> bytes:
        """The block of a message's last version."""
        kept = self.latest[ident]
        return self._journal[kept.start : kept.stop]

    def body(self, ident: str) -> str | None:
        """The present text of a message; None if the journal does not have it."""
        return one(self.raw(ident)).body if ident in self.latest else None

    def known(self, past: Pastime, order: Sequence[str] = ()) -> list[Known]:
        """What the live log is supposed to hold: not what was hidden, nor what the archive has already.

        In the order of the file, as far as `order` tells; behind that what came since, in order of arrival.
        """
        found = self._known(past)
        if order:
            place = {ident: number for number, ident in enumerate(order)}
            found.sort(key=lambda one: place.get(one.id, len(place)))
        return found

    def _known(self, past: Pastime) -> list[Known]:
        traces = self._traces
        return [
            Known(
                ident,
                kept.digest,
                kept.header,
                number,
                traces.repaired.get(ident, (0, number))[1],
                self._since[ident] < self._agreed,
                traces.repaired.get(ident, (0, 0))[0],
                kept.via,
                kept.header.sender == SYSTEM,
                ident in traces.redacted,
                frozenset(self._versions[ident]) if ident in self._versions else _NONE,
                traces.copies.get(ident, 0),
            )
            for number, (ident, kept) in enumerate(self.latest.items())
            if past.get(ident) is None
        ]


_NONE: frozenset[str] = frozenset()


class Pastime:
    """The messages outside the live log, asked for one by one: those the index has from the archive, and the hidden."""

    def __init__(self, db: sqlite3.Connection, journal: str, traces: Traces, live: Container[str]) -> None:
        self._db = db
        self._paths = {src: str(loaded(path)) for src, path in db.execute("SELECT src, path FROM sources")}
        self._journal = journal
        self._traces = traces
        self._live = live  # ids in our journal: a copy that a sync tool made of our log does not make them past
        self._recalled: dict[str, list[str]] = {}  # digest -> ids
        self._headed: dict[Header, list[str]] = {}  # of those recalled

    def get(self, id: str, /) -> Past | None:  # the protocol's name
        """The message of this id, if it is past."""
        path = self._path(id)
        ours = path == self._journal or (id in self._live and elsewhere(path or ""))
        found = None if path is None or (ours and id not in self._traces.hidden) else self.entry(id)
        if found is None:
            return None
        entry, _, seq = found
        reason = DELETED if id in self._traces.hidden else "archived"
        return Past(id, digest(entry), _header(entry), seq, reason, self._traces.copies.get(id, 0))

    def having(self, mark: str, /) -> Sequence[Past]:
        """Every past message that came with this digest by hand, or was recalled with it."""
        ids, number = [], 1
        while self._path(ident := hand_id(mark, number)) is not None:
            ids.append(ident)
            number += 1
        found = (self.get(ident) for ident in dict.fromkeys([*ids, *self._recalled.get(mark, ())]))
        return sorted((past for past in found if past is not None), key=lambda past: past.seq)

    def headed(self, header: Header, /) -> Sequence[Past]:
        """The past messages with exactly this header that were recalled."""
        found = (self.get(ident) for ident in self._headed.get(header, ()))
        return sorted((past for past in found if past is not None), key=lambda past: past.seq)

    def recall(self, strangers: Sequence[str]) -> None:
        """Look for past messages with these stamps, each of an entry that has no id and whose text is not known.

        Their ids may have been stripped, and their texts edited after they came: `having` then finds them all
        the same. It takes a look at every row, so where history is long it is only done for several at once.
        """
        last = self._db.execute("SELECT coalesce(max(seq), 0) FROM messages").fetchone()[0]
        stamps = set(strangers)
        if not stamps or (len(strangers) < _SEVERAL and last > _SHORT):
            return
        sql = "SELECT id, stamp FROM messages"
        for (ident,) in [row[:1] for row in self._db.execute(sql) if loaded(row[1]) in stamps]:
            entry = (self.entry(ident) or (None,))[0]
            if entry is not None:
                self._headed.setdefault(_header(entry), []).append(ident)
                older = self._db.execute("SELECT body FROM versions WHERE id = ?", (ident,))
                texts = [entry, *(entry._replace(body=loaded(row[0])) for row in older)]
                for mark in {digest(text) for text in texts}:
                    self._recalled.setdefault(mark, []).append(ident)

    def _path(self, ident: str) -> str | None:
        """The file that an indexed message is from; of most messages no more is asked."""
        row = self._db.execute("SELECT src FROM messages WHERE id = ?", (ident,)).fetchone()
        return None if row is None else self._paths[row[0]]

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


class _Texts:
    """The bytes of the live log, and where its entries begin; the last begins at the end."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.starts = array("Q")
        self._last: tuple[int, Entry] | None = None  # what was asked for last is mostly asked for again

    def entry(self, place: int) -> Entry:
        """The message at this place, with its text."""
        if self._last is None or self._last[0] != place:
            start = self.starts[place]
            self._last = place, one(self.data[start : self.starts[place + 1]], start)
        return self._last[1]


class _Sight(Found):
    """An entry of the live log whose text is read when a rule asks for it: its place says where."""

    __slots__ = ()

    @property
    def body(self) -> str:  # in the place of the text stands how to get it
        """The text."""
        return cast("_Texts", self[4]).entry(self.place).body


class View:
    """The live log as it is, read for reconciling. A *place* is the number of an entry among all."""

    def __init__(self, data: bytes) -> None:
        self.found: list[Found] = []  #: the messages
        texts = self._texts = _Texts(data)
        side, sides = 0, 0
        for place, entry in enumerate(entries_of(data)):
            texts.starts.append(entry.start)
            first = entry.raw.removeprefix(_BOM)[:1] if entry.kind == MARKER else b"#"
            if first != b"#":
                sides += 1
                side = 0 if first == b">" else sides
            elif entry.kind == MESSAGE:
                closed = entry.raw.rstrip().endswith(b"---")
                mark, header = digest(entry), _header(entry)
                self.found.append(_Sight(place, entry.id, mark, header, cast("str", texts), closed, side))
        texts.starts.append(len(data))

    @property
    def broken(self) -> bool:
        """Whether the log ends within a line that belongs to no message."""
        loose = not self.found or self.found[-1].place < len(self) - 1
        return loose and not self.data.endswith(b"\n")

    def __len__(self) -> int:
        """How many entries there are."""
        return len(self._texts.starts) - 1

    @property
    def data(self) -> bytes:
        """The whole log."""
        return self._texts.data

    def raw(self, place: int) -> bytes:
        """The bytes of an entry."""
        return self.data[self._texts.starts[place] : self._texts.starts[place + 1]]

    def entry(self, place: int) -> Entry:
        """A message, with its text."""
        return self._texts.entry(place)


def _header(entry: Entry) -> Header:
    return Header(entry.stamp.strip(), intern(entry.sender), intern(entry.to), intern(entry.tag))
