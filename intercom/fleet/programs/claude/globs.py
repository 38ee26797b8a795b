"""Owns matching with `*`: in commands, and in paths by gitignore's rules. Linear in the text, whatever the pattern.

No pattern is a regular expression with two adjacent stars, whose time could grow with a power of the text: a rule
that stalls is a rule that does not apply. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_PIECES = re.compile(r"/\*\*/|/\*\*\Z|\*\*|\*|\?")


class Command:
    """A pattern for a whole command: `*` matches anything, `x:*` and `x *` match x with anything after it."""

    def __init__(self, pattern: str) -> None:
        self._open = False  # whether a blank and anything else may follow
        for end in (":*", " *"):
            if pattern.endswith(end):
                pattern, self._open = pattern.removesuffix(end), True
                break
        self._first, *self._rest = pattern.split("*")

    def matches(self, text: str, starts: Iterable[int] = (0,)) -> bool:
        """Whether it matches from one of these positions, which must ascend."""
        for at in starts:
            if not text.startswith(self._first, at):
                continue
            behind = at + len(self._first)
            if self._rest:  # if it does not match from here, it matches from no later position
                return self._follows(text, behind)
            if behind == len(text) or (self._open and text[behind].isspace()):
                return True
        return False

    def _follows(self, text: str, at: int) -> bool:
        *between, last = self._rest
        for piece in between:
            at = text.find(piece, at)
            if at < 0:
                return False
            at += len(piece)
        if text.endswith(last) and at + len(last) <= len(text):
            return True
        while self._open and (found := text.find(last, at)) >= 0:
            behind = found + len(last)
            if behind < len(text) and text[behind].isspace():
                return True
            at = found + 1
        return False


_ONE, _SOME, _ALL = range(3)  # one character, any number (both except "/"), any number including "/"


class Path:
    """A gitignore pattern for a whole path, below a literal folder. A match includes everything in it.

    All positions that the match may have reached are tracked at once, as the bits of a number.
    """

    def __init__(self, folder: str, pattern: str) -> None:
        self._folder = folder
        tokens: list[str | int] = []
        skips = 0
        at = 0
        for found in (*_PIECES.finditer(pattern), None):
            tokens += pattern[at : found.start() if found else len(pattern)]
            if found is None:
                break
            at = found.end()
            if found[0] == "/**/":  # "/", optionally followed by anything that ends in "/"
                skips |= 1 << len(tokens) + 1
                tokens += ["/", _ALL, "/"]
            elif found[0] == "/**":
                tokens += ["/", _ALL]
            else:
                tokens.append({"**": _ALL, "*": _SOME}.get(found[0], _ONE))
        self._end = 1 << len(tokens)
        self._skips = skips
        self._ones = _bits(tokens, _ONE)
        self._some = _bits(tokens, _SOME)
        self._all = _bits(tokens, _ALL)
        self._letters = {letter: _bits(tokens, letter) for letter in tokens if isinstance(letter, str)}

    def matches(self, path: str) -> bool:
        """Whether it matches this path, or a folder that the path is in."""
        if not path.startswith(self._folder):
            return False
        now = self._free(1)
        for letter in path[len(self._folder) :]:
            slash = letter == "/"
            if slash and now & self._end:
                return True
            moved = now & self._letters.get(letter, 0) | (0 if slash else now & self._ones)
            stays = now & self._all | (0 if slash else now & self._some)
            now = self._free(moved << 1 | stays)
            if not now:
                return False
        return bool(now & self._end)

    def _free(self, now: int) -> int:
        """Add the positions reachable without consuming a character."""
        while (more := now | (now & (self._some | self._all)) << 1 | (now & self._skips) << 2) != now:
            now = more
        return now


def _bits(tokens: list[str | int], wanted: str | int) -> int:
    return sum(1 << place for place, token in enumerate(tokens) if token == wanted)
