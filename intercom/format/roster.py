"""Owns which names people may write in a log, and which spellings of a known name are recognised.

The reader gets the roster as an argument and so stays pure: the same bytes with the same roster give the same
messages. Names are ordered by when they became known; if a spelling fits two names, the earlier wins, so a new name
never changes what could be read before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property

from intercom.core.message import ALL, SYSTEM, USER, canonical
from intercom.core.patterns import lazy

EVERYBODY = frozenset({ALL, "everyone", "everybody", "all-workers", "all-agents", "all-of-you"})
#: Words that people use for groups, unless somebody has that name.
GROUPS = {"team": ALL, "workers": ALL, "agents": ALL, "human": USER, "humans": USER, "me": USER}
#: Words that people mention others by, though nobody is called so.
SAID_TO_ALL = {"here": ALL, "channel": ALL}
_PLAIN = lazy(r"[^a-z0-9]+")
_SIGNS = lazy(r"\A(?:[^\w\x00-\x7f]|-)+")  #: emoji and the like before a name; blanks are hyphens by then
_CODE = lazy(r"[{}<>=$\\|\"]")  #: characters that no name contains
_LIST = lazy(r"[,，、;+&/]|\s+and\s+|\s+(?=@)", re.IGNORECASE)  # noqa: RUF001
_ASIDE = lazy(
    r"(?:~~.{1,40}?~~-?)?([^(/~]{2,64}?)-?(?:\(.*\)|/[\w.-]*)?\Z"
)  #: codex-(via-roo), codex/gpt-6, ~~codex~~-roo
_CLOSE = 0.6  #: from 0 to 1: similarity from which a name is suggested as the one meant
_CLOSER = 0.8  #: the same for short spellings and groups


class Roster:
    """The known names, `user` and `all` among them; as `@laptop`, what this machine is called."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names = tuple(dict.fromkeys(name for name in names if name not in {ALL, USER, SYSTEM}))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Roster) and self.names == other.names

    def __hash__(self) -> int:
        return hash(self.names)

    def and_(self, names: Iterable[str]) -> Roster:
        """A roster with these names added after its own."""
        return Roster((*self.names, *names))

    @cached_property
    def people(self) -> tuple[str, ...]:
        """The names without those of this machine."""
        return tuple(name for name in self.names if not name.startswith("@"))

    @cached_property
    def _spelled(self) -> dict[str, str]:
        """Every accepted spelling, without case, blanks and signs; a two-part name also by its first part."""
        spelled: dict[str, str] = {}
        for name in (*self.people, USER):
            spelled.setdefault(_key(name), name)
        for name in EVERYBODY:
            spelled.setdefault(_key(name), ALL)
        for name in self.people:
            first, _, rest = name.partition("-")
            if rest and not rest.isdecimal():
                spelled.setdefault(_key(first), name)
        for word, meant in GROUPS.items():
            spelled.setdefault(word, meant)
        return spelled

    @cached_property
    def firsts(self) -> frozenset[str]:
        """The first part of each agent's name: whatever names one of them holds one of these."""
        return frozenset(re.split(r"[^a-z0-9]", name, maxsplit=1)[0] for name in self.people)

    def known(self, text: str) -> str | None:
        """The name that a spelling stands for; None if nobody has that name."""
        bare, at, machine = text.rpartition("@")
        if at and f"@{canonical(machine)}" in self.names:
            text = bare
        found = canonical(text)
        if found in self.people or found in {ALL, USER}:
            return found
        found = _SIGNS.sub("", found)
        plain = found != SYSTEM and found.isascii() and _CODE.search(found) is None
        return self._spelled.get(_key(found)) if plain and _key(found) else None

    def listed(self, text: str) -> str | None:
        """The recipients of a list (`A, B`, `A and B`, `everyone`) in header form; None unless all are known."""
        whole = self.known(text)
        if whole is not None:
            return whole
        names = [self.known(part) for part in _LIST.split(text) if part.strip(" \t*`_")]
        if not names or None in names:
            return None
        return ALL if ALL in names else ", ".join(dict.fromkeys(name for name in names if name))

    def speaker(self, text: str) -> str | None:
        """The known name in what stands before the arrow of a dated header, besides an aside such as `codex (v2)`."""
        aside = _ASIDE.match(text)
        return self.known(text) or (self.known(aside[1]) if aside is not None else None)

    def addressed(self, to: str) -> str:
        """Canonical recipients (`a, b`), with known ones under their proper names."""
        names: list[str] = []
        for part in to.split(", "):
            found = self.known(part) or self.listed(part.replace("-and-", ", ").replace("-@", ", "))
            names += [part] if found is None else found.split(", ")
        return ALL if ALL in names else ", ".join(dict.fromkeys(names))

    def nearest(self, name: str, *, surely: bool = False) -> str | None:
        """The known name that was probably meant. `surely`: it is hardly another word."""
        from difflib import get_close_matches

        cutoff = _CLOSER if surely else _CLOSE
        found = get_close_matches(canonical(name), [*self.people, USER, ALL], n=1, cutoff=cutoff)
        if not found:  # perhaps a short spelling, or a group
            found = get_close_matches(_key(canonical(name)), self._spelled, n=1, cutoff=_CLOSER)
        return self._spelled.get(found[0], found[0]) if found else None


def _key(name: str) -> str:
    return _PLAIN.sub("", name)
