"""Owns Cline's implementation of the Program interface: hook programs named after their events, and its keeper's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from intercom.fleet.programs import event as events
from intercom.fleet.programs.cline import EVENTS, FILES
from intercom.fleet.programs.event import Event
from intercom.fleet.programs.plain import Launching, Plain
from intercom.fleet.programs.program import HEADLESS

#: Our permission modes, each with what passes without a question. It has nothing between asking and not asking.
MODES: Mapping[str, str] = {
    "default": "it reads; every change, command and page of the web is asked for",
    "acceptEdits": "it reads; every change, too, is asked for, and each command and page of the web",
    "bypassPermissions": "everything: nothing is ever asked",
}
_INHERITED = re.compile(r"CLINE_(?:API_KEY|PROVIDER|MODEL|DIR|DATA_DIR|API_BASE_URL|ENVIRONMENT)\Z")


class Cline(Plain):
    """Cline. Output at the end of a turn does not reach its model, so unread messages come after a tool call.

    Without a terminal its hooks do not run, and its keeper calls them. In one nothing can wake it.
    """

    name = "cline"
    title = "Cline"
    command = "cline"
    install = "install it with: npm install -g cline"
    version = r"^(\d+\.\d+\.\d+\S*)\s*$"
    oldest = newest = 3, 0
    modes = MODES
    files: tuple[str, ...] = FILES
    forms: tuple[str, ...] = (HEADLESS,)
    speaks_alone = True
    kinds = {  # noqa: RUF012  # never changed
        "PreToolUse": events.CALLS,
        "PostToolUse": events.PROMPT,
        # Of its keeper:
        "Begins": events.BEGINS,
        "Prompted": events.PROMPT,
        "Calls": events.CALLS,
        "Asks": events.ASKS,
        "Stops": events.STOPS,
    }

    def heard(self, event: str, payload: Mapping[str, Any]) -> Event | None:
        """Parse an event; of its own hooks the session is the one at the root of its tasks."""
        if event not in EVENTS:
            return super().heard(event, payload)
        inner = payload.get("sessionContext")
        root = inner.get("rootSessionId") if isinstance(inner, dict) else None
        found = root or payload.get("taskId")
        session = found if isinstance(found, str) else None
        return Event(self.kinds[event], event, session=session, tool={"tool": "", "subject": ""})

    def context(self, event: Event, text: str) -> dict[str, Any]:
        """The answer as a context modification; for its keeper, in the shared form."""
        return {"contextModification": text} if event.name in EVENTS else super().context(event, text)

    def launching(self) -> Launching:
        """The module that starts it as a worker."""
        from intercom.fleet.programs.cline import launch

        return launch

    def inherits(self, variable: str) -> bool:
        """Its account and its folders; nothing of the spawning session."""
        return _INHERITED.match(variable) is not None
