"""Owns reading headers and messages that do not look as tools write them: by hand, in any dialect.

Imported only on demand: its patterns are slow to compile, and most commands only read what tools wrote.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from intercom.core.message import ALL, FIELDS, Field
from intercom.core.patterns import lazy
from intercom.format import body, dialects
from intercom.format.grammar import DATED, HEADER_REST, MESSAGE, META, META_ID, META_PAIR, MORE_TAG, REST, STAMP, Entry
from intercom.format.roster import Roster
from intercom.format.text import decode, encode, name, names, one_line, unquote

_TAG = lazy(rb"[A-Za-z][A-Za-z0-9_ -]{0,30}\Z")
_LONGEST_HEADING = 400  # bytes
_ONE_WORD = lazy(rb"[ \t]*[\w.@*`-]+[ \t]*\Z")  # plain recipients, in no dialect
_TYPED = lazy(
    rb"(?:[ \t]*(?:\[[A-Z][A-Z0-9_ -]{1,30}\]|\([A-Z][A-Z0-9_-]{1,30}\))){1,3}(?=[^\[\n])"
)  # types written before the names
_PERCENT = lazy(r"(?:[0-9]{1,2}|100)\Z")


class Head(NamedTuple):
    """A parsed header. `title` is what follows the tags."""

    stamp: str
    sender: str
    to: str
    tag: str
    urgent: bool
    title: str


def is_header(match: re.Match[bytes], roster: Roster | None = None) -> bool:
    """Whether a boundary match without the strict groups is a header. On a page, `roster` has the known names."""
    found = _rest(match)
    if found is None:
        return _heading(match, roster) is not None
    tagged = _TAG.match((found.group(3) or b"").strip()) is not None
    if not tagged and not _stamped(match.group(STAMP)):
        return False
    sender, to = name(decode(found.group(1))), names(decode(found.group(2)))
    if roster is not None and found.start() > match.start(REST) and roster.known(sender) is None:
        return False  # "[FIX] a → b" is a changelog line
    if roster is not None and sender and to and not tagged:
        to = names(dialects.addressee(decode(found.group(2)), roster).to)
        return dialects.plausible(decode(match.group(STAMP)), sender, to, roster)
    return bool(sender and to)


def _stamped(stamp: bytes) -> bool:
    """Whether the content of a header's first brackets is a time, or a placeholder for one."""
    return DATED.match(stamp) is not None or dialects.STAMP.match(decode(stamp)) is not None


def _heading(match: re.Match[bytes], roster: Roster | None) -> dialects.Heading | None:
    """Parse a header after its stamp if it names only a sender."""
    rest = match.group(REST)
    if rest is None or len(rest) > _LONGEST_HEADING:
        return None
    return dialects.heading(decode(match.group(STAMP)), decode(rest), roster)


def is_strong(buffer: bytes, match: re.Match[bytes], end: int) -> bool:
    """Whether a meta line follows the header of `match`, which means that a tool wrote the message."""
    return match.group(REST) is not None and _meta(buffer, match.end(), end)[0] is not None


def message(buffer: bytes, match: re.Match[bytes], stop: int, offset: int, roster: Roster | None = None) -> Entry:
    """Build the message whose header is `match`, a match without the strict groups."""
    meta, text_at = _meta(buffer, match.end(), stop)
    found = _rest(match)
    head = _head(match, found) if meta is not None and found is not None else _spoken(match, found, roster)
    text = buffer[text_at:stop]
    if match.group(REST).endswith(b"\r"):
        text = text.replace(b"\r\n", b"\n")
    content = body.loose(text) if meta is None or head.title else body.exact(text)
    if head.title:
        content = f"{head.title}\n\n{content}" if content else head.title
    begin = match.start() + 1
    known = meta or {}
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
        *(_value(field, known.get(field.key)) for field in FIELDS),
    )


def _value(field: Field, said: str | None) -> Any:
    """A field's value as given in the meta line; None if it is absent or invalid."""
    if field.kind == "percent" and said is not None:
        return int(said) if _PERCENT.match(said) else None
    return said


def _rest(match: re.Match[bytes]) -> re.Match[bytes] | None:
    """Match the header after its stamp; None if it is not a header."""
    if match.group(REST) is None:
        return None
    begin, end = match.span(REST)
    typed = _TYPED.match(match.string, begin, end)
    return HEADER_REST.match(match.string, typed.end() if typed else begin, end)


def _head(match: re.Match[bytes], found: re.Match[bytes]) -> Head:
    """The fields of a header that `is_header` accepted; `found` is the match of its rest."""
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


def _spoken(match: re.Match[bytes], found: re.Match[bytes] | None, roster: Roster | None) -> Head:
    """As `_head`, for a header that no tool wrote: it may be in any dialect."""
    if found is None:
        alone = _heading(match, roster)
        assert alone is not None
        tag, urgent, title = dialects.tagged(alone.rest, "")
        return Head(one_line(decode(match.group(STAMP))), alone.sender, ALL, tag or "INFO", urgent, title)
    before = decode(match.string[match.start(REST) : found.start()])
    head = _addressed(match, found, roster)
    tag, urgent, _ = dialects.tagged(before, "" if head.tag == "INFO" else head.tag)
    return head._replace(tag=tag or head.tag, urgent=head.urgent or urgent)


def _addressed(match: re.Match[bytes], found: re.Match[bytes], roster: Roster | None) -> Head:
    """A header with its recipients in any dialect."""
    head = _head(match, found)
    if roster is None and _ONE_WORD.match(found.group(2)):
        return head
    written = decode(found.group(2)).rstrip()
    read = dialects.addressee(written, roster)
    if read.to != written:
        head = _with_subject(head, read, match.string[found.end(2) : found.end(4)])
    if roster is not None:
        head = head._replace(sender=roster.speaker(head.sender) or head.sender, to=roster.addressed(head.to))
    return head


def _with_subject(head: Head, read: dialects.Address, rest: bytes) -> Head:
    """A header with something other than a bracketed type after its recipients; `rest` starts at the recipients."""
    bracket = decode(rest[1 : rest.find(b"]")]).strip() if rest.startswith(b"[") else ""
    typed = bracket and _TAG.match(encode(bracket)) and (bracket.isupper() or not read.subject)
    title = head.title if typed else decode(rest)
    return head._replace(
        to=names(read.to),
        tag=read.tag or (head.tag if typed else "INFO"),
        urgent=read.urgent or (head.urgent if typed else False),
        title=f"{read.subject} {title}".strip(),
    )


def _meta(buffer: bytes, at: int, end: int) -> tuple[dict[str, str] | None, int]:
    """The pairs of the meta line after a header that ends at `at`, and where the text after it begins."""
    match = META.match(buffer, at, end)
    if match is None:
        return None, at
    pairs = dict(META_PAIR.findall(match.group(1)))
    if not META_ID.match(pairs.get(b"id", b"")):
        return None, at
    return {key.decode(): unquote(value) for key, value in pairs.items()}, match.end()
