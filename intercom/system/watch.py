"""Owns waiting for a change in a folder: file system events if available, and polling at intervals.

A change is only a hint to look: missed, repeated or false ones do no harm. Without events (network file systems,
inotify limits) it polls the files' times.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_LOOK = 0.05  #: seconds between polls without events
_LOOK_ANYWAY = 1.0  #: seconds between polls with events


class Watch:
    """Watches the logs in one folder within its `with` block; `wait` returns at once for changes since the last one."""

    def __init__(self, folder: Path, *, events: bool = True) -> None:
        self._folder = folder
        self._events = events
        self._changed = threading.Event()
        self._observer: Any = None
        self._seen: tuple[tuple[str, int, int, int], ...] = ()

    def __enter__(self) -> Self:
        self._seen = self._look()
        if self._events:
            self._observer = self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._observer is not None:
            # Stopping waits for its threads; do not let the caller wait for that.
            try:
                threading.Thread(target=self._observer.stop, name="intercom-unwatch", daemon=True).start()
            except RuntimeError:  # thread limit
                self._observer.stop()

    def _start(self) -> Any:
        import logging

        from watchdog.events import FileSystemEvent, FileSystemEventHandler
        from watchdog.observers import Observer

        changed = self._changed
        logging.getLogger("watchdog").addHandler(logging.NullHandler())  # keep its output off people's terminals

        class Handler(FileSystemEventHandler):
            def on_any_event(self, event: FileSystemEvent) -> None:
                if event.event_type not in {"opened", "closed_no_write"}:
                    changed.set()

        try:
            observer = Observer()
            observer.schedule(Handler(), str(self._folder))
            observer.start()
        except (OSError, RuntimeError):  # limit of inotify instances, watches or threads
            return None
        return observer

    def wake(self) -> None:
        """End a wait in another thread."""
        self._changed.set()

    def wait(self, seconds: float) -> bool:
        """Wait for a change, at most `seconds`; returns whether there was one."""
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            step = min(max(left, 0), _LOOK if self._observer is None else _LOOK_ANYWAY)
            if self._changed.wait(step):
                self._changed.clear()
                self._seen = self._look()
                return True
            now = self._look()
            if now != self._seen:
                self._seen = now
                return True
            if left <= 0:
                return False

    def _look(self) -> tuple[tuple[str, int, int, int], ...]:
        """Name, inode, size and modification time of every file in the folder."""
        try:
            with os.scandir(self._folder) as entries:
                found = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries if entry.is_file()]
        except OSError:
            return ()
        return tuple(sorted((name, stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in found))
