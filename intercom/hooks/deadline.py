"""Owns the time limit of a hook: one that stalls ends itself, as if it had nothing to say.

A thread ends the process when its time is up, whatever the hook waits for: a lock, a file system, its input, itself.
Nothing is lost by that, as by any kill. A denial, which must be said even so, is prepared first.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable

WHOLE = 20.0  #: seconds for a hook; the program must allow it more (`hook_settings`)
RULES = 5.0  #: seconds for all rules together; usually they take milliseconds
_COMPLAINT = 1.0  #: seconds for writing to `errors.log` that the time was up


class Limit:
    """The time limit of one hook, and what to print if it is exceeded. Before `start` it only remembers the latter."""

    def __init__(self) -> None:
        self.word = ""  #: what to print if the time is up; "" for nothing
        self._until = 0.0
        self._over = False
        self._changed = threading.Condition()

    def start(self, seconds: float, complain: Callable[[BaseException], None]) -> None:
        """End this process after `seconds`, unless the hook reaches its `end`; `complain` is called with the reason."""
        self._until = time.monotonic() + seconds
        threading.Thread(target=self._watch, args=(complain,), daemon=True).start()

    def stage(self, seconds: float, word: str = "") -> None:
        """Set a new limit in seconds, and a new text to print."""
        with self._changed:
            self.word, self._until = word, time.monotonic() + seconds
            self._changed.notify()

    def end(self) -> None:
        """Cancel the limit: the hook prints its own answer. Does not return if the time is already up."""
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
            if self.word and sys.stdout is not None:  # under the lock, so nothing else is printed
                os.write(sys.stdout.fileno(), self.word.encode())
            error = TimeoutError(f"it was given up after {time.monotonic() - began:.0f} s")
            note = threading.Thread(target=complain, args=(error,), daemon=True)
            note.start()
            note.join(_COMPLAINT)
            os._exit(0)
