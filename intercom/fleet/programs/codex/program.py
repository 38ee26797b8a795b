"""Owns Codex's implementation of the Program interface: its hooks, in a form that several share, and its start."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from intercom.fleet.programs.codex import FILES
from intercom.fleet.programs.plain import KINDS, Launching, Plain
from intercom.fleet.programs.program import HEADLESS, TERMINAL
from intercom.fleet.programs.usage import Meter

#: Those of our permission modes that it supports, each with what passes without a question.
MODES: Mapping[str, str] = {
    "default": "it reads; every change, and the network, is asked for",
    "acceptEdits": "it changes files in its folder; commits, what lies elsewhere, and the network are asked for",
    "bypassPermissions": "everything, outside of any sandbox: nothing is ever asked",
}


class Codex(Plain):
    """Codex. It tells its server the session with each call, not in a variable."""

    name = "codex"
    title = "Codex"
    command = "codex"
    install = "install it with: npm install -g @openai/codex"
    version = r"codex-cli (\d+\.\d+\.\d+)"
    oldest = 0, 169  # the first with hooks and a prompt queue
    newest = 0, 171
    files: tuple[str, ...] = FILES
    door = FILES[1]
    forms: tuple[str, ...] = (TERMINAL, HEADLESS)
    modes = MODES
    hooked = True
    kinds = KINDS

    def launching(self) -> Launching:
        """The module that starts it as a worker."""
        from intercom.fleet.programs.codex import launch

        return launch

    def inherits(self, variable: str) -> bool:
        """Its own folder and switches, and its vendor's accounts."""
        return variable.startswith(("CODEX_", "OPENAI_"))

    def meter(self, transcript: str) -> Meter | None:
        """As `usage.Meter`."""
        from intercom.fleet.programs.codex import usage

        return usage.Meter(transcript)

    def prompting(self, session: str, text: str, door: Path | None = None) -> list[str]:
        """The command that queues a prompt for a session: it starts when the box is empty, and a draft stays."""
        server = ["--remote", f"unix://{door}"] if door is not None else []
        return [self.command, "queue", *server, "--thread", session, "--message", text]
