"""Owns Claude Code's implementation of the Program interface, which delegates to the modules of this package.

They are imported on demand: a hook is a short process and needs only one or two of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from intercom.core.fleet_words import PermissionDecision, Ruling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from intercom.fleet.programs.event import Ask, Event
    from intercom.fleet.programs.program import Connection, Prepared, Start, Status
    from intercom.fleet.programs.screen import Dialog, Screen
    from intercom.fleet.programs.talk import Talk
    from intercom.fleet.programs.usage import Call, Meter

_INHERITED = (
    r"(?:ANTHROPIC_\w+|AWS_\w+|GOOGLE_\w+|CLOUD_ML_REGION|VERTEX_\w+|DISABLE_\w+|MCP_\w+|BASH_\w+_\w+|IS_SANDBOX"
    r"|CLAUDE_CONFIG_DIR|CLAUDE_CODE_(?:USE|DISABLE|MAX|SKIP)_\w+|CLAUDE_CODE_OAUTH_TOKEN)\Z"
)


MODES = {
    "default": "asks before every edit and command that no rule allows",
    "plan": "reads and plans; asks before it begins to work",
    "acceptEdits": "edits files in its folder, and runs rm, mv and the like there, unasked; asks before the rest",
    "auto": "edits and runs what a check on the server takes for safe, unasked; that check may let harm through",
    "dontAsk": "does what rules allow, and nothing else; never asks",
    "bypassPermissions": "EDITS AND RUNS ANYTHING, UNASKED, with all rights of your account",
}


class Claude:
    """The `intercom.fleet.programs.program.Program` of Claude Code."""

    name = "claude"
    title = "Claude Code"
    command = "claude"
    install = "install Claude Code (npm install -g @anthropic-ai/claude-code)"
    switch = "/mcp"
    files: tuple[str, ...] = ("settings.json", "mcp.json")
    reads = ""
    door = ""
    submit = "Enter"
    clear = "C-u"
    modes: Mapping[str, str] = MODES
    needs_prompt = False
    forms: tuple[str, ...] = ("terminal", "headless")
    speaks_alone = False
    hooked = True
    wakes_itself = False

    def check(self, argv: Sequence[str], environ: Mapping[str, str]) -> str:
        """As `launch.check`."""
        from intercom.fleet.programs.claude import launch

        return launch.check(argv, environ, self.install)

    def untried(self, version: str) -> str:
        """As `versions.untried`."""
        from intercom.fleet.programs.claude.versions import untried

        return untried(version)

    def prepare(self, argv: Sequence[str], start: Start, write: Callable[[str, str], Path]) -> Prepared:
        """As `launch.prepare`."""
        from intercom.fleet.programs.claude import launch

        return launch.prepare(argv, start, write)

    def alone(self, argv: Sequence[str], start: Start, write: Callable[[str, str], Path]) -> Prepared:
        """As `launch.alone`."""
        from intercom.fleet.programs.claude import launch

        return launch.alone(argv, start, write)

    def talk(self) -> Talk:
        """As `stream.Stream`."""
        from intercom.fleet.programs.claude.stream import Stream

        return Stream()

    @property
    def kinds(self) -> Mapping[str, str]:
        """Its events, each with our word for it."""
        from intercom.fleet.programs.claude.hooks import KINDS

        return KINDS

    def prompting(self, session: str, text: str, door: Path | None = None) -> list[str] | None:  # noqa: ARG002
        """None: it has no such command."""
        return None

    def prompt_line(self, text: str) -> str:
        """The text unchanged: it reads no prompts from a file."""
        return text

    def connection(self, root: Path, environ: Mapping[str, str]) -> Connection:
        """As `connection.connection`."""
        from intercom.fleet.programs.claude import connection

        return connection.connection(root, environ)

    def add_server(self, entry: Mapping[str, Any]) -> str:
        """As `connection.add_server`."""
        from intercom.fleet.programs.claude.connection import add_server

        return add_server(entry)

    def inherits(self, variable: str) -> bool:
        """Its accounts, gateways and switches; nothing of the spawning session."""
        return re.match(_INHERITED, variable) is not None

    def session_of(self, environ: Mapping[str, str]) -> str | None:
        """It passes the id to its MCP servers."""
        return environ.get("CLAUDE_CODE_SESSION_ID") or None

    def project_of(self, environ: Mapping[str, str]) -> str | None:
        """It passes the project to its hooks."""
        return environ.get("CLAUDE_PROJECT_DIR") or None

    def status(self, pid: int, environ: Mapping[str, str]) -> Status | None:
        """From its process file."""
        from intercom.fleet.programs.claude import process_file

        return process_file.status(pid, environ)

    def heard(self, event: str, payload: Mapping[str, Any]) -> Event | None:
        """As `hooks.heard`."""
        from intercom.fleet.programs.claude import hooks

        return hooks.heard(event, payload)

    def context(self, event: Event, text: str) -> dict[str, Any]:
        """As `hooks.context`."""
        from intercom.fleet.programs.claude import hooks

        return hooks.context(event, text)

    def decision(self, event: Event, decision: PermissionDecision, message: str | None) -> dict[str, Any]:  # noqa: ARG002  # of one kind
        """As `hooks.decision`."""
        from intercom.fleet.programs.claude import hooks

        return hooks.decision(decision, message)

    def ruled(self, ask: Ask, allow: Iterable[str], deny: Iterable[str]) -> Ruling | None:
        """As `permissions.deciding`."""
        from intercom.fleet.programs.claude.permissions import deciding

        return deciding(ask, allow, deny)

    def speaks(self, rule: str) -> bool:
        """As `permissions.speaks`."""
        from intercom.fleet.programs.claude.permissions import speaks

        return speaks(rule)

    def retained(self, transcript: str, idents: Iterable[str]) -> set[str]:
        """As `transcript.retained`."""
        from intercom.fleet.programs.claude.transcript import retained

        return retained(transcript, idents)

    def came(self, transcript: str, idents: Iterable[str], *, queued: bool = False) -> set[str]:
        """As `transcript.came`."""
        from intercom.fleet.programs.claude.transcript import came

        return came(transcript, idents, queued=queued)

    def transcript(self, session: str, environ: Mapping[str, str]) -> str | None:  # noqa: ARG002
        """Every hook names it."""
        return None

    def meter(self, transcript: str) -> Meter:
        """As `usage.Meter`."""
        from intercom.fleet.programs.claude import usage

        return usage.Meter(transcript)

    def cost(self, call: Call) -> float | None:
        """As `prices.cost`."""
        from intercom.fleet.programs.claude import prices

        return prices.cost(call)

    def price_list(self) -> str:
        """The source of `prices`."""
        from intercom.fleet.programs.claude import prices

        return f"Anthropic's list of {prices.AS_OF}"

    def import_ahead(self) -> None:
        """Import its process file and transcript modules."""
        from intercom.fleet.programs.claude import hooks, process_file, transcript  # noqa: F401

    def read(self, text: str, *, title: str = "", in_mode: bool = False, dead: bool = False) -> Screen:
        """As `screen.read`."""
        from intercom.fleet.programs.claude import screen

        return screen.read(text, title=title, in_mode=in_mode, dead=dead)

    def choice_for(self, dialog: Dialog, decision: PermissionDecision) -> int | None:
        """As `choices.choice_for`."""
        from intercom.fleet.programs.claude.choices import choice_for

        return choice_for(dialog, decision)
