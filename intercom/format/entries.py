"""Owns building an Entry from a stretch of the log whose ends are known, whatever its shape."""

from __future__ import annotations

import re

from intercom.format import strict
from intercom.format.grammar import MARKER, PREAMBLE, Entry
from intercom.format.roster import Roster


def is_header(match: re.Match[bytes], roster: Roster | None = None) -> bool:
    """Whether a boundary match that looks like a header is one. When reading a page, `roster` has the known names."""
    if strict.is_strict(match):
        return True
    from intercom.format import tolerant

    return tolerant.is_header(match, roster)


def is_strong(buffer: bytes, match: re.Match[bytes], end: int) -> bool:
    """Whether a meta line follows the header of `match`, which means that a tool wrote the message."""
    if strict.is_strict(match):
        return True
    from intercom.format import tolerant

    return tolerant.is_strong(buffer, match, end)


def message(buffer: bytes, match: re.Match[bytes], stop: int, offset: int, roster: Roster | None = None) -> Entry:
    """Build the message whose header is `match`, up to `stop`; `offset` is the offset of the buffer's first byte."""
    if strict.is_strict(match):
        return strict.message(buffer, match, stop, offset)
    from intercom.format import tolerant

    return tolerant.message(buffer, match, stop, offset, roster)


def other(raw: bytes, offset: int, *, marker: bool) -> list[Entry]:
    """Build the entries for a stretch without a message: a marker line and the loose text after it, or a preamble."""
    if not marker:
        return [Entry(PREAMBLE, offset, raw)] if raw else []
    line = raw.find(b"\n") + 1
    if not line or not raw[line:].strip():
        return [Entry(MARKER, offset, raw)]
    return [Entry(MARKER, offset, raw[:line]), Entry(PREAMBLE, offset + line, raw[line:])]
