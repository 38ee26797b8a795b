"""Patterns mean the same to every Python that we promise: before 3.11.5 some ways of not giving back go wrong.

There `(?:a|bc)*+` and `(?>ab|c)` may match nothing, or end in an error: on Debian 12 no message that was written by
hand was read. `[^x]*+`, one character at a time, is sound.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

import pytest

from intercom.core import escaping
from intercom.core.patterns import Lazy, lazy
from tests.test_layers import FILES, PACKAGE

_SINGLE = {_constants.IN, _constants.LITERAL, _constants.NOT_LITERAL, _constants.ANY}


def repeats(pattern: Any) -> Iterator[Any]:
    """What a parsed pattern repeats, or groups, without giving back."""
    for op, argument in pattern:
        if op is _constants.POSSESSIVE_REPEAT:
            yield argument[2]
        elif op is _constants.ATOMIC_GROUP:
            yield argument
        for part in argument if isinstance(argument, tuple | list) else [argument]:
            for inner in part if isinstance(part, list) else [part]:
                if isinstance(inner, _parser.SubPattern):
                    yield from repeats(inner)


def unsound(pattern: str | bytes) -> list[Any]:
    """The pieces of a pattern that an early 3.11 reads wrongly."""
    return [part for part in repeats(_parser.parse(pattern)) if len(part) != 1 or part[0][0] not in _SINGLE]


#: How the names begin of modules that only another system can import.
ELSEWHERE = ("posix", "macos") if sys.platform == "win32" else ("win", "macos")


def patterns() -> Iterator[tuple[str, re.Pattern[Any] | Lazy]]:
    """Every pattern of the package, by the name it has there."""
    for path in FILES:
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        if name != "intercom.__main__" and not name.removeprefix("intercom.system.").startswith(ELSEWHERE):
            for key, found in vars(importlib.import_module(name)).items():
                if isinstance(found, re.Pattern | Lazy):
                    yield f"{name}.{key}", found
    for make in (escaping._unseen, escaping._breaks, escaping._tags):
        yield f"intercom.core.escaping.{make.__name__}", make()


def test_only_single_characters_are_repeated_without_giving_back() -> None:
    """In no pattern of the package is there a piece that an early 3.11 would read wrongly."""
    found = dict(patterns())
    assert "intercom.format.grammar.HEADER_REST" in found
    assert {name: unsound(one.pattern) for name, one in found.items() if unsound(one.pattern)} == {}


@pytest.mark.parametrize(
    ("pattern", "bad"),
    [
        ("[^x]*+y", 0),
        ("(?:a|bc)*+", 1),
        ("(?>ab|c)", 1),
        ("(x(?:y(z)){1,2}+|b)", 1),
        ("(?=(?:ab)++)", 1),
        (r"\s?+.*+", 0),
    ],
)
def test_unsound_pieces_are_seen(pattern: str, bad: int) -> None:
    """Wherever in a pattern they stand."""
    assert len(unsound(pattern)) == bad


def test_a_lazy_pattern_is_the_pattern() -> None:
    """All that we use of one gives what the compiled one gives; what we do not use is refused, at once."""
    compiled, late = re.compile("(b)+", re.IGNORECASE), lazy("(b)+", re.IGNORECASE)
    for use in ("search", "match", "findall", "split"):
        assert str(getattr(late, use)("Bbab")) == str(getattr(compiled, use)("Bbab"))
    assert late.fullmatch("bB") is not None
    assert late.sub("-", "abba") == "a-a"
    assert [found.span() for found in late.finditer("bab")] == [(0, 1), (2, 3)]
    assert late.pattern == compiled.pattern
    with pytest.raises(AttributeError):
        getattr(late, "scanner")  # noqa: B009
