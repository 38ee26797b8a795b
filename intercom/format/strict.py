r"""Owns the fast path through the log: messages in exactly the shape that `render` gives them.

Nearly every message has that shape, so the speed of a rebuild is the speed of this module. The result is the same as
that of `tolerant.message`, only sooner: the boundary match already holds all fields, each in plain ASCII and in
canonical form.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import itemgetter
from typing import Any

from intercom.core.message import FIELDS, recipients
from intercom.format.body import exact
from intercom.format.grammar import BOUNDARY, MESSAGE, META_KEYS, STRICT_FIRST_KEY, STRICT_LAST, Entry
from intercom.format.render import unescape
from intercom.format.text import decode, unquote

_OPEN, _CLOSE = b"\n\n", b"\n\n---\n\n"
_READ: dict[str, Callable[[bytes], Any]] = {"text": unquote, "word": bytes.decode, "percent": int}
_READERS = tuple(_READ[field.kind] for field in FIELDS)
_KEYS = STRICT_FIRST_KEY - 1  # index into the tuple of groups
_VIA = _KEYS + META_KEYS.index("via")
_few = itemgetter(*(_KEYS + META_KEYS.index(field.key) for field in FIELDS))
_NONE = (None,) * len(FIELDS)
_new = tuple.__new__


def is_strict(match: re.Match[bytes]) -> bool:
    """Whether a boundary match is a header with its meta line, both exactly as `render` writes them."""
    return (match.lastindex or 0) <= STRICT_LAST


def run(
    buffer: bytes, first: re.Match[bytes], at: int, end: int, offset: int, out: list[Entry]
) -> tuple[re.Match[bytes], int]:
    """Add messages to `out` from `first` on, as long as strict headers follow each other.

    Returns the last strict header, whose message is not added yet, and where the search continues. `offset` is the
    log offset of the buffer's first byte.
    """
    add = out.append
    for match in BOUNDARY.finditer(buffer, at, end):
        if match.lastindex > STRICT_LAST:  # type: ignore[operator]  # every alternative has a group
            return first, match.start()
        add(message(buffer, first, match.start() + 1, offset))
        first, at = match, match.end()
    return first, max(at, end - 1)


def message(buffer: bytes, match: re.Match[bytes], stop: int, offset: int) -> Entry:
    """Build the message with the strict header `match`, up to `stop`."""
    begin, text = match.span()
    begin += 1
    groups = match.groups()
    stamp, sender, to, tag, urgent, ident, at = groups[:7]
    via, few = groups[_VIA], _few(groups)
    if few != _NONE:
        few = tuple([value and read(value) for read, value in zip(_READERS, few, strict=True)])
    if buffer.startswith(_OPEN, text, stop) and buffer.endswith(_CLOSE, text + 2, stop):
        try:
            body = buffer[text + 2 : stop - 7].decode()
        except UnicodeDecodeError:
            body = decode(buffer[text + 2 : stop - 7])
        if "\\" in body:
            body = unescape(body)
    else:
        body = exact(buffer[text:stop])
    fields = (
        MESSAGE,
        offset + begin,
        buffer[begin:stop],
        stamp.decode(),
        sender.decode(),
        to.decode() if b"," not in to else ", ".join(recipients(to.decode())),
        tag.decode(),
        urgent is not None,
        body,
        ident.decode(),
        at and at.decode(),
        via and via.decode(),
        *few,
        None,
    )
    return _new(Entry, fields)
