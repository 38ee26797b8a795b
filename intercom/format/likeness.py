"""Owns telling whether two texts are versions of one.

Linear in the length of the texts: a body may be ten megabytes.
"""

from __future__ import annotations

from collections import Counter

_LOOK = 1 << 16  #: characters of a text that are compared
_TELLING = 16  #: a text this long that survives whole inside the other is not a coincidence


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


def goes_on(one: str, other: str) -> bool:
    """Whether one of two texts is the other with more behind it, to the word; part of a closing rule is not a word."""
    short, long = sorted((_unruled(one), _unruled(other)), key=len)
    return bool(short) and long.startswith(short) and not long[len(short) : len(short) + 1].strip()


def _unruled(text: str) -> str:
    """A text without the piece of a closing rule that a cut left at its end."""
    text = text.strip()
    last = text.rpartition("\n")[2]
    return text[: -len(last)].rstrip() if last in {"-", "--"} and len(last) < len(text) else text


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
