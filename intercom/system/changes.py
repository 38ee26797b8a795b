"""Owns sleeping until something changes in a folder or a process ends, whichever comes first."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Self

from intercom.system import host
from intercom.system.liveness import alive

LOOK_ANYWAY = 30.0  #: seconds between checks of the folder when no event arrives
_BLIND = 0.5  #: seconds between checks of a process on systems that do not report its end


class Changes:
    """Context manager for the wait. Its threads are daemons and end with this process, or shortly after the block."""

    def __init__(self, folder: Path, pid: int, since: str | None) -> None:
        self._folder = folder
        self._process = (pid, since)
        self._news = threading.Event()
        self._told = True  # whether the system reports the end of the process
        self._stop = False
        self._first = True

    def __enter__(self) -> Self:
        for work in (self._watch, self._outlive):
            threading.Thread(target=work, name="intercom-watch", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop = True

    def wait(self, seconds: float) -> bool:
        """Sleep until a change, at most `seconds`; False once the process is gone. The first call returns at once."""
        if self._first:
            self._first = False
            return alive(*self._process)
        until = time.monotonic() + seconds
        while alive(*self._process):
            left = until - time.monotonic()
            if left <= 0:
                return True
            if self._news.wait(left if self._told else min(left, _BLIND)):
                self._news.clear()
                return alive(*self._process)
        return False

    def _watch(self) -> None:
        from intercom.system.watch import Watch

        with Watch(self._folder) as watch:
            while not self._stop:
                if watch.wait(LOOK_ANYWAY):
                    self._news.set()

    def _outlive(self) -> None:
        self._told = host.wait_ended(self._process[0])
        self._news.set()
