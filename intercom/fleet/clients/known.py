"""Owns the list of MCP clients that `init` sets up, `doctor` checks and `uninstall` restores."""

from __future__ import annotations

from importlib import import_module

from intercom.core.errors import UsageError
from intercom.fleet.clients.client import Client

#: By name: its module.
MODULES = {
    "claude": "claude",
    "codex": "codex",
    "opencode": "opencode",
    "kilo": "kilo",
    "gemini": "gemini",
    "qwen": "qwen",
    "cline": "cline",
    "continue": "continue_cli",
    "copilot": "copilot",
    "vscode": "vscode",
    "cursor": "cursor",
    "roo": "roo",
}


def client(name: str) -> Client:
    """The client with this name. UsageError if it is not in the list."""
    if name not in MODULES:
        raise UsageError(f"{name!r} is not a client that Intercom knows; there are {', '.join(MODULES)}.")
    found: Client = import_module(f"intercom.fleet.clients.{MODULES[name]}").CLIENT
    return found


def clients() -> list[Client]:
    """All clients."""
    return [client(name) for name in MODULES]
