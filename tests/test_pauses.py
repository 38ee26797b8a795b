"""Somebody pauses in the middle of writing the log: nothing is called damage, and nothing comes twice."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from intercom import Bus
from intercom.system import still
from tests.people_kit import bodies, by_hand, said, talk

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux says who has a file open")

TEXT = "Please stop the build now.\n\nIt is red, and we need it."


@pytest.fixture
def bus(project: Path) -> Iterator[Bus]:
    """A bus without messages."""
    with Bus.open(project) as found:
        yield found


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever pauses here does not take longer than we wait for, however long this machine takes."""
    monkeypatch.setattr(still, "PATIENCE", 600.0)


def _read(bus: Bus) -> list[str]:
    return bodies(bus.read("roo"))


@pytest.mark.slow
@pytest.mark.parametrize("first", [0, 20], ids=["the header", "the text"])
def test_a_pause_in_what_is_appended(bus: Bus, first: int) -> None:
    """`cat >> log`: delivered once it is whole, or, where a line or more of it was, its rest is told as an edit."""
    talk(bus, 4)
    _read(bus)
    log = bus.config.log
    got: list[str] = []
    block = by_hand(TEXT).encode()
    head = block.index(b"\n")
    cuts = range(1, head + 1) if not first else range(head + 1, len(block), 4)
    for number, cut in enumerate(cuts):
        block = by_hand(f"{TEXT} {number}", stamp=f"2026-01-12 10:00:{number:02d}").encode()
        with log.open("ab", buffering=0) as file:
            file.write(block[:cut])
            early = _read(bus)
            told = [one.body for one in bus.edited("roo")]
            assert told == []
            file.write(block[cut:])
        late, told = _read(bus), [one.body for one in bus.edited("roo")]
        whole = f"{TEXT} {number}"
        assert (early + late == [whole] and not told) or (len(early) == 1 and not late and told == [whole]), cut
        assert bool(early) <= block[:cut].endswith(b"\n"), "in the middle of a line it is not whole"
        got += [one.body for one in bus.history() if one.body == whole]
    assert len(got) == len(cuts)
    assert said(bus) == []


def test_a_pause_while_the_whole_log_is_written_anew(bus: Bus) -> None:
    """Truncated first, and filled slowly: for a while the page is short, or empty."""
    talk(bus, 4)
    _read(bus)
    log = bus.config.log
    size = len(log.read_bytes())
    for number, cut in enumerate(range(0, size, 67)):
        page = log.read_bytes() + by_hand(f"{TEXT} {number}", stamp=f"2026-01-12 10:00:{number:02d}").encode()
        with log.open("wb", buffering=0) as file:
            file.write(page[:cut])
            assert _read(bus) == [], cut
            file.write(page[cut:])
        assert _read(bus) == [f"{TEXT} {number}"], cut
        assert log.read_bytes() == page
    assert said(bus) == []
    assert not (bus.config.archive / "damaged").exists()


@pytest.mark.parametrize("mode", ["ab", "wb"])
def test_an_agent_sends_in_that_pause(bus: Bus, mode: str) -> None:
    """What it says is delivered at once, and stands on the page afterwards, not within what is being written."""
    talk(bus, 4)
    _read(bus)
    log = bus.config.log
    block = by_hand(TEXT).encode()
    for cut in (20, block.index(b"Please") + 9, block.index(b"It is")):
        block = by_hand(f"{TEXT} {mode} {cut}", stamp=f"2026-01-12 10:00:{cut % 60:02d}").encode()
        whole = (log.read_bytes() if mode == "wb" else b"") + block
        at = cut if mode == "ab" else len(whole) // 2 + cut
        with log.open(mode, buffering=0) as file:
            file.write(whole[:at])
            with Bus.open(bus.config.root) as other:
                other.send("roo", f"meanwhile {cut}", sender="claude-code")
            early = _read(bus)
            assert f"meanwhile {cut}" in early
            file.write(whole[at:])
        got = early + _read(bus) + [one.body for one in bus.edited("roo")]
        assert got.count(f"meanwhile {cut}") == 1
        assert got.count(f"{TEXT} {mode} {cut}") == 1
        page = log.read_text()
        assert page.count(f"meanwhile {cut}") == 1
        assert block.decode().strip() in page
    assert said(bus) == []


def test_who_keeps_it_open_is_not_waited_for_long(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that holds the log open and leaves it short is not waited for for ever."""
    talk(bus, 8)
    assert len(_read(bus)) == 8
    log = bus.config.log
    with log.open("wb", buffering=0) as file:
        file.write(b"# nothing\n")
        assert _read(bus) == []
        assert said(bus) == []
        monkeypatch.setattr(still, "PATIENCE", 0.0)
        bus.history()
        assert "were put back" in said(bus)[0]


@pytest.mark.parametrize(
    "header",
    ["## [2026-01-12 10:00] user -> roo\n", "## [2026-01-12 10:00] user -> roo\n\n", "@roo\n", "user → roo:\n"],
)
def test_an_agent_sends_between_header_and_text(bus: Bus, header: str) -> None:
    """Two `echo >> log`, and nobody has it open between: what an agent sends comes at once, and above the header."""
    talk(bus, 2)
    _read(bus)
    with bus.config.log.open("a", encoding="utf-8") as file:
        file.write(header)
    with Bus.open(bus.config.root) as other:
        for number in range(3):  # a look between, after which the header is part of what is known
            other.send("roo", f"meanwhile {number}", sender="claude-code")
            assert _read(bus) == [f"meanwhile {number}"]
        other.send("roo", "and again", sender="claude-code")
    with bus.config.log.open("a", encoding="utf-8") as file:
        file.write("please stop\n")
    assert _read(bus) == ["and again", "please stop"]
    assert said(bus) == []
    page = bus.config.log.read_text(encoding="utf-8")
    assert f"{header}please stop\n" in page
    assert (page.count("meanwhile"), page.count("and again")) == (3, 1)


_ASKER = """
import fcntl, os, signal, sys, time
page = os.open(sys.argv[1], os.O_RDONLY)
signal.signal(signal.SIGURG, lambda *_: (time.sleep(0.05), fcntl.fcntl(page, fcntl.F_SETLEASE, fcntl.F_UNLCK)))
fcntl.fcntl(page, fcntl.F_SETSIG, signal.SIGURG)
fcntl.fcntl(page, fcntl.F_SETLEASE, fcntl.F_RDLCK)
print("leased", flush=True)
sys.stdin.read()
"""


def test_who_asks_whether_it_is_open_keeps_nobody_from_sending(bus: Bus) -> None:
    """Another process leases the log for a moment, as each of ours does: a message sent meanwhile is accepted."""
    talk(bus, 1)
    command = [sys.executable, "-c", _ASKER, str(bus.config.log)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as asker:
        assert asker.stdout is not None
        assert asker.stdout.readline() == "leased\n"
        with pytest.raises(BlockingIOError):
            os.open(bus.config.log, os.O_RDWR | os.O_NONBLOCK)
        bus.send("roo", "while it was leased", sender="claude-code")
        asker.communicate("")
    assert "while it was leased" in _read(bus)


def test_who_closes_the_log_is_waited_for_no_longer(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a program has the log open, it is looked at often whether it still has: an editor's save takes no 20 ms."""
    talk(bus, 1)
    file = bus.config.log.open("ab", buffering=0)
    file.write(b"x")
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        file.close()

    clock = SimpleNamespace(sleep=sleep, time=time.time, monotonic=time.monotonic)
    monkeypatch.setattr(still, "time", clock)
    still.settle(bus.config.log)
    file.close()
    assert max(slept, default=0.0) <= still._CLOSED
