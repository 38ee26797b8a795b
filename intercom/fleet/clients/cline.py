"""Owns setting up Cline: only in the user's file, with the root in the entry, because one hub serves all projects."""

from __future__ import annotations

from pathlib import Path

from intercom.fleet.clients.client import Client, Setup
from intercom.fleet.clients.part import Member, Own, Part
from intercom.fleet.programs.cline import EVENTS
from intercom.fleet.programs.program import CALL_SECONDS, SERVER


def own(setup: Setup) -> Path:
    """The user's folder."""
    return setup.own(".cline", "CLINE_DIR")


def data(setup: Setup) -> Path:
    """What it keeps there, or elsewhere."""
    return setup.own(str(own(setup) / "data"), "CLINE_DATA_DIR")


def parts(setup: Setup) -> list[Part]:
    """The server, with time to start; hooks, each a program named after its event; the rules text."""
    folder = own(setup)
    entry = {**setup.pinned(), "timeout": CALL_SECONDS}
    hooks: list[Part] = [
        Own(folder / "hooks" / event, f"#!/bin/sh\n{setup.hook(event, 'cline')}\n", 0o755) for event in EVENTS
    ]
    settings = data(setup) / "settings" / "cline_mcp_settings.json"
    return [Member(settings, ("mcpServers", SERVER), entry), *hooks, setup.rules("AGENTS.md")]


def notes(setup: Setup) -> list[str]:
    """What applies to its hub."""
    return [f"one entry serves all projects: it is on the bus of {setup.root}"]


CLIENT = Client(
    "cline",
    "Cline",
    parts,
    programs=("cline",),
    folders=(".clinerules",),
    homes=lambda setup: [own(setup), data(setup)],
    notes=notes,
    user_only=True,
)
