"""Owns additional threads for work that takes seconds and must not delay messages.

Each has a bus of its own. They are daemons: a server whose client has left does not wait for them, and what they had
begun is recorded in the state, where the next scan finds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from intercom.fleet.crew import Crew
    from intercom.server.session import Session

T = TypeVar("T")


async def on_side_thread(session: Session, job: Callable[[Crew], T]) -> T:
    """Run `job` on a thread of its own; returns its result or raises its exception."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: Any, error: Exception | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)

    def run() -> None:
        result, failure = None, None
        try:
            from intercom.fleet.crew import Crew

            with Crew(session.open_bus(), os.environ) as crew:
                result = job(crew)
        except Exception as error:  # noqa: BLE001  # handed to whoever asked
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=run, name="intercom-side", daemon=True).start()
    return await future
