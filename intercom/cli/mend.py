"""Owns `intercom restore`, `intercom history` and `intercom redact`: what became of single messages' texts."""

from __future__ import annotations

import argparse
import sys

from intercom.cli import show
from intercom.cli.log import moment
from intercom.cli.session import open_bus
from intercom.core.errors import UsageError


def restore(args: argparse.Namespace) -> int:
    """Bring back what was deleted by hand or lost; without an argument, list it."""
    if sum((args.id is not None, args.since is not None, args.all)) > 1:
        raise UsageError("give one of ID, --since and --all; nothing was restored.")
    listing = args.id is None and args.since is None and not args.all
    since = moment(args.since) if args.since else None
    with open_bus(args) as bus:
        found = bus.missing() if listing else bus.restore(args.id, since=since)
    show.messages(found, as_json=args.json)
    if args.json:
        return 0
    if listing:
        show.line(
            f"{_messages(len(found))} deleted or lost. `intercom restore ID` or `--all` brings back."
            if found
            else "Nothing is missing."
        )
    else:
        show.line(f"Restored {_messages(len(found))}." if found else "Nothing was missing.")
    return 0


def history(args: argparse.Namespace) -> int:
    """Print every text that a message had, oldest first."""
    with open_bus(args) as bus:
        found = bus.versions(args.id)
    for number, message in enumerate(found, 1):
        if args.json:
            show.json_line({"version": number, "current": number == len(found), **message.to_json()})
        else:
            show.line(f"Version {number} of {len(found)}{', the present one' if number == len(found) else ''}:")
            show.message(message)
    return 0


def redact(args: argparse.Namespace) -> int:
    """Destroy the text of a message everywhere."""
    with open_bus(args) as bus:
        if not args.yes:
            text = bus.versions(args.id)[-1]
            if not sys.stdin.isatty():
                raise UsageError(
                    "redact destroys a text for good; nothing was changed. Say --yes where nobody can be asked."
                )
            show.message(text)
            if input("Destroy this text for good? [y/N] ").strip().lower() not in {"y", "yes"}:
                show.line("Nothing was changed.")
                return 1
        done = bus.redact(args.id)
    if args.json:
        lists = {"files": list(done.files), "quoted_in": list(done.quoted_in), "left_in": list(done.left_in)}
        show.json_line({"id": done.id, **lists})
        return 0
    show.line(f"Redacted {done.id} in {', '.join(done.files)}.")
    if done.quoted_in:
        show.line(f"Other messages repeat a line of it: {', '.join(done.quoted_in)}. Redact them too if they must go.")
    if done.left_in:
        show.line(f"It still stands in {', '.join(done.left_in)}, which is another machine's: redact it there, too.")
    show.line("Copies outside Intercom stay: editor backups, git history, other machines, what agents have read.")
    return 0


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"
