"""Owns setting up Gemini CLI: `settings.json`, with hooks under its own event names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from intercom.fleet.clients.client import Client, Setup
from intercom.fleet.clients.part import Item, Member, Part
from intercom.fleet.clients.settings import server
from intercom.fleet.programs.program import CALL_SECONDS, SERVER

EVENTS = ("SessionStart", "BeforeAgent", "BeforeTool", "AfterTool", "AfterAgent", "SessionEnd")
_HOOK_MS = 30_000


def own(setup: Setup) -> Path:
    """The user's folder."""
    return setup.own(".gemini", "GEMINI_CLI_HOME", ".gemini")


def parts(setup: Setup) -> list[Part]:
    """The server, trusted; the hooks; the rules text."""
    path = setup.base(own(setup), ".gemini") / "settings.json"
    hooks: list[Part] = [Item(path, ("hooks", event), group(setup, event)) for event in EVENTS]
    return [Member(path, ("mcpServers", SERVER), server(setup, CALL_SECONDS * 1000)), *hooks, setup.rules("GEMINI.md")]


def group(setup: Setup, event: str) -> dict[str, Any]:
    """The hook of an event; tool events need a matcher."""
    hook = {"type": "command", "command": setup.hook(event, "gemini"), "timeout": _HOOK_MS}
    return {**({"matcher": "*"} if event.endswith("Tool") else {}), "hooks": [hook]}


def notes(setup: Setup) -> list[str]:
    """What it asks a person to confirm."""
    return (
        []
        if setup.user
        else ["trust the folder when it asks at its start: before that it does not read the project's settings"]
    )


CLIENT = Client(
    "gemini",
    "Gemini CLI",
    parts,
    programs=("gemini",),
    folders=(".gemini", "GEMINI.md"),
    homes=lambda setup: [own(setup)],
    notes=notes,
)
