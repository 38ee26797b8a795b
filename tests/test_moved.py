"""A project that was copied, restored from a backup or moved: it is what the original was, to every reader."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from unittest import mock

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


@pytest.mark.parametrize("what", [".intercom", "."])
@pytest.mark.parametrize("there", [True, False])
def test_another_machines_private_folder(
    project: Path, monkeypatch: pytest.MonkeyPatch, what: str, *, there: bool
) -> None:
    """A sync tool lays it over this machine's, or where there was none: nothing is lost, doubled or trusted more."""
    texts = {"far": ["look at the parser", "tests are red", "go on"], "near": ["build 41", "lunch", "is anyone here?"]}
    senders = {"far": "master", "near": "roo"}
    far = project.with_name("far")
    (far / ".claude").mkdir(parents=True)
    for root, machine in ((far, "far"), (project, "near")):
        monkeypatch.setenv("INTERCOM_MACHINE", machine)
        if root == far or there:
            with Bus.open(root) as bus:
                bus.register("master")
                bus.register("worker")
                for number in range(3):
                    bus.send("worker-1", texts[machine][number], sender=senders[machine])
                if root == far:
                    bus.read("worker-1")
                    bus.confirm("worker-1")
    local = Path(".claude", "local")
    shutil.copytree(far / local / what, project / local / what, dirs_exist_ok=True)
    near = texts["near"] if there else []
    copied = texts["far"] if what == "." else []
    with Bus.open(project) as bus:
        history = [(one.id, one.body, one.via) for one in bus.history()]
        assert sorted(body for _, body, _ in history) == sorted([*copied, *near])
        # What stands in no ledger of the state that is here now counts as written by hand.
        assert {via for _, body, via in history if body in near} <= {"hand"}
        assert [one.body for one in bus.read("worker-1")] == near
        bus.confirm("worker-1")
        assert bus.read("worker-1") == []
        bus.send("worker-1", "after", sender="master")
        assert [one.body for one in bus.read("worker-1")] == ["after"]
        bus.confirm("worker-1")
        bus.rebuild()
        assert [(one.id, one.body, one.via) for one in bus.history()][:-1] == history
    with Bus.open(project) as bus:
        assert bus.read("worker-1") == []
        assert [one.body for one in bus.history()] == [*(body for _, body, _ in history), "after"]


@pytest.mark.parametrize("private", [True, False])
def test_the_folder_of_another_machine_comes_over_ours(project: Path, private: bool) -> None:
    """A sync tool brings all of it, with headers like ours: each text is there once, none has another's authority."""
    other = project.with_name("other")
    shutil.copytree(project, other)
    stamps = "10:00:01", "10:00:02", "10:00:02"
    with Bus.open(project, machine="box") as ours, Bus.open(other, machine="lap") as theirs:
        for bus, name in ((ours, "a"), (theirs, "b")):
            with mock.patch("intercom.bus.bus.local_stamp", side_effect=[f"2026-01-12 {one}" for one in stamps]):
                for number in range(3):
                    bus.send("roo", f"{name}{number} as it gets", sender="claude-code")
        ours.read("roo")
        here, there = (bus.config.log.parent for bus in (ours, theirs))
    if private:
        shutil.rmtree(here / ".intercom")
    shutil.copytree(there, here, dirs_exist_ok=True)
    for _ in range(2):
        with Bus.open(project, machine="box") as bus:
            texts = [(one.body[:2], one.via) for one in bus.history()]
            own = "hand" if private else "tool"
            assert sorted(texts) == [(f"a{n}", own) for n in range(3)] + [(f"b{n}", "tool") for n in range(3)]
            bus.read("roo")
    with Bus.open(project, machine="box") as bus:
        assert bus.read("roo") == []
