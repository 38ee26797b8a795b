"""Owns the figures of sending: through the API, and through the MCP server over stdio.

Compaction is on, as users have it: every fiftieth send pays for one.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from intercom.core.message import local_stamp
from intercom.format import render
from intercom.format.record import seal
from tests.bench.clients import SERVER, Client
from tests.bench.history import SENDER, opened
from tests.bench.table import Row, Run, against_floor

TEXT = "the tests on main are red since this morning; I look into it now and report back here"


def bus_send(run: Run) -> Iterator[Row]:
    """One durable `Bus.send`, beside opening a file, writing the same bytes and fdatasync."""
    root = run.project("send")
    ours, floor = [], []
    with opened(root) as bus:
        sent = bus.send("worker-1", TEXT, sender=SENDER)
        block = len(seal(render(sent, local_stamp(0))))
        for _ in range(run.rounds(3_000, 400)):
            began = time.perf_counter()
            bus.send("worker-1", TEXT, sender=SENDER)
            ours.append(time.perf_counter() - began)
            floor.append(_durable(root / "floor", b"x" * block))
    yield against_floor("one durable Bus.send", ours, floor, 8)


def _durable(path: Path, data: bytes) -> float:
    """Seconds to open, write and sync."""
    began = time.perf_counter()
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.write(handle, data)
    os.fdatasync(handle)
    os.close(handle)
    return time.perf_counter() - began


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
