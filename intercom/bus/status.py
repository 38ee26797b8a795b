"""Owns `status`: the bus at a glance."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from intercom.bus.delivery import Delivery
from intercom.bus.names import Registry
from intercom.core.config import Config
from intercom.core.message import USER, Instance, Message
from intercom.store.index import query


class Status(NamedTuple):
    """The bus at a glance."""

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
    warnings: tuple[str, ...]


def glance(config: Config, db: sqlite3.Connection, registry: Registry, delivery: Delivery) -> Status:
    """What there is now, by an index that is up to date."""
    agents, instances = registry.known_agents(), registry.instances()
    names = dict.fromkeys([*agents, *(one.name for one in instances), USER])
    unread = {name: delivery.unread(db, name, registry.joined(name)) for name in names}
    total, archived = delivery.known(query.counts, db)
    return Status(
        str(config.root),
        config.machine,
        str(config.log),
        instances,
        agents,
        delivery.known(query.live_count, db),
        archived,
        total,
        {name: count for name, count in unread.items() if count},
        {message.sender: message for message in delivery.known(query.latest_status, db)},
        config.cautions,
    )
