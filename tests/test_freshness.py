"""How the index keeps up with its files: other machines' logs, same sizes and times, rebuilds that change nothing."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from intercom import Bus
from intercom.core.message import Message, new_id, utc
from intercom.format import render
from tests.processes import until


def block(body: str) -> bytes:
    """A message as another machine's tool writes it."""
    return render(Message(new_id(), None, utc(), "roo", "claude-code", "INFO", "status", body), "2026-01-01 10:00:00")


def bodies(bus: Bus) -> list[str]:
    """Everything, in order."""
    return [message.body for message in bus.history()]


@pytest.fixture
def foreign(project: Path) -> Path:
    """Another machine's log, not there yet."""
    folder = project / ".claude" / "local"
    folder.mkdir(parents=True)
    return folder / "INTERCOM-other.md"


def test_another_machines_log(project: Path, foreign: Path) -> None:
    """It is indexed and never written; growth and replacement are taken in, each message once, by the same number."""
    with Bus.open(project) as bus:
        foreign.write_bytes(block("one"))
        bus.send("roo", "own", sender="claude-code")
        assert set(bodies(bus)) == {"own", "one"}
        with foreign.open("ab") as file:
            file.write(block("two"))
        assert bodies(bus)[-1] == "two"
        before = bus.history()
        foreign.with_suffix(".new").write_bytes(foreign.read_bytes() + block("three"))
        foreign.with_suffix(".new").replace(foreign)
        assert bus.history()[:-1] == before
        data, held = foreign.read_bytes(), bus.history()
        assert [message.body for message in bus.read("claude-code")] == ["one", "two", "three"]
        bus.rebuild()
        assert bus.history() == held
        assert bus.read("claude-code") == []
        bus.compact(0)
        assert foreign.read_bytes() == data


def test_a_replacement_of_the_same_size_and_time(project: Path, foreign: Path) -> None:
    """Same size, same modification time, other content far from the end: noticed."""
    rest = b"".join(block(f"rest {n}") for n in range(10))
    first, second = block("aaaa"), block("bbbb")
    with Bus.open(project) as bus:
        foreign.write_bytes(first + rest)
        assert "aaaa" in bodies(bus)
        stat = foreign.stat()
        with foreign.open("r+b") as file:
            file.write(second)
        os.utime(foreign, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert "bbbb" in bodies(bus)


def test_a_log_that_is_still_on_its_way(project: Path, foreign: Path) -> None:
    """Half of a message of another machine is not delivered, and the whole is, once."""
    whole = block("a long text that is cut")
    with Bus.open(project) as bus:
        foreign.write_bytes(whole[: len(whole) // 2 + 30])
        assert bodies(bus) == []
        foreign.write_bytes(whole)
        assert bodies(bus) == ["a long text that is cut"]


def test_an_unclosed_end_counts_after_a_while(project: Path, foreign: Path) -> None:
    """A message whose writer never closed it is delivered once the file has been quiet."""
    foreign.write_bytes(b"## [2026-01-01 10:00:00] roo -> claude-code [INFO]\n\nopen")
    with Bus.open(project) as bus:
        assert until(lambda: bodies(bus)) == ["open"]


@pytest.mark.parametrize("seed", range(6))
def test_a_rebuild_changes_nothing(project: Path, foreign: Path, seed: int) -> None:
    """Random histories of tool, hand and foreign messages and compactions: rebuilt, every message has its number."""
    rng = random.Random(seed)
    with Bus.open(project) as bus:
        for step in range(25):
            action = rng.choice(["send", "send", "hand", "foreign", "compact", "read"])
            if action == "send":
                bus.send("roo", f"tool {step}", sender="claude-code")
            elif action == "hand":
                with bus.config.log.open("a") as file:
                    file.write(f"## [2026-01-01 10:00:00] user -> roo [INFO]\n\nhand {rng.randrange(3)}\n\n---\n\n")
            elif action == "foreign":
                with foreign.open("ab") as file:
                    file.write(block(f"foreign {step}"))
            elif action == "compact":
                bus.compact(rng.randrange(5))
            else:
                bus.read("roo")
        before = bus.history()
        bus.rebuild()
        assert bus.history() == before
