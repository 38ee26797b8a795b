"""Owns processes that die by `kill -9` at a chosen system call: how tests step a death over every call of an act."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from intercom.system import host
from tests.processes import clean_processes

_CONTEXT = clean_processes(["intercom.bus.bus", "filelock", "frontmatter", "tests.killing"])
#: Everything by which the core changes files, except inside SQLite; where the system has some of it in its own way.
CALLS = ("open", "write", "fdatasync", "fsync", "replace", "ftruncate", "unlink", "utime", "mkdir")
_PLACES = [(os, name) for name in CALLS if hasattr(os, name)]
if not hasattr(os, "fdatasync"):
    _PLACES += [(host, name) for name in ("open_file", "pwrite", "truncate", "rename")]


def _arm(at: int, *, short: bool) -> None:
    """From now on, die at call number `at`: before it, or, where `short`, with half of what it writes written."""
    count = 0

    def wrapped(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            if name in {"open", "open_file"} and not ((*args, 0)[1] & (os.O_CREAT | os.O_WRONLY | os.O_RDWR)):
                return real(*args, **kwargs)
            count += 1
            if count == at:
                if short and name == "write":
                    real(args[0], args[1][: len(args[1]) // 2])
                host.kill(os.getpid(), hard=True)
            return real(*args, **kwargs)

        return call

    for place, name in _PLACES:
        setattr(place, name, wrapped(name, getattr(place, name)))


def _act(act: Callable[[str], None], root: str, at: int, short: bool) -> None:
    _arm(at, short=short)
    act(root)


def dies(act: Callable[[str], None], root: Path, at: int, *, short: bool = False) -> bool:
    """Run `act(root)` in a process that is killed at its call number `at`; False if it ended before that."""
    process = _CONTEXT.Process(target=_act, args=(act, os.fspath(root), at, short), daemon=True)
    process.start()
    process.join()
    assert process.exitcode in {0, -9, 15}, "the act itself failed"  # how each system says that it was killed
    return bool(process.exitcode)
