"""Owns `intercom register` and `intercom signoff`."""

from __future__ import annotations

import argparse

from intercom.cli import show
from intercom.cli.session import open_bus


def register(args: argparse.Namespace) -> int:
    """Take a name and print it, alone.

    The process is a shell's that ends at once, so the name is not tied to a process: it holds until signoff.
    """
    with open_bus(args) as bus:
        instance = bus.register(args.role, args.name)
    if args.json:
        show.json_line(instance._asdict())
    else:
        show.line(instance.name)
    return 0


def signoff(args: argparse.Namespace) -> int:
    """Give a name back."""
    with open_bus(args) as bus:
        bus.signoff(args.id)
    if args.json:
        show.json_line({"signed_off": args.id})
    else:
        show.line(f"{args.id} signed off")
    return 0
