"""Owns Cline's implementation of the Program interface: hook programs named after their events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from intercom.fleet.programs import event as events
from intercom.fleet.programs.event import Event
from intercom.fleet.programs.plain import Plain


class Cline(Plain):
    """Cline. Output at the end of a turn does not reach its model, so unread messages come after a tool call."""

    name = "cline"
    title = "Cline"
    command = "cline"
    kinds = {"PreToolUse": events.CALLS, "PostToolUse": events.PROMPT}  # noqa: RUF012  # never changed

    def heard(self, event: str, payload: Mapping[str, Any]) -> Event | None:
        """Parse an event; the session is the one at the root of its tasks."""
        kind = self.kinds.get(event)
        if kind is None:
            return None
        inner = payload.get("sessionContext")
        root = inner.get("rootSessionId") if isinstance(inner, dict) else None
        found = root or payload.get("taskId")
        session = found if isinstance(found, str) else None
        return Event(kind, event, session=session, tool={"tool": "", "subject": ""})

    def context(self, event: Event, text: str) -> dict[str, Any]:  # noqa: ARG002  # of one kind
        """The answer as a context modification."""
        return {"contextModification": text}
