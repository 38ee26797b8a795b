"""Owns the server's thread that uses the bus, so that the event loop never waits for others.

Going to the thread and back takes longer than most calls. So a quick call runs on the loop if the bus is free; as
soon as it would have to wait for another process or compute for long, it moves to the thread. What remains is the
sync of one message: on a disk where that is slow, the loop leaves it to the thread, too.

Jobs run in the order given. The first job that needs the bus opens it, not earlier: a server starts, and lists its
tools, even if there is no folder yet or the index is being rebuilt.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from intercom.core.pace import NotNow

if TYPE_CHECKING:
    from intercom.bus.bus import Bus

T = TypeVar("T")
_TOO_LONG = 0.25  # seconds for which a job may block the loop
_SPARED = 10.0  # seconds for which the loop runs no jobs after one took longer
_BREATH = 0.0005  # seconds for the answer to go out before anything is tidied


class BusThread:
    """A thread with a bus of its own. `start` it inside the event loop whose calls it serves."""

    def __init__(self, open_bus: Callable[[], Bus]) -> None:
        self._open_bus = open_bus
        self._bus: Bus | None = None
        self._jobs: queue.SimpleQueue[tuple[Callable[[Bus], Any], asyncio.Future[Any]] | None] = queue.SimpleQueue()
        self._given = self._done = 0  # counts of jobs for the thread; if equal, it is idle
        self.here = False  #: whether `quick` raises NotNow instead of using the thread
        self._slow_until = 0.0  # monotonic; until then the loop runs no jobs, because one was too slow
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="intercom-bus", daemon=True)

    def start(self) -> None:
        """Start taking jobs."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def call(self, job: Callable[[Bus], T]) -> T:
        """Run `job` on the thread; returns its result or raises its exception.

        A job cancelled before its turn is skipped; one that has begun runs to its end.
        """
        return await self._submit(job)

    async def quick(self, job: Callable[[Bus], T]) -> T:
        """As `call`, but on the event loop if it takes no time; then `job` must tolerate being started twice."""
        try:
            return self._at_once(job)
        except NotNow:
            if self.here:
                raise
            return await self._submit(job)

    def _at_once(self, job: Callable[[Bus], T]) -> T:
        bus, began = self._bus, time.monotonic()
        if bus is None or self._given != self._done or began < self._slow_until:
            raise NotNow
        try:
            with bus.pace:
                return job(bus)
        finally:
            if time.monotonic() - began > _TOO_LONG:
                self._slow_until = began + _SPARED
            if bus.untidy and self._loop is not None:
                self._loop.call_later(_BREATH, self._submit, _nothing)

    def _submit(self, job: Callable[[Bus], T]) -> asyncio.Future[T]:
        assert self._loop is not None
        future: asyncio.Future[T] = self._loop.create_future()
        self._given += 1
        self._jobs.put((job, future))
        return future

    def close(self, timeout: float = 5.0) -> bool:
        """Finish the jobs given, close the bus. False if the thread is still busy after `timeout` seconds."""
        if self._loop is None:
            return True
        self._jobs.put(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (item := self._jobs.get()) is not None:
            self._serve(*item)
            self._done += 1
        if self._bus is not None:
            self._bus.close()

    def _serve(self, job: Callable[[Bus], Any], future: asyncio.Future[Any]) -> None:
        if not future.cancelled():
            try:
                if self._bus is None:
                    self._bus = self._open_bus()
                result = job(self._bus)
            except Exception as error:  # noqa: BLE001  # handed to whoever asked
                self._tell(_settle_error, future, error)
            else:
                self._tell(_settle, future, result)
            self._tidy()

    def _tidy(self) -> None:
        """Do what a send left for later, after its answer is out, so that the client does not wait for it."""
        if self._bus is not None and self._jobs.empty():
            with contextlib.suppress(Exception):  # the next send does it, and reports what is wrong
                self._bus.tidy()

    def _tell(
        self, settle: Callable[[asyncio.Future[Any], Any], None], future: asyncio.Future[Any], value: Any
    ) -> None:
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(settle, future, value)


def _nothing(_bus: Bus) -> None:
    """An empty job, after which the thread checks whether there is something to tidy."""


def _settle(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _settle_error(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
