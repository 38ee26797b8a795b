"""Owns `intercom delete`, `restore`, `history` and `redact`: commands on single messages' texts."""

from __future__ import annotations

import sys
from typing import Annotated

from intercom.cli import show
from intercom.cli.session import Asked, for_people, open_bus, whole
from intercom.cli.times import EXAMPLES, moment
from intercom.core.errors import UsageError
from intercom.core.signature import Arg

Id = Annotated[str, Arg(help="the message; the beginning of its id is enough")]


def restore(
    asked: Asked,
    id: Annotated[str | None, Arg(help="this message; without an argument, list what could come back")] = None,
    *,
    since: Annotated[str | None, Arg(help=f"those sent since then: {EXAMPLES}", metavar="WHEN")] = None,
    all: Annotated[bool, Arg(help="all of them")] = False,
) -> int:
    """Bring back what was deleted by hand or lost; without an argument, list it."""
    if sum((id is not None, since is not None, all)) > 1:
        raise UsageError("give one of ID, --since and --all; nothing was restored.")
    listing = id is None and since is None and not all
    after = moment(since) if since else None
    with open_bus(asked) as bus:
        found = bus.missing() if listing else bus.restore(id and whole(bus, id), since=after)
    show.messages(found, as_json=asked.json)
    if asked.json:
        return 0
    if listing:
        show.line(
            f"{show.counted(len(found))} deleted or lost. `intercom restore ID` or `--all` brings back."
            if found
            else "Nothing is missing."
        )
    else:
        show.line(f"Restored {show.counted(len(found))}." if found else "Nothing was missing.")
    return 0


def delete(asked: Asked, id: Id) -> int:
    """Take a message off the page, and from whoever has not read it yet."""
    with open_bus(asked) as bus:
        for_people(bus.config)
        message = bus.delete(whole(bus, id))
    if asked.json:
        show.json_line({"id": message.id, "deleted": True})
    else:
        show.line(f"Deleted {message.id}. `intercom restore {message.id}` brings it back.")
    return 0


def history(asked: Asked, id: Id) -> int:
    """Print every text that a message had, oldest first."""
    with open_bus(asked) as bus:
        found = bus.versions(whole(bus, id))
    for number, message in enumerate(found, 1):
        if asked.json:
            show.json_line({"version": number, "current": number == len(found), **message.to_json()})
        else:
            show.line(f"Version {number} of {len(found)}{', the present one' if number == len(found) else ''}:")
            show.message(message)
    return 0


def redact(asked: Asked, id: Id, *, yes: Annotated[bool, Arg(help="do not ask")] = False) -> int:
    """Destroy the text of a message everywhere."""
    with open_bus(asked) as bus:
        for_people(bus.config)
        id = whole(bus, id)
        if not yes:
            text = bus.versions(id)[-1]
            if not sys.stdin.isatty():
                raise UsageError(
                    "redact destroys a text for good; nothing was changed. Use --yes where nobody can be asked."
                )
            show.message(text)
            if input("Destroy this text for good? [y/N] ").strip().lower() not in {"y", "yes"}:
                show.line("Nothing was changed.")
                return 1
        done = bus.redact(id)
    if asked.json:
        lists = {"files": list(done.files), "quoted_in": list(done.quoted_in), "left_in": list(done.left_in)}
        lists["strays"] = list(done.strays)
        show.json_line({"id": done.id, **lists})
        return 0
    show.line(f"Redacted {done.id} in {', '.join(done.files)}.")
    if done.quoted_in:
        show.line(f"Other messages repeat a line of it: {', '.join(done.quoted_in)}. Redact them too if they must go.")
    if done.left_in:
        show.line(f"It still stands in {', '.join(done.left_in)}, which is another machine's: redact it there, too.")
    if done.strays:
        show.line(f"A line of it still stands in {', '.join(done.strays)}, which Intercom cannot rewrite: look there.")
    show.line("Copies outside Intercom stay: editor backups, git history, other machines, what agents have read.")
    return 0
