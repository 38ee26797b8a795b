"""Owns sending due alerts to a person elsewhere, each once, from `notify`, the screen or the master's server.

An alert is claimed before it is sent, so two processes do not both send it; if sending fails it is given back, and
tried again. One whose process was killed meanwhile may have been sent or not: it is sent once more, and says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from intercom.bus.status import Status
from intercom.core.errors import IntercomError
from intercom.core.message import USER, Message
from intercom.fleet.alerts import Alert, Settings, alerts, digested, is_quiet, settings
from intercom.fleet.crew import Crew
from intercom.fleet.notebook import Notebook
from intercom.fleet.overview import Overview, overview
from intercom.fleet.spending import Spending

Way = Callable[[str, str], str]  #: sends a title and a text; returns "" or what went wrong
AGAIN = " (perhaps for the second time)"  #: appended to the title of what a killed process may have sent
_UNREAD = 500  #: how many messages to a person are checked


class Told(NamedTuple):
    """What was sent (title and text), and what went wrong."""

    sent: Sequence[tuple[str, str]] = ()
    troubles: Sequence[str] = ()
    reached: bool = True  #: whether the person was reached; True if nothing was due


def due(crew: Crew, told: Settings, found: Overview | None = None, status: Status | None = None) -> list[Alert]:
    """The alerts that are due now, whether they were sent already or not."""
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
    """Send those that were never sent, by each way separately, so that none repeats what another failed to send.

    StorageError.
    """
    if not alerts_due:
        return Told()
    found = [_tell_by(way, act, alerts_due, told, notebook, project) for way, act in ways(told).items()]
    sent = dict.fromkeys(one for done in found for one in done.sent)
    return Told(tuple(sent), [one for done in found for one in done.troubles], any(done.reached for done in found))


def _tell_by(way: str, act: Way, alerts_due: Sequence[Alert], told: Settings, notebook: Notebook, project: str) -> Told:
    keys = {f"{way} {one.key}": one for one in alerts_due}
    claimed = notebook.claim(keys)
    troubles = [f"twice killed while it was told, so not told again: {keys[key].title}" for key in claimed.given_up]
    new = [one for key, one in keys.items() if key in claimed.new]
    new += [one._replace(title=f"{one.title}{AGAIN}") for key, one in keys.items() if key in claimed.again]
    sent: list[tuple[str, str]] = []
    failed = 0
    for group in [new] if len(new) > told.digest else [[one] for one in new]:
        (text,) = digested(group, told, project)
        sent.append(text)
        mine = [f"{way} {one.key}" for one in group]
        try:
            why = act(*text)
        except IntercomError as error:
            why = str(error)
        except Exception:
            notebook.give_back(mine)
            raise
        if why:
            failed += 1
            troubles.append(why)
            notebook.give_back(mine)
        else:
            notebook.told(mine)
    return Told(sent, troubles, failed < len(sent) or not sent)


def look(crew: Crew) -> Told:
    """Send what is due now, by the present settings. StorageError, UsageError."""
    told = settings(crew.environ)
    return tell(due(crew, told), told, Notebook(crew.bus.config.root, crew.environ), crew.bus.config.root.name)


def ways(told: Settings) -> dict[str, Way]:
    """Each way to a person, by a name without secrets."""
    from intercom.fleet.notifiers import desktop, elsewhere

    found: dict[str, Way] = {"desktop": desktop} if told.desktop else {}
    return found | {f"address {number}": partial(elsewhere, url, number) for number, url in enumerate(told.urls, 1)}


def try_out(told: Settings) -> Told:
    """Send a test by each way. UsageError."""
    text = ("Intercom", "This is a test: it arrives.")
    found = [act(*text) for act in ways(told).values()]
    return Told([text], list(filter(None, found)), "" in found)
