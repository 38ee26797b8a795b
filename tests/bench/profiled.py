"""Owns saying where a figure's time goes: cProfile in each process of ours that it starts, on all their threads.

Run as a program it is `python -m intercom` under the profiler. A profiled call takes several times as long: what
counts is the share of each function, and how often it is called.
"""

from __future__ import annotations

import cProfile
import io
import os
import pstats
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from tests.bench import clients

_FOLDER = "BENCH_PROFILE"
_LINES = 45
_profiles: list[cProfile.Profile] = []


def switch_on() -> None:
    """Profile this process, and every server that is started from now on."""
    os.environ[_FOLDER] = tempfile.mkdtemp(prefix="intercom-profile-")
    clients.SERVER[:] = [sys.executable, "-m", "tests.bench.profiled", os.environ[_FOLDER], "mcp"]
    _begin()


def told() -> str:
    """What was found, of the servers if there were any, else of this process."""
    folder = Path(os.environ[_FOLDER])
    found = sorted(folder.iterdir())
    for profile in _profiles:
        profile.disable()
    out = io.StringIO()
    stats = pstats.Stats(*(map(str, found) if found else _profiles), stream=out)
    stats.strip_dirs().sort_stats("tottime").print_stats(_LINES)
    stats.sort_stats("cumulative").print_stats(_LINES)
    return out.getvalue()


def _begin() -> None:
    """Profile this thread, and each that is started from now on."""
    run = threading.Thread.run

    def profiled(thread: threading.Thread) -> None:
        profile = cProfile.Profile()
        _profiles.append(profile)
        profile.runcall(run, thread)

    threading.Thread.run = profiled  # type: ignore[method-assign,assignment]
    _profiles.append(cProfile.Profile())
    _profiles[0].enable()


def main(folder: str, *words: str) -> None:
    """`python -m intercom WORDS` under the profiler; what it found goes into `folder`."""
    from intercom.cli import main as command

    leave: Any = os._exit
    _begin()
    code = command(words)
    for profile in _profiles:
        profile.disable()
    pstats.Stats(*_profiles).dump_stats(f"{folder}/{os.getpid()}")
    leave(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
