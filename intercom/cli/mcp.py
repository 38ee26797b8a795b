"""Owns `intercom mcp`: run the MCP server in this process."""

from __future__ import annotations

from intercom.cli.session import Asked


def mcp(asked: Asked) -> int:
    """Serve until the client closes standard input."""
    from intercom import server

    return server.main(asked.root)
