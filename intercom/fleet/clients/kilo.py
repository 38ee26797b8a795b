"""Owns how Kilo is set up: as opencode, of which it is a fork, in files of its own name."""

from __future__ import annotations

from intercom.fleet.clients.client import Setup
from intercom.fleet.clients.opencode import client, connecting
from intercom.fleet.clients.part import Part


def parts(setup: Setup) -> list[Part]:
    """Server and approval, the words."""
    return [*connecting(setup, "kilo", "https://app.kilo.ai/config.json"), setup.rules("AGENTS.md")]


CLIENT = client("kilo", "Kilo", parts)
