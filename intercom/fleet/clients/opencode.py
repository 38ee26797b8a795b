"""Owns setting up opencode: `opencode.json`, and our plugin; its fork Kilo has the same, under its own name."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from intercom.core import xdg
from intercom.fleet.clients.client import Client, Setup
from intercom.fleet.clients.part import Item, Member, Own, Part
from intercom.fleet.programs.opencode import launch
from intercom.fleet.programs.program import SERVER

PLUGIN = ".claude/intercom/opencode.js"  #: outside its own folder, in which it would install packages first


def server(setup: Setup) -> dict[str, Any]:
    """The server entry in opencode's form."""
    return launch.server([setup.entry["command"], *setup.entry["args"]], setup.entry.get("env"))


def own(setup: Setup, name: str) -> Path:
    """The user's folder."""
    return setup.own(f".config/{name}", xdg.CONFIG, name)


def configuration(setup: Setup, name: str) -> Path:
    """Its file: the existing one, with or without comments."""
    folder = own(setup, name) if setup.user else setup.root
    with_comments = folder / f"{name}.jsonc"
    return with_comments if with_comments.exists() else folder / f"{name}.json"


def client(name: str, title: str, schema: str) -> Client:
    """The program or a fork of it, which names its files after itself."""
    folders = f"{name}.json", f"{name}.jsonc", f".{name}"
    every = partial(parts, name=name, schema=schema)
    return Client(name, title, every, programs=(name,), folders=folders, homes=lambda setup: [own(setup, name)])


def parts(setup: Setup, name: str, schema: str) -> list[Part]:
    """The server and its approval, the plugin, the rules text."""
    path = configuration(setup, name)
    return [
        Member(path, ("$schema",), schema),  # otherwise it would add that itself
        Member(path, ("mcp", SERVER), server(setup)),
        Member(path, ("permission", f"{SERVER}_*"), "allow", needed=False),
        Item(path, ("plugin",), f"./{PLUGIN}" if not setup.user else f"file://{setup.home / PLUGIN}"),
        Own((setup.home if setup.user else setup.root) / PLUGIN, launch.plugin(setup.call)),
        setup.rules("AGENTS.md"),
    ]


CLIENT = client("opencode", "opencode", launch.OPENCODE.schema)
