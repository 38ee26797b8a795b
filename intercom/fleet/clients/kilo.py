"""Owns setting up Kilo: as opencode, of which it is a fork, but in files named after itself."""

from __future__ import annotations

from intercom.fleet.clients.client import Setup
from intercom.fleet.clients.opencode import client, connecting
from intercom.fleet.clients.part import Part


def parts(setup: Setup) -> list[Part]:
    """The server and its approval, the rules text."""
    return [*connecting(setup, "kilo", "https://app.kilo.ai/config.json"), setup.rules("AGENTS.md")]


CLIENT = client("kilo", "Kilo", parts)
