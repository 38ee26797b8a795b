"""Owns Gemini CLI as a program: hooks under its own names, in the form that several share."""

from __future__ import annotations

from intercom.fleet.programs import event as events
from intercom.fleet.programs.plain import Plain


class Gemini(Plain):
    """Gemini CLI. It tells its hooks the session, and its server nothing."""

    name = "gemini"
    title = "Gemini CLI"
    command = "gemini"
    session_variable = "GEMINI_SESSION_ID"
    refused = "deny"
    kinds = {  # noqa: RUF012  # never changed
        "SessionStart": events.BEGINS,
        "BeforeAgent": events.PROMPT,
        "BeforeTool": events.CALLS,
        "AfterTool": events.CALLED,
        "AfterAgent": events.STOPS,
        "SessionEnd": events.ENDS,
    }
