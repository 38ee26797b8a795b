"""Owns an addition to a text: what was put where, so that exactly that can be taken out again. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class CannotEdit(Exception):
    """The file is not what it should be, or holds something else where ours would go: it is left alone."""


class Insert(NamedTuple):
    """One piece that was put into a text: where it begins in the text that has it."""

    at: int
    text: str


class Edited(NamedTuple):
    """A text with our additions, and what these are, in the order in which they came."""

    text: str
    inserts: tuple[Insert, ...] = ()

    def insert(self, *pieces: tuple[int, str]) -> Edited:
        """The same with more pieces, each at a place in the text as it is now."""
        text, done = self.text, list(self.inserts)
        for at, piece in sorted(pieces, key=lambda one: one[0], reverse=True):
            text = text[:at] + piece + text[at:]
            done.append(Insert(at, piece))
        return Edited(text, tuple(done))


def without(text: str, inserts: Iterable[Insert]) -> str | None:
    """`text` as it was before these were put in; None where one is not there as it was."""
    for at, piece in reversed(list(inserts)):
        if not piece or text[at : at + len(piece)] != piece:
            return None
        text = text[:at] + text[at + len(piece) :]
    return text


def newline_of(text: str) -> str:
    """How lines end in it."""
    return "\r\n" if "\r\n" in text else "\n"
