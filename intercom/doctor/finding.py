"""Owns the result of a check: whether all is well, what was found, and what to do about it."""

from __future__ import annotations

from typing import NamedTuple

from intercom.core.texts import lasting, some

OK, WARNING, WRONG = "ok", "warning", "wrong"


class Finding(NamedTuple):
    """One line of a check-up. `do` is the next command or step, "" if nothing is to be done."""

    check: str
    state: str  #: OK, WARNING (works, with a risk or without a part) or WRONG (does not work, or can lose something)
    says: str
    do: str = ""


def listed(names: list[str]) -> str:
    """The first few names."""
    return some(names, 5)


def age(seconds: float) -> str:
    """How long ago that was, in words."""
    said = lasting(seconds)
    return f"{said} ago" if said else "just now"
