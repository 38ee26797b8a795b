"""Owns how a `done` is sent, by a tool or a command: checked first, stored in any case, told to all it concerns."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING, Any

from intercom.core.message import TOOL, canonical

if TYPE_CHECKING:
    from intercom.bus.bus import Bus
    from intercom.core.message import Message


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
        if sent.proven:  # what nobody is proven to have said moves nothing on
            claims.note(bus, state, sent, found)
    giver = canonical(found.task.sender)
    if found.reasons and giver not in sent.recipients and "all" not in sent.recipients:
        text = f"My done {sent.id}, to {sent.to}, is not verified: {' '.join(found.reasons)}"
        bus.send(giver, text, sender=sender, type="status", via=via, reply_to=found.task.id)
    return sent, found.to_json()


def with_fields(body: str, branch: str | None, commit: str | None) -> str:
    """The text with the fields that were given beside it, for people who read it."""
    given = {"branch": branch, "commit": commit}
    lines = [f"{name}: {value.strip()}" for name, value in given.items() if value and not _stands(value.strip(), body)]
    return "\n\n".join(part for part in (body, "\n".join(lines)) if part)


def _stands(word: str, body: str) -> bool:
    """Whether a word stands in a text, and not merely inside another word."""
    return re.search(rf"(?<![\w/.-]){re.escape(word)}(?![\w/-])", body) is not None
