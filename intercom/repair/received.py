"""Owns telling whether a message was received by everybody it is for: only then can a deletion be deliberate."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from intercom.core.config import Config
from intercom.core.message import ALL, USER
from intercom.repair.rules import Header
from intercom.store.state import receipts
from intercom.store.state.db import State


def received(config: Config, state: State, db: sqlite3.Connection) -> Callable[[str, Header], bool]:
    """Return a function that tells, by id and header, whether all recipients of a message have received it.

    What is for people alone counts as seen by whoever deletes it.
    """
    readers = receipts.readers(db)
    everybody = {row.name for row in state.instances() if row.gone is None} | set(state.agents() or config.agents)

    def tell(ident: str, header: Header) -> bool:
        names = set(header.to.split(", ")) - {USER}
        if ALL in names:
            names = everybody - {header.sender}
        return names <= readers.get(ident, set())

    return tell
