"""Owns converting text for SQLite, which takes no lone surrogates: such text is stored as bytes.

A byte that is not UTF-8, in a hand-written header, must not keep anybody from reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from intercom.format import MESSAGE, Entry, decode, encode


def stored(text: str) -> str | bytes:
    """Convert text to what SQLite can store and compare."""
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
    """A message without id from these columns: stamp, sender, recipient, tag, urgent, body."""
    stamp, sender, to, tag, urgent, body = map(loaded, said)
    return Entry(MESSAGE, 0, b"", stamp, sender, to, tag, bool(urgent), body)


def stored_row(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Convert all text in a row for SQLite."""
    return tuple(stored(value) if isinstance(value, str) else value for value in row)
