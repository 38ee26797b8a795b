"""Owns how the screen asks the bus: keys are taken meanwhile, and errors and long waits are shown."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from textual.app import App

from intercom.core.errors import IntercomError
from intercom.core.escaping import sentence

if TYPE_CHECKING:
    from intercom.cli.tui.source import Source
    from intercom.fleet.crew import Crew

T = TypeVar("T")
_SLOW = 2.0  #: seconds after which it is shown that an answer of the bus takes long


class Asker(App[None]):
    """A screen with a bus behind it."""

    source: Source
    behind = ""  #: why what is shown is not up to date
    slow = 0  #: answers of the bus that take long

    @property
    def over(self) -> bool:
        """Whether the screen is closing or closed."""
        raise NotImplementedError

    def draw_top(self) -> None:
        """Draw the line that shows `behind` and `slow`."""
        raise NotImplementedError

    async def ask(self, find: Callable[[Crew], T], *, lists: bool = False) -> T | None:
        """The result of a query on the bus; an error is shown, and gives None."""
        if self.source.closed:
            return None
        try:
            return await self.patiently(self.source.ask(find, lists=lists))
        except (IntercomError, OSError) as error:
            self.trouble(error)
            return None

    async def patiently(self, answer: Awaitable[T]) -> T:
        """Await an answer of the bus; if that takes long, it is shown until it is there."""
        task = asyncio.ensure_future(answer)
        try:
            if not (await asyncio.wait({task}, timeout=_SLOW))[0]:
                self.slow += 1
                self.draw_top()
                try:
                    return await task
                finally:
                    self.slow -= 1
                    self.draw_top()
            return task.result()
        except asyncio.CancelledError:
            task.cancel()
            raise

    @contextmanager
    def told(self) -> Iterator[None]:
        """Show an error from within, and go on."""
        try:
            yield
        except (IntercomError, OSError) as error:
            self.trouble(error)

    def trouble(self, error: IntercomError | OSError) -> None:
        """Show an error, unless it is being shown: what fails may be tried often."""
        text = sentence(str(error))
        if self.over or self.behind == text or any(one.message == text for one in self._notifications):
            return
        self.notify(text, severity="error", markup=False)
