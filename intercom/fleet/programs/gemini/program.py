"""Owns Gemini CLI's implementation of the Program interface: hooks under its own names, in a shared form."""

from __future__ import annotations

import re
from collections.abc import Mapping

from intercom.fleet.programs import event as events
from intercom.fleet.programs.plain import MODES, Launching, Plain
from intercom.fleet.programs.program import HEADLESS
from intercom.fleet.programs.usage import Meter

_INHERITED = re.compile(r"GEMINI_(?!CLI\b|SESSION_ID\b)|GOOGLE_|CLOUDSDK_|DEBUG\Z")


class Gemini(Plain):
    """Gemini CLI. It tells its hooks the session, but not its server. Without a terminal its hooks do not run.

    In a terminal nothing can wake it, and only keys can answer its questions, so as a worker it has none.
    """

    name = "gemini"
    title = "Gemini CLI"
    command = "gemini"
    install = "install it with: npm install -g @google/gemini-cli"
    version = r"^(\d+\.\d+\.\d+\S*)\s*$"
    oldest = newest = 0, 61
    session_variable = "GEMINI_SESSION_ID"
    refused = "deny"
    modes = MODES
    forms: tuple[str, ...] = (HEADLESS,)
    speaks_alone = True
    kinds = {  # noqa: RUF012  # never changed
        "SessionStart": events.BEGINS,
        "BeforeAgent": events.PROMPT,
        "BeforeTool": events.CALLS,
        "ToolPermission": events.ASKS,  # reported by its keeper: a hook cannot answer it
        "AfterTool": events.CALLED,
        "AfterAgent": events.STOPS,
        "SessionEnd": events.ENDS,
    }

    def launching(self) -> Launching:
        """The module that starts it as a worker."""
        from intercom.fleet.programs.gemini import launch

        return launch

    def inherits(self, variable: str) -> bool:
        """Its own switches and accounts; nothing of the spawning session."""
        return _INHERITED.match(variable) is not None

    def transcript(self, session: str, environ: Mapping[str, str]) -> str | None:
        """Its chat, which is there once the session is: without a terminal no hook names it."""
        from intercom.fleet.programs.gemini import usage

        return usage.chat(session, environ)

    def meter(self, transcript: str) -> Meter | None:
        """As `usage.Meter`."""
        from intercom.fleet.programs.gemini import usage

        return usage.Meter(transcript)
