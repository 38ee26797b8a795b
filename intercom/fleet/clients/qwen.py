"""Owns setting up Qwen Code: `settings.json`, with hooks."""

from __future__ import annotations

from pathlib import Path

from intercom.fleet.clients.client import Client, Setup
from intercom.fleet.clients.part import Item, Member, Part
from intercom.fleet.clients.settings import server
from intercom.fleet.programs.program import CALL_SECONDS, SERVER

EVENTS = ("SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "Stop", "SessionEnd")


def own(setup: Setup) -> Path:
    """The user's folder."""
    return setup.own(".qwen", "QWEN_HOME")


def parts(setup: Setup) -> list[Part]:
    """The server, trusted; the hooks; the rules text."""
    path = setup.base(own(setup), ".qwen") / "settings.json"
    hooks: list[Part] = [
        Item(
            path,
            ("hooks", event),
            {"hooks": [{"type": "command", "command": setup.hook(event, "qwen"), "timeout": 30}]},
        )
        for event in EVENTS
    ]
    entry = Member(path, ("mcpServers", SERVER), server(setup, CALL_SECONDS * 1000))
    return [entry, *hooks, setup.rules("QWEN.md", "AGENTS.md")]


def notes(setup: Setup) -> list[str]:
    """What it asks a person to confirm."""
    return [] if setup.user else [f"approve the project's server once: qwen mcp approve {SERVER}, or when it asks"]


CLIENT = Client(
    "qwen",
    "Qwen Code",
    parts,
    programs=("qwen",),
    folders=(".qwen", "QWEN.md"),
    homes=lambda setup: [own(setup)],
    notes=notes,
)
