"""Owns the figures of sending: through the API, and through the MCP server over stdio.

Compaction is on, as users have it: every fiftieth send pays for one.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from intercom.core.message import local_stamp
from intercom.format import render
from intercom.format.record import seal
from tests.bench.clients import SERVER, Client, environment
from tests.bench.history import SENDER, opened
from tests.bench.table import Row, Run, above_floor, against_floor

TEXT = "the tests on main are red since this morning; I look into it now and report back here"


def bus_send(run: Run) -> Iterator[Row]:
    """One durable `Bus.send`, beside opening a file, writing the same bytes and fdatasync."""
    root = run.project("send")
    ours, floor, compacting = [], [], []
    with opened(root) as bus:
        sent = bus.send("worker-1", TEXT, sender=SENDER)
        page = bus.config.log
        file = page.stat().st_ino
        block = len(seal(render(sent, local_stamp(0))))
        for _ in range(run.rounds(3_000, 400)):
            began = time.perf_counter()
            bus.send("worker-1", TEXT, sender=SENDER)
            taken = time.perf_counter() - began
            ours.append(taken)
            if (now := page.stat().st_ino) != file:  # it was replaced
                compacting.append(taken)
                file = now
            floor.append(_durable(root / "floor", b"x" * block))
    yield against_floor("one durable Bus.send", ours, floor, 8)
    yield above_floor("one that compacts the log, beside all", compacting, ours, 0.005)


def _durable(path: Path, data: bytes) -> float:
    """Seconds to open, write and sync."""
    began = time.perf_counter()
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.write(handle, data)
    os.fdatasync(handle)
    os.close(handle)
    return time.perf_counter() - began


def at_once(run: Run) -> Iterator[Row]:
    """Thirty processes that send at once: seconds a message, beside those of one sender."""
    root, count = run.project("at-once"), run.rounds(100, 10)
    opened(root).close()
    alone, together = ([_senders(root, many, count) for _ in range(run.rounds(3, 1))] for many in (1, 30))
    ratio = statistics.median(alone) / statistics.median(together)
    row = against_floor("30 senders at once, seconds a message (floor: one)", together, alone, 1)
    yield row._replace(ratio=f"{ratio:.2f}× as many", budget="≥ 1.5× as many", holds=ratio >= 1.5)


_SENDS = """
import sys
from intercom import Bus
with Bus.open(sys.argv[1]) as bus:
    bus.send("worker-1", "for warmth", sender="worker-2")
    bus.compact()
    print(flush=True)
    sys.stdin.read()
    for number in range(int(sys.argv[2])):
        bus.send("worker-1", f"number {number}", sender="worker-2")
    print(flush=True)
"""


def _senders(root: Path, many: int, count: int) -> float:
    """Seconds a message, with so many processes that each send `count`."""
    command = [sys.executable, "-c", _SENDS, str(root), str(count)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    running = [subprocess.Popen(command, env=environment(root), **pipes) for _ in range(many)]  # type: ignore[call-overload]
    for one in running:
        one.stdout.readline()
    began = time.perf_counter()
    for one in running:
        one.stdin.close()
    for one in running:
        one.stdout.readline()
    seconds = time.perf_counter() - began
    for one in running:
        one.wait(300)
        one.stdout.close()
    return seconds / (many * count)


def mcp_send(run: Run) -> Iterator[Row]:
    """`intercomm_send` over stdio, beside a process that echoes JSON lines and syncs as many bytes."""
    root = run.project("mcp-send")
    opened(root).close()
    echo = [sys.executable, str(Path(__file__).with_name("echo.py")), str(root / "floor")]
    ours, floor = [], []
    with Client(SERVER, root) as server, Client(echo, root) as raw:
        server.initialize()
        server.call("intercomm_register")
        for number in range(run.rounds(4_000, 600)):
            arguments = {"to": "worker-1", "message": f"{TEXT} ({number})"}
            ours.append(server.call("intercomm_send", **arguments))
            floor.append(raw.call("intercomm_send", **arguments))
    yield against_floor("MCP intercomm_send over stdio", ours[50:], floor[50:], 5, p99=8)
