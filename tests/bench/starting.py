"""Owns the figures of starting: the server until it answers, its memory, and whole commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench.clients import SERVER, Client, environment
from tests.bench.history import READER, SENDER, opened
from tests.bench.table import Row, Run, above_floor, against_floor, plain, within


def server_start(run: Run) -> Iterator[Row]:
    """From starting the server to having its answer to `initialize`, beside importing the SDK."""
    root = run.project("start")
    opened(root).close()
    times: tuple[list[float], ...] = ([], [], [])
    floor = []
    for _ in range(run.rounds(15, 5)):
        began = time.perf_counter()
        with Client(SERVER, root) as client:
            for taken, step in zip(times, (client.initialize, client.tools, client.first_call), strict=True):
                step()
                taken.append(time.perf_counter() - began)
        floor.append(_whole([sys.executable, "-c", "import mcp"], root))
    yield within("server start → initialize answered", times[0], 0.100, 50)
    yield within("server start → tools/list answered", times[1], 0.100, 50)
    yield against_floor("server start → first call answered (floor: import mcp)", times[2], floor, 1.0)


def server_memory(run: Run) -> Iterator[Row]:
    """Resident memory of a server that has worked."""
    root = run.project("memory")
    opened(root).close()
    with Client(SERVER, root) as client:
        client.initialize()
        client.call("intercomm_register", role="master")
        for number in range(120):
            client.call("intercomm_send", to=READER, message=f"message {number}")
            client.call("intercomm_read")
        client.call("intercomm_broadcast", message="to all")
        for tool in ("status", "get_protocol", "clear", "scan", "assign", "signoff"):
            more = {"worker": READER, "role_instructions": "do it", "wake": False} if tool == "assign" else {}
            client.call(f"intercomm_{tool}", **more)
        resident = _resident(client.process.pid)
    if resident is not None:
        yield plain("server memory, ten tools used (resident)", resident / (1 << 20), 70, "MiB")


#: What the installed script `intercom` runs: sessions and people start that, not `python -m`, which imports more.
COMMAND = [sys.executable, "-c", "import sys; from intercom.cli import run; run()"]

_PEAK = """
import os, sys
ended = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0)
sys.stderr.write(f"{ended[2].ru_maxrss}")
"""  # small, for what starts a process counts as its own until it is another program


def hook_memory(run: Run) -> Iterator[Row]:
    """The most that a hook takes, and what a waiter of an idle session takes while it waits."""
    root = run.project("hook-memory")
    with opened(root) as bus:
        bus.register("worker", "worker-9", pid=os.getpid())
    environ, hook = environment(root, INTERCOM_NAME="worker-9"), [sys.executable, "-m", "intercom", "hook"]
    peaks = [_peak([*hook, event], root, environ, _told(event)) for event in ("SessionStart", "PreToolUse")]
    yield plain("memory of a hook, PreToolUse (most)", peaks[-1] / (1 << 20), 16, "MiB")
    with subprocess.Popen([*hook, "wait"], cwd=root, env=environ, stdin=subprocess.PIPE, text=True) as waiter:
        try:
            assert waiter.stdin
            waiter.stdin.write(_told("Stop"))
            waiter.stdin.close()
            while not _watches(waiter.pid):
                time.sleep(0.01)
            time.sleep(0.2)  # its first look
            resident = _resident(waiter.pid)
        finally:
            waiter.kill()
    if resident is not None:
        yield plain("memory of a waiter (resident)", resident / (1 << 20), 14, "MiB")


def _told(event: str) -> str:
    """What a session says to its hook."""
    return json.dumps({"session_id": "s", "hook_event_name": event, "source": "clear", "tool_name": "Bash"})


def _peak(command: Sequence[str], root: Path, environ: dict[str, str], said: str) -> int:
    """Bytes that a process held at most."""
    starter = [sys.executable, "-c", _PEAK, *command]
    done = subprocess.run(starter, cwd=root, env=environ, input=said, capture_output=True, text=True, check=True)
    return int(done.stderr) * 1024


def _watches(pid: int) -> bool:
    """Whether a process has begun to watch a folder; True where that cannot be seen."""
    try:
        return any("inotify" in os.readlink(one) for one in Path(f"/proc/{pid}/fd").iterdir())
    except FileNotFoundError:
        return not Path("/proc/self").exists()


def _resident(pid: int) -> int | None:
    """Bytes, where the system tells."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return None
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))


def command_send(run: Run) -> Iterator[Row]:
    """`intercom send` as a whole process, beside Python doing nothing."""
    yield _command(run, "intercom send", ["send", "--from", SENDER, READER, "a message of thirty characters"], 0.060)


def command_read(run: Run) -> Iterator[Row]:
    """`intercom read` as a whole process, beside Python doing nothing; there is one message each time."""
    yield _command(run, "intercom read", ["read", "--id", READER], 0.038)


def silent_hook(run: Run) -> Iterator[Row]:
    """A hook that has nothing to say, as a whole process, beside Python doing nothing."""
    yield _command(run, "intercom hook", ["hook", "PreToolUse"], 0.020)


def _command(run: Run, figure: str, arguments: Sequence[str], limit: float) -> Row:
    root = run.project(figure.replace(" ", "-"))
    ours, floor = [], []
    with opened(root) as bus:
        for _ in range(run.rounds(60, 15)):
            bus.send(READER, "one message to read", sender=SENDER)
            ours.append(_whole([*COMMAND, *arguments], root))
            floor.append(_whole([sys.executable, "-c", "pass"], root))
    return above_floor(f"`{figure}`, whole process", ours, floor, limit)


def _whole(command: Sequence[str], root: Path) -> float:
    """Seconds that a process takes, from start to end."""
    began = time.perf_counter()
    subprocess.run(
        command, cwd=root, env=environment(root), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True
    )
    return time.perf_counter() - began
