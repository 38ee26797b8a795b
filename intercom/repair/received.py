"""Owns telling whether everybody a message is for has received it: only then can somebody mean to delete it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from intercom.core.config import Config
from intercom.core.message import ALL, USER
from intercom.repair.rules import Header
from intercom.store.state import receipts
from intercom.store.state.db import State


def received(config: Config, state: State, db: sqlite3.Connection) -> Callable[[str, Header], bool]:
    """Tells of a message, by its id and header, whether all whom it is for have received it.

    What is for the people alone they have seen who delete it.
    """
    readers = receipts.readers(db)
    everybody = {row.name for row in state.instances() if row.gone is None} | set(state.agents() or config.agents)

    def tell(ident: str, header: Header) -> bool:
        names = set(header.to.split(", ")) - {USER}
        if ALL in names:
            names = everybody - {header.sender}
        return names <= readers.get(ident, set())

    return tell
