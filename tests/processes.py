"""Owns tests' helper processes: each holds a bus of its own, stays alive, and does what it is told.

A message bus is used by processes that come, go and are killed; threads would not show what that does.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Self, TypeVar

T = TypeVar("T")


def clean_processes(preload: list[str]) -> Any:
    """What starts processes with nothing of pytest in them; quicker by far where the system can fork."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(preload)
    return context


#: Forks of one clean process that has imported the bus: quick to start, and with nothing of pytest in them.
_CONTEXT = clean_processes(["intercom.bus.bus", "tests.processes"])
PATIENCE = 60  #: seconds until a missing answer is a failure
_LOOK = 0.2  #: seconds that one look of `until` counts for at most


def patience(seconds: float = 1.0) -> float:
    """So many seconds on a quiet machine, more where more wants to run than there are processors."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 8.0
    return seconds * max(1.0, load / (os.cpu_count() or 1))


def until(check: Callable[[], T | None], seconds: float = 15.0) -> T:
    """What `check` returns once it is true. Fails after so many seconds, more on a busy machine.

    A look that took long counts for little, within reason: a machine that stalls also stalls what is waited for.
    """
    began = last = time.monotonic()
    waited = 0.0
    while not (found := check()):
        now = time.monotonic()
        waited, last = waited + min(now - last, _LOOK), now
        late = waited > patience(seconds) or now - began > 10 * patience(seconds)
        assert not late, f"not within {seconds} s"
        time.sleep(0.02)
    return found


def _serve(root: str, pipe: Connection) -> None:
    from intercom import Bus
    from intercom.core.errors import IntercomError

    bus = Bus.open(root)
    while True:
        try:
            method, args, kwargs = pipe.recv()
        except EOFError:
            return
        if method == "open":
            bus.close()
            bus = Bus.open(args[0])
            pipe.send(("value", None))
            continue
        try:
            pipe.send(("value", getattr(bus, method)(*args, **kwargs)))
        except IntercomError as error:
            pipe.send(("error", error))


class Peer:
    """A process with a bus. A context manager; leaving it kills the process."""

    def __init__(self, root: Path) -> None:
        """Start the process; its bus is that of `root`."""
        here, there = multiprocessing.Pipe()
        self._pipe = here
        self.process = _CONTEXT.Process(target=_serve, args=(os.fspath(root), there), daemon=True)
        self.process.start()
        there.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """The process id."""
        pid: int = self.process.pid
        return pid

    def start(self, method: str, *args: Any, **kwargs: Any) -> None:
        """Have it call a method of its bus, without waiting."""
        self._pipe.send((method, args, kwargs))

    def answer(self) -> Any:
        """What the method returned; raises what it raised."""
        assert wait([self._pipe], PATIENCE), "the process does not answer"
        kind, value = self._pipe.recv()
        if kind == "error":
            raise value
        return value

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Have it call a method of its bus; what that returned or raised."""
        self.start(method, *args, **kwargs)
        return self.answer()

    def kill(self) -> None:
        """`kill -9`, and wait until it is gone."""
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        self._pipe.close()


def all_at_once(peers: Iterable[Peer], method: str, *args: Any, **kwargs: Any) -> list[Any]:
    """Have all of them call a method at the same time; what each returned."""
    peers = list(peers)
    for peer in peers:
        peer.start(method, *args, **kwargs)
    return [peer.answer() for peer in peers]
