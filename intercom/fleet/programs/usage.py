"""Owns the program-independent form of what an agent program used: model calls, prices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

MILLION = 1_000_000


class Call(NamedTuple):
    """One reply of a model: the tokens that went in and came out."""

    at: float  #: start time, seconds since 1970
    model: str
    input: int = 0  #: uncached input tokens
    output: int = 0
    read: int = 0  #: tokens read from a cache
    write: int = 0  #: tokens written to a cache for minutes
    keep: int = 0  #: tokens written to a cache for an hour
    fast: bool = False  #: whether it was at a special price
    dollars: float | None = None  #: its price by the program's own sums

    @property
    def prompt(self) -> int:
        """All input tokens."""
        return self.input + self.read + self.write + self.keep


class Price(NamedTuple):
    """US dollars per million tokens of each kind."""

    input: float
    output: float
    read: float
    write: float
    keep: float

    def of(self, call: Call) -> float:
        """The cost of a call in US dollars."""
        counts = call.input, call.output, call.read, call.write, call.keep
        return sum(count * price for count, price in zip(counts, self, strict=True)) / MILLION


class Meter(Protocol):
    """Reads what one conversation used, as it grows; it remembers its position."""

    def calls(self) -> Mapping[str, Call] | None:
        """Every call so far, by the reply's id; None if the conversation cannot be read."""
