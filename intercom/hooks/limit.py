"""Owns how long a part of a hook may take: a hook that stalls is one that its program ends and takes for silent."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

RULES = 5.0  #: seconds for all rules together; they take milliseconds


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """TimeoutError in the block after so long, where the system can interrupt it: only the main thread can be."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise TimeoutError(f"it took more than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
