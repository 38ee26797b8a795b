"""Owns `status`: an overview of the bus."""

from __future__ import annotations

import sqlite3
import time
from typing import NamedTuple

from intercom.bus.delivery import Delivery
from intercom.bus.names import Names
from intercom.core.config import Config
from intercom.core.message import USER, Instance, Message
from intercom.repair import unheard
from intercom.repair.unheard import Unheard
from intercom.store.index import query
from intercom.store.state.db import State
from intercom.system.folders import fingerprint, is_settled


class Status(NamedTuple):
    """An overview of the bus."""

    root: str
    machine: str
    log: str
    instances: list[Instance]
    agents: list[str]
    live: int  #: messages in the live log
    archived: int
    total: int
    unread: dict[str, int]
    latest: dict[str, Message]  #: the latest message with a status code, by sender
    unheard: list[Unheard]  #: hand-written text in the log that reaches nobody
    warnings: tuple[str, ...]


def collect(config: Config, state: State, names: Names, delivery: Delivery, db: sqlite3.Connection) -> Status:
    """Collect the overview, using an up-to-date index."""
    page, now = fingerprint(config.log), time.time()

    def on_page(_mark: str) -> tuple[list[str], list[Unheard]]:
        return names.known_agents(), unheard.still(config, state, db)

    # As long as the kernel says that nobody wrote to the page, or that there is none, the cached result holds.
    agents, lost = delivery.known(on_page, page) if is_settled(page, now) or not page else on_page(page)
    instances = names.instances()
    joined = names.joined_by_all()
    readers = [*agents, *(one.name for one in instances), USER]
    unread = delivery.unread_by_all(db, {name: joined.get(name, 0) for name in readers})
    live, archived, total = delivery.known(query.counts, db)
    warnings = config.cautions
    if lost:
        count = "1 line of the log reaches" if len(lost) == 1 else f"{len(lost)} lines of the log reach"
        warnings = (*warnings, f"{count} nobody, or not everybody they name; the first: {lost[0].sentence()}")
    return Status(
        str(config.root),
        config.machine,
        str(config.log),
        instances,
        agents,
        live,
        archived,
        total,
        unread,
        {message.sender: message for message in delivery.known(query.latest_status, db)},
        lost,
        warnings,
    )
