"""Owns how Kilo is set up: as opencode, of which it is a fork, in files of its own name."""

from __future__ import annotations

from intercom.fleet.clients.client import Client, Setup
from intercom.fleet.clients.opencode import configuration, server
from intercom.fleet.clients.part import Member, Part
from intercom.fleet.programs.program import SERVER


def parts(setup: Setup) -> list[Part]:
    """The server, its approval, the words."""
    path = configuration(setup, "kilo")
    return [
        Member(path, ("$schema",), "https://app.kilo.ai/config.json"),  # else it puts it there itself
        Member(path, ("mcp", SERVER), server(setup)),
        Member(path, ("permission", f"{SERVER}_*"), "allow", needed=False),
        setup.rules("AGENTS.md"),
    ]


CLIENT = Client(
    "kilo",
    "Kilo",
    parts,
    programs=("kilo",),
    folders=("kilo.json", "kilo.jsonc", ".kilo"),
    homes=(".config/kilo",),
)
