"""Owns the permissions that workers ask for and wait for, for a person. Imports little: a status line asks it often."""

from __future__ import annotations

from contextlib import closing
from typing import Any, NamedTuple

from intercom.core.config import Config
from intercom.fleet.asking import in_short
from intercom.fleet.sessions import Sessions
from intercom.store.state.db import State

WORDS = 200  #: characters of a request, a task or a last word


class Permission(NamedTuple):
    """A worker's request for permission."""

    worker: str
    request: str
    what: str
    at: str
    message: str | None  #: the question on the bus

    def to_json(self) -> dict[str, Any]:
        """The public form."""
        return {"kind": "permission", **self._asdict()}


def permissions(config: Config) -> list[Permission]:
    """The permissions that workers ask for and wait for, oldest first."""
    with closing(State(config.private)) as state:
        found = Sessions(state).open_requests()
    return [Permission(one.name, one.id, in_short(one.asks, WORDS), one.asked, one.message_id) for one in found]
