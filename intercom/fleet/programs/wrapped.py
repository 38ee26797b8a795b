"""Owns telling whether a text is what a screen shows: the same, but for where the screen breaks its lines.

A screen breaks a line between words where the next one has no room, within a word only where that fills the row, and
in a run of blanks anywhere. All other ends of lines are the text's own. A tab is shown as blanks; what chooses between
two pictures of a sign (U+FE0F) is not shown at all.
"""

from __future__ import annotations

import re

from intercom.core.columns import columns_of

_MARGIN = 10  #: columns of a dialog, at most, that stand beside what it is about: frame, indent, half of a wide sign
_FULL = 70  #: columns from which on a row counts as full, where it is not known how wide the dialog is
_BLANKS = re.compile(r"( +)")


def same(text: str, shown: str, columns: int = 0) -> bool:
    """Whether `text` is what is `shown` in a dialog of so many columns (0: not known), but for white space around."""
    pattern, above, blank = "", "", False
    for row in _plain(shown).strip().split("\n"):
        words = row.strip()
        if words:
            pattern += (_gap(above, row, columns, blank=blank) if above else "") + _row(words)
            above = row.rstrip()
        blank = not words
    return re.fullmatch(pattern, _plain(text).strip()) is not None


def _gap(above: str, row: str, columns: int, *, blank: bool) -> str:
    """What the text may have between two rows that hold something; `blank`: others stand between them."""
    room = columns - _MARGIN if columns else _FULL
    if blank or row[0].isspace():
        return r"\s++"
    if columns_of(above) >= room:
        return r"\s*+"
    breaks = not columns or columns_of(above) + 1 + columns_of(row.split(maxsplit=1)[0]) > room
    return r"\s++" if breaks else r"(?=[^\S\n]*+\n)\s++"


def _row(words: str) -> str:
    """What the text may have for one row: just that, or tabs for blanks."""
    parts = _BLANKS.split(words)
    return "".join(rf"(?:{part}|(?= *\t)[ \t]++)" if at % 2 else re.escape(part) for at, part in enumerate(parts))


def _plain(text: str) -> str:
    return text.replace("\ufe0f", "")
