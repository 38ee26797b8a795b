"""Owns setting up Copilot CLI: in the user's file."""

from __future__ import annotations

from pathlib import Path

from intercom.fleet.clients.client import Client, Setup
from intercom.fleet.clients.part import Member, Part
from intercom.fleet.programs.program import SERVER


def own(setup: Setup) -> Path:
    """The user's folder."""
    return setup.own(".copilot", "COPILOT_HOME")


def parts(setup: Setup) -> list[Part]:
    """The server with all its tools; the rules text."""
    entry = {"type": "local", **setup.entry, "tools": ["*"]}
    path = own(setup) / "mcp-config.json"
    return [Member(path, ("mcpServers", SERVER), entry), setup.rules(".github/copilot-instructions.md", "AGENTS.md")]


CLIENT = Client(
    "copilot", "Copilot CLI", parts, programs=("copilot",), homes=lambda setup: [own(setup)], user_only=True
)
