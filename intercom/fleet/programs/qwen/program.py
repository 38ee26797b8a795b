"""Owns Qwen Code's implementation of the Program interface: its hooks, in a form that several share."""

from __future__ import annotations

import json
import re

from intercom.fleet.programs.plain import KINDS, MODES, Launching, Plain
from intercom.fleet.programs.program import HEADLESS, TERMINAL
from intercom.fleet.programs.usage import Meter

_INHERITED = re.compile(r"QWEN_(?!CODE_SESSION_ID\b)|OPENAI_|ANTHROPIC_|GEMINI_|DASHSCOPE_|DEBUG\Z")


class Qwen(Plain):
    """Qwen Code. It runs prompt hooks also for the prompts that carry a tool's result."""

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
    hooked = True
    kinds = KINDS

    def launching(self) -> Launching:
        """The module that starts it as a worker."""
        from intercom.fleet.programs.qwen import launch

        return launch

    def prompt_line(self, text: str) -> str:
        """A line that it submits when it is idle."""
        return json.dumps({"type": "submit", "text": text})

    def inherits(self, variable: str) -> bool:
        """Its own switches, and model vendors' accounts; nothing of the spawning session."""
        return _INHERITED.match(variable) is not None

    def meter(self, transcript: str) -> Meter | None:
        """As `usage.Meter`."""
        from intercom.fleet.programs.qwen import usage

        return usage.Meter(transcript)
