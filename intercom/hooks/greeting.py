"""Owns the text that a session gets about the bus when it begins: who is here, how much waits, how to take part.

It is empty if nobody is here and nothing waits: that a project has a bus is no reason to mention it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from intercom.core.escaping import value
from intercom.core.message import USER
from intercom.core.texts import some

if TYPE_CHECKING:
    from intercom.bus.status import Status
    from intercom.core.config import Config

_MOST = 8  #: how many names to list
_HERE = ("alive", "stale", "spawned")


def greeting(config: Config) -> str:
    """The text for a session without a name; "" if there is nothing to say."""
    said = _said(_status(config), None)
    if not said:
        return ""
    return (
        f"[intercom] Other agents work on this project and talk on the Intercom message bus. {said} To take part call "
        "intercomm_register (role master only if the user says so), then intercomm_get_protocol and intercomm_read."
    )


def around(config: Config, name: str) -> str:
    """The text for the session of `name`; "" if there is nothing to say."""
    return _said(_status(config), name)


def _status(config: Config) -> Status:
    from intercom.bus.bus import Bus

    with Bus(config) as bus:
        bus.confirms = False
        return bus.status()


def _said(now: Status, me: str | None) -> str:
    here = [one for one in now.instances if one.name != me and one.state in _HERE]
    waits = {name: count for name, count in now.unread.items() if count and name != USER and me in (None, name)}
    parts = []
    if here:
        names = [f"{value(one.name)} ({one.role})" if one.role != one.name else value(one.name) for one in here]
        parts.append(f"Here: {some(names, _MOST)}.")
    if waits and me is not None:
        parts.append(f"{waits[me]} unread for you.")
    elif waits:
        parts.append(f"Unread: {', '.join(f'{value(name)} {count}' for name, count in [*waits.items()][:_MOST])}.")
    return " ".join(parts)
