"""Owns recognising what a cut through the file, or a power cut, leaves of a text.

A cut leaves a beginning, perhaps followed by part of the closing rule or of the next header. A power cut may also
leave NULs in place of a stretch that was not written. What is left of an escaped line may not read as one any more:
its backslash then counts as text, so texts are compared without such. All linear in the length of the texts.
"""

from __future__ import annotations

import re

from intercom.core.patterns import lazy
from intercom.format.grammar import BEGUN_HEADING, LINE_START
from intercom.format.text import normal

_BYTES = "".join(map(chr, range(0xDC80, 0xDD00)))  # the decoded bytes of a character that was cut in two
_RULE = r"-{1,2}"
_HEADER = rf"(?:-{{3,}}\s*\n\s*)?{BEGUN_HEADING}"
_NEAR = 400  #: characters; headers are rarely longer
_END = lazy(rf"(?:\n|\A)\s*(?:{_RULE}|{_HEADER})\s*\Z")
_RULE_END = lazy(rf"\n\s*{_RULE}\s*\Z")
_HEADER_END = lazy(r"\n\s*-{3,}\s*\n\s*#{1,3}[ \t]*(?:\[[0-9./: TZ-]*(?:\][^\n]*)?)?\Z")
_BEGUN = lazy(r"\n\s*#{1,3}[ \t]*\[\d[0-9./: TZ-]*(?:\][^\n]*)?\Z")
_TAG = lazy(r"\[[A-Z0-9_-]*\Z")
_META = lazy(r"<(?:!-?|!--(?:(?!-->).)*)?\Z", re.DOTALL)
_ID = lazy(r"<!-- intercom id=([0-9a-z]{1,12})")
_ID_HOLED = lazy(r"<!-- intercom id=([0-9a-z]*)(?:(?!-->)[^\0\n])*\0")
_NULS = lazy("\0+")
_ESCAPES = lazy(rf"{LINE_START}\\+")


def _plain(text: str) -> str:
    """A text without what formatters change, and without the backslashes that lines begin with."""
    return _ESCAPES.sub(r"\1", normal(text))


def beginning(known: str, found: str) -> bool:
    """Whether `found` is a proper prefix of `known`, whatever of an escaped line it ends with."""
    whole, rest = known.rstrip(), found.rstrip().rstrip(_BYTES).rstrip()
    if not whole.startswith(rest):
        whole, rest = _plain(whole), _plain(rest).rstrip()
    return len(rest) < len(whole) and whole.startswith(rest)


def holed(known: str, found: str) -> bool:
    """Whether `found` is `known` with NULs in place of parts of it, and its other pieces in order."""
    at, known = 0, _plain(known)
    for number, piece in enumerate(_NULS.split(found.rstrip())):
        part = _plain(piece.strip(_BYTES) if number else piece.rstrip(_BYTES))
        where = known.find(part, at)
        if where < 0 or (where and not number):
            return False
        at = where + len(part)
    return True


def trimmed(text: str) -> str:
    """A text without a partial closing rule or header at its end."""
    last = text[-_NEAR:].rstrip().rpartition("\n")[2].lstrip()
    match = _END.search(text, max(0, len(text) - _NEAR)) if last.startswith(("-", "#")) else None
    return text[: match.start()] if match else text


def rule_torn(text: str) -> bool:
    """Whether a text ends with part of its closing rule."""
    return _RULE_END.search(text[-_NEAR:]) is not None


def header_torn(text: str, *, by_hand: bool = False) -> bool:
    """Whether a text ends with its closing rule, which a person may leave out, and an unfinished header."""
    end = text[-_NEAR:]
    return _HEADER_END.search(end) is not None or (by_hand and _BEGUN.search(end) is not None)


def bare(text: str) -> bool:
    """Whether there is no text, except perhaps the beginning of a tag or of a meta line."""
    return not text or _TAG.match(text) is not None or meta(text)


def meta(text: str) -> bool:
    """Whether a text is only the beginning of a meta line."""
    return _META.match(text) is not None


def ident(text: str) -> str:
    """The beginning of the id in such a cut meta line; "" for none."""
    match = _ID.match(text)
    return match[1] if match and meta(text) else ""


def holed_meta(text: str) -> str | None:
    """What a meta line with NULs in it still says of the id, perhaps ""; None if the text begins with no such line."""
    match = _ID_HOLED.match(text)
    return match[1] if match else None
