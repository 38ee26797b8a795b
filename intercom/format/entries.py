"""Owns turning a stretch of the log whose ends are known into an Entry, whatever shape it has."""

from __future__ import annotations

import re
from typing import NamedTuple

from intercom.format import body, strict
from intercom.format.grammar import (
    DATED,
    HEADER_REST,
    MARKER,
    MESSAGE,
    META,
    META_ID,
    META_PAIR,
    MORE_TAG,
    PREAMBLE,
    REST,
    STAMP,
    Entry,
)
from intercom.format.text import decode, name, names, one_line, unquote

_TAG = re.compile(rb"[A-Za-z][A-Za-z0-9_ -]{0,30}\Z")
_PROGRESS = re.compile(r"(?:[0-9]{1,2}|100)\Z")


class Head(NamedTuple):
    """A header as read. `title` is what follows the tags."""

    stamp: str
    sender: str
    to: str
    tag: str
    urgent: bool
    title: str


def is_header(match: re.Match[bytes]) -> bool:
    """Whether a boundary match that looks like a header is one."""
    if strict.is_strict(match):
        return True
    found = _rest(match)
    if found is None or not (_TAG.match((found.group(3) or b"").strip()) or DATED.match(match.group(STAMP))):
        return False
    return bool(name(decode(found.group(1))) and names(decode(found.group(2))))


def is_strong(buffer: bytes, match: re.Match[bytes], end: int) -> bool:
    """Whether the header of `match` is followed by a meta line: then a tool wrote the message."""
    if strict.is_strict(match):
        return True
    return match.group(REST) is not None and _meta(buffer, match.end(), end)[0] is not None


def message(buffer: bytes, match: re.Match[bytes], stop: int, offset: int) -> Entry:
    """The message whose header is `match`, up to `stop`; `offset` is that of the log at the buffer's first byte."""
    if strict.is_strict(match):
        return strict.message(buffer, match, stop, offset)
    return tolerant(buffer, match, stop, offset)


def other(raw: bytes, offset: int, *, marker: bool) -> list[Entry]:
    """A stretch that is not a message: a marker line with the loose text after it, or a preamble."""
    if not marker:
        return [Entry(PREAMBLE, offset, raw)] if raw else []
    line = raw.find(b"\n") + 1
    if not line or not raw[line:].strip():
        return [Entry(MARKER, offset, raw)]
    return [Entry(MARKER, offset, raw[:line]), Entry(PREAMBLE, offset + line, raw[line:])]


def tolerant(buffer: bytes, match: re.Match[bytes], stop: int, offset: int) -> Entry:
    """The message whose header is `match`, a match without the strict groups."""
    head = _head(match)
    meta, text_at = _meta(buffer, match.end(), stop)
    text = buffer[text_at:stop]
    if match.group(REST).endswith(b"\r"):
        text = text.replace(b"\r\n", b"\n")
    content = body.loose(text) if meta is None or head.title else body.exact(text)
    if head.title:
        content = f"{head.title}\n\n{content}" if content else head.title
    begin = match.start() + 1
    known = meta or {}
    progress = known.get("progress", "")
    return Entry(
        MESSAGE,
        offset + begin,
        buffer[begin:stop],
        head.stamp,
        head.sender,
        head.to,
        head.tag,
        head.urgent,
        content,
        known.get("id"),
        known.get("at"),
        known.get("via"),
        known.get("re"),
        known.get("thread"),
        known.get("type"),
        known.get("status"),
        int(progress) if _PROGRESS.match(progress) else None,
    )


def _rest(match: re.Match[bytes]) -> re.Match[bytes] | None:
    """The header after its stamp, in pieces; None if it is not a header."""
    if match.group(REST) is None:
        return None
    return HEADER_REST.match(match.string, *match.span(REST))


def _head(match: re.Match[bytes]) -> Head:
    """The fields of a header that `is_header` found to be one."""
    found = _rest(match)
    assert found is not None
    tag, urgent, title = (found.group(3) or b"INFO").strip(), False, []
    if not _TAG.match(tag):
        title, tag = [f"[{decode(tag)}]"], b"INFO"
    elif tag.upper() == b"URGENT":
        urgent, tag = True, b"INFO"
    at = found.start(4)
    while found.group(3) is not None and (extra := MORE_TAG.match(match.string, at, found.end(4))) is not None:
        if extra.group(1).strip().upper() == b"URGENT":
            urgent = True
        else:
            title.append(f"[{decode(extra.group(1))}]")
        at = extra.end()
    title.append(decode(match.string[at : found.end(4)]))
    return Head(
        one_line(decode(match.group(STAMP))),
        name(decode(found.group(1))),
        names(decode(found.group(2))),
        tag.decode().upper().replace(" ", "-"),
        urgent,
        " ".join(title).strip(),
    )


def _meta(buffer: bytes, at: int, end: int) -> tuple[dict[str, str] | None, int]:
    """The pairs of the meta line after a header that ends at `at`, and where the text begins then."""
    match = META.match(buffer, at, end)
    if match is None:
        return None, at
    pairs = dict(META_PAIR.findall(match.group(1)))
    if not META_ID.match(pairs.get(b"id", b"")):
        return None, at
    return {key.decode(): unquote(value) for key, value in pairs.items()}, match.end()
