"""Owns the question whether two texts are versions of one, and whether one is the torn rest of the other.

Linear in the length of the texts: a body may be ten megabytes.
"""

from __future__ import annotations

import re
from collections import Counter

_LOOK = 1 << 16  #: characters of a text that are compared
_TELLING = 16  #: a text this long that survives whole inside the other is no coincidence

_TORN_BYTES = "".join(map(chr, range(0xDC80, 0xDD00)))  # what is left of a character that was cut through
_TORN_TAG = re.compile(r"\[[A-Z0-9_-]*\Z")
_TORN_META = re.compile(r"<(?:!-?|!--(?:(?!-->).)*)?\Z", re.DOTALL)
_TORN_ID = re.compile(r"<!-- intercom id=([0-9a-z]{1,12})")
_TORN_CLOSER = re.compile(r"\s*-{1,2}\s*\Z")
_NEAR = 400  #: characters; a header is hardly longer
_TORN_END = re.compile(r"\n\s*(?:-{1,2}|-{3}\s*\n#{1,3}[^\n]*)\s*\Z")
_TORN_HEADER = re.compile(r"\s*(?:-{3}\s*)?#{1,3}[^\n]*\Z")


def similarity(old: str, new: str) -> float:
    """How alike two texts are, from 0 (nothing shared) to 1 (equal but for case and white space).

    The best of three views: the share left alone by one change in one place; the words they share; and
    nearly 1 where a telling text survived whole at the ends of the other (somebody added to it or cut it).
    """
    a, b = _plain(old), _plain(new)
    if a == b:
        return 1.0
    short, long = sorted((len(a), len(b)))
    if not short:
        return 0.0
    kept = _common(a, b)
    kept += min(_common(a[::-1], b[::-1]), short - kept)
    if short >= _TELLING and kept >= 0.95 * short:
        return 0.95 + 0.04 * kept / short
    words, others = Counter(a.split()), Counter(b.split())
    shared = 2 * sum((words & others).values()) / (words.total() + others.total())
    return max(kept / long, shared)


def torn(known: str, found: str, *, more: bool) -> bool:
    """Whether `found` is what a cut through the file left of `known`.

    `more`: messages after it are missing too, so the cut may have left a piece of the next header.
    """
    whole, rest = known.rstrip(), found.rstrip().rstrip(_TORN_BYTES).rstrip()
    if len(rest) < len(whole) and whole.startswith(rest):
        return True
    if _TORN_META.match(rest) or torn_tag(rest):
        return True
    if not rest.startswith(whole):
        return False
    beyond = rest[len(whole) :]
    return bool(_TORN_CLOSER.match(beyond) or (more and _TORN_HEADER.match(beyond)))


def frayed(known: str, found: str) -> bool:
    """Whether `found` is `known` and what a cut left of the closing rule or the header behind it."""
    whole, rest = known.rstrip(), found.rstrip()
    beyond = rest[len(whole) :] if rest.startswith(whole) else ""
    return bool(_TORN_CLOSER.match(beyond) or _TORN_HEADER.match(beyond))


def torn_end(found: str) -> bool:
    """Whether a text ends with a piece of the rule or header that stood behind it."""
    return _TORN_END.search(found[-_NEAR:]) is not None


def torn_id(found: str) -> str:
    """What a cut left of the id in a meta line of which that is all there is; "" for nothing."""
    match = _TORN_ID.match(found)
    return match[1] if match and _TORN_META.match(found.rstrip()) else ""


def torn_meta(found: str) -> bool:
    """Whether a text is no more than the beginning of a meta line that was cut through."""
    return _TORN_META.match(found) is not None


def torn_tag(found: str) -> bool:
    """Whether a text is no more than the beginning of the tag in a header that was cut through."""
    return _TORN_TAG.match(found) is not None


def _plain(text: str) -> str:
    return " ".join(text[:_LOOK].casefold().split())


def _common(a: str, b: str) -> int:
    """Length of the common prefix, by halving: slices compare at C speed."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[:middle] == b[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
