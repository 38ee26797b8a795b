"""Owns what an agent program tells of what it used, in words that belong to no program: calls of a model, prices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

MILLION = 1_000_000


class Call(NamedTuple):
    """One reply of a model: how many tokens went in and came out."""

    at: float  #: when it began, seconds since 1970
    model: str
    input: int = 0  #: tokens that were read anew
    output: int = 0
    read: int = 0  #: taken from a cache
    write: int = 0  #: put into a cache for some minutes
    keep: int = 0  #: put into a cache for an hour
    fast: bool = False  #: at another price than the ordinary one

    @property
    def prompt(self) -> int:
        """All tokens that went in."""
        return self.input + self.read + self.write + self.keep


class Price(NamedTuple):
    """US dollars for a million tokens of each kind."""

    input: float
    output: float
    read: float
    write: float
    keep: float

    def of(self, call: Call) -> float:
        """What a call costs, in US dollars."""
        counts = call.input, call.output, call.read, call.write, call.keep
        return sum(count * price for count, price in zip(counts, self, strict=True)) / MILLION


class Meter(Protocol):
    """Reads what one conversation used, as it grows; it remembers what it has read."""

    def calls(self) -> Mapping[str, Call] | None:
        """Every call so far by the reply's id; None where the conversation cannot be read."""
