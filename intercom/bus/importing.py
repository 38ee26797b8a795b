"""Owns importing InterComm's database: its messages, once, with their times and names.

Ids are derived from InterComm's own, so a second import recognises what exists already. A name in that database
proves nothing, so each message counts as unproven. Whoever had read a message there has read it here; the rest is
unread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from intercom.bus.bus import Bus
from intercom.core.digests import blake2b
from intercom.core.errors import FormatError, NotFound, Refused
from intercom.core.message import (
    ALL,
    RESERVED,
    UNPROVEN,
    Message,
    canonical,
    encode_id,
    epoch,
    is_name,
    local_stamp,
    tag_of,
    type_of,
    utc,
)
from intercom.format import render
from intercom.store.index.query import by_ids
from intercom.store.log.log import Log
from intercom.store.log.template import fresh_log
from intercom.store.state import receipts
from intercom.store.state.db import State
from intercom.system.files import sqlite_uri

UNKNOWN = "unknown"  #: replaces a name that is not valid here
_MARK = "import.0"  #: session name in the receipts
_PART = 50  # messages per append
_LATEST = 253_402_300_000  # seconds: the year 9999


class Old(NamedTuple):
    """A message as InterComm stored it, and the names that had read it."""

    number: int
    message: Message
    read_by: frozenset[str]


class Imported(NamedTuple):
    """The result of an import."""

    messages: list[Message]  #: imported now
    known: int  #: number that existed already
    unread: int  #: number of imported ones that are unread for somebody


def read(path: Path) -> list[Old]:
    """The messages in InterComm's database at `path`, oldest first. NotFound; Refused for any other file."""
    if not path.is_file():
        raise NotFound(f"there is no {path}; nothing was imported. Name InterComm's database.")
    if path.stat().st_size == 0:
        raise NotFound(f"{path} is Intercom's own marker and holds no messages; nothing was imported.")
    try:
        with closing(sqlite3.connect(sqlite_uri(path.resolve()), uri=True, timeout=5)) as db:
            columns = "rowid, id, from_id, to_id, type, content, ts"
            rows = db.execute(f"SELECT {columns} FROM messages ORDER BY rowid").fetchall()  # noqa: S608  # our own words
            cursors = _cursors(db)
    except sqlite3.Error as error:
        raise Refused(f"{path} is not a database of InterComm ({error}); nothing was imported.") from error
    return [_old(row, cursors) for row in rows]


def _cursors(db: sqlite3.Connection) -> dict[str, tuple[str, int]]:
    """How far each name had read: by number or, in its first versions, by time."""
    columns = {row[1] for row in db.execute("PRAGMA table_info(read_cursors)")}
    by = next((one for one in ("last_read_seq", "last_read_ts") if one in columns), None)
    if by is None:
        return {}
    sql = f"SELECT instance_id, {by} FROM read_cursors"  # noqa: S608  # one of two words of ours
    return {str(name): (by, int(upto or 0)) for name, upto in db.execute(sql)}


def _old(row: tuple[object, ...], cursors: dict[str, tuple[str, int]]) -> Old:
    number, ident, sender, to, kind, content, stamp = row
    millis = int(stamp) if isinstance(stamp, int | float) else 0
    place = {"last_read_seq": int(str(number)), "last_read_ts": millis}
    read_by = {_name(name) for name, (by, upto) in cursors.items() if place[by] <= upto}
    recipient = ALL if to == ALL else _name(str(to))
    try:
        tag, declared = tag_of(str(kind))
    except FormatError:
        tag, declared = "INFO", "status"
    seed = blake2b(str(ident).encode("utf-8", "surrogateescape"), digest_size=8).digest()
    at = utc(min(max(millis / 1000, 0), _LATEST))
    what = tag, declared or type_of(tag, recipient), str(content)
    message = Message(encode_id(int.from_bytes(seed)), None, at, _name(str(sender)), recipient, *what, via=UNPROVEN)
    return Old(int(str(number)), message, frozenset(read_by))


def _name(given: str) -> str:
    """An InterComm name made valid here."""
    found = canonical(given)
    return found if is_name(found) and found not in RESERVED else UNKNOWN


def take(bus: Bus, found: Iterable[Old]) -> Imported:
    """Store the messages that are new. Safe to repeat, also after a kill midway. StorageError, LockTimeout."""
    old = list(found)
    here = {one.id for one in bus.ask(lambda db: by_ids(db, [one.message.id for one in old]))}
    new = [one for one in old if one.message.id not in here]
    unread = _received(bus, new)
    if new:
        _store(bus, [one.message for one in new])
    return Imported([one.message for one in new], len(old) - len(new), unread)


def _store(bus: Bus, messages: list[Message]) -> None:
    """Append the messages in parts, so that other writers get their turn; then compact the log."""
    log = Log(bus.config, bus.notices)
    long = False
    for start in range(0, len(messages), _PART):
        with log.locked():
            for one in messages[start : start + _PART]:
                block = render(one, local_stamp(epoch(one.at)))
                appended = log.append(block, lambda: fresh_log(bus.config.machine, bus.agents()))
                bus.notices += appended.notices
                long = long or appended.full or appended.too_long
    if long:
        bus.compact()


def _received(bus: Bus, new: list[Old]) -> int:
    """Record who has read each message before it is stored: its readers there; for broadcasts, everybody here."""
    by: dict[str, list[str]] = {}
    unread = 0
    everybody = {one.name for one in bus.instances()} | set(bus.agents()) | {"user"}
    for one in new:
        names = {name for name in one.read_by if one.message.to in (ALL, name)}
        names |= everybody if one.message.to == ALL else set()
        unread += one.message.to != ALL and not names
        for name in names:
            by.setdefault(name, []).append(one.message.id)
    with closing(State(bus.config.private)) as state:
        for name, ids in by.items():
            with state.transaction() as db:
                receipts.give(db, name, ids, _MARK)
            with suppress(Exception):  # it is recorded as given, so at worst it comes again, marked
                state.confirm(name, _MARK)
    return unread
