"""Owns a long run of two systems in one folder: processes of Windows, in Wine, and of Linux send and are killed.

`python -m tests.windows.soak [SECONDS]`. Whatever a process said was accepted is in the log and in the ledger once, and
was given to its reader once; the ledger's records are whole.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from intercom import Bus
from intercom.format import MESSAGE, parse
from intercom.format.record import extent
from tests.windows import lab

_EACH = 4  #: processes of each system at a time
_SENDS = """
import itertools, sys, time
from intercom import Bus

with Bus.open(sys.argv[1]) as bus:
    for number in itertools.count():
        print(bus.send("roo", f"{sys.argv[2]} {number}", sender=sys.argv[2]).id, flush=True)
        time.sleep(0.02)
"""


class Sender:
    """One process that sends without end."""

    def __init__(self, root: Path, name: str) -> None:
        """Start it; its system is in its name."""
        environ = {"INTERCOM_MACHINE": "testbox"}
        self.ids: list[str] = []
        if name.startswith("windows"):
            self._child = lab.start(["-c", _SENDS, lab.path(root), name], environ)
        else:
            here = {**os.environ, **environ, "PYTHONPATH": str(lab.ROOT)}
            line = [sys.executable, "-c", _SENDS, str(root), name]
            self._child = subprocess.Popen(line, env=here, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            if line.endswith(b"\n"):
                self.ids.append(line.decode().strip())

    def kill(self) -> list[str]:
        """End it, wherever it is; what was accepted of it."""
        self._child.kill()
        self._child.wait()
        self._thread.join(10)  # Wine's own processes may have the pipe of the first one that runs
        return self.ids


def main(seconds: float) -> int:
    """Run it; how many things were wrong."""
    draw = random.Random(1)
    root = Path(tempfile.mkdtemp(prefix="intercom-soak-"))
    names = [f"{system}-{number}" for system in ("windows", "linux") for number in range(_EACH)]
    given: Counter[str] = Counter()
    accepted: list[str] = []
    killed = 0
    with Bus.open(root, machine="testbox") as bus:
        bus.add_agents(["roo", *names])
        bus.send("roo", "it begins", sender="user", via="cli")
        running = {name: Sender(root, name) for name in names}
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(draw.uniform(0.5, 4))
            name = draw.choice(names)
            accepted += running.pop(name).kill()
            killed += 1
            running[name] = Sender(root, name)
            given.update(message.id for message in bus.read("roo", limit=100_000))
        for sender in running.values():
            accepted += sender.kill()
        given.update(message.id for message in bus.read("roo", limit=100_000))
        kept = Counter(message.id for message in bus.history())
        said = [message.body for message in bus.history() if message.sender == "system"]
    records = [
        entry
        for path in sorted((root / ".claude" / "local" / "archive").glob("*.md"))
        for entry in parse(path.read_bytes())
        if entry.kind == MESSAGE
    ]
    wrong: dict[str, list[str]] = {
        "not an id": [one for one in accepted if len(one) != 12],
        "lost": [one for one in accepted if len(one) == 12 and one not in kept],
        "doubled": [one for one, count in kept.items() if count > 1],
        "not given": [one for one in accepted if one in kept and one not in given],
        "given twice": [one for one, count in given.items() if count > 1],
        "torn": [entry.id or "?" for entry in records if extent(entry.raw) != len(entry.raw)],
        "repaired": said,
    }
    by = Counter(entry.sender.partition("-")[0] for entry in records)
    each = f"{by['windows']} of Windows, {by['linux']} of Linux"
    print(f"{len(accepted)} accepted ({each}), {killed} killed, in {seconds:g} s")
    for what, found in wrong.items():
        if found:
            print(f"{what}: {len(found)}: {found[:5]}")
    return sum(len(found) for found in wrong.values())


if __name__ == "__main__":
    sys.exit(bool(main(float(sys.argv[1]) if len(sys.argv) > 1 else 60)))
