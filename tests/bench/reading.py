"""Owns the figures of reading: new messages in a long history, catching up, and hearing of a hand-written line."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from intercom import Bus
from intercom.format import parse
from intercom.format.record import is_control
from intercom.store.log.log import Log
from intercom.system.files import read_from
from tests.bench.history import READER, SENDER, fill, opened
from tests.bench.table import Row, Run, against_floor, within
from tests.bench.writing import TEXT

SHORT = 1_000
CAUGHT = 100


def long_history(run: Run) -> Iterator[Row]:
    """Reading one new message, and catching up on a hundred, with a million in the history."""
    count = run.rounds(1_000_000, 100_000)
    small, large = run.project("short-history"), run.project("long-history")
    fill(small, SHORT)
    fill(large, count)
    with opened(small) as short, opened(large) as long:
        gc.collect()
        ours: list[float] = []
        floor: list[float] = []
        for _ in range(run.rounds(2_000, 300)):
            for bus, times in ((long, ours), (short, floor)):
                bus.send(READER, TEXT, sender=SENDER)
                times.append(_read(bus, 1))
        yield against_floor(f"read new, {count:,} in history (floor: {SHORT:,})", ours, floor, 1.2)
        figure = f"catching up on {CAUGHT}, {count:,} in history"
        yield against_floor(figure, *_catch_up(long, run.rounds(60, 15), compacted=False), 3)
        row = against_floor(f"{figure}, compacted twice", *_catch_up(long, run.rounds(60, 15), compacted=True), 3)
        yield row._replace(budget="–", holds=None)


def search(run: Run) -> Iterator[Row]:
    """A rare word, a common one, and three letters, in a long history."""
    count = run.rounds(1_000_000, 100_000)
    root = run.project("search")
    fill(root, count)
    with opened(root) as bus:
        said = Counter(word for message in bus.history(limit=5_000) for word in message.body.split())
        ranked = [word for word, _ in said.most_common() if len(word) > 3]
        for kind, word, limit in (
            ("a rare word", ranked[-1], 0.010),
            ("a common word", ranked[0], 0.050),
            ("three letters", ranked[len(ranked) // 2][:3], 0.050),
        ):
            bus.search(word)
            times = []
            for _ in range(run.rounds(100, 20)):
                began = time.perf_counter()
                bus.search(word)
                times.append(time.perf_counter() - began)
            yield within(f"search {count:,}, {kind}", times, limit, 95)


def _catch_up(bus: Bus, rounds: int, *, compacted: bool) -> tuple[list[float], list[float]]:
    """Seconds to bring the index up to date with messages that were sent meanwhile, and to parse just these."""
    ours, floor = [], []
    for _ in range(rounds):
        if not compacted:  # room for them all in the live log
            bus.compact(keep=0)
            bus.history(limit=1)
        data = _say(bus, CAUGHT)
        began = time.perf_counter()
        bus.history(limit=1)
        ours.append(time.perf_counter() - began)
        began = time.perf_counter()
        entries = parse(data)
        floor.append(time.perf_counter() - began)
        assert len(entries) == CAUGHT
        _read(bus, CAUGHT)
    return ours, floor


def _read(bus: Bus, expected: int) -> float:
    began = time.perf_counter()
    found = bus.read(READER)
    seconds = time.perf_counter() - began
    assert len(found) == expected, f"{len(found)} messages, not {expected}"
    return seconds


def _say(bus: Bus, count: int) -> bytes:
    """Send `count` messages as users do, compaction on; return them as they stand in the log."""
    for _ in range(count):
        bus.send(READER, TEXT, sender=SENDER)
    ledger = Log(bus.config).ledger
    data = b"".join(read_from(ledger.path(segment)) or b"" for segment in ledger.segments()[-2:])
    return b"".join([entry.raw for entry in parse(data) if not is_control(entry)][-count:])


def hand_written(run: Run) -> Iterator[Row]:
    """From a line being saved by hand to the reader's wait returning."""
    root = run.project("by-hand")
    times: list[float] = []
    with opened(root) as bus, opened(root) as other:
        other.send("worker-2", "so that there is a log", sender=READER)
        for number in range(run.rounds(200, 40)):
            heard = threading.Event()
            saved = [0.0]
            writer = threading.Thread(target=_save, args=(bus.config.log, number, saved, heard))
            writer.start()
            found = bus.wait(READER, 10)
            times.append(time.perf_counter() - saved[0])
            heard.set()
            writer.join()
            assert len(found) == 1
    yield within("hand-written line saved → wait returns", times, 0.025, 95)


def _save(log: Path, number: int, saved: list[float], heard: threading.Event) -> None:
    """Append a message as an editor would, once the reader waits."""
    heard.wait(0.12)
    text = f"## [2026-01-12 10:00] user → {READER} [INFO]\n\nby hand, number {number}\n\n---\n\n"
    with open(log, "a", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    saved[0] = time.perf_counter()
