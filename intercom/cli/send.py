"""Owns `intercom send` and `intercom broadcast`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from intercom.cli import show
from intercom.cli.session import Asked, author, open_bus
from intercom.core.message import TYPES_SHOWN, check_type
from intercom.core.signature import Arg

if TYPE_CHECKING:
    from intercom.core.message import Message

Text = Annotated[str, Arg(help="the text; - reads it from standard input", stdin=True)]
Author = Annotated[
    str | None,
    Arg(help="who sends (default: user; in an agent's session that agent)", option="--from", metavar="ID"),
]


def send(
    asked: Asked,
    to: Annotated[str, Arg(help="a registered name, an agent, user, or all")],
    message: Text,
    *,
    sender: Author = None,
    type: Annotated[str, Arg(help=TYPES_SHOWN, metavar="T")] = "status",
    priority: Annotated[Literal["normal", "urgent"] | None, Arg(help="urgent marks it [URGENT]")] = None,
    reply_to: Annotated[str | None, Arg(help="id of the message this one answers", metavar="ID")] = None,
    thread: Annotated[str | None, Arg(help="a word that ties messages together", metavar="ID")] = None,
) -> int:
    """Store one message and print its id, alone."""
    with open_bus(asked, makes=True) as bus:
        by = author(bus, sender)
        sent = bus.send(
            to,
            message,
            type=check_type(type),
            priority=priority,
            reply_to=reply_to,
            thread=thread,
            sender=by.sender,
            via=by.via,
        )
    return _told(asked, sent)


def broadcast(
    asked: Asked,
    message: Text,
    *,
    sender: Author = None,
    type: Annotated[str, Arg(help=TYPES_SHOWN, metavar="T")] = "announce",
) -> int:
    """Store one message to everybody and print its id, alone."""
    with open_bus(asked, makes=True) as bus:
        by = author(bus, sender)
        sent = bus.broadcast(message, type=check_type(type), sender=by.sender, via=by.via)
    return _told(asked, sent)


def _told(asked: Asked, message: Message) -> int:
    if asked.json:
        show.json_line(message.to_json())
    else:
        show.line(message.id)
    return 0
