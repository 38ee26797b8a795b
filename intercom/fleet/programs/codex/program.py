"""Owns Codex as a program: its hooks, which have the names and the form that several share."""

from __future__ import annotations

from intercom.fleet.programs import event as events
from intercom.fleet.programs.plain import Plain


class Codex(Plain):
    """Codex. Its server is told the session with each call, not by a variable."""

    name = "codex"
    title = "Codex"
    command = "codex"
    kinds = {  # noqa: RUF012  # never changed
        "SessionStart": events.BEGINS,
        "UserPromptSubmit": events.PROMPT,
        "PreToolUse": events.CALLS,
        "PermissionRequest": events.ASKS,
        "PostToolUse": events.CALLED,
        "Stop": events.STOPS,
        "SessionEnd": events.ENDS,
    }

    def prompting(self, session: str, text: str) -> list[str]:
        """The command that queues a prompt for a session: it begins when the box is empty, and a draft stays."""
        return [self.command, "queue", "--thread", session, "--message", text]
