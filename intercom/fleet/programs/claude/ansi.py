"""Owns the colours of a captured screen: escape sequences in, rows of plain text and style out."""

from __future__ import annotations

import re
from typing import NamedTuple

# CSI sequences, OSC ones (links, titles), character set choices and shifts; only `m` means anything
_ESCAPE = re.compile(r"\x1b\[([0-9;:]*)([A-Za-z])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()].|[\x0e\x0f\r]")


PARTED = "│"
_NARROWEST = 60  #: minimum columns of the left part of a screen
_ROWS = 12  #: minimum rows of a vertical divider


class Style(NamedTuple):
    """The look of one character: its colour (`38;5;246`, "" the default), faint, reversed."""

    colour: str = ""
    dim: bool = False
    reverse: bool = False


class Row(NamedTuple):
    """One line of the screen; `styles` has one per character, or none in a capture without colours."""

    text: str
    styles: tuple[Style, ...] = ()

    def colours(self) -> set[str]:
        """The colours of its visible characters."""
        return {style.colour for char, style in zip(self.text, self.styles, strict=False) if not char.isspace()}


def rows(text: str) -> list[Row]:
    """The lines of a capture without escape sequences, trailing blanks and empty last lines.

    No-break spaces stay: they tell the input box's prompt from one in the transcript.
    """
    found: list[Row] = []
    style = Style()
    painted = "\x1b[" in text
    for line in text.split("\n"):
        chars, styles, at = [], [], 0
        for escape in _ESCAPE.finditer(line):
            chars.append(line[at : escape.start()])
            styles += [style] * (escape.start() - at)
            at = escape.end()
            if escape[2] == "m":
                style = _next(style, escape[1])
        chars.append(line[at:])
        styles += [style] * (len(line) - at)
        plain = "".join(chars).rstrip(" ")
        found.append(Row(plain, tuple(styles[: len(plain)]) if painted else ()))
    while found and not found[-1].text:
        found.pop()
    return found


def without_panel(found: list[Row]) -> list[Row]:
    """The left part of a wide screen, if a vertical line divides it: a panel of changed files is beside it.

    No text written by a model reaches every row, in particular not those of the box and of a dialog's choices.
    """
    counts: dict[int, int] = {}
    for row in found:
        at = row.text.rfind(PARTED)
        while at >= _NARROWEST:
            counts[at] = counts.get(at, 0) + 1
            at = row.text.rfind(PARTED, 0, at)
    for at, count in sorted(counts.items()):
        if count >= max(_ROWS, len(found) - 1):
            return [_cut(row, at) for row in found]
    return found


def _cut(row: Row, at: int) -> Row:
    text = row.text[:at].rstrip(" ")
    return Row(text, row.styles[: len(text)])


def _next(style: Style, codes: str) -> Style:
    """The style after a `CSI codes m`."""
    numbers = iter(codes.replace(":", ";").split(";"))
    for number in numbers:
        if number in ("", "0"):
            style = Style()
        elif number in ("2", "22"):
            style = style._replace(dim=number == "2")
        elif number in ("7", "27"):
            style = style._replace(reverse=number == "7")
        elif number in ("38", "48"):
            kind = next(numbers, "")
            rest = [next(numbers, "") for _ in range(3 if kind == "2" else 1)]
            if number == "38":
                style = style._replace(colour=";".join((number, kind, *rest)))
        elif number == "39" or (len(number) == 2 and number[0] in "39"):
            style = style._replace(colour="" if number == "39" else number)
    return style
