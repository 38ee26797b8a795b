"""Owns setting up Continue: an entry in the list of servers in the user's `config.yaml`."""

from __future__ import annotations

from pathlib import Path

from intercom.fleet.clients.client import Client, Setup
from intercom.fleet.clients.part import Listed, Part
from intercom.fleet.programs.program import SERVER


def own(setup: Setup) -> Path:
    """The user's folder."""
    return setup.own(".continue", "CONTINUE_GLOBAL_DIR")


def parts(setup: Setup) -> list[Part]:
    """The server; the rules text."""
    entry = {"name": SERVER, **setup.entry}
    return [Listed(own(setup) / "config.yaml", "mcpServers", entry), setup.rules("AGENTS.md")]


CLIENT = Client(
    "continue",
    "Continue",
    parts,
    programs=("cn",),
    folders=(".continue",),
    homes=lambda setup: [own(setup)],
    user_only=True,
)
