"""Owns `intercom hook`: hand one event of an agent program to the hooks."""

from __future__ import annotations

import argparse


def hook(args: argparse.Namespace) -> int:
    """Serve the event on standard input; 0 whatever goes wrong, so that no session is ever held up by us."""
    from intercom.hooks import run

    return run(args.event, args.root, args.program)
