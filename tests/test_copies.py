"""Random edits of a log, ours or another machine's, and of copies of it: each message comes once, a rebuild agrees."""

from __future__ import annotations

import os
import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from intercom import Bus
from tests.people_kit import bodies, by_hand

WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "omega", "sigma", "tau")
TOOL = "## [2026-01-12 {0}] ann → roo [INFO]\n<!-- intercom id=abcd{1:08} at=2026-01-12T{0}.000Z -->\n\n{2}\n\n---\n\n"
TEXT = re.compile(r"N\d{4} [^\n]*")
OK = "build {} ok, as the job on the server says"
STAMP = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\]")
MARKS = (" (conflicted copy {})", ".sync-conflict-{}-ABC", " {}")


class Play:
    """One random sequence: `step` does something to the log, or lays a copy beside it."""

    def __init__(self, bus: Bus, log: Path, seed: int) -> None:
        self.bus, self.log = bus, log
        self.said: list[str] = []  #: the first word of every message
        self.did: list[str] = []
        self._draw = random.Random(seed)  # the same at each run
        self._ends = "\r\n" if seed % 2 else "\n"  # as programs of Windows write, or as others do
        self._number = 0

    def _new(self) -> tuple[str, str]:
        """The time and text of a message that nobody has said yet."""
        self._number += 1
        self.said.append(f"N{self._number:04}")
        stamp = f"10:{self._number // 60:02}:{self._number % 60:02}"
        return stamp, " ".join([self.said[-1], *(f"{self._draw.choice(WORDS)}{self._number}" for _ in range(6))])

    def _by_tool(self, log: str) -> str:
        stamp, text = self._new()
        if self.log != self.bus.config.log:
            return log + TOOL.format(stamp, self._number, text)
        self.bus.send("roo", text, sender="ann")
        return self.log.read_text(encoding="utf-8")

    def _by_hand(self, log: str) -> str:
        stamp, text = self._new()
        return log + by_hand(text, sender="ann", stamp=f"2026-01-12 {stamp}")

    def _edited(self, log: str) -> str:
        return re.sub(r"(N\d+ )(\S+)", r"\1edited", log, count=self._draw.randint(1, 3))

    def _pattern(self, log: str) -> str:
        blocks = [block for block in re.split(r"(?m)^(?=## \[)", log) if TEXT.search(block)]
        if not blocks:
            return log
        stamp, text = self._new()
        return log + STAMP.sub(f"[2026-01-12 {stamp}]", TEXT.sub(text, self._draw.choice(blocks), count=1), count=1)

    def _copied(self, log: str) -> str:
        text = log
        for change in (self._edited, self._pattern, self._by_hand):
            text = change(text) if self._draw.random() < 0.4 else text
        name = self.log.stem + self._draw.choice(MARKS).format(len(self.did))
        self.log.with_name(f"{name}.md").write_text(text, encoding="utf-8", newline=self._ends)
        return log

    def step(self) -> None:
        """Do one thing."""
        do = self._draw.choice([self._by_tool, self._by_hand, self._edited, self._pattern, self._copied, self._copied])
        self.did.append(do.__name__)
        before = self.log.read_text(encoding="utf-8") if self.log.exists() else ""
        after = do(before)
        if do != self._by_tool or self.log != self.bus.config.log:
            self.log.write_text(after, encoding="utf-8", newline=self._ends)


@pytest.fixture
def bus(project: Path) -> Iterator[Bus]:
    """A bus with one agent."""
    with Bus.open(project) as bus:
        bus.add_agents(["ann", "roo"])
        bus.config.folder.mkdir(parents=True, exist_ok=True)
        yield bus


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("name", ["testbox", "other"])
def test_a_log_and_copies_of_it(project: Path, name: str, seed: int) -> None:
    """What anybody wrote, into the log or a copy, is given to its reader once; an index made anew is the same."""
    with Bus.open(project) as bus:
        bus.add_agents(["ann", "roo"])
        bus.config.folder.mkdir(parents=True, exist_ok=True)
        play = Play(bus, bus.config.folder / f"INTERCOM-{name}.md", seed)
        given: Counter[str] = Counter()
        for _ in range(8):
            play.step()
            given.update(message.body[:5] for message in bus.read("roo"))
        assert given == Counter(play.said), play.did
        before = [(message.seq, message.id, message.body) for message in bus.history()]
        bus.rebuild()
        assert [(message.seq, message.id, message.body) for message in bus.history()] == before, play.did
        assert bus.read("roo") == []


@pytest.mark.parametrize("first", ["by hand", "archived", "a tool's", "in the copy"])
@pytest.mark.parametrize("place", ["below", "above", "both sides"])
def test_two_messages_under_one_header(bus: Bus, first: str, place: str) -> None:
    """A copy holds a known message and another, much like it, under the same header: that one is new, once."""
    log = bus.config.log
    old, *new = (by_hand(OK.format(number)) for number in (41, 42, 43))
    if first == "a tool's":
        bus.send("roo", OK.format(41), sender="ann")
        page = log.read_text(encoding="utf-8")
        old = page[page.rindex("\n## [") + 1 :]
        header = old[: old.index("\n")]
        new = [f"{header}\n\n{OK.format(number)}\n\n---\n\n" for number in (42, 43)]
    copy = log.with_name(f"{log.stem} 2.md")
    where = copy if first == "in the copy" else log
    where.write_text(old, encoding="utf-8")
    os.utime(where, (1, 1))
    assert bodies(bus.read("roo")) == [OK.format(41)]
    if first == "archived":
        bus.compact(0)
    count = 2 if place == "both sides" else 1
    above, below = (new[1:] if place == "both sides" else new[:1] if place == "above" else []), new[:1]
    copy.write_text("".join([*above, old, *(below if place != "above" else [])]), encoding="utf-8")
    os.utime(copy, (2, 2))
    assert sorted(bodies(bus.read("roo"))) == [OK.format(42), OK.format(43)][:count]
    before = [(message.seq, message.id, message.body) for message in bus.history()]
    bus.rebuild()
    assert [(message.seq, message.id, message.body) for message in bus.history()] == before
    assert bus.read("roo") == []


def test_a_text_that_was_told_from_a_copy_stays(bus: Bus) -> None:
    """The log is emptied, and a copy has a text that nobody had seen; what is written into the log then is new, too."""
    log = bus.config.log
    copy = log.with_name(f"{log.stem} 2.md")
    copy.write_text(by_hand(OK.format(41)), encoding="utf-8")
    os.utime(copy, (1, 1))
    assert bodies(bus.read("roo")) == [OK.format(41)]
    log.write_text(by_hand(OK.format(42)), encoding="utf-8")
    os.utime(log, (1, 1))
    assert bodies(bus.read("roo")) == [OK.format(42)]
    before = [(message.seq, message.id, message.body) for message in bus.history()]
    assert len(before) == 2
    bus.rebuild()
    assert [(message.seq, message.id, message.body) for message in bus.history()] == before
