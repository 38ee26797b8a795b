"""Two machines whose folders a tool syncs, as such tools do: whole, in part, late, in the wrong order, with copies.

Nothing is lost or doubled, and each sender's messages arrive in their order, or say that they are late.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

import pytest

from intercom import Bus

SEEDS = range(400) if os.environ.get("INTERCOM_SOAK") else range(6)
NAMES = ("desk", "laptop")
NAMED = ("a", "b", "user", *(f"{reader}@{name}" for reader in "ab" for name in NAMES))


class Net:
    """Two buses, and what is on its way between their folders."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.buses: dict[str, Bus] = {}
        self.sent: list[str] = []
        self.got: dict[str, list[tuple[str, str, bool]]] = {f"{reader}@{name}": [] for name in NAMES for reader in "ab"}
        self._on_its_way: list[tuple[str, str, bytes]] = []  # to whom, which file, what it held
        for name in NAMES:
            (folder / name).mkdir()
            bus = self.buses[name] = Bus.open(folder / name, machine=name)
            bus.register("worker", "a")
            bus.register("worker", "b")
            for sender in "ab":
                bus.send("user", "begun", sender=sender)
        self.deliver_all()

    def other(self, name: str) -> str:
        """The other machine."""
        return NAMES[1 - NAMES.index(name)]

    def files(self, name: str) -> list[Path]:
        """What a machine itself wrote."""
        folder = self.buses[name].config.folder
        return [*folder.glob(f"INTERCOM-{name}.md"), *folder.glob(f"archive/INTERCOM-{name}-*.md")]

    # -- what people and tools do -----------------------------------------------------------------

    def send(self, name: str) -> None:
        """A message to somebody there."""
        text, sender = f"{name} {len(self.sent)}", self.rng.choice("ab")
        self.sent.append(f"{sender}@{name} {text}")
        self.buses[name].send(f"{self.rng.choice('ab')}@{self.other(name)}", text, sender=sender)

    def type(self, name: str) -> None:
        """A message by hand."""
        text = f"{name} typed {len(self.sent)}"
        self.sent.append(f"user@{name} {text}")
        with self.buses[name].config.log.open("a") as file:
            file.write(f"\n## [2026-01-12 10:00:00] user -> a@{self.other(name)} [INFO]\n\n{text}\n\n---\n\n")
        self.buses[name].history()

    def compact(self, name: str) -> None:
        """Older messages leave the page."""
        self.buses[name].compact(self.rng.randrange(4))

    def read(self, name: str) -> None:
        """Both readers look."""
        for reader in "ab":
            for one in self.buses[name].read(reader):
                if "@" in one.sender:
                    self.got[f"{reader}@{name}"].append((one.sender, one.body, one.late))
            self.buses[name].confirm(reader)

    def take(self, name: str) -> None:
        """The tool looks at a file, or at all of them, and has it on its way."""
        files = self.files(name)
        for path in files if self.rng.random() < 0.5 else [self.rng.choice(files)]:
            self._on_its_way.append(
                (self.other(name), path.relative_to(self.buses[name].config.folder).as_posix(), path.read_bytes())
            )

    def deliver(self, _: str) -> None:
        """Something arrives: whole or in part, perhaps an older one after a newer, or as a conflict copy."""
        if not self._on_its_way:
            return
        to, name, data = self._on_its_way.pop(self.rng.randrange(len(self._on_its_way)))
        path = self.buses[to].config.folder / name
        how = self.rng.random()
        if how < 0.2:
            data = data[: self.rng.randrange(len(data) + 1)]
        elif how < 0.35:
            path = path.with_name(f"{path.stem}.sync-conflict-20260112-100000-ABCDEFG{path.suffix}")
        self._put(path, data)

    def deliver_all(self) -> None:
        """At last everything is as it is where it was written."""
        for name in NAMES:
            for path in self.files(name):
                folder = self.buses[name].config.folder
                self._put(self.buses[self.other(name)].config.folder / path.relative_to(folder), path.read_bytes())

    def _put(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(exist_ok=True)
        path.with_name(".arriving").write_bytes(data)
        path.with_name(".arriving").replace(path)
        os.utime(path, (1_000_000_000, 1_000_000_000))


@pytest.mark.parametrize("seed", SEEDS)
def test_synced_folders(tmp_path: Path, seed: int) -> None:
    """Whatever the tool does, in the end each side has what the other sent it, once."""
    net = Net(tmp_path, seed)
    for _ in range(60):
        act = net.rng.choice(
            [net.send, net.send, net.type, net.compact, net.read, net.take, net.take, net.deliver, net.deliver]
        )
        act(net.rng.choice(NAMES))
    net.deliver_all()
    for name in NAMES:
        net.read(name)
    found = Counter(f"{sender} {text}" for got in net.got.values() for sender, text, _ in got)
    assert found == Counter(net.sent)
    for got in net.got.values():
        for sender in {one[0] for one in got}:
            numbers = [
                (int(text.split()[-1]), late) for who, text, late in got if who == sender and "typed" not in text
            ]
            highest = -1
            for number, late in numbers:
                assert number > highest or late, (sender, numbers)
                highest = max(highest, number)
    for bus in net.buses.values():
        # What was cut within its header is a message to nobody here, as long as no more of the file has come.
        before = [one.id for one in bus.history() if one.to in NAMED]
        bus.rebuild()
        assert [one.id for one in bus.history() if one.to in NAMED] == before
        assert not bus.read("a")
        bus.close()
