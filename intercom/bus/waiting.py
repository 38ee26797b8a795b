"""Owns waiting for news: look at each change of the folder, and at intervals, until there is something."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
_PAUSE = 0.5  #: seconds between looks, whatever the watcher says


def until_found(look: Callable[[], list[T]], folder: Path, seconds: float, stop: Callable[[], bool] | None) -> list[T]:
    """The result of `look` as soon as it is not empty, at most `seconds` later; `stop` is polled meanwhile."""
    found = look()
    if found or seconds <= 0:
        return found
    from intercom.system.watch import Watch

    deadline = time.monotonic() + seconds
    with Watch(folder) as watch:
        while not (found := look()):
            left = deadline - time.monotonic()
            if left <= 0 or (stop is not None and stop()):
                break
            watch.wait(min(left, _PAUSE))
    return found
