"""Owns opencode as a program: events that our plugin in it tells, under names of our own, and what that is answered."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from intercom.fleet.programs import event as events
from intercom.fleet.programs import payload as payload_of
from intercom.fleet.programs.event import Event
from intercom.fleet.programs.plain import Plain
from intercom.fleet.programs.program import Prepared, Start

#: Our permission modes that it has a like of, each with what passes without a question.
MODES: Mapping[str, str] = {
    "default": "it reads; every change, command and page of the web is asked for",
    "acceptEdits": "it changes files in its folder; commands, what lies elsewhere, and the web are asked for",
    "bypassPermissions": "everything: nothing is ever asked",
}
_INHERITED = re.compile(r"OPENCODE_(?!PID\b|CONFIG\b)|ANTHROPIC_|OPENAI_|GEMINI_|GOOGLE_|OPENROUTER_|npm_config_")


class OpenCode(Plain):
    """opencode. The plugin keeps a waiter beside an idle session, and prompts it with what that brings."""

    name = "opencode"
    title = "opencode"
    command = "opencode"
    install = "install it with: npm install -g opencode-ai"
    files: tuple[str, ...] = ("opencode.json", "opencode.js")
    needs_prompt = True
    version = r"(\d+\.\d+\.\d+\S*)\s*\Z"
    oldest = 1, 18
    modes = MODES
    kinds = {  # noqa: RUF012  # never changed
        "prompt": events.PROMPT,
        "before": events.CALLS,
        "asks": events.ASKS,
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

    def decision(self, event: Event, decision: str, message: str | None) -> dict[str, Any]:  # noqa: ARG002
        """The plugin answers; it has no place for words."""
        return {"decision": decision}

    def prepare(self, argv: Sequence[str], start: Start, write: Callable[[str, str], Path]) -> Prepared:
        """As `launch.prepare`."""
        from intercom.fleet.programs.opencode import launch

        return launch.prepare(argv, start, write, self.files)

    def inherits(self, variable: str) -> bool:
        """Its own switches, accounts of makers of models, and where npm finds its plugins. Nothing of who spawns."""
        return _INHERITED.match(variable) is not None
