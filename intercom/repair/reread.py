"""Owns reading a page again after a name became known: a line of text may be a message now, or reach somebody.

The page, as of its last agreement with the ledger, is parsed both with the names known then and with those known
now. What is at the same position is the same message; a position found only now is a message that nobody has seen.
The ledger learns of it before the base says which names the page is read with from now on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Container, Iterator
from typing import NamedTuple

from intercom.core.config import Config
from intercom.format import MESSAGE, Entry, digest, hand_id, parse
from intercom.format.record import by_hand, idents, time_of
from intercom.format.roster import Roster
from intercom.repair.sides import entry_of
from intercom.store.log.base import Base, Mark
from intercom.store.log.log import Log
from intercom.store.state.db import State
from intercom.store.state.known import roster


def take_names(config: Config, log: Log, state: State, db: sqlite3.Connection) -> bool:
    """Read the page again with the names known now; returns whether that changed anything. Otherwise as `reread`."""
    base = log.base.read(log.ledger.id)
    return base is not None and reread(log, base, roster(config, state, base.page), db)


class Reread(NamedTuple):
    """A message as it is read now, and as it was read before; None if it was not a message."""

    entry: Entry
    mark: Mark | None
    before: Entry | None


def differs(base: Base, names: Roster) -> bool:
    """Whether the page would parse differently with these names added."""
    both = base.roster.and_(names.names)
    return both != base.roster and parse(base.page, both) != parse(base.page, base.roster)


def reread(log: Log, base: Base, names: Roster, db: sqlite3.Connection) -> bool:
    """Take in what these names change on the page; returns whether there was anything. StorageError.

    The caller holds the writer lock, and the index `db` is up to date. After a kill it is repeated with the ids
    given before.
    """
    if not differs(base, names):
        return False
    both = base.roster.and_(names.names)
    found = list(_both(base, both))
    own = {*base.arrived, *(one.mark.id for one in found if one.mark is not None)}
    begun = set(idents(log.ledger.tail(base.head.at))) - own
    records: list[bytes] = []
    marks: dict[int, Mark] = {}
    new: list[str] = []
    for number, one in enumerate(found):
        mark = one.mark
        if mark is None:
            mark = Mark(_fresh(one.entry, own, begun, db))
            own.add(mark.id)
            new.append(mark.id)
            if mark.id not in begun:
                records.append(by_hand(one.entry, mark.id, time_of(one.entry)))
        elif one.before is not None and mark.id and not mark.copy and digest(one.before) != digest(one.entry):
            known = entry_of(db, mark.id)
            records.append(by_hand(one.entry, mark.id, (known and known[0].at) or time_of(one.entry)))
        if mark.copy or mark.id != one.entry.id:
            marks[number] = mark
    log.learn(records)
    arrived = [*base.arrived, *new]
    log.base.write(log.ledger.id, base.head.at, base.page, marks, arrived, base.late, both.names)
    return True


def _both(base: Base, both: Roster) -> Iterator[Reread]:
    messages = (entry for entry in parse(base.page, base.roster) if entry.kind == MESSAGE)
    before = {entry.start: (number, entry) for number, entry in enumerate(messages)}
    for entry in parse(base.page, both):
        if entry.kind == MESSAGE:
            number, old = before.get(entry.start, (-1, None))
            yield Reread(entry, base.marks.get(number, Mark(old.id or "")) if old is not None else None, old)


def _fresh(entry: Entry, own: Container[str], begun: Container[str], db: sqlite3.Connection) -> str:
    """An id for a message that nobody has seen: the one given before a kill, if there is one."""
    number, mark = 1, digest(entry)
    while (ident := hand_id(mark, number)) in own or (ident not in begun and entry_of(db, ident) is not None):
        number += 1
    return ident
