"""Owns the width of text on a terminal, and where a line that is too wide is broken."""

from __future__ import annotations

from unicodedata import east_asian_width

_TAB = 8  #: columns, at most


def breaks(text: str, width: int, indent: int) -> list[int]:
    """Where to break `text`, so that no row has more than `width` columns.

    Between words if possible. All rows but the first will be indented by `indent` columns.
    """
    if len(text) <= width and text.isascii() and text.isprintable():
        return []
    found: list[int] = []
    start = used = word = 0  # start of the row and of its last word, and columns used in the row
    room, seen = width, False  # `seen`: the row has more than blanks, so it may end at one of them
    for at, char in enumerate(text):
        columns = _columns(char)
        if used + columns > room and at > start:
            start = word if word > start else at
            found.append(start)
            used, room, seen = sum(map(_columns, text[start:at])), width - indent, start < at
        used += columns
        seen = seen or char != " "
        if char == " " and seen:
            word = at + 1
    return found


def columns_of(text: str) -> int:
    """An upper bound of the columns that a text takes."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(char: str) -> int:
    """An upper bound for one character: combining characters count, too."""
    if char.isascii():
        return _TAB if char == "\t" else 1
    return 2 if east_asian_width(char) in "WF" else 1
