"""Owns deciding whether two texts are versions of the same text.

All of it is linear in the length of the texts: a body may have ten megabytes.
"""

from __future__ import annotations

from collections import Counter

_LOOK = 1 << 16  #: characters that are compared
_TELLING = 16  #: a text of this length that appears whole in the other is no coincidence


def similarity(old: str, new: str) -> float:
    """How alike two texts are, from 0 (nothing shared) to 1 (equal except for case and white space).

    The best of three measures: the share untouched by a single change in one place; the share of common words; and
    nearly 1 if a long enough text survives whole at either end of the other (somebody added to it or cut it).
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
    """Whether one of two texts is a prefix of the other at a word boundary; a partial closing rule does not count."""
    short, long = sorted((_unruled(one), _unruled(other)), key=len)
    return bool(short) and long.startswith(short) and not long[len(short) : len(short) + 1].strip()


def _unruled(text: str) -> str:
    """A text without the partial closing rule that a cut left at its end."""
    text = text.strip()
    last = text.rpartition("\n")[2]
    return text[: -len(last)].rstrip() if last in {"-", "--"} and len(last) < len(text) else text


def _plain(text: str) -> str:
    return " ".join(text[:_LOOK].casefold().split())


def _common(a: str, b: str) -> int:
    """Length of the common prefix, by bisection: comparing slices is fast."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[:middle] == b[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
