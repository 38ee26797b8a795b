"""Owns turning a stretch of the log whose ends are known into an Entry, whatever shape it has."""

from __future__ import annotations

import re

from intercom.format import strict
from intercom.format.grammar import MARKER, PREAMBLE, Entry
from intercom.format.roster import Roster


def is_header(match: re.Match[bytes], roster: Roster | None = None) -> bool:
    """Whether a boundary match that looks like a header is one. A page's reader knows names: its `roster`."""
    if strict.is_strict(match):
        return True
    from intercom.format import tolerant

    return tolerant.is_header(match, roster)


def is_strong(buffer: bytes, match: re.Match[bytes], end: int) -> bool:
    """Whether the header of `match` is followed by a meta line: then a tool wrote the message."""
    if strict.is_strict(match):
        return True
    from intercom.format import tolerant

    return tolerant.is_strong(buffer, match, end)


def message(buffer: bytes, match: re.Match[bytes], stop: int, offset: int, roster: Roster | None = None) -> Entry:
    """The message whose header is `match`, up to `stop`; `offset` is that of the log at the buffer's first byte."""
    if strict.is_strict(match):
        return strict.message(buffer, match, stop, offset)
    from intercom.format import tolerant

    return tolerant.message(buffer, match, stop, offset, roster)


def other(raw: bytes, offset: int, *, marker: bool) -> list[Entry]:
    """A stretch that is not a message: a marker line with the loose text after it, or a preamble."""
    if not marker:
        return [Entry(PREAMBLE, offset, raw)] if raw else []
    line = raw.find(b"\n") + 1
    if not line or not raw[line:].strip():
        return [Entry(MARKER, offset, raw)]
    return [Entry(MARKER, offset, raw[:line]), Entry(PREAMBLE, offset + line, raw[line:])]
