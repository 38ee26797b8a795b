"""Owns how long a hook may take: one that stalls ends itself, and is taken for silent.

A thread ends the process when its time is up, whatever the hook waits for: a lock, a file system, its input, itself.
Nothing is lost by that, as by any kill. What must be said even so, a denial, is said first.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable

WHOLE = 20.0  #: seconds for a hook; what its program allows it (`hook_settings`) has to be more
RULES = 5.0  #: seconds for all rules together; they take milliseconds
_COMPLAINT = 1.0  #: seconds for saying in `errors.log` that the time was up


class Limit:
    """The time that one hook has, and what it says if that is up. Until `start` it only remembers the latter."""

    def __init__(self) -> None:
        self.word = ""  #: for standard output where the hook cannot come to its end; "" for nothing
        self._until = 0.0
        self._over = False
        self._changed = threading.Condition()

    def start(self, seconds: float, complain: Callable[[BaseException], None]) -> None:
        """End this process after so long, unless the hook comes to its `end`; `complain` is told of it."""
        self._until = time.monotonic() + seconds
        threading.Thread(target=self._watch, args=(complain,), daemon=True).start()

    def stage(self, seconds: float, word: str = "") -> None:
        """From now on it is so many seconds, and `word`."""
        with self._changed:
            self.word, self._until = word, time.monotonic() + seconds
            self._changed.notify()

    def end(self) -> None:
        """What the hook says from now on stands; does not come back where its time is up already."""
        with self._changed:
            self._over = True
            self._changed.notify()

    def _watch(self, complain: Callable[[BaseException], None]) -> None:
        began = time.monotonic()
        with self._changed:
            while not self._over and (left := self._until - time.monotonic()) > 0:
                self._changed.wait(left)
            if self._over:
                return
            if self.word and sys.stdout is not None:  # with the lock held: nobody else says anything any more
                os.write(sys.stdout.fileno(), self.word.encode())
            error = TimeoutError(f"it was given up after {time.monotonic() - began:.0f} s")
            note = threading.Thread(target=complain, args=(error,), daemon=True)
            note.start()
            note.join(_COMPLAINT)
            os._exit(0)
