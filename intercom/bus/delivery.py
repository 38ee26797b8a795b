"""Owns delivery: giving each reader what it has not been given, once, and remembering that.

A message is *given* when `read` returns it, and *received* when the reader acts again. What was given to a process
that died before acting again is given once more, marked; so is what may have been given before the machine rebooted
or the state was lost. The truth is one receipt per reader and message, by id; the floor (below which everything was
given) only avoids looking at old messages again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, TypeVar

from intercom.core.errors import StorageError
from intercom.core.message import ALL, Message, Receipt
from intercom.core.pace import Pace
from intercom.store.index import Filter, Index, IndexLost, query, unread
from intercom.store.index.edited import any_edited, edited_since, texts_of
from intercom.store.state import receipts
from intercom.store.state.db import State
from intercom.system.liveness import mark_alive, own_mark

T = TypeVar("T")
_ACTS = ("REPLY", "DONE")

#: Called with messages in the order of giving; returns how many of them, from the first, can be taken now.
Fits = Callable[[list[Message]], int]


class _News(NamedTuple):
    """What a reader is to be given, as found by one look at the index."""

    again: list[Message]  # given before, to a process that died
    new: list[Message]
    texts: list[tuple[str, str]]  # of those that were edited: ids, and digests of their texts
    generation: str
    last: int  # the highest sequence number by then


#: (state file, reader) to which this process gave something since they last acted, on any Bus object.
_open: set[tuple[str, str]] = set()


@contextmanager
def _acting(key: tuple[str, str], acts: bool = True) -> Iterator[bool]:
    """Around recording that the reader acts: yields whether there is something to confirm, open again on an error."""
    due = acts and key in _open
    if due:
        _open.discard(key)  # before, so that what another thread gives meanwhile stays open
    try:
        yield due
    except BaseException:
        if due:
            _open.add(key)
        raise


class Delivery:
    """Delivery on one bus, for one process."""

    def __init__(self, state: State, index: Index, pace: Pace) -> None:
        self._pace = pace
        self._state = state
        self._index = index
        self._emptied: tuple[object, ...] = ()  # the reader who has everything, in which moment, by which index
        self._nothing: tuple[object, ...] = ()  # the reader for whom nothing was new, by which index and state
        self._unedited: tuple[int, ...] = ()  # fingerprint of an index in which nothing was ever edited

    def unread(self, db: sqlite3.Connection, reader: str, joined: int) -> int:
        """How many messages `reader` has not been given, plus those given to a predecessor that died."""
        floor = self._floor(db, reader)
        return self._count(db, reader, floor, joined) + len(self._lost(reader))

    def unread_by_all(self, db: sqlite3.Connection, joined: Mapping[str, int]) -> dict[str, int]:
        """The same for each of these readers, without those that have none."""
        counts: dict[str, int] = self.known(self._counts, db, *joined.items())
        lost = {name: len(self._lost(name)) for name in self._state.open_readers() if name in joined}
        return {name: count for name in joined if (count := counts[name] + lost.get(name, 0))}

    def _counts(self, db: sqlite3.Connection, *joined: tuple[str, int]) -> dict[str, int]:
        return {name: self._count(db, name, self._floor(db, name), since) for name, since in joined}

    def has_all(self, reader: str) -> bool:
        """Whether `reader` was given everything in this moment."""
        return self._emptied == (reader, self._state.this_moment() or None, self._index.fingerprint)

    def none_edited(self) -> bool:
        """Whether nothing was ever edited, as far as the index says that was read last."""
        return self._index.fingerprint == self._unedited

    def _floor(self, db: sqlite3.Connection, reader: str) -> int:
        return self._state.floor(reader, self._generation(db))

    def _generation(self, db: sqlite3.Connection) -> str:
        return self.known(query.generation, db)

    def _count(self, db: sqlite3.Connection, reader: str, floor: int, joined: int) -> int:
        return self.known(unread.count, db, reader, floor, joined)

    def known(self, ask: Callable[..., T], *about: Any) -> T:
        """The result of `ask` on the index, cached while neither index nor state change."""
        return self._state.known(ask, *about, of=self._index.fingerprint)

    def _lost(self, reader: str) -> list[str]:
        """What was given for `reader` to a process that died before it acted again."""
        return [
            given.id
            for given in self._state.open_receipts(reader)
            if given.session != own_mark() and not mark_alive(given.session)
        ]

    def confirm(self, reader: str) -> None:
        """Mark what this process gave the reader as received, because the reader acts."""
        with _acting(self._key(reader)) as due:
            if due:
                self._state.confirm(reader, own_mark())

    def _key(self, reader: str) -> tuple[str, str]:
        return str(self._state.path), reader

    def read(
        self,
        db: sqlite3.Connection,
        reader: str,
        joined: int,
        wanted: Filter,
        limit: int | None,
        fits: Fits | None = None,
        *,
        acts: bool = False,
    ) -> list[Message]:
        """The new messages for `reader`, recorded as given: in order of arrival or, if cut, urgent ones first.

        `acts`: the reader acts by this, which confirms what it was given before.
        """
        lost = self._lost(reader)
        now = reader, joined, self._index.fingerprint, self._state.version()
        floor, news = 0, None
        if lost or now != self._nothing:
            with self._index.reading(db):
                floor = self._floor(db, reader)
                if lost or wanted == Filter() or unread.first(db, reader, floor, joined) is not None:
                    news = self._news(db, reader, floor, joined, wanted, limit, lost)
        if news is None or (wanted == Filter() and not news.again + news.new):
            self._nothing = now
            if acts:
                self.confirm(reader)
            return []
        with _acting(self._key(reader), acts) as due, self._state.transaction() as state:
            # Two processes may read under one name: what another was given meanwhile is not given again.
            if not self._state.untouched():
                with self._index.reading(db):
                    news = self._news(db, reader, floor, joined, wanted, limit, self._lost(reader))
            chosen = _fitting(_cut(news.again + news.new, limit), fits)
            given = [message.id for message in chosen]
            self._pace.begun()
            if due:
                receipts.confirm(state, reader, own_mark())
            receipts.give(state, reader, given, own_mark())
            self._state.tell(state, reader, [(ident, text) for ident, text in news.texts if ident in given])
            if everything := wanted == Filter() and len(chosen) == len(news.again) + len(news.new):
                self._state.set_floor(state, reader, news.generation, news.last)
        if chosen:
            _open.add(self._key(reader))
        if everything:
            self._emptied = reader, self._state.this_moment(), self._index.fingerprint
        else:
            self._raise_floor(db, reader, joined, floor)
        return chosen

    def _news(
        self,
        db: sqlite3.Connection,
        reader: str,
        floor: int,
        joined: int,
        wanted: Filter,
        limit: int | None,
        lost: list[str],
    ) -> _News:
        """What `reader` is to be given, with `lost` again; the caller is reading the index."""
        generation, last = self._generation(db), query.last_seq(db)
        again = [m._replace(redelivered=True) for m in query.by_ids(db, lost) if wanted.lets(m)]
        most = None if limit is None else limit + len(again) + 1
        new = unread.unread(db, reader, floor, joined, wanted, most)
        if doubt := self._state.doubt():
            new = [message._replace(redelivered=message.at < doubt) for message in new]
        if late := query.late(db, again + new):
            again, new = ([one._replace(late=one.id in late) for one in part] for part in (again, new))
        texts = texts_of(db, [one.id for one in again + new]) if self._any_edited(db) else []
        return _News(again, new, texts, generation, last)

    def _any_edited(self, db: sqlite3.Connection) -> bool:
        """Whether any message was ever edited; asked once for each state of the index."""
        now = self._index.fingerprint
        if now == self._unedited:
            return False
        found = any_edited(db)
        self._unedited = () if found else now
        return found

    def edited(self, db: sqlite3.Connection, reader: str) -> list[Message]:
        """Messages that `reader` was given and somebody edited since, as they are now; recorded as told."""
        if not self._any_edited(db) or not (texts := edited_since(db, reader)):
            return []
        with self._state.transaction() as state:
            texts = edited_since(db, reader)  # another process may have reported them meanwhile
            self._state.tell(state, reader, texts)
        return query.by_ids(db, [ident for ident, _ in texts])

    def _raise_floor(self, db: sqlite3.Connection, reader: str, joined: int, floor: int) -> None:
        """Remember up to where everything was given. A failure must not lose what was recorded as given."""
        with suppress(IndexLost, StorageError):
            with self._index.checked():
                generation, last = query.generation(db), query.last_seq(db)
                lowest = unread.first(db, reader, floor, joined)
            to = last if lowest is None else lowest - 1
            if to > floor:
                with self._state.transaction() as state:
                    self._state.set_floor(state, reader, generation, to)

    def receipts(self, db: sqlite3.Connection, messages: Sequence[Message], everybody: dict[str, int]) -> list[Receipt]:
        """For each message and recipient: stored, shown, acted on. `everybody`: names and when each joined."""
        out = []
        for message in messages:
            shown = self._state.shown(message.id)
            names = message.recipients
            if ALL in names:
                there = (name for name, joined in everybody.items() if joined < (message.seq or 0))
                names = tuple(dict.fromkeys([*(name for name in there if name != message.sender), *shown]))
            for name in names:
                acted = query.acted(db, message, name, _ACTS)
                at, ident = (acted.at, acted.id) if acted else (None, None)
                out.append(Receipt(message.id, name, message.at, shown.get(name), at, ident))
        return out


def _cut(messages: list[Message], limit: int | None) -> list[Message]:
    """The messages in order of arrival; if `limit` cuts, the urgent ones first."""
    ordered = sorted(messages, key=lambda message: message.seq or 0)
    if limit is None or len(ordered) <= limit:
        return ordered
    return sorted(ordered, key=lambda message: not message.urgent)[:limit]


def _fitting(messages: list[Message], fits: Fits | None) -> list[Message]:
    """As many as can be taken; if that is not all of them, the urgent ones first."""
    if fits is None or fits(messages) >= len(messages):
        return messages
    ordered = sorted(messages, key=lambda message: not message.urgent)
    return ordered[: fits(ordered)]
