"""Owns the one thread of a server that talks to the bus, so that the event loop never waits for a disk.

Jobs run in the order they were given. The bus is opened by the first job that needs it, not before:
a server starts, and says what it can do, where there is no folder yet or the index is being rebuilt.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from intercom.bus.bus import Bus

T = TypeVar("T")


class BusThread:
    """A thread with a bus of its own. `start` it inside the event loop whose calls it serves."""

    def __init__(self, open_bus: Callable[[], Bus]) -> None:
        self._open_bus = open_bus
        self._bus: Bus | None = None
        self._jobs: queue.SimpleQueue[tuple[Callable[[Bus], Any], asyncio.Future[Any]] | None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="intercom-bus", daemon=True)

    def start(self) -> None:
        """Begin to take jobs."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def call(self, job: Callable[[Bus], T]) -> T:
        """Run `job` on the thread and give its result or its exception.

        A job that was cancelled before its turn is left out; one that has begun runs to its end.
        """
        assert self._loop is not None
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put((job, future))
        return await future

    def close(self, timeout: float = 5.0) -> bool:
        """Finish what was given, close the bus. False where the thread is still busy after `timeout` seconds."""
        if self._loop is None:
            return True
        self._jobs.put(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, future = item
            if future.cancelled():
                continue
            try:
                if self._bus is None:
                    self._bus = self._open_bus()
                result = job(self._bus)
            except Exception as error:  # noqa: BLE001  # handed to whoever asked
                self._tell(_settle_error, future, error)
            else:
                self._tell(_settle, future, result)
            self._tidy()
        if self._bus is not None:
            self._bus.close()

    def _tidy(self) -> None:
        """What a send left to be done, once it is answered: a client that takes a breath never waits for it."""
        if self._bus is not None and self._jobs.empty():
            with contextlib.suppress(Exception):  # the next send sees to it, and says what is wrong
                self._bus.tidy()

    def _tell(
        self, settle: Callable[[asyncio.Future[Any], Any], None], future: asyncio.Future[Any], value: Any
    ) -> None:
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(settle, future, value)


def _settle(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _settle_error(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
