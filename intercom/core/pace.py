"""Owns the difference between a call that may take its time and one that must not keep its caller waiting.

A server's event loop answers quick calls itself. A call that would have to wait for another process, or compute for
long, raises NotNow before it has done anything; it is then repeated on a thread where it may take its time.
"""

from __future__ import annotations


class NotNow(Exception):  # a condition, not a fault
    """Raised instead of keeping a caller in a hurry waiting. Nothing was done that cannot be repeated."""


class Pace:
    """Whether the current caller is in a hurry, as within `with pace`; shared by all parts of a bus.

    Then NotNow is raised before slow work, unless something has `begun`.
    """

    def __init__(self) -> None:
        self.hurried = False

    def __enter__(self) -> None:
        self.hurried = True

    def __exit__(self, *_: object) -> None:
        self.hurried = False

    def long(self) -> None:
        """Announce slow work: raises NotNow if the caller is in a hurry."""
        if self.hurried:
            raise NotNow

    def begun(self) -> None:
        """Announce work that cannot be repeated: from here on it runs to its end, however long that takes."""
        self.hurried = False
