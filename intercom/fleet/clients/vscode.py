"""Owns setting up VS Code's own agent: `.vscode/mcp.json`, and Copilot's instructions file."""

from __future__ import annotations

from intercom.fleet.clients.client import Client, Setup
from intercom.fleet.clients.part import Member, Part
from intercom.fleet.programs.program import SERVER


def parts(setup: Setup) -> list[Part]:
    """The server, started in the project; the rules text."""
    entry = {"type": "stdio", **setup.entry, "cwd": "${workspaceFolder}"}
    path = setup.root / ".vscode" / "mcp.json"
    return [Member(path, ("servers", SERVER), entry), setup.rules("AGENTS.md", ".github/copilot-instructions.md")]


CLIENT = Client("vscode", "VS Code", parts, folders=(".vscode", ".github/copilot-instructions.md"))
