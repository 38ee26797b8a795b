"""Owns `intercom send`, `intercom reply` and `intercom broadcast`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from intercom.cli import show
from intercom.cli.session import Asked, author, open_bus, there, whole
from intercom.core.errors import NotFound, Refused, UsageError
from intercom.core.message import ALL, SYSTEM, TYPES_SHOWN, check_type
from intercom.core.signature import Arg
from intercom.core.texts import one_line

if TYPE_CHECKING:
    from intercom.bus.bus import Bus
    from intercom.cli.session import Author as Spoken
    from intercom.core.message import Message

Text = Annotated[str, Arg(help="the text; - reads it from standard input", stdin=True, rest=True)]
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
    thread: Annotated[str | None, Arg(help="a word that ties messages together, such as an id", metavar="ID")] = None,
    branch: Annotated[str | None, Arg(help="with --type done: the branch with the work")] = None,
    commit: Annotated[str | None, Arg(help="with --type done: its newest commit", metavar="HASH")] = None,
) -> int:
    """Store one message and print its id, alone; a done is checked."""
    with open_bus(asked, sends=True) as bus:
        by = author(bus, sender)
        answers = _answered(bus, reply_to) if reply_to else None
        more: dict[str, Any] = {"priority": priority, "thread": thread, "branch": branch, "commit": commit}
        more["reply_to"] = answers.id if answers else None
        return _told(asked, *_sent(bus, to, message, check_type(type), by, **more))


def _sent(bus: Bus, to: str, text: str, type: str, by: Spoken, **more: Any) -> tuple[Message, dict[str, Any]]:
    """Send it; also returns the check of a `done`."""
    from intercom.fleet import report

    text = _checked(text)
    if type.lower() == "done":
        return report.send(bus, to, text, sender=by.sender, via=by.via, **more)
    text = report.with_fields(text, more.pop("branch", None), more.pop("commit", None))
    return bus.send(to, text, type=type, sender=by.sender, via=by.via, **more), {}


def reply(
    asked: Asked,
    id: Annotated[
        str, Arg(help="the message that is answered (the beginning of its id is enough), or LAST: the newest to you")
    ],
    message: Text,
    *,
    sender: Author = None,
    type: Annotated[str, Arg(help=TYPES_SHOWN, metavar="T")] = "answer",
    priority: Annotated[Literal["normal", "urgent"] | None, Arg(help="urgent marks it [URGENT]")] = None,
) -> int:
    """Answer a message: to its sender, in its thread. Prints the id of the answer."""
    from intercom.bus.pending import newest_to

    with open_bus(asked) as bus:
        by = author(bus, sender)
        told = bus.ask(lambda db: newest_to(db, by.sender)) if id.upper() == "LAST" else _answered(bus, id)
        if told.sender in (by.sender, SYSTEM):
            raise Refused(
                f"{told.id} is from {told.sender}, to whom this cannot be answered; nothing was sent. "
                "`intercom send` writes to others."
            )
        more: dict[str, Any] = {"priority": priority, "reply_to": told.id, "thread": told.thread}
        sent = _sent(bus, told.sender, message, check_type(type), by, **more)
    if not asked.json:
        show.note(f"to {told.sender}, who wrote: {one_line(told.body, 60)}")
    return _told(asked, *sent)


def _answered(bus: Bus, ident: str) -> Message:
    """The message being answered, by its id or the beginning of it. NotFound, UsageError."""
    try:
        there(bus.config)
        return bus.versions(whole(bus, ident))[-1]
    except NotFound:
        raise NotFound(
            f"there is no message {ident!r} to answer; nothing was sent. `intercom log` shows ids."
        ) from None


def _checked(message: str) -> str:
    """The text; UsageError if it is empty."""
    if not message.strip():
        raise UsageError("the message is empty; nothing was sent.")
    return message


def broadcast(
    asked: Asked,
    message: Text,
    *,
    sender: Author = None,
    type: Annotated[str, Arg(help=TYPES_SHOWN, metavar="T")] = "announce",
) -> int:
    """Store one message to everybody and print its id, alone."""
    with open_bus(asked, sends=True) as bus:
        by = author(bus, sender)
        return _told(asked, *_sent(bus, ALL, message, check_type(type), by))


def _told(asked: Asked, message: Message, checked: dict[str, Any]) -> int:
    if asked.json:
        show.json_line({**message.to_json(), **checked})
        return 0
    show.line(message.id)
    if reasons := checked.get("unverified"):
        show.note(f"stored, marked as not verified: {' '.join(reasons)} Put that right, then send done once more.")
    return 0
