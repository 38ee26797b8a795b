"""Owns opencode as a program: events that our plugin in it tells, under names of our own, and what that is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from intercom.fleet.programs import event as events
from intercom.fleet.programs import payload as payload_of
from intercom.fleet.programs.event import Event
from intercom.fleet.programs.plain import Plain


class OpenCode(Plain):
    """opencode. The plugin keeps a waiter beside an idle session, and prompts it with what that brings."""

    name = "opencode"
    title = "opencode"
    command = "opencode"
    kinds = {  # noqa: RUF012  # never changed
        "prompt": events.PROMPT,
        "before": events.CALLS,
        "after": events.CALLED,
        "idle": events.STOPS,
    }

    def heard(self, event: str, payload: Mapping[str, Any]) -> Event | None:
        """An event of the plugin; the waiter was begun by one."""
        name = str(payload.get("hook_event_name") or "") if event == "wait" else event
        kind = self.kinds.get(name)
        return None if kind is None else payload_of.event(kind, name, payload)

    def context(self, event: Event, text: str) -> dict[str, Any]:  # noqa: ARG002  # of one kind
        """The plugin knows where to put it."""
        return {"context": text}
