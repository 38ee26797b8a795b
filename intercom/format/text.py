"""Owns the conversion between bytes and text, and what makes two messages equal except for formatting."""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

from intercom.core.digests import blake2b
from intercom.core.message import canonical, encode_id, recipients
from intercom.core.patterns import lazy
from intercom.format.grammar import ARROWISH, Entry

_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:+-")
_CONTROL = lazy("[\x00-\x1f\x7f\x85\u2028\u2029]")
_PLAIN_VALUE = lazy(rb"[A-Za-z0-9._:+-]+\Z")
_PLAIN_NAME = lazy(r"[a-z0-9.-]{1,64}\Z")
_LONGEST_NAME = 200  # bytes; readers reject longer senders
_SHORT = 64  # characters; short values, mostly names, are cached
_BLANKS = lazy(r"[ \t\r\f\v]+(?=\n|\Z)")
_LAID_OUT = lazy(r"[\s\ufeff]\n|\n\n\n|\r|\ufeff")
_SIDES = {"<" * 7, "|" * 7, "=" * 7, ">" * 7}
_BLANK_LINES = lazy(r"\n{2,}")


def encode(text: str) -> bytes:
    """Encode text as the log holds it: UTF-8, with a lone surrogate as its three-byte form."""
    return text.encode("utf-8", "surrogatepass")


def decode(data: bytes) -> str:
    """Decode the log's bytes. Never fails: a byte that is not UTF-8 becomes U+DC00 plus its value."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("utf-8", "intercom")


def _decode_fault(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    start = error.start
    three = error.object[start : start + 3]
    if len(three) == 3 and three[0] == 0xED and 0xA0 <= three[1] <= 0xBF and 0x80 <= three[2] <= 0xBF:
        return three.decode("utf-8", "surrogatepass"), start + 3
    return chr(0xDC00 + error.object[start]), start + 1


codecs.register_error("intercom", _decode_fault)


def quote(value: str) -> bytes:
    """Escape a meta value: all but plain characters become %XX, and so does `--`, which would end the comment."""
    data = encode(value)
    if _PLAIN_VALUE.match(data) and b"--" not in data:
        return data
    out = bytearray()
    for byte in data:
        if byte in _SAFE and not (byte == 0x2D and out.endswith(b"-")):
            out.append(byte)
        else:
            out += b"%%%02X" % byte
    return bytes(out) or b"%"


def unquote(value: bytes) -> str:
    """The text of a meta value; a `%` without two hexadecimal digits after it is literal."""
    if b"%" not in value:
        return decode(value)
    return decode(re.sub(rb"%([0-9A-Fa-f]{2})?", _unquoted, value))


def _unquoted(match: re.Match[bytes]) -> bytes:
    return bytes([int(match.group(1), 16)]) if match.group(1) else b""


def one_line(text: str) -> str:
    """Text on one line, as a header can hold it and reads it back; displaying it is the job of `core.escaping`."""
    return _CONTROL.sub(" ", text).replace("[", "(").replace("]", ")").strip()


def name(text: str) -> str:
    """The name in a header's text; "" for none. Writing it into a header and reading it back gives the same name."""
    if _PLAIN_NAME.match(text):
        return text
    return _name(text) if len(text) <= _SHORT else _name.__wrapped__(text)


@lru_cache
def _name(text: str) -> str:
    found = ARROWISH.sub("-", canonical(one_line(text)))
    return found if len(encode(found)) <= _LONGEST_NAME else found[: _LONGEST_NAME // 4]


def names(text: str) -> str:
    """The names in a header's recipient list, joined by ", "."""
    if _PLAIN_NAME.match(text):
        return text
    return _names(text) if len(text) <= _SHORT else _names.__wrapped__(text)


@lru_cache
def _names(text: str) -> str:
    found = (name(part) for part in recipients(one_line(text)))
    return ", ".join(dict.fromkeys(part for part in found if part))


def normal(body: str) -> str:
    """A body without what formatters change: line ends, trailing blanks, runs of blank lines."""
    if _LAID_OUT.search(body) is None:
        return body.strip()
    text = _BLANKS.sub("", body.replace("\ufeff", "")).replace("\r", "\n")
    return _BLANK_LINES.sub("\n\n", _BLANKS.sub("", text)).strip()


def _own(text: str) -> str:
    """A normalized text without stray conflict lines at its end, as are left when somebody resolves a conflict."""
    while text[(at := text.rfind("\n") + 1) : at + 7] in _SIDES and text[at + 7 : at + 8] in {"", " "}:
        text = text[:at].rstrip().removesuffix("\n---").rstrip()
    return text


def digest(entry: Entry) -> str:
    """16 hexadecimal digits, unchanged by reformatting a message or resolving a git conflict around it."""
    sender, to = entry.wrote or (entry.sender, entry.to)
    header = "\x1f".join((entry.stamp.strip(), sender, to, entry.tag, "!" if entry.urgent else ""))
    return blake2b(encode(header + "\x1e" + _own(normal(entry.body))), digest_size=8).hexdigest()


def hand_id(digest: str, occurrence: int) -> str:
    """The id, of 12 characters, for the `occurrence`-th (from 1) hand-written message with this digest."""
    return encode_id(int.from_bytes(blake2b(f"{digest} {occurrence}".encode(), digest_size=8).digest(), "big"))
