"""Owns Qwen Code as a program: its hooks, which have the names and the form that several share."""

from __future__ import annotations

from intercom.fleet.programs import event as events
from intercom.fleet.programs.plain import Plain


class Qwen(Plain):
    """Qwen Code. Its prompts, for which hooks run, are also those that carry a tool's result."""

    name = "qwen"
    title = "Qwen Code"
    command = "qwen"
    session_variable = "QWEN_CODE_SESSION_ID"
    kinds = {  # noqa: RUF012  # never changed
        "SessionStart": events.BEGINS,
        "UserPromptSubmit": events.PROMPT,
        "PreToolUse": events.CALLS,
        "PostToolUse": events.CALLED,
        "Stop": events.STOPS,
        "SessionEnd": events.ENDS,
    }
