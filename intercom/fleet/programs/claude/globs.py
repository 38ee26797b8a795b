"""Owns matching with `*`: in commands, and in paths by gitignore's rules. Linear in the text, whatever the pattern.

No pattern is a regular expression with two adjacent stars, whose time could grow with a power of the text: a rule
that stalls is a rule that does not apply. Pure.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from unicodedata import normalize

_PIECES = re.compile(r"/\*\*/|/\*\*\Z|\*\*|\*|\?")
_CLASS = r"\[[!^]?\]?(?:\[:[a-z]{1,9}:\]|\\.|[^\]\\]){0,200}\]"
_LOOSE_PIECES = re.compile(rf"{_PIECES.pattern}|\\.|{_CLASS}", re.DOTALL)


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
    r"""A gitignore pattern for a whole path, below a literal folder. A match includes everything in it.

    All positions that the match may have reached are tracked at once, as the bits of a number. `loose`, for what
    must not be missed: `[a-z]` is a class and `\` makes a sign literal, and names that a file system may take for the
    same (other case, other composition of letters) are the same.
    """

    def __init__(self, folder: str, pattern: str, *, loose: bool = False) -> None:
        self._plain = _folded if loose else str
        self._folder = self._plain(folder)
        tokens: list[str | int | re.Pattern[str]] = []
        skips = 0
        at = 0
        for found in (*(_LOOSE_PIECES if loose else _PIECES).finditer(pattern), None):
            tokens += self._plain(pattern[at : found.start() if found else len(pattern)])
            if found is None:
                break
            at = found.end()
            if found[0] == "/**/":  # "/", optionally followed by anything that ends in "/"
                skips |= 1 << len(tokens) + 1
                tokens += ["/", _ALL, "/"]
            elif found[0] == "/**":
                tokens += ["/", _ALL]
            elif found[0][0] == "\\":
                tokens += self._plain(found[0][1])
            elif found[0][0] == "[":
                tokens.append(_class(found[0][1:-1]))
            else:
                tokens.append({"**": _ALL, "*": _SOME}.get(found[0], _ONE))
        self._tokens = tokens
        self._end = 1 << len(tokens)
        self._skips = skips
        self._some = _bits(tokens, _SOME)
        self._all = _bits(tokens, _ALL)
        self._letters: dict[str, int] = {}  # where a character moves on; filled as they come

    def matches(self, path: str) -> bool:
        """Whether it matches this path, or a folder that the path is in."""
        path = self._plain(path)
        if not path.startswith(self._folder):
            return False
        now = self._free(1)
        for letter in path[len(self._folder) :]:
            slash = letter == "/"
            if slash and now & self._end:
                return True
            takes = self._letters.get(letter)
            if takes is None:
                takes = self._letters[letter] = self._takes(letter)
            moved = now & takes
            stays = now & self._all | (0 if slash else now & self._some)
            now = self._free(moved << 1 | stays)
            if not now:
                return False
        return bool(now & self._end)

    def _takes(self, letter: str) -> int:
        """The positions that this character moves on from."""
        found = 0
        for place, token in enumerate(self._tokens):
            if isinstance(token, str):
                hit = token == letter
            elif isinstance(token, int):
                hit = token == _ONE and letter != "/"
            else:
                hit = letter != "/" and token.match(letter) is not None
            found |= hit << place
        return found

    def _free(self, now: int) -> int:
        """Add the positions reachable without consuming a character."""
        while (more := now | (now & (self._some | self._all)) << 1 | (now & self._skips) << 2) != now:
            now = more
        return now


def _bits(tokens: list[str | int | re.Pattern[str]], wanted: str | int) -> int:
    return sum(1 << place for place, token in enumerate(tokens) if token == wanted)


def _folded(text: str) -> str:
    """A name without what some file systems ignore in it."""
    return normalize("NFC", normalize("NFD", text).casefold())


def _class(inside: str) -> re.Pattern[str]:
    """The characters between the brackets of a class; one that cannot be read matches any."""
    negated, members = ("^", inside[1:]) if inside[0] in "!^" else ("", inside)
    members = re.sub(r"\\(.)|([\[\]^&~|])", lambda found: re.escape(found[1] or found[2]), members, flags=re.DOTALL)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of what a later version may read otherwise
        try:
            return re.compile(f"[{negated}{members}]" if "[:" not in inside else ".", re.IGNORECASE | re.DOTALL)
        except (re.error, Warning):
            return re.compile(".", re.DOTALL)
