"""Owns setting up Claude Code: `.mcp.json` and its local settings, unless its plugin or a person already did."""

from __future__ import annotations

from pathlib import Path

from intercom.fleet.clients.client import Client, Setup
from intercom.fleet.clients.part import Item, Member, Part
from intercom.fleet.programs.claude import connection, hook_settings
from intercom.fleet.programs.program import SERVER


def own(setup: Setup) -> Path:
    """The user's file."""
    return setup.own("", "CLAUDE_CONFIG_DIR") / ".claude.json"


def homes(setup: Setup) -> list[Path]:
    """The user's file, and the settings beside it."""
    return [own(setup), setup.own(".claude", "CLAUDE_CONFIG_DIR") / "settings.json"]


def _elsewhere(setup: Setup) -> str:
    """Where it is already connected, other than in the project's own file; "" if it is not."""
    found = connection.connection(setup.root, setup.environ)
    return next((place for place, _ in found.servers if place != ".mcp.json"), "")


def _hooked(setup: Setup) -> bool:
    """Whether the plugin, or settings that are not ours to write, already have the hooks."""
    found = connection.connection(setup.root, setup.environ).hooks
    return any(place != ".claude/settings.local.json" for place in found)


def parts(setup: Setup) -> list[Part]:
    """The server, its approval, the hooks, the rules text."""
    if setup.user:
        return [Member(own(setup), ("mcpServers", SERVER), {"type": "stdio", **setup.entry})]
    server = [] if _elsewhere(setup) else _server(setup)
    hooks = [] if _hooked(setup) else _hooks(setup)
    return [*server, *hooks, setup.rules("CLAUDE.md")]


def every(setup: Setup) -> list[Part]:
    """The same, even if it is connected in another way."""
    return parts(setup) if setup.user else [*_server(setup), *_hooks(setup), setup.rules("CLAUDE.md")]


def _local(setup: Setup) -> Path:
    return setup.root / ".claude" / "settings.local.json"


def _server(setup: Setup) -> list[Part]:
    return [
        Member(setup.root / ".mcp.json", ("mcpServers", SERVER), dict(setup.entry)),
        Item(_local(setup), ("enabledMcpjsonServers",), SERVER),
        Item(_local(setup), ("permissions", "allow"), f"mcp__{SERVER}"),
    ]


def _hooks(setup: Setup) -> list[Part]:
    hooks = hook_settings.settings(setup.call, optional=True)["hooks"]
    return [Item(_local(setup), ("hooks", event), group) for event, groups in hooks.items() for group in groups]


def notes(setup: Setup) -> list[str]:
    """A note if it is already connected."""
    place = _elsewhere(setup)
    return [f"connected by {place} already: no second entry"] if place and not setup.user else []


CLIENT = Client(
    "claude",
    "Claude Code",
    parts,
    programs=("claude",),
    folders=(".mcp.json", "CLAUDE.md", ".claude/settings.json", ".claude/settings.local.json"),
    homes=homes,
    notes=notes,
    taken=every,
)
