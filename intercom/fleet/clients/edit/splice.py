"""Owns additions to a text: what was inserted where, so that exactly that can be removed again. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class CannotEdit(Exception):
    """The file has an unexpected form, or something else in our place: it is left alone."""


class Insert(NamedTuple):
    """One piece inserted into a text, and its position there."""

    at: int
    text: str


class Edited(NamedTuple):
    """A text with our insertions, and a list of these in order."""

    text: str
    inserts: tuple[Insert, ...] = ()

    def insert(self, *pieces: tuple[int, str]) -> Edited:
        """Insert more pieces, each at a position in the present text."""
        text, done = self.text, list(self.inserts)
        for at, piece in sorted(pieces, key=lambda one: one[0], reverse=True):
            text = text[:at] + piece + text[at:]
            done.append(Insert(at, piece))
        return Edited(text, tuple(done))


def without(text: str, inserts: Iterable[Insert]) -> str | None:
    """`text` as it was before these insertions; None if one of them is not there unchanged."""
    for at, piece in reversed(list(inserts)):
        if not piece or text[at : at + len(piece)] != piece:
            return None
        text = text[:at] + text[at + len(piece) :]
    return text


def newline_of(text: str) -> str:
    """The line end that the text uses."""
    return "\r\n" if "\r\n" in text else "\n"
