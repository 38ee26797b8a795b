"""Owns how text enters and leaves SQLite, which takes no lone surrogates: such text is stored as its bytes.

A byte that is not UTF-8, in a header that somebody wrote by hand, must not stop anybody from reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from intercom.format import MESSAGE, Entry, decode, encode


def stored(text: str) -> str | bytes:
    """Text as SQLite can hold and compare it."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return encode(text)
    return text


def loaded(value: Any) -> Any:
    """The inverse of `stored`, for any column's value."""
    return decode(value) if isinstance(value, bytes) else value


def entry_of_row(said: Sequence[Any]) -> Entry:
    """The message without an id that these columns hold: stamp, sender, recipient, tag, urgent, body."""
    stamp, sender, to, tag, urgent, body = map(loaded, said)
    return Entry(MESSAGE, 0, b"", stamp, sender, to, tag, bool(urgent), body)


def stored_row(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row with all of its text as SQLite can hold it."""
    return tuple(stored(value) if isinstance(value, str) else value for value in row)
