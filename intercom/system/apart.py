"""Owns work that goes on when a command has answered: in a process of its own, with nothing of the terminal's.

Where there are other threads, as in a server, nothing may be forked; who lives on has a thread for it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from intercom.core.errors import Refused


def lives_on() -> bool:
    """Whether this process has threads beside its first, and so is not a command that ends when it has answered."""
    return threading.active_count() > 1


def apart(job: Callable[[Callable[[str], None]], None]) -> str:
    """Run `job(say)` in a process of its own; what it says first, as soon as it does, "" if it ends without a word.

    `job` must open anew whatever it needs, and no SQLite database may be open now: the child would take the locks of
    this process for its own, which deletes the file of changes as it closes the database. Refused where there is no
    such thing as a fork.
    """
    fork, session = getattr(os, "fork", None), getattr(os, "setsid", None)
    if fork is None or session is None:
        raise Refused("this system cannot go on with that after it has answered; nothing was started.")
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
