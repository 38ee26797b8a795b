"""Owns setting up Cline: only in the user's file, with the root in the entry, because one hub serves all projects."""

from __future__ import annotations

from intercom.fleet.clients.client import Client, Setup
from intercom.fleet.clients.part import Member, Own, Part
from intercom.fleet.programs.cline import EVENTS
from intercom.fleet.programs.cline.places import data, own, servers
from intercom.fleet.programs.program import CALL_SECONDS, SERVER


def parts(setup: Setup) -> list[Part]:
    """The server, with time to start; hooks, each a program named after its event; the rules text."""
    folder = own(setup.environ, setup.home)
    entry = {**setup.pinned(), "timeout": CALL_SECONDS}
    hooks: list[Part] = [
        Own(folder / "hooks" / event, f"#!/bin/sh\n{setup.hook(event, 'cline')}\n", 0o755) for event in EVENTS
    ]
    return [Member(servers(setup.environ, setup.home), ("mcpServers", SERVER), entry), *hooks, setup.rules("AGENTS.md")]


def notes(setup: Setup) -> list[str]:
    """What applies to its hub."""
    return [f"one entry serves all projects: it is on the bus of {setup.root}"]


CLIENT = Client(
    "cline",
    "Cline",
    parts,
    programs=("cline",),
    folders=(".clinerules",),
    homes=lambda setup: [own(setup.environ, setup.home), data(setup.environ, setup.home)],
    notes=notes,
    user_only=True,
)
