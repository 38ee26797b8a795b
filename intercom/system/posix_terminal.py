"""Owns the end of a terminal, of a program in it, and of whoever reads a pipe, on POSIX systems."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

assert sys.platform != "win32"

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


def reader_left(fd: int) -> bool:
    """Whether nobody reads any more what is written to this pipe or socket; False for a file. OSError."""
    import select

    poll = select.poll()
    poll.register(fd, 0)
    return any(told & (select.POLLERR | select.POLLHUP) for _, told in poll.poll(0))  # either is told unasked


def on_end(loop: asyncio.AbstractEventLoop, terminal: int, end: Callable[[int], None]) -> None:
    """Have the running loop call `end`, with an exit status, when this process is terminated or its terminal closed.

    It may be called more than once. Existing handlers of SIGTSTP and SIGCONT keep working.
    """
    import signal
    import threading

    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, end, 128 + number)
    _continue_only_once_stopped()

    def wait() -> None:
        if _hung_up(terminal):
            with suppress(RuntimeError):  # it ended meanwhile
                loop.call_soon_threadsafe(end, 128 + signal.SIGHUP)

    threading.Thread(target=wait, name="intercom-terminal", daemon=True).start()


def _hung_up(terminal: int) -> bool:
    """Wait until a terminal is closed: processes that it does not control or that ignore SIGHUP learn it only so."""
    import select

    poll = select.poll()
    poll.register(terminal, 0)  # hang-ups are told unasked
    return any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll())


def _continue_only_once_stopped() -> None:
    """Keep SIGCONT's handler for what SIGTSTP's has stopped: the system sends it with SIGHUP, too."""
    import signal

    stopped = False

    def stop(number: int, frame: Any) -> None:
        nonlocal stopped
        stopped = True
        if callable(stops):
            stops(number, frame)

    def go_on(number: int, frame: Any) -> None:
        nonlocal stopped
        was, stopped = stopped, False
        if was and callable(goes_on):
            goes_on(number, frame)

    stops, goes_on = signal.getsignal(signal.SIGTSTP), signal.getsignal(signal.SIGCONT)
    if callable(stops) and callable(goes_on):
        signal.signal(signal.SIGTSTP, stop)
        signal.signal(signal.SIGCONT, go_on)
