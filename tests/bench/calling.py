"""Owns the figures of tool calls in the unit that travels between machines: pings of the same server, by the SDK.

What a ping costs on its way through an SDK any call of the Node original (InterComm 1.0.2) costs, too; how many such
pings of its own server that took stands beside; its messages are not synced. Ours answers what is plain without the
SDK, pings too, so that one that is not plain is the unit. The CPU alone is seen in memory (tmpfs), the price of
durability on a disk.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench.clients import SERVER, Client
from tests.bench.history import opened
from tests.bench.table import Row, Run, against_floor, in_pings, steady

TEXT = "x" * 200
_BLOCK = 50  # calls of a kind in a row
_TAIL = 6.0  # times its median that a call's 99th percentile may take
_SYNC = b"x" * 400  # what a message of 200 characters adds to the ledger, about


def calls(run: Run) -> Iterator[Row]:
    """Reading with nothing new, sending, send and the other's read, status: on tmpfs, beside ping and a raw echo."""
    with _memory(run) as folder:
        yield from _calls(run, Path(folder) / "two")
        yield _crowd(run, Path(folder) / "fifty")


def _memory(run: Run) -> tempfile.TemporaryDirectory[str]:
    """A folder in memory, where the system has such a thing."""
    place = "/dev/shm" if os.path.isdir("/dev/shm") else run.folder
    return tempfile.TemporaryDirectory(prefix="intercom-bench-", dir=place)


def _calls(run: Run, root: Path) -> Iterator[Row]:
    root.mkdir()
    opened(root).close()
    echo = [sys.executable, str(Path(__file__).with_name("echo.py"))]
    with Client(SERVER, root) as one, Client(SERVER, root) as other, Client(echo, root) as raw:
        for server, name in ((one, "one"), (other, "other")):
            server.initialize()
            server.call("intercomm_register", name=name)
        work: dict[str, Callable[[], float]] = {
            "echo": raw.ping,
            "plain": one.ping,
            "ping": one.ping_by_sdk,
            "read": lambda: one.call("intercomm_read"),
            "send": lambda: one.call("intercomm_send", to="user", message=TEXT),
            "both": lambda: one.call("intercomm_send", to="other", message=TEXT) + _received(other),
            "status": lambda: one.call("intercomm_status"),
        }
        times = in_blocks(work, run.rounds(20, 6))
    ping = times["ping"]
    yield against_floor("MCP ping (floor: an echo of JSON lines)", times["plain"], times["echo"], 4)
    unit = against_floor("MCP ping through the SDK: the unit below (floor: a plain one)", ping, times["plain"], 1)
    yield unit._replace(budget="–", holds=None)
    yield in_pings("intercomm_read, nothing new", times["read"], ping, 1.4, node=1.9)
    yield in_pings("intercomm_send", times["send"], ping, 1.5, node=2.0)
    yield in_pings("intercomm_send and the other's read", times["both"], ping, 3, node=4.1)
    yield in_pings("intercomm_status, 2 agents", times["status"], ping, 1.6, node=1.2)
    for name, called in (("read", "read"), ("send", "send"), ("both", "send and read"), ("status", "status")):
        yield steady(f"p99 of {called}, compactions included", times[name], _TAIL)


def _received(server: Client) -> float:
    """Read what was sent; the seconds until it was there."""
    seconds, result = server.timed("tools/call", {"name": "intercomm_read", "arguments": {}})
    if TEXT not in result["content"][0]["text"]:
        raise RuntimeError("the message did not come")
    return seconds


def in_blocks(work: dict[str, Callable[[], float]], blocks: int) -> dict[str, list[float]]:
    """Seconds of each kind of call: each kind some times in a row, all kinds in turn; the first turn is for warmth."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(blocks + 1):
        for name, call in work.items():
            taken = [call() for _ in range(_BLOCK)]
            if turn:
                times[name] += taken
    return times


def _crowd(run: Run, root: Path) -> Row:
    """`intercomm_status` with 50 agents and as many worktrees noted."""
    root.mkdir()
    with opened(root) as bus:
        for number in range(50):
            bus.register("worker", f"agent-{number}", pid=os.getpid())
    _worktrees(root, 50)
    with Client(SERVER, root) as server:
        server.initialize()
        server.call("intercomm_register")
        work: dict[str, Callable[[], float]] = {
            "ping": server.ping_by_sdk,
            "status": lambda: server.call("intercomm_status"),
        }
        times = in_blocks(work, run.rounds(10, 3))
    return in_pings("intercomm_status, 50 agents, 50 worktrees", times["status"], times["ping"], 4)


def _worktrees(root: Path, count: int) -> None:
    """Note worktrees as the fleet does."""
    from contextlib import closing

    from intercom.core.config import load
    from intercom.core.message import utc
    from intercom.fleet.worktrees.register import Entry, Worktrees
    from intercom.store.state.db import State

    with closing(State(load(root).private)) as state:
        register, now = Worktrees(state, root), utc()
        for number in range(count):
            name = f"agent-{number}"
            register._put(Entry(name, f"{root}/trees/{name}", "main", None, "active", now, now))


def durable(run: Run) -> Iterator[Row]:
    """`intercomm_send` on a disk, beyond the fdatasync of as many bytes, in pings."""
    root = run.project("durable")
    opened(root).close()
    handle = os.open(root / "floor", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def synced() -> float:
        began = time.perf_counter()
        os.write(handle, _SYNC)
        os.fdatasync(handle)
        return time.perf_counter() - began

    with Client(SERVER, root) as server:
        server.initialize()
        server.call("intercomm_register")
        work: dict[str, Callable[[], float]] = {
            "ping": server.ping_by_sdk,
            "sync": synced,
            "send": lambda: server.call("intercomm_send", to="user", message=TEXT),
        }
        times = in_blocks(work, run.rounds(20, 6))
    os.close(handle)
    sync = statistics.median(times["sync"])
    beyond = [seconds - sync for seconds in times["send"]]
    yield in_pings("intercomm_send on disk, beyond its fdatasync", beyond, times["ping"], 1.5)
