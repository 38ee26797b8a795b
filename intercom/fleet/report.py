"""Owns how a `done` is sent, by a tool or a command: checked first, stored in any case, told to all it concerns.

One that came another way, by hand or by a program of its own through the Bus, is checked by whoever looks next.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Any

from intercom.core.display import value
from intercom.core.message import TOOL, canonical

if TYPE_CHECKING:
    from intercom.bus.bus import Bus
    from intercom.core.message import Message
    from intercom.fleet.worktrees import claims

_NEWEST = 50  #: reports that are looked at when nobody asks for certain ones


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
    """Send a `done`: the message, and what is to be said of its check ({} where it answers no contract). As `Bus.send`.

    What contradicts it is marked below its text. Whoever gave the task is told, too, where the `done` is for others.
    """
    from intercom.fleet.worktrees import claims
    from intercom.store.state.db import State

    body = with_fields(body, branch, commit)
    bus.addressees(to)  # refused before anything is looked at
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
    """What was found of each `done` among these messages; one that was never checked is checked now, and told.

    Another machine's are left out: what they claim lies in that machine's repository.
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
    """Check the newest reports that nobody checked as they were sent."""
    checked(bus, bus.history(type="done", limit=_NEWEST))


def _look_at(bus: Bus, report: Message) -> None:
    """Check one that is stored, note what was found, and tell both sides what contradicts it."""
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
    """The text with the fields that were given beside it, for people who read it."""
    given = {"branch": branch, "commit": commit}
    lines = [f"{name}: {value.strip()}" for name, value in given.items() if value and not _stands(value.strip(), body)]
    return "\n\n".join(part for part in (body, "\n".join(lines)) if part)


def _stands(word: str, body: str) -> bool:
    """Whether a word stands in a text, and not merely inside another word."""
    return re.search(rf"(?<![\w/.-]){re.escape(word)}(?![\w/-])", body) is not None
