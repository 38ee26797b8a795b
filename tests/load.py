"""Owns load and chaos: writers, readers, MCP servers, editors, git and upkeep at once, while processes are killed.

    python -m tests.load [--seconds 600] [--seed 1]        # `make soak` runs it; INTERCOM_LOAD_SECONDS sets its time

Bounded and seeded. Prints what was accepted, killed and edited, what was lost, doubled or out of order (then it exits
with 1), the slowest call, and the memory and handles of a reader at its start and end.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from intercom import Bus
from intercom.core.errors import IntercomError
from tests.processes import clean_processes
from tests.server_client import BareClient

_CONTEXT = clean_processes(["intercom.bus.bus", "filelock", "tests.server_client"])
WRITERS, READERS, SERVERS = 3, 2, 1


def _note(path: str, text: str) -> None:
    """A line outside of the project: what this process knows for certain."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(text + "\n")


def write(root: str, notes: str, name: str, begin: int, seed: int) -> None:
    """Send, one after another; what was accepted is noted after, what was tried before."""
    rng, number = random.Random(seed), begin
    with Bus.open(root) as bus:
        while True:
            text = f"{name} {number}"
            _note(f"{notes}/tried", text)
            began = time.monotonic()
            try:
                bus.send(f"reader-{rng.randrange(READERS)}", text + "\n\n" + "x" * rng.randrange(400), sender="roo")
            except IntercomError as error:
                _note(f"{notes}/refused", f"{text}: {error}")
            else:
                _note(f"{notes}/accepted", text)
            _note(f"{notes}/calls", f"{time.monotonic() - began:.3f} send")
            number += 1
            time.sleep(rng.random() * 0.05)


def read(root: str, notes: str, name: str, begin: int, seed: int) -> None:
    """Read; what came is noted before it is confirmed by the next read."""
    rng = random.Random(seed)
    with Bus.open(root) as bus:
        while True:
            began = time.monotonic()
            with suppress(IntercomError):
                for one in bus.read(name):
                    again = " again" if one.redelivered else ""
                    _note(f"{notes}/given", f"{name} {one.body.splitlines()[0]}{again}")
            _note(f"{notes}/calls", f"{time.monotonic() - began:.3f} read")
            time.sleep(rng.random() * 0.1)


def serve(root: str, notes: str, name: str, begin: int, seed: int) -> None:
    """Send by the tools of an MCP server."""
    rng, number = random.Random(seed), begin
    with BareClient(Path(root)) as client:
        client.call("intercomm_register", role="worker")
        while True:
            text = f"{name} {number}"
            _note(f"{notes}/tried", text)
            to = f"reader-{rng.randrange(READERS)}"
            result = client.answer(client.begin("intercomm_send", to=to, message=text))["result"]
            _note(f"{notes}/{'refused' if result['isError'] else 'accepted'}", text)
            number += 1
            time.sleep(rng.random() * 0.1)


def edit(root: str, notes: str, name: str, begin: int, seed: int) -> None:
    """Save the whole page from a copy that is a little old, sometimes with a message of one's own in it."""
    rng, number = random.Random(seed), begin
    log = Bus.open(root).config.log
    while True:
        with suppress(OSError):
            text = log.read_bytes()
            time.sleep(rng.random() * 0.1)
            if rng.random() < 0.5:
                typed = f"{name} {number}"
                number += 1
                _note(f"{notes}/typed", typed)
                stamp = time.strftime("%Y-%m-%d %H:%M:%S")
                text += f"\n## [{stamp}] user -> reader-0 [INFO]\n\n{typed}\n\n---\n\n".encode()
            draft = log.with_name(".edited")
            draft.write_bytes(text)
            draft.replace(log)
            _note(f"{notes}/edits", "1")
        time.sleep(rng.random())


def keep(root: str, notes: str, name: str, begin: int, seed: int) -> None:
    """Compact, rebuild, restore, and let git put an old page back."""
    rng = random.Random(seed)
    while True:
        with suppress(IntercomError), Bus.open(root) as bus:
            what = rng.randrange(4)
            if what == 0:
                bus.compact(rng.randrange(30))
            elif what == 1:
                bus.rebuild()
            elif what == 2:
                bus.restore()
            else:
                words = rng.choice((["add", "-f", str(bus.config.log)], ["checkout", "--", str(bus.config.log)]))
                subprocess.run(["git", *words], cwd=root, capture_output=True, check=False)
        time.sleep(rng.random() * 2)


def _measured(pid: int) -> str:
    with suppress(OSError):
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
        return f"{pages * 4 // 1024} MiB, {len(os.listdir(f'/proc/{pid}/fd'))} handles"
    return "not known here"


class Crowd:
    """The processes; one that is killed is started anew, with numbers that nobody had."""

    def __init__(self, root: Path, notes: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self._about = str(root), str(notes)
        self._jobs = {f"writer-{number}": write for number in range(WRITERS)}
        self._jobs |= {f"reader-{number}": read for number in range(READERS)}
        self._jobs |= {f"server-{number}": serve for number in range(SERVERS)}
        self._jobs |= {"editor": edit, "keeper": keep}
        self._begun = Counter[str]()
        self.processes = {name: self._start(name) for name in self._jobs}

    def _start(self, name: str) -> object:
        self._begun[name] += 1
        begin = self._begun[name] * 1_000_000
        args = (*self._about, name, begin, self.rng.randrange(1 << 30))
        process = _CONTEXT.Process(target=self._jobs[name], args=args, daemon=False)
        process.start()
        return process

    def kill(self, name: str) -> None:
        """End a process at once, and start its successor."""
        self.end(name)
        self.processes[name] = self._start(name)

    def end(self, name: str) -> None:
        """End a process at once."""
        process = self.processes[name]
        process.kill()  # type: ignore[attr-defined]
        process.join()  # type: ignore[attr-defined]

    def pid(self, name: str) -> int:
        """Of a process."""
        return int(self.processes[name].pid)  # type: ignore[attr-defined]


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def run(seconds: float, seed: int) -> int:
    """Load a bus for so long; 0 if nothing was lost, doubled or out of order."""
    with tempfile.TemporaryDirectory() as folder:
        root, notes = Path(folder, "project"), Path(folder, "notes")
        root.mkdir()
        notes.mkdir()
        subprocess.run(["git", "init", "-q"], cwd=root, check=True)
        with Bus.open(root) as bus:
            for number in range(READERS):
                bus.register("worker", f"reader-{number}")
            bus.send("user", "begun", sender="roo")
        crowd, kills, end = Crowd(root, notes, seed), 0, time.monotonic() + seconds
        began = _measured(crowd.pid("reader-0"))
        while time.monotonic() < end:
            time.sleep(crowd.rng.random())
            crowd.kill(crowd.rng.choice([name for name in crowd.processes if name != "reader-0"]))
            kills += 1
        ended = _measured(crowd.pid("reader-0"))
        for name in crowd.processes:
            crowd.end(name)
        return _report(root, notes, kills, f"{began} at the start, {ended} at the end")


def _report(root: Path, notes: Path, kills: int, memory: str) -> int:
    accepted, tried, typed = (_lines(notes / name) for name in ("accepted", "tried", "typed"))
    with Bus.open(root) as bus:
        bodies = [one.body.splitlines()[0] for one in bus.history() if one.sender != "system"]
        given = [line.partition(" ")[2] for line in _lines(notes / "given")]
        for number in range(READERS):
            given += [f"{one.body.splitlines()[0]}{' again' * one.redelivered}" for one in bus.read(f"reader-{number}")]
    count, once = Counter(bodies), Counter(line for line in given if not line.endswith(" again"))
    seen = {line.removesuffix(" again") for line in given}
    found = {
        "lost": [text for text in accepted if not count[text]],
        "never given": [text for text in accepted if count[text] and text not in seen],
        "doubled": [text for text, times in count.items() if times > 1],
        "given twice": [text for text, times in once.items() if times > 1],
        "from nowhere": [text for text in count if text not in {*tried, *typed, "begun"}],
        "out of order": _out_of_order([text for text in bodies if text in set(accepted)]),
    }
    calls = sorted((float(line.split()[0]), line.split()[1]) for line in _lines(notes / "calls"))
    print(f"accepted {len(accepted)}, typed {len(typed)}, edits {len(_lines(notes / 'edits'))}, kills {kills}")
    print(f"refused {len(_lines(notes / 'refused'))}, slowest call {calls[-1] if calls else '-'}; reader: {memory}")
    for what, texts in found.items():
        print(f"{what}: {len(texts)} {texts[:3] if texts else ''}")
    return 1 if any(found.values()) else 0


def _out_of_order(bodies: list[str]) -> list[str]:
    """Those that stand behind a later one of the same sender."""
    highest, out = dict[str, int](), []
    for text in bodies:
        name, number = text.split(" ")
        if int(number) < highest.get(name, 0):
            out.append(text)
        highest[name] = max(int(number), highest.get(name, 0))
    return out


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("INTERCOM_LOAD_SECONDS", "600")))
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    os.environ |= {"INTERCOM_MACHINE": "load"}
    return run(asked.seconds, asked.seed)


if __name__ == "__main__":
    sys.exit(main())
