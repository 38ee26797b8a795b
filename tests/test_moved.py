"""A project that was copied, restored from a backup or moved: it is what the original was, to every reader."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from intercom import Bus


def cp(source: Path, target: Path) -> None:
    """`cp -r`: new inodes, new times."""
    subprocess.run(["cp", "-r", source, target], check=True)


def tar(source: Path, target: Path) -> None:
    """Out of an archive: the times of the files, in whole seconds."""
    target.mkdir()
    pack = subprocess.run(["tar", "-C", source, "-cf", "-", "."], check=True, capture_output=True)
    subprocess.run(["tar", "-C", target, "-xf", "-"], check=True, input=pack.stdout)


def move(source: Path, target: Path) -> None:
    """Under a new name."""
    source.rename(target)


def without_the_index(source: Path, target: Path) -> None:
    """A backup that left out what can be derived."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("index*", "*.lock", "lock*"))


def long_ago(source: Path, target: Path) -> None:
    """All times are those of one moment."""
    shutil.copytree(source, target)
    for path in target.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))


def seen(bus: Bus) -> tuple[object, ...]:
    """What a user of the bus sees of it."""
    history = [(one.id, one.seq, one.sender, one.to, one.body, one.via) for one in bus.history()]
    return history, sorted(one.id for one in bus.missing()), bus.config.log.read_bytes(), bus.instances()


@pytest.mark.parametrize("how", [cp, tar, move, without_the_index, long_ago])
def test_a_project_that_was_moved(project: Path, how: Callable[[Path, Path], None]) -> None:
    """Deleted messages stay deleted, nothing comes again, names are held, and it goes on as the original would."""
    with Bus.open(project) as bus:
        bus.register("master")
        bus.register("worker")
        for number in range(12):
            bus.send("worker-1", f"text {number}", sender="master")
        assert len(bus.read("worker-1")) == 12
        bus.confirm("worker-1")
        page = bus.config.log.read_text()
        start = page.index("## [", page.index("text 3"))
        bus.config.log.write_text(page[:start] + page[page.index("## [", page.index("text 4")) :])
        with bus.config.log.open("a") as file:
            file.write("## [2026-01-12 10:00:00] user -> worker-1 [INFO]\n\nby hand\n\n---\n\n")
        assert [one.body for one in bus.read("worker-1")] == ["by hand"]
        bus.confirm("worker-1")
        bus.compact(5)
        bus.send("worker-1", "unread", sender="master")
        before = seen(bus)
        assert len(bus.missing()) == 1
    target = project.with_name("elsewhere")
    how(project, target)
    for _ in range(2):
        with Bus.open(target) as bus:
            assert seen(bus) == before
            assert all("rebuilt" in text for text in bus.notices)  # the index is derived, and by inodes
    with Bus.open(target) as bus:
        assert [one.body for one in bus.read("worker-1")] == ["unread"]
        bus.rebuild()
        assert bus.read("worker-1") == []
        bus.send("worker-1", "more", sender="master")
        assert [one.body for one in bus.read("worker-1")] == ["more"]
        assert bus.notices == []
