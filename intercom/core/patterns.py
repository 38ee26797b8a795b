"""Owns patterns that are compiled on first use: a command needs few, and compiling all of them takes longer."""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast

_METHODS = ("search", "match", "fullmatch", "sub", "split", "findall", "finditer", "pattern")


class Lazy:
    """Stands for a compiled pattern, whose methods become its own attributes once one of them is asked for."""

    def __init__(self, said: str | bytes, flags: int) -> None:
        self._said, self._flags = said, flags

    def __getattr__(self, name: str) -> Any:
        """A method of the pattern, the first time that any is used."""
        if name not in _METHODS:
            raise AttributeError(name)
        compiled = re.compile(self._said, self._flags)
        self.__dict__.update((each, getattr(compiled, each)) for each in _METHODS)
        return self.__dict__[name]


def lazy(pattern: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """As `re.compile`, on first use; an error in the pattern shows only then. Not for `re.search(…)` and its like."""
    return cast("re.Pattern[AnyStr]", Lazy(pattern, flags))
