"""Owns `intercom mcp`: hand the process over to the MCP server."""

from __future__ import annotations

import argparse


def mcp(args: argparse.Namespace) -> int:
    """Serve until the client closes standard input."""
    from intercom import server

    return server.main(args.root)
