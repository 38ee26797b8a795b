"""Owns Cline as a program: programs of hooks, named after their events, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from intercom.fleet.programs import event as events
from intercom.fleet.programs.event import Event
from intercom.fleet.programs.plain import Plain


class Cline(Plain):
    """Cline. Nothing said at the end of a turn reaches its model, so all that is unread comes after a tool."""

    name = "cline"
    title = "Cline"
    command = "cline"
    kinds = {"PreToolUse": events.CALLS, "PostToolUse": events.PROMPT}  # noqa: RUF012  # never changed

    def heard(self, event: str, payload: Mapping[str, Any]) -> Event | None:
        """The session is that at the root of its tasks."""
        kind = self.kinds.get(event)
        if kind is None:
            return None
        inner = payload.get("sessionContext")
        root = inner.get("rootSessionId") if isinstance(inner, dict) else None
        found = root or payload.get("taskId")
        session = found if isinstance(found, str) else None
        return Event(kind, event, session=session, tool={"tool": "", "subject": ""})

    def context(self, event: Event, text: str) -> dict[str, Any]:  # noqa: ARG002  # of one kind
        """A change of the context."""
        return {"contextModification": text}
