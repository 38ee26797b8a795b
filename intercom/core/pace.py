"""Owns the difference between a call that may take its time and one that must not keep its caller waiting.

The event loop of a server answers what is quick by itself. What would have to wait for another process, or to work
for long, leaves with NotNow before it has done anything, and is done again where it may take as long as it takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class NotNow(Exception):  # a condition, not a fault
    """It would take too long for a caller in a hurry. Nothing was done that cannot be done again."""


class Pace:
    """Whether whoever uses a bus is in a hurry; one for all parts of a bus, which belongs to one thread at a time."""

    def __init__(self) -> None:
        self.hurried = False

    @contextmanager
    def hurry(self) -> Iterator[None]:
        """Leave with NotNow where the block would take long, unless something was `begun`."""
        self.hurried = True
        try:
            yield
        finally:
            self.hurried = False

    def long(self) -> None:
        """What follows may take long."""
        if self.hurried:
            raise NotNow

    def begun(self) -> None:
        """What follows cannot be done twice: it goes on to its end, however long that takes."""
        self.hurried = False
