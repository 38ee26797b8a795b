"""Owns which names people may write in a log, and the spellings in which a known one is recognised.

A roster is handed to the reader, which so stays pure: the same bytes and the same roster are the same messages. Names
are in the order in which they became known, and of two that a spelling may mean the first counts: a name that comes
later changes nothing that could be read before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property

from intercom.core.message import ALL, SYSTEM, USER, canonical

EVERYBODY = frozenset({ALL, "everyone", "everybody", "all-workers", "all-agents", "all-of-you"})
#: What people call those whom they do not name, where nobody bears that name.
GROUPS = {"team": ALL, "workers": ALL, "agents": ALL, "human": USER, "humans": USER, "me": USER}
_PLAIN = re.compile(r"[^a-z0-9]+")
_SIGNS = re.compile(r"\A(?:[^\w\x00-\x7f]|-)+")  #: as an emoji before a name; `canonical` made hyphens of blanks
_CODE = re.compile(r"[{}<>=$\\|\"]")  #: what stands in no name
_LIST = re.compile(r"[,，、;+&/]|\s+and\s+", re.IGNORECASE)  # noqa: RUF001
_CLOSE = 0.6  #: how alike, from 0 to 1, a name is to one that was probably meant


class Roster:
    """The names that are known, `user` and `all` among them."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names = tuple(dict.fromkeys(name for name in names if name not in {ALL, USER, SYSTEM}))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Roster) and self.names == other.names

    def __hash__(self) -> int:
        return hash(self.names)

    def and_(self, names: Iterable[str]) -> Roster:
        """With these behind its own."""
        return Roster((*self.names, *names))

    @cached_property
    def _spelled(self) -> dict[str, str]:
        """How a name may be written, without case, blanks and signs; of names of two parts the first alone, too."""
        spelled: dict[str, str] = {}
        for name in (*self.names, USER):
            spelled.setdefault(_key(name), name)
        for name in EVERYBODY:
            spelled.setdefault(_key(name), ALL)
        for name in self.names:
            first, _, rest = name.partition("-")
            if rest and not rest.isdecimal():
                spelled.setdefault(_key(first), name)
        for word, meant in GROUPS.items():
            spelled.setdefault(word, meant)
        return spelled

    def known(self, text: str) -> str | None:
        """The name that a text means, whatever its spelling; None if nobody bears it."""
        found = canonical(text)
        if found in self.names or found in {ALL, USER}:
            return found
        found = _SIGNS.sub("", found)
        plain = found != SYSTEM and found.isascii() and _CODE.search(found) is None
        return self._spelled.get(_key(found)) if plain and _key(found) else None

    def listed(self, text: str) -> str | None:
        """The recipients in a list (`A, B`, `A and B`, `everyone`), as a header has them; None unless all are known."""
        whole = self.known(text)
        if whole is not None:
            return whole
        names = [self.known(part) for part in _LIST.split(text) if part.strip(" \t*`_")]
        if not names or None in names:
            return None
        return ALL if ALL in names else ", ".join(dict.fromkeys(name for name in names if name))

    def addressed(self, to: str) -> str:
        """Canonical recipients (`a, b`), the known ones under their own names."""
        names: list[str] = []
        for part in to.split(", "):
            found = self.known(part) or self.listed(part.replace("-and-", ", "))
            names += [part] if found is None else found.split(", ")
        return ALL if ALL in names else ", ".join(dict.fromkeys(names))

    def nearest(self, name: str) -> str | None:
        """The known name that somebody probably meant."""
        from difflib import get_close_matches

        found = get_close_matches(canonical(name), [*self.names, USER, ALL], n=1, cutoff=_CLOSE)
        return found[0] if found else None


def _key(name: str) -> str:
    return _PLAIN.sub("", name)
