"""Owns shortening texts for people and models, so that nobody takes the part for the whole."""

from __future__ import annotations

from collections.abc import Sequence


def cut(text: str, most: int) -> str:
    """`text`, or of a longer one the beginning and `…`: at most `most` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def one_line(text: str, most: int) -> str:
    """`text` on one line, white space as single blanks, cut to `most` characters."""
    return cut(" ".join(text.split()), most)


def some(names: Sequence[str], most: int, count: int | None = None) -> str:
    """The first `most` of these names, and how many more there are (of `count`; default: of these)."""
    more = (len(names) if count is None else count) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def lasting(seconds: float) -> str:
    """A duration in its largest unit: `3 hours`; "" for less than a minute."""
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {word}{'s' if count > 1 else ''}"
    return ""


def edited(ident: str, sender: str, body: str) -> str:
    """A one-line notice for a reader that a message was edited after it was delivered."""
    return f"changed since you were given it: {ident} from {sender}, hand-written, reads now: {one_line(body, 200)}"


def beginning(text: str, most: int) -> str:
    """The first `most` characters of `text` unchanged, and a note of its full length if that is not all."""
    return text if len(text) <= most else f"{text[:most]} … ({len(text)} characters in all)"
