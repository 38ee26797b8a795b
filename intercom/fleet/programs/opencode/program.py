"""Owns opencode's implementation of the Program interface: events from our plugin, under our own names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from intercom.core.fleet_words import PermissionDecision
from intercom.fleet.programs import event as events
from intercom.fleet.programs.event import Event
from intercom.fleet.programs.opencode import FILES
from intercom.fleet.programs.plain import Launching, Plain
from intercom.fleet.programs.program import HEADLESS, TERMINAL
from intercom.fleet.programs.usage import Meter

#: Those of our permission modes that it supports, each with what passes without a question.
MODES: Mapping[str, str] = {
    "default": "it reads; every change, command and page of the web is asked for",
    "acceptEdits": "it changes files in its folder; commands, what lies elsewhere, and the web are asked for",
    "bypassPermissions": "everything: nothing is ever asked",
}
_INHERITED = re.compile(r"OPENCODE_(?!PID\b|CONFIG\b)|ANTHROPIC_|OPENAI_|GEMINI_|GOOGLE_|OPENROUTER_|npm_config_")


class OpenCode(Plain):
    """opencode. The plugin keeps a waiter beside an idle session, and prompts it with the waiter's output."""

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
        """The text as it is, which the plugin places."""
        return {"context": text}

    def decision(self, event: Event, decision: PermissionDecision, message: str | None) -> dict[str, Any]:  # noqa: ARG002
        """The decision, which the plugin passes on; there is no place for a message."""
        return {"decision": decision}

    def price_list(self) -> str:
        """Its own."""
        return "opencode's own sums"

    def launching(self) -> Launching:
        """The module that starts it as a worker."""
        from intercom.fleet.programs.opencode import launch

        return launch.OPENCODE

    def inherits(self, variable: str) -> bool:
        """Its own switches, model vendors' accounts, and npm's settings for plugins; nothing of the spawner."""
        return _INHERITED.match(variable) is not None

    def transcript(self, session: str, environ: Mapping[str, str]) -> str | None:
        """Its rows in the program's database."""
        from intercom.fleet.programs.opencode import usage

        return usage.transcript(session, environ)

    def meter(self, transcript: str) -> Meter | None:
        """As `usage.Meter`."""
        from intercom.fleet.programs.opencode import usage

        return usage.Meter(transcript)
