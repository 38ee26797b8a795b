"""Owns the server entry in a form that several clients share: command, args, env, trusted, with a call timeout."""

from __future__ import annotations

from typing import Any

from intercom.fleet.clients.client import Setup


def server(setup: Setup, timeout: int) -> dict[str, Any]:
    """The entry; `timeout` in the client's own unit."""
    return {**setup.entry, "trust": True, "timeout": timeout}
