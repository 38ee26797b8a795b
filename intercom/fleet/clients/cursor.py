"""Owns setting up Cursor: `.cursor/mcp.json`."""

from __future__ import annotations

from intercom.fleet.clients.client import Client, Setup
from intercom.fleet.clients.part import Member, Part
from intercom.fleet.programs.program import SERVER


def parts(setup: Setup) -> list[Part]:
    """The server; the rules text."""
    path = setup.base(setup.home / ".cursor", ".cursor") / "mcp.json"
    return [Member(path, ("mcpServers", SERVER), dict(setup.entry)), setup.rules("AGENTS.md")]


CLIENT = Client("cursor", "Cursor", parts, programs=("cursor", "cursor-agent"), folders=(".cursor",))
