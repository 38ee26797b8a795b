"""Owns Qwen Code as a program: its hooks, which have the names and the form that several share."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from intercom.fleet.programs import event as events
from intercom.fleet.programs.plain import Launching, Plain
from intercom.fleet.programs.program import HEADLESS, TERMINAL

#: Our permission modes, each with what passes without a question.
MODES: Mapping[str, str] = {
    "default": "it reads; every change, command and page of the web is asked for",
    "plan": "it reads and plans; it changes nothing",
    "acceptEdits": "it changes files in its folder; commands and the web are asked for",
    "bypassPermissions": "everything: nothing is ever asked",
}
_INHERITED = re.compile(r"QWEN_(?!CODE_SESSION_ID\b)|OPENAI_|ANTHROPIC_|GEMINI_|DASHSCOPE_|DEBUG\Z")


class Qwen(Plain):
    """Qwen Code. Its prompts, for which hooks run, are also those that carry a tool's result."""

    name = "qwen"
    title = "Qwen Code"
    command = "qwen"
    install = "install it with: npm install -g @qwen-code/qwen-code"
    version = r"^(\d+\.\d+\.\d+\S*)\s*$"
    oldest = newest = 0, 24
    files: tuple[str, ...] = ("qwen.json", "input")
    reads = "input"
    session_variable = "QWEN_CODE_SESSION_ID"
    modes = MODES
    forms: tuple[str, ...] = (TERMINAL, HEADLESS)
    kinds = {  # noqa: RUF012  # never changed
        "SessionStart": events.BEGINS,
        "UserPromptSubmit": events.PROMPT,
        "PreToolUse": events.CALLS,
        "PermissionRequest": events.ASKS,
        "PostToolUse": events.CALLED,
        "Stop": events.STOPS,
        "SessionEnd": events.ENDS,
    }

    def launching(self) -> Launching:
        """It can be a worker."""
        from intercom.fleet.programs.qwen import launch

        return launch

    def prompt_line(self, text: str) -> str:
        """It submits it when it is idle."""
        return json.dumps({"type": "submit", "text": text})

    def inherits(self, variable: str) -> bool:
        """Its own switches, and accounts of makers of models. Nothing of the session that spawns."""
        return _INHERITED.match(variable) is not None
