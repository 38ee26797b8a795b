"""Owns the result of a check: whether all is well, what was found, and what to do about it."""

from __future__ import annotations

from typing import NamedTuple

OK, WARNING, WRONG = "ok", "warning", "wrong"


class Finding(NamedTuple):
    """One line of a check-up. `do` is the next command or step, "" if nothing is to be done."""

    check: str
    state: str  #: OK, WARNING (works, with a risk or without a part) or WRONG (does not work, or can lose something)
    says: str
    do: str = ""


def listed(names: list[str], most: int = 5) -> str:
    """The first few names."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def age(seconds: float) -> str:
    """How long ago that was, in words."""
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {word}{'s' if count > 1 else ''} ago"
    return "just now"
