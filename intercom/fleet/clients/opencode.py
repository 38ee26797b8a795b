"""Owns how opencode is set up: `opencode.json`; its fork Kilo takes the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from intercom.fleet.clients.client import Client, Setup
from intercom.fleet.clients.part import Item, Member, Own, Part
from intercom.fleet.programs.opencode import launch
from intercom.fleet.programs.program import SERVER

PLUGIN = ".claude/intercom/opencode.js"  #: not in a folder of its own, where it would first install packages


def server(setup: Setup) -> dict[str, Any]:
    """The entry in its form."""
    return launch.server([setup.entry["command"], *setup.entry["args"]], setup.entry.get("env"))


def configuration(setup: Setup, name: str) -> Path:
    """Its file: the one that is there, with comments or without."""
    folder = setup.home / ".config" / name if setup.user else setup.root
    with_comments = folder / f"{name}.jsonc"
    return with_comments if with_comments.exists() else folder / f"{name}.json"


def connecting(setup: Setup, name: str, schema: str) -> list[Part]:
    """The server and its approval, in the file that the program, or a fork of it, names after itself."""
    path = configuration(setup, name)
    return [
        Member(path, ("$schema",), schema),  # else it puts it there itself
        Member(path, ("mcp", SERVER), server(setup)),
        Member(path, ("permission", f"{SERVER}_*"), "allow", needed=False),
    ]


def client(name: str, title: str, parts: Callable[[Setup], list[Part]]) -> Client:
    """The program or a fork of it, recognised by its files."""
    folders = f"{name}.json", f"{name}.jsonc", f".{name}"
    return Client(name, title, parts, programs=(name,), folders=folders, homes=(f".config/{name}",))


def parts(setup: Setup) -> list[Part]:
    """Server and approval, the plugin, the words."""
    path = configuration(setup, "opencode")
    return [
        *connecting(setup, "opencode", launch.SCHEMA),
        Item(path, ("plugin",), f"./{PLUGIN}" if not setup.user else f"file://{setup.home / PLUGIN}"),
        Own((setup.home if setup.user else setup.root) / PLUGIN, launch.plugin(setup.call)),
        setup.rules("AGENTS.md"),
    ]


CLIENT = client("opencode", "opencode", parts)
