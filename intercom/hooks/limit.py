"""Owns how long a part of a hook may take: a hook that stalls is one that its program ends and takes for silent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from intercom.system import host

RULES = 5.0  #: seconds for all rules together; they take milliseconds


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """TimeoutError in the block after so long, where the system can interrupt it: only the main thread can be."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop() -> None:
        raise TimeoutError(f"it took more than {seconds:g} s")

    with host.interrupting(seconds, stop):
        yield
