"""Owns opencode as a program: events that our plugin in it tells, under names of our own, and what that is answered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from intercom.fleet.programs import event as events
from intercom.fleet.programs.event import Event
from intercom.fleet.programs.opencode import FILES
from intercom.fleet.programs.plain import Launching, Plain
from intercom.fleet.programs.program import HEADLESS, TERMINAL

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
    files: tuple[str, ...] = FILES
    version = r"(\d+\.\d+\.\d+\S*)\s*\Z"
    oldest = 1, 18
    newest = 1, 18
    forms: tuple[str, ...] = (TERMINAL, HEADLESS)
    modes = MODES
    wakes_itself = True
    kinds = {  # noqa: RUF012  # never changed
        "prompt": events.PROMPT,
        "before": events.CALLS,
        "asks": events.ASKS,
        "after": events.CALLED,
        "idle": events.STOPS,
    }

    def context(self, event: Event, text: str) -> dict[str, Any]:  # noqa: ARG002  # of one kind
        """The plugin knows where to put it."""
        return {"context": text}

    def decision(self, event: Event, decision: str, message: str | None) -> dict[str, Any]:  # noqa: ARG002
        """The plugin answers; it has no place for words."""
        return {"decision": decision}

    def launching(self) -> Launching:
        """It can be a worker."""
        from intercom.fleet.programs.opencode import launch

        return launch

    def inherits(self, variable: str) -> bool:
        """Its own switches, accounts of makers of models, and where npm finds its plugins. Nothing of who spawns."""
        return _INHERITED.match(variable) is not None
