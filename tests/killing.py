"""Owns processes that die by `kill -9` at a chosen system call: how tests step a death over every call of an act."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["intercom.bus.bus", "filelock", "frontmatter", "tests.killing"])
#: Everything by which the core changes files, except inside SQLite.
CALLS = ("open", "write", "fdatasync", "fsync", "replace", "ftruncate", "unlink", "utime", "mkdir")


def _arm(at: int, *, short: bool) -> None:
    """From now on, die at call number `at`: before it, or, where `short`, with half of what it writes written."""
    count = 0
    real: dict[str, Callable[..., Any]] = {name: getattr(os, name) for name in CALLS}

    def wrapped(name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            if name == "open" and not (args[1] & (os.O_CREAT | os.O_WRONLY | os.O_RDWR)):
                return real[name](*args, **kwargs)
            count += 1
            if count == at:
                if short and name == "write":
                    real[name](args[0], args[1][: len(args[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return real[name](*args, **kwargs)

        return call

    for name in CALLS:
        setattr(os, name, wrapped(name))


def _act(act: Callable[[str], None], root: str, at: int, short: bool) -> None:
    _arm(at, short=short)
    act(root)


def dies(act: Callable[[str], None], root: Path, at: int, *, short: bool = False) -> bool:
    """Run `act(root)` in a process that is killed at its call number `at`; False if it ended before that."""
    process = _CONTEXT.Process(target=_act, args=(act, os.fspath(root), at, short), daemon=True)
    process.start()
    process.join()
    assert process.exitcode in {0, -signal.SIGKILL}, "the act itself failed"
    return process.exitcode != 0
