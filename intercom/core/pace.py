"""Owns the difference between a call that may take its time and one that must not keep its caller waiting.

A server's event loop answers quick calls itself. A call that would have to wait for another process, or compute for
long, raises NotNow before it has done anything; it is then repeated on a thread where it may take its time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class NotNow(Exception):  # a condition, not a fault
    """Raised instead of keeping a caller in a hurry waiting. Nothing was done that cannot be repeated."""


class Pace:
    """Whether the current caller is in a hurry; shared by all parts of a bus (one thread at a time)."""

    def __init__(self) -> None:
        self.hurried = False

    @contextmanager
    def hurry(self) -> Iterator[None]:
        """Within the block, raise NotNow before slow work, unless something has `begun`."""
        self.hurried = True
        try:
            yield
        finally:
            self.hurried = False

    def long(self) -> None:
        """Announce slow work: raises NotNow if the caller is in a hurry."""
        if self.hurried:
            raise NotNow

    def begun(self) -> None:
        """Announce work that cannot be repeated: from here on it runs to its end, however long that takes."""
        self.hurried = False
