"""Owns extracting a message's body from its text: exactly if nobody touched it, otherwise without its frame."""

from __future__ import annotations

from intercom.core.patterns import lazy
from intercom.format.render import unescape
from intercom.format.text import decode

_CLOSE = lazy(r"(?:\A|\n)[ \t]*(?:-{3,}|\*{3,}|_{3,})[ \t]*\Z")
_LEADING_BLANKS = lazy(r"\A(?:[ \t\r\f\v]*\n)+")


def exact(text: bytes) -> str:
    """The exact body of a message in the shape that `render` gives it; otherwise by the tolerant rule.

    `text` is what follows the meta line.
    """
    if text.startswith(b"\n\n"):
        if text.endswith(b"\n\n---\n\n") and len(text) >= 9:
            return unescape(decode(text[2:-7]))
        closed = text.rstrip(b"\n")
        if closed.endswith(b"\n\n---") and 7 <= len(closed) < len(text):
            return unescape(decode(closed[2:-5]))
    return loose(text)


def loose(text: bytes) -> str:
    """The body of a message written or changed by hand: without surrounding blank lines and closing rule."""
    body = _LEADING_BLANKS.sub("", decode(text)).rstrip()
    return unescape(_CLOSE.sub("", body, count=1).rstrip())
