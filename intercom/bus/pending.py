"""Owns what is pending on the bus: questions without an answer, each agent's newest task and last message.

Reading empties none of it. All of it needs an up-to-date index; see `Bus.ask`.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable

from intercom.core.errors import NotFound, UsageError
from intercom.core.message import Message
from intercom.core.texts import one_line
from intercom.store.index import pending, query

_ID = re.compile(r"[0-9a-z]{1,12}\Z")
_SHOWN = 5  #: how many ids to list for an ambiguous beginning
_WORDS = 40
_RECENT = 2_000  #: how many of the newest messages are searched for each sender's last


def whole_id(db: sqlite3.Connection, text: str) -> str:
    """The id that begins with `text`, or `text` itself if none does. UsageError, listing them, if several do."""
    begins = text.strip().lower()
    if not _ID.match(begins):
        return text
    found = query.beginning(db, begins, _SHOWN + 1)
    if begins in found or len(found) == 1:
        return begins if begins in found else found[0]
    if not found:
        return text
    shown = [f"{one.id} ({one_line(one.body, _WORDS)})" for one in query.by_ids(db, found[:_SHOWN])]
    more = ", …" if len(found) > _SHOWN else ""
    raise UsageError(f"{text!r} begins several ids: {', '.join(shown)}{more}; nothing was done. Give more of it.")


def there_is(db: sqlite3.Connection, ident: str) -> bool:
    """Whether a message with this id exists, deleted or not."""
    return _ID.match(ident) is not None and ident in query.beginning(db, ident, 1)


def bodies(db: sqlite3.Connection, idents: Iterable[str]) -> dict[str, str]:
    """The texts of these messages, by id."""
    return {one.id: one.body for one in query.by_ids(db, [ident for ident in idents if _ID.match(ident)])}


def newest_to(db: sqlite3.Connection, name: str) -> Message:
    """The newest message that somebody else sent to `name`. NotFound."""
    found = pending.newest_to(db, name)
    if found is None:
        raise NotFound(f"nobody has written to {name!r} yet; nothing was sent.")
    return found


def open_questions(db: sqlite3.Connection, name: str) -> list[Message]:
    """What others asked `name` without an answer, oldest first.

    An answer names the question, or is in its thread. An answer to the asker that names nothing, as people write by
    hand, counts for the newest question that the asker had put by then.
    """
    asked = pending.wanting_answer(db, name)
    taken: set[str] = set()
    for answer in pending.loose_answers(db, name, asked[0].seq or 0) if asked else ():
        meant = [one for one in asked if one.sender in answer.recipients and (one.seq or 0) < (answer.seq or 0)]
        meant = [one for one in meant if one.id not in taken]
        taken |= {one.id for one in meant[-1:]}
    return [one for one in asked if one.id not in taken]


def tasks(db: sqlite3.Connection, names: Iterable[str]) -> dict[str, Message]:
    """Each name's newest task, if it is not reported done."""
    found = {name: pending.newest_task(db, name) for name in names}
    return {
        name: task for name, task in found.items() if task is not None and not query.acted(db, task, name, ("DONE",))
    }


def last_words(db: sqlite3.Connection) -> dict[str, Message]:
    """The newest message of everybody who spoke recently."""
    found: dict[str, Message] = {}
    for message in pending.newest(db, _RECENT):
        found.setdefault(message.sender, message)
    return found
