"""Owns `intercom send` and `intercom broadcast`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from intercom.cli import show
from intercom.cli.session import message_text, open_bus

if TYPE_CHECKING:
    from intercom.core.message import Message


def send(args: argparse.Namespace) -> int:
    """Store one message and print its id, alone."""
    with open_bus(args) as bus:
        message = bus.send(
            args.to,
            message_text(args.message),
            sender=args.sender,
            type=args.type,
            priority=args.priority,
            reply_to=args.reply_to,
            thread=args.thread,
            via="cli",
        )
    return _told(args, message)


def broadcast(args: argparse.Namespace) -> int:
    """Store one message to everybody and print its id, alone."""
    with open_bus(args) as bus:
        message = bus.broadcast(message_text(args.message), sender=args.sender, type=args.type, via="cli")
    return _told(args, message)


def _told(args: argparse.Namespace, message: Message) -> int:
    if args.json:
        show.json_line(message.to_json())
    else:
        show.line(message.id)
    return 0
