"""Owns cutting texts that are shown to people and models, so that it can be seen that they were cut."""

from __future__ import annotations


def one_line(text: str, most: int) -> str:
    """`text` on one line, white space as single blanks, cut to `most` characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 3] + "..."


def edited(ident: str, sender: str, body: str) -> str:
    """What a reader is told, in one line, of a message that was edited after it was given."""
    return f"changed since you were given it: {ident} from {sender}, hand-written, reads now: {one_line(body, 200)}"


def beginning(text: str, most: int) -> str:
    """The first `most` characters of `text` as they are; where that is not all, how long it is."""
    return text if len(text) <= most else f"{text[:most]} … ({len(text)} characters in all)"
