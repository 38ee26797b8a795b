"""Compaction: nothing is dropped, the live log stays short, what others write meanwhile stays."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from intercom import Bus, compact
from intercom.files import swap
from intercom.format import MESSAGE, parse, rendered


def live(bus: Bus) -> list[str]:
    """The bodies in the live log."""
    return [entry.body for entry in parse(bus.config.log.read_bytes()) if entry.kind == MESSAGE]


def test_a_thousand_messages(project: Path) -> None:
    """1,000 sends: never more than 100 in the live log; history has all in order, search finds the first."""
    with Bus.open(project) as bus:
        for n in range(1000):
            bus.send("roo", f"number {n} {'needle' if n == 0 else ''}", sender="claude-code")
            assert len(live(bus)) <= 100
        assert [int(message.body.split()[1]) for message in bus.history()] == list(range(1000))
        assert [message.body for message in bus.search("needle")] == ["number 0 needle"]


def test_of_two_that_are_alike_one_stays() -> None:
    """Two hand-written messages with the same text, of which the older is archived: the newer stays in the live log."""
    text = b"## [2026-01-01 10:00:00] user -> roo [INFO]\n\nsame\n\n---\n\n"
    moved = rendered(parse(text)[0], "a1", "hand", "2026-01-01T10:00:00Z")
    after = compact._without(text * 2, [moved], {"a1"}, "2026-01-01 11:00:00")
    assert [entry.body for entry in parse(after) if entry.kind == MESSAGE] == ["same"]


@pytest.mark.parametrize("moment", ["before the look", "before the swap", "after the swap"])
def test_a_line_appended_during_a_compaction(project: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """Whenever in a compaction somebody appends a message by hand, it is delivered, and stays in the log."""
    with Bus.open(project) as bus:
        for n in range(6):
            bus.send("roo", f"m{n}", sender="claude-code")
        bus.read("roo")
        text = "## [2026-01-01 10:00:00] user -> roo [INFO]\n\nby hand\n\n---\n\n"
        done: list[int] = []

        def append() -> None:
            if not done:
                done.append(1)
                with bus.config.log.open("a") as file:
                    file.write(text)

        def watched(path: Path, before: bytes, after: bytes) -> bool:
            if moment == "before the swap":
                append()
            worked = swap(path, before, after)
            if moment == "after the swap":
                append()
            return worked

        real = compact._archive

        def archive(*args: object) -> Path:
            if moment == "before the look":
                append()
            return real(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(compact, "swap", watched)
        monkeypatch.setattr(compact, "_archive", archive)
        bus.compact(2)
        assert [message.body for message in bus.read("roo")] == ["by hand"]
        assert live(bus) == ["m4", "m5", "by hand"]
        assert bus.read("roo") == []


def test_a_whole_save_into_the_replaced_file(project: Path) -> None:
    """An editor that saves all of its text into the replaced file is as good as one that saves later."""
    path = project / "file"
    path.write_bytes(b"old")
    writer = path.open("r+b", buffering=0)

    def save() -> None:
        with writer:
            writer.truncate(0)
            writer.write(b"saved")

    thread = threading.Timer(0.05, save)
    thread.start()
    assert swap(path, b"old", b"new")
    thread.join()
    assert path.read_bytes() == b"saved"
