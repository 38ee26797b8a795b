"""Owns the figure of waiting: from a hand-written line being saved to the reader's `wait` returning."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from intercom import Bus

BUDGET = 0.050  #: seconds, at the 95th percentile of 200


def hand_to_wait(root: Path, trials: int = 200) -> list[float]:
    """Seconds from the save to the return, one for each trial, in a project of its own at `root`.

    The writer is another thread, and waits until the reader does; every message comes once.
    """
    times: list[float] = []
    with Bus.open(root) as bus, Bus.open(root) as other:
        other.send("roo", "so that there is a log", sender="claude-code")
        bus.read("roo")
        for number in range(trials):
            saved = [0.0]
            writer = threading.Thread(target=_save, args=(bus.config.log, number, saved))
            writer.start()
            found = bus.wait("roo", 10)
            times.append(time.perf_counter() - saved[0])
            writer.join()
            assert [message.body for message in found] == [f"by hand, number {number}"]
    return times


def _save(log: Path, number: int, saved: list[float]) -> None:
    """Append a message as an editor would, once the reader waits."""
    time.sleep(0.15)
    stamp = f"2026-01-12 {number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}"
    with log.open("a", encoding="utf-8") as file:
        file.write(f"## [{stamp}] user → roo [INFO]\n\nby hand, number {number}\n\n---\n\n")
        file.flush()
        os.fsync(file.fileno())
        saved[0] = time.perf_counter()
