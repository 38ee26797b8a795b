"""Owns telling a person elsewhere what is due, once: whichever runs, `notify`, the screen or the master's server.

What is due is claimed before it is sent, so that two that look at the same time do not both tell it; what could not be
sent is given back, and tried again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from intercom.bus.status import Status
from intercom.core.message import USER, Message
from intercom.fleet.alerts import Alert, Notebook, Settings, alerts, digested, is_quiet, settings
from intercom.fleet.crew import Crew
from intercom.fleet.overview import Overview, overview
from intercom.fleet.spending import Spending

_UNREAD = 50  #: messages to a person that are looked at


class Told(NamedTuple):
    """What was sent, as title and text, and what went wrong."""

    sent: Sequence[tuple[str, str]] = ()
    troubles: Sequence[str] = ()
    reached: bool = True  #: whether somebody was reached; True where nothing was due


def due(crew: Crew, told: Settings, found: Overview | None = None, status: Status | None = None) -> list[Alert]:
    """What is to be told now, whether it was told already or not."""
    now = time.time()
    if is_quiet(told, now):
        return []
    status = crew.bus.status() if status is None else status
    unread = status.unread.get(USER, 0)
    messages: list[Message] = crew.bus.history(to=USER, limit=min(unread, _UNREAD)) if unread else []
    if found is None:
        watched = "budget" in told.events and crew.bus.config.section("budget")
        found = overview(crew.bus, status, Spending(crew.environ) if watched else None)
    return alerts(found, messages, told, now)


def tell(alerts_due: Sequence[Alert], told: Settings, notebook: Notebook, project: str) -> Told:
    """Send those of them that nobody has been told of. StorageError."""
    if not alerts_due:
        return Told()
    claimed = notebook.claim(one.key for one in alerts_due)
    new = [one for one in alerts_due if one.key in claimed]
    done = send(digested(new, told, project), told) if new else Told()
    if done.troubles:
        notebook.give_back(claimed)
    return done


def look(crew: Crew) -> Told:
    """Tell what is due now, by the settings as they are now. StorageError, UsageError."""
    told = settings(crew.environ)
    return tell(due(crew, told), told, Notebook(crew.bus.config.root, crew.environ), crew.bus.config.root.name)


def send(what: Sequence[tuple[str, str]], told: Settings) -> Told:
    """Send these to the desktop and to all addresses."""
    from intercom.fleet.notifiers import desktop, elsewhere

    troubles: list[str] = []
    reached = False
    for title, text in what:
        found = [desktop(title, text)] if told.desktop else []
        found += [elsewhere(told.urls, title, text)] if told.urls else []
        reached = reached or "" in found
        troubles += filter(None, found)
    return Told(what, troubles, reached)
