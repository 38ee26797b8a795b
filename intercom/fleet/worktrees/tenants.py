"""Owns ending processes that serve a worktree: AIMFP's watchdog and servers, which outlive their starter.

Nothing else is ended: a person's shell or editor in that folder is theirs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from intercom.core import aimfp, document
from intercom.system import proc
from intercom.system.ancestry import words_of
from intercom.system.liveness import started

_PROGRAMS = ("aimfp", "aimfp.watchdog")


def end(path: Path) -> int:
    """End what runs in the worktree at `path` on its behalf; returns how many. CommandFailed if one stays."""
    found = {one.pid: one for one in _tenants(path)}
    return len(proc.end_all(found.values())) if found else 0


def _tenants(path: Path) -> Iterator[proc.Process]:
    where = os.path.realpath(path)
    for pid in {*_watchdog(path), *_everybody()}:
        if pid == os.getpid() or not _is_aimfp(words := words_of(pid)):
            continue
        since = started(pid)
        if since is not None and any(_inside(place, where) for place in (_folder(pid), *words[1:])):
            yield proc.Process(pid, since)


def _everybody() -> list[int]:
    """Every process, on systems where listing them is cheap."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()] if os.path.isdir("/proc/self") else []


def _watchdog(path: Path) -> list[int]:
    """The process in AIMFP's watchdog file; its pid may long belong to another."""
    try:
        text = document.text_of(path / aimfp.WATCHDOG).strip()
    except (OSError, ValueError):
        return []
    return [int(text)] if text.isascii() and text.isdecimal() and len(text) < 10 else []


def _is_aimfp(words: list[str]) -> bool:
    """Whether a command line is AIMFP's: `python -m aimfp …`, or its script."""
    if not words or os.path.basename(words[0]) in _PROGRAMS:
        return bool(words)
    if not os.path.basename(words[0]).startswith(("python", "pypy")):
        return False  # such as `git commit -m aimfp` or `vim aimfp`
    script = next((word for word in words[1:] if not word.startswith("-")), "")
    module = next((after for before, after in pairwise(words) if before == "-m"), "")
    return module in _PROGRAMS or (not module and os.path.basename(script) in _PROGRAMS)


def _folder(pid: int) -> str:
    """A process's working directory; "" if it cannot be seen."""
    try:
        return os.readlink(f"/proc/{pid}/cwd").removesuffix(" (deleted)")
    except OSError:
        return ""


def _inside(place: str, where: str) -> bool:
    """Whether a process's folder is the worktree or inside it."""
    return place.startswith(os.sep) and (place == where or place.startswith(where + os.sep))
