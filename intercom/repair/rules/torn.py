"""Owns what a cut through the file, or a power cut, leaves of a text.

A cut leaves a beginning, perhaps with a piece of the closing rule or of the next header behind it. A power cut may
also leave NULs where a stretch was not written. All linear in the length of the texts.
"""

from __future__ import annotations

import re

_BYTES = "".join(map(chr, range(0xDC80, 0xDD00)))  # what is left of a character that was cut through
_RULE = r"-{1,2}"
_HEADER = r"(?:-{3,}\s*\n\s*)?#{1,3}[ \t]*(?:\[[^\n]*)?"
_NEAR = 400  #: characters; a header is hardly longer
_END = re.compile(rf"(?:\n|\A)\s*(?:{_RULE}|{_HEADER})\s*\Z")
_RULE_END = re.compile(rf"\n\s*{_RULE}\s*\Z")
_HEADER_END = re.compile(r"\n\s*-{3,}\s*\n\s*#{1,3}[ \t]*(?:\[[0-9./: TZ-]*)?\Z")
_TAG = re.compile(r"\[[A-Z0-9_-]*\Z")
_META = re.compile(r"<(?:!-?|!--(?:(?!-->).)*)?\Z", re.DOTALL)
_ID = re.compile(r"<!-- intercom id=([0-9a-z]{1,12})")
_NULS = re.compile("\0+")


def beginning(known: str, found: str) -> bool:
    """Whether `found` is less than `known`, and its beginning."""
    whole, rest = known.rstrip(), found.rstrip().rstrip(_BYTES).rstrip()
    return len(rest) < len(whole) and whole.startswith(rest)


def holed(known: str, found: str) -> bool:
    """Whether `found` is `known` with NULs in the place of some of it: its other pieces stand there in this order."""
    at = 0
    for number, piece in enumerate(_NULS.split(found.rstrip())):
        part = piece.strip(_BYTES) if number else piece.rstrip(_BYTES)
        where = known.find(part, at)
        if where < 0 or (where and not number):
            return False
        at = where + len(part)
    return True


def trimmed(text: str) -> str:
    """A text without the piece of a closing rule or of a header that stands at its end, if one does."""
    last = text[-_NEAR:].rstrip().rpartition("\n")[2].lstrip()
    match = _END.search(text, max(0, len(text) - _NEAR)) if last.startswith(("-", "#")) else None
    return text[: match.start()] if match else text


def rule_torn(text: str) -> bool:
    """Whether a text ends with a piece of its closing rule."""
    return _RULE_END.search(text[-_NEAR:]) is not None


def header_torn(text: str) -> bool:
    """Whether a text ends with its closing rule and a header begun below it: its stamp is not closed."""
    return _HEADER_END.search(text[-_NEAR:]) is not None


def bare(text: str) -> bool:
    """Whether there is no text, but at most the beginning of a tag or of a meta line."""
    return not text or _TAG.match(text) is not None or meta(text)


def meta(text: str) -> bool:
    """Whether a text is no more than the beginning of a meta line."""
    return _META.match(text) is not None


def ident(text: str) -> str:
    """The beginning of the id, where a text is no more than the beginning of a meta line; "" for none."""
    match = _ID.match(text)
    return match[1] if match and meta(text) else ""
