"""Owns writing the log: a message as a block that no reader can misinterpret."""

from __future__ import annotations

import operator
from collections.abc import Iterator

from intercom.core.errors import FormatError
from intercom.core.message import FIELDS, SAID, TOOL, Message, type_of
from intercom.core.patterns import lazy
from intercom.format.fences import closable, fences
from intercom.format.grammar import ESCAPED, META_KEYS, TO_ESCAPE, Entry
from intercom.format.text import encode, name, names, one_line, quote

_TAG = lazy(r"[A-Z][A-Z0-9_-]{0,30}\Z")
_LONGEST_STAMP = 200  # bytes; readers reject longer stamps
_NAMES = {"at": "at", "via": "via", **{field.key: field.name for field in FIELDS}}
_BEGINS = lazy(rb"(?:\xef\xbb\xbf)?#{1,3}[ \t]*\[|[<=>|]{7}")
_BEGUN = lazy(
    rb"(?:\A|\n)[ \t]*(?:#{1,3}[ \t]*\[[^\n]*|@[\w.-]{1,64}:?|[^\n]{1,80}(?:\xe2\x86\x92|->)[^\n]{1,80}:)[ \t\r\n]*\Z"
)
LONGEST_HEADER = 512  #: bytes at the end of a page that may hold a header by hand
_CLOSED = lazy(rb"\n(?:-{3,}|\*{3,}|_{3,})[ \t]*\r?\n[ \t\r\n]*\Z")
_of_an_entry = operator.attrgetter(*(field.name for field in SAID))


def render(message: Message, stamp: str) -> bytes:
    r"""Render a message as the block that is appended to the log; it ends with `\n\n---\n\n`.

    `stamp` is the local time for people. FormatError for a name, tag or stamp that would be read back differently.
    """
    for what, value, read in (
        ("sender", message.sender, name(message.sender)),
        ("recipient", message.to, names(message.to)),
    ):
        if not value or value != read:
            raise FormatError(f"{value!r} cannot be the {what} of a message; nothing was written.")
    if not _TAG.match(message.tag) or message.tag == "URGENT":
        raise FormatError(f"{message.tag!r} cannot be the type of a message; nothing was written.")
    if stamp != one_line(stamp) or len(encode(stamp)) > _LONGEST_STAMP:
        raise FormatError(f"{stamp!r} cannot be the time in a header; nothing was written.")
    meta = b" ".join(key.encode() + b"=" + quote(value) for key, value in _pairs(message))
    urgent = " [URGENT]" if message.urgent else ""
    header = f"## [{stamp}] {message.sender} → {message.to} [{message.tag}]{urgent}\n"
    return encode(header) + b"<!-- intercom " + meta + b" -->\n\n" + encode(escape(message.body)) + b"\n\n---\n\n"


def _pairs(message: Message) -> Iterator[tuple[str, str]]:
    """Keys and values of the meta line, in order, without defaults."""
    yield "id", message.id
    for key in META_KEYS:
        if key == "type":
            value = message.type if message.type != type_of(message.tag, message.to) else None
        elif key == "via":
            value = None if message.via == TOOL else message.via
        else:
            value = getattr(message, _NAMES[key])
        if value is not None and value != "":
            yield key, str(value)


def rendered(entry: Entry, ident: str, via: str, at: str) -> bytes:
    """Render a parsed entry under this id: how a hand-written message enters the ledger."""
    declared = entry.declared or type_of(entry.tag, entry.to)
    message = Message(
        ident,
        None,
        at,
        entry.sender,
        entry.to,
        entry.tag,
        declared,
        entry.body,
        entry.urgent,
        entry.reply_to,
        entry.thread,
        via,
        "",
        *_of_an_entry(entry),
    )
    return render(message, entry.stamp)


def marker(count: int, stamp: str) -> bytes:
    """The line that compaction leaves: the number of archived messages and the time."""
    return f"### COMPACTED: {count} older messages archived ({stamp})\n\n".encode()


def seam(above: bytes, below: bytes) -> bytes:
    """What must come between two messages of a page that did not stand together, so that each stays what it is.

    A message that begins with a heading needs nothing. One that begins with a line, such as `@roo go on`, would become
    part of a message above it that was left open.
    """
    if _BEGINS.match(below) or _CLOSED.search(above):
        return b""
    return b"\n" * (2 - above.endswith(b"\n") - above.endswith(b"\n\n")) + b"---\n\n"


def begun(page: bytes) -> bool:
    """Whether a page ends in a header by hand that has no text yet."""
    return _BEGUN.search(page[-LONGEST_HEADER:]) is not None


def escape(body: str) -> str:
    """The body with a backslash before every line that could be taken for something else."""
    text = TO_ESCAPE.sub(r"\g<0>\\", f"\n{body}")[1:]
    if "```" not in text and "~~~" not in text:
        return text
    data, done, parts = encode(text), 0, []
    for start in _open_fences(data):
        parts.append(data[done:start])
        done = start
    return b"\\".join([*parts, data[done:]]).decode("utf-8", "surrogatepass") if parts else text


def unescape(text: str) -> str:
    """The inverse of `escape`."""
    return ESCAPED.sub(r"\1", text) if "\\" in text else text


def _open_fences(data: bytes) -> list[int]:
    """Where the lines begin that open a fence never closed in `data`, given that earlier ones are escaped."""
    found = list(fences(b"\n" + data, 0, len(data) + 1))
    can_close = closable(found)
    starts, i = [], 0
    while i < len(found):
        opener = found[i]
        if can_close[i]:
            i += 1
            while not found[i].closes(opener.kind, opener.length):
                i += 1
        else:
            starts.append(opener.start)
        i += 1
    return starts
