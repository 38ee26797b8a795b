"""Owns how Claude Code is set up: `.mcp.json` and its local settings, unless its plugin or an entry of the user's does."""

from __future__ import annotations

from intercom.fleet.clients.client import Client, Setup
from intercom.fleet.clients.part import Item, Member, Part
from intercom.fleet.programs.program import SERVER
from intercom.fleet.programs.claude import connection, hook_settings


def _elsewhere(setup: Setup) -> str:
    """Where it is connected already, other than in the project's own file; "" if it is not."""
    found = connection.connection(setup.root, setup.environ)
    return next((place for place, _ in found.servers if place != ".mcp.json"), "")


def _hooked(setup: Setup) -> bool:
    """Whether the plugin, or settings that are not ours to write, have the hooks."""
    found = connection.connection(setup.root, setup.environ).hooks
    return any(place != ".claude/settings.local.json" for place in found)


def parts(setup: Setup) -> list[Part]:
    """The server, its approval, the hooks, the words."""
    found: list[Part] = []
    if setup.user:
        return [Member(setup.home / ".claude.json", ("mcpServers", SERVER), {"type": "stdio", **setup.entry})]
    local = setup.root / ".claude" / "settings.local.json"
    if not _elsewhere(setup):
        found.append(Member(setup.root / ".mcp.json", ("mcpServers", SERVER), dict(setup.entry)))
        found.append(Item(local, ("enabledMcpjsonServers",), SERVER))
        found.append(Item(local, ("permissions", "allow"), f"mcp__{SERVER}"))
    if not _hooked(setup):
        hooks = hook_settings.settings(setup.call, optional=True)["hooks"]
        found += [Item(local, ("hooks", event), group) for event, groups in hooks.items() for group in groups]
    return [*found, setup.rules("CLAUDE.md")]


def notes(setup: Setup) -> list[str]:
    """Where it is connected already."""
    place = _elsewhere(setup)
    return [f"connected by {place} already: no second entry"] if place and not setup.user else []


CLIENT = Client(
    "claude",
    "Claude Code",
    parts,
    programs=("claude",),
    folders=(".mcp.json", "CLAUDE.md", ".claude/settings.json", ".claude/settings.local.json"),
    homes=(".claude.json", ".claude/settings.json"),
    notes=notes,
)
