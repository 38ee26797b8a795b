"""Owns sending a `done`, by a tool or a command: checked first, stored in any case, reported to all concerned.

One that was written by hand, or sent by a script through the Bus, is checked by whoever looks next.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Any

from intercom.core.escaping import value
from intercom.core.message import TOOL, canonical

if TYPE_CHECKING:
    from intercom.bus.bus import Bus
    from intercom.core.message import Message
    from intercom.fleet.worktrees import claims

_NEWEST = 50  #: how many of the newest reports are checked by default


def send(
    bus: Bus,
    to: str,
    body: str,
    *,
    sender: str,
    branch: str | None = None,
    commit: str | None = None,
    via: str = TOOL,
    reply_to: str | None = None,
    type: str = "done",
    **more: Any,
) -> tuple[Message, dict[str, Any]]:
    """Send a `done`; returns the message, and the result of its check ({} if it answers no contract). As `Bus.send`.

    What contradicts it is noted below its text. Whoever gave the task is told too, if the `done` goes to others.
    """
    from intercom.fleet.worktrees import claims
    from intercom.store.state.db import State

    body = with_fields(body, branch, commit)
    bus.addressees(to)  # refuse before anything is checked
    if bus.state.waits:  # where there is no bus yet, it answers nothing
        return bus.send(to, body, sender=sender, type=type, via=via, reply_to=reply_to, **more), {}
    with closing(State(bus.config.private)) as state:
        found = claims.check(bus, state, sender, to, body, reply_to=reply_to, branch=branch, commit=commit)
        mark = found.mark if found is not None else ""
        sent = bus.send(to, body + mark, sender=sender, type=type, via=via, reply_to=reply_to, **more)
        if found is None:
            return sent, {}
        claims.note(bus, state, sent, found)
    giver = canonical(found.task.sender)
    if found.reasons and giver not in sent.recipients and "all" not in sent.recipients:
        text = f"My done {sent.id}, to {sent.to}, is not verified: {' '.join(found.reasons)}"
        bus.send(giver, text, sender=sender, type="status", via=via, reply_to=found.task.id)
    return sent, found.to_json()


def checked(bus: Bus, messages: Iterable[Message]) -> dict[str, claims.Row]:
    """The result for each `done` among these messages; one that was never checked is checked and reported now.

    Those of other machines are left out: their claims are about that machine's repository.
    """
    from intercom.fleet.worktrees import claims

    reports = [one for one in messages if "done" in (one.type, one.status) and "@" not in one.sender]
    if not reports:
        return {}
    idents = [one.id for one in reports]
    known = claims.of_messages(bus.state, idents)
    unknown = [one for one in reports if one.id not in known and one.type == "done"]
    for one in unknown:
        _look_at(bus, one)
    if unknown:
        known = claims.of_messages(bus.state, idents)
    return {ident: row for ident, row in known.items() if row.worker}


def catch_up(bus: Bus) -> None:
    """Check the newest reports that were not checked when sent."""
    checked(bus, bus.history(type="done", limit=_NEWEST))


def _look_at(bus: Bus, report: Message) -> None:
    """Check a stored report, record the result, and tell both sides what contradicts it."""
    from intercom.fleet.worktrees import claims
    from intercom.store.log.announce import announce

    about: dict[str, Any] = {"reply_to": report.reply_to, "branch": None, "commit": None, "before": report.seq}
    found = claims.check(bus, bus.state, report.sender, report.to, report.body, **about)
    if found is None:
        claims.note_none(bus.state, report)
        return
    claims.note(bus, bus.state, report, found)
    if found.reasons:
        both = dict.fromkeys((canonical(report.sender), canonical(found.task.sender)))
        text = f"The done of {value(report.sender)}, {report.id}, is not verified: {' '.join(found.reasons)}"
        announce(bus.config, text, to=", ".join(both), thread=report.thread)


def with_fields(body: str, branch: str | None, commit: str | None) -> str:
    """The text with the fields given beside it, for people who read it."""
    given = {"branch": branch, "commit": commit}
    lines = [f"{name}: {value.strip()}" for name, value in given.items() if value and not _stands(value.strip(), body)]
    return "\n\n".join(part for part in (body, "\n".join(lines)) if part)


def _stands(word: str, body: str) -> bool:
    """Whether a text contains a word, not just as part of another."""
    return re.search(rf"(?<![\w/.-]){re.escape(word)}(?![\w/-])", body) is not None
