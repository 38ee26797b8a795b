"""Owns work that goes on after a command has answered, in a background process detached from the terminal.

A process with other threads, such as a server, must not fork; a server uses a thread instead.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from intercom.core.errors import Refused


def lives_on() -> bool:
    """Whether this process has other threads (a server), and so is not a command that ends once it has answered."""
    return threading.active_count() > 1


def apart(job: Callable[[Callable[[str], None]], None]) -> str:
    """Run `job(say)` in a process of its own, and return what it says first, or "" if it ends without saying anything.

    `job` must open everything it needs itself, and no SQLite database may be open in this process: the child would
    take this process's locks for its own and delete the write-ahead log when it closes the database. Refused on
    systems without fork.
    """
    fork, session = getattr(os, "fork", None), getattr(os, "setsid", None)
    if fork is None or session is None:
        raise Refused("this system cannot go on working once it has answered; nothing was started.")
    out, into = os.pipe()
    if fork() == 0:
        try:
            session()
            null = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(null, number)
            said: list[int] = []

            def say(text: str) -> None:
                if not said:
                    said.append(os.write(into, text.encode("utf-8", "surrogateescape")))
                    os.close(into)

            job(say)
        finally:
            os._exit(0)
    os.close(into)
    with open(out, "rb") as file:
        return file.read().decode("utf-8", "surrogateescape")
