"""The harness of the power cuts itself: it sees all that is done to files, and loses what may be lost, nothing else."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.powercut import Cut, Disk, Op, Outcome, Write, killed, materialize, outcomes, split, states, unsynced
from tests.powercut_check import Plan, problems
from tests.powercut_story import Known, World
from tests.powercut_trial import Trial
from tests.recorder import APART, Recorder
from tests.test_powercut import SCENARIOS

pytestmark = pytest.mark.slow


def files(root: Path) -> dict[str, bytes | None]:
    """What is there, as `Disk.tree` has it."""
    paths = [path for path in root.rglob("*") if path.is_dir() or not APART.match(path.name)]
    return {os.path.relpath(path, root): None if path.is_dir() else path.read_bytes() for path in paths}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with one file of two pages."""
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "old").write_bytes(b"o" * 5000)
    return tmp_path / "root"


def recorded(root: Path, work: Callable[[], object]) -> tuple[Disk, list[Op]]:
    """What `work` does there; checked against what is there afterwards."""
    recorder = Recorder(root)
    with recorder.recording():
        work()
    assert recorder.now.tree() == files(root)
    return recorder.start, split(recorder.ops)


def left(root: Path, work: Callable[[], object], most: int = 4096) -> list[dict[str, bytes | None]]:
    """All that may be there if the power is cut at the end of `work`."""
    start, ops = recorded(root, work)
    found: list[dict[str, bytes | None]] = []
    for _, disk in states(start, ops, len(ops), random.Random(1), most):
        if disk.tree() not in found:
            found.append(disk.tree())
    return found


def append(path: Path, data: bytes, *, sync: bool = False) -> None:
    """Add to a file by the calls of the system."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(handle, data)
    if sync:
        os.fdatasync(handle)
    os.close(handle)


def sync(path: Path) -> None:
    """Sync a file or folder."""
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def test_every_way_to_a_file_is_seen(root: Path) -> None:
    """By `os`, by the built-in `open` in all its modes, by pathlib, by another thread: folders, links, names."""

    def work() -> None:
        (root / "folder").mkdir()
        os.makedirs(root / "a" / "b")
        (root / "a" / "text").write_text("naïve\n" * 3000, encoding="utf-8")
        (root / "a" / "bytes").write_bytes(b"x" * 9000)
        with (root / "a" / "text").open("a", encoding="utf-8") as file:
            file.write("more")
        with open(root / "old", "r+b") as file:
            assert file.read(3) == b"ooo"
            file.seek(4090)
            file.write(b"across pages")
            file.truncate(4500)
        with open(os.open(root / "new", os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
            file.write(b"new")
        (root / "touched").touch()
        handle = os.open(root / "old", os.O_RDWR)
        os.pwrite(handle, b"here", 100)
        os.ftruncate(handle, 4400)
        os.posix_fallocate(handle, 0, 4600)
        os.close(handle)
        thread = threading.Thread(target=append, args=(root / "thread", b"t"))
        thread.start()
        thread.join()
        os.link(root / "new", root / "a" / "link")
        os.rename(root / "a" / "bytes", root / "folder" / "moved")
        os.replace(root / "thread", root / "touched")
        os.truncate(root / "touched", 10)
        os.unlink(root / "new")
        (root / "a" / "b").rmdir()
        (root / "old").read_bytes()

    recorded(root, work)
    assert (root / "touched").read_bytes() == b"t" + b"\0" * 9


def test_what_was_not_synced_may_be_missing(root: Path) -> None:
    """Any pages of it, with NULs below those that are there; what was synced stays."""
    found = {tree["old"] for tree in left(root, lambda: append(root / "old", b"n" * 7000))}
    whole = [b"o" * 5000, b"n" * 3192, b"n" * 3808]
    assert found >= {whole[0], b"".join(whole), b"".join(whole[:2]), whole[0] + b"\0" * 3192 + whole[2]}
    assert all(one is not None and one.startswith(whole[0]) for one in found)
    append(root / "old", b"", sync=True)
    assert len(left(root, lambda: append(root / "old", b"n" * 7000, sync=True))) == 1


def test_a_size_may_come_without_its_bytes(root: Path) -> None:
    """Of a write that is lost there may be the size: then the file ends with NULs."""
    start, ops = recorded(root, lambda: append(root / "old", b"n" * 10))
    ends = set()
    for seed in range(60):
        for _, disk in states(start, ops, len(ops), random.Random(seed), 8):
            ends.add((disk.tree()["old"] or b"")[5000:])
    assert ends == {b"", b"n" * 10, b"\0" * 10}


def test_a_name_needs_its_folder_synced(root: Path) -> None:
    """A new file may have no name though it was synced; a renamed one has its old or its new one, never neither."""

    def work() -> None:
        append(root / "draft", b"new", sync=True)
        os.replace(root / "draft", root / "old")

    assert {tree["old"] for tree in left(root, work)} == {b"o" * 5000, b"new"}

    def synced() -> None:
        append(root / "old", b"er", sync=True)
        sync(root)

    work()
    assert [tree["old"] for tree in left(root, synced)] == [b"newer"]


def test_across_folders_a_name_may_be_lost_or_double(root: Path) -> None:
    """Two folders are two steps; a folder that is lost takes all along that is in it."""

    def work() -> None:
        (root / "to").mkdir()
        os.rename(root / "old", root / "to" / "new")

    found = [sorted(tree) for tree in left(root, work)]
    assert all(names in found for names in ([], ["to"], ["old"], ["old", "to", "to/new"], ["to", "to/new"]))


def test_cutting_short_comes_before_what_is_written_then(root: Path) -> None:
    """Saved over itself, a file is as it was, empty, or has pages of the new text; never a mixture."""
    found = {tree["old"] for tree in left(root, lambda: (root / "old").write_bytes(b"n" * 4100))}
    assert found == {b"o" * 5000, b"", b"n" * 4100, b"n" * 4096, b"\0" * 4096 + b"n" * 4} | {
        one for one in found if one is not None and one.strip(b"\0") == b""
    }


def test_samples_where_there_are_many(root: Path) -> None:
    """All kept and nothing kept are among them, none is what cannot be, and they are as many as was asked for."""

    def work() -> None:
        for number in range(12):
            append(root / "old", b"%d" % number)
            if number == 5:
                sync(root / "old")

    _, ops = recorded(root, work)
    open_ = unsynced(ops, len(ops))
    assert [ops[place] for place in open_] == [op for op in ops if isinstance(op, Write)][6:]
    found = list(outcomes(ops, len(ops), random.Random(2), 40))
    assert len(found) == 40
    assert {frozenset(open_), frozenset()} <= {one.kept for one in found}
    assert all(one.kept | one.lost == set(open_) and not one.kept & one.lost for one in found)


def test_killed_is_all_that_was_done_and_part_of_a_write(root: Path) -> None:
    """Where only the process dies, the system keeps what it has; the write on its way may have come halfway."""
    start, ops = recorded(root, lambda: append(root / "old", b"abc"))
    assert [disk.tree()["old"] for _, disk in killed(start, ops, len(ops), random.Random(3))] == [b"o" * 5000 + b"abc"]
    before = {disk.tree()["old"] for _, disk in killed(start, ops, 0, random.Random(3))}
    assert before == {b"o" * 5000, b"o" * 5000 + b"a", b"o" * 5000 + b"ab"}


def test_a_disk_is_made(root: Path, tmp_path: Path) -> None:
    """Files, folders, several names of one file, and times of before the machine was started."""
    os.link(root / "old", root / "again")
    (root / "folder").mkdir()
    start, ops = recorded(root, lambda: append(root / "folder" / "new", b"n"))
    ((outcome, disk),) = list(killed(start, ops, len(ops), random.Random(4)))
    assert isinstance(outcome, Outcome)
    materialize(disk, tmp_path / "made")
    assert files(tmp_path / "made") == files(root)
    assert (tmp_path / "made" / "old").samefile(tmp_path / "made" / "again")
    assert (tmp_path / "made" / "old").stat().st_mtime < 2e9 / 2 + 1


def test_pages_are_of_the_file(root: Path) -> None:
    """A write is parted where its file's pages end, whatever its own size."""
    _, ops = recorded(root, lambda: (root / "old").write_bytes(b"n" * 10_000))
    assert [(op.at, len(op.data)) for op in ops if isinstance(op, Write)] == [(0, 4096), (4096, 4096), (8192, 1808)]
    assert [op.size for op in ops if isinstance(op, Cut)] == [0]


@pytest.mark.parametrize("name", ["compact", "redact", "send into a new folder", "take over half_segment by a look"])
def test_a_story_is_recorded_whole(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the bus and people did to the files makes, done again, the very files that are there."""
    trial = Trial(name, SCENARIOS[name], 5, tmp_path, monkeypatch)
    start, story = trial.first.recorder.start.copy(), trial.first.story
    assert start.tree() != files(story.root)
    for op in trial.first.ops:
        start.apply(op)
    assert start.tree() == files(story.root)


# -- what must hold ---------------------------------------------------------------------------------

AS_IT_IS = Plan("box", "look", 0, stale=False, kill=True, newest=True)


@pytest.mark.parametrize("name", ["send", "take in", "edit and delete", "restore", "compact", "rebuild"])
def test_where_nothing_is_lost_nothing_is_wrong(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies between two calls leaves all that it did: the next command finds it, and says nothing."""
    trial = Trial(name, SCENARIOS[name], 6, tmp_path, monkeypatch)
    start, ops = trial.first.recorder.start, trial.first.ops
    for upto in range(trial.first.recorder.first, len(ops) + 1, max(1, len(ops) // 6)):
        plan = AS_IT_IS._replace(first=trial.rng.choice(("look", "read", "send")))
        _, disk = next(killed(start, ops, upto, trial.rng))
        root = trial.put(trial.first, upto, disk, plan)
        assert problems(root, trial.first.world(upto), plan) == [], (upto, plan)


def _known(world: World) -> Known:
    """A message that a tool sent and nobody touched, and roo has not read."""
    return next(one for one in reversed(world.messages.values()) if one.must and one.token not in world.given["roo"])


def _told(world: World, **other: str) -> None:
    known = _known(world)
    ((sender, to, via, body),) = known.texts
    now = {"sender": sender, "to": to, "via": via, "body": body, **other}
    known.texts = {(now["sender"], now["to"], now["via"], now["body"])}


PROMISES: dict[str, Callable[[World], object]] = {
    "an accepted message is LOST": lambda world: world.messages.update(
        x=Known("x", {("a", "b", "tool", "x")}, must=True)
    ),
    "an accepted message has another text": lambda world: _told(world, body="t999 another"),
    "an accepted message claims another's authority": lambda world: _told(world, via="hand"),
    "an accepted message has another header": lambda world: _told(world, sender="worker-1"),
    "a message that nobody wrote": lambda world: world.messages.pop(_known(world).token),
    "a deletion that was taken in is undone": lambda world: _known(world).hidden.symmetric_difference_update(
        {True, False}
    ),
    "a deleted message is gone for good": lambda world: world.messages.update(
        x=Known("x", {("a", "b", "tool", "x")}, must=True, hidden={True})
    ),
    "the order changed": lambda world: setattr(_known(world), "number", 0),
    "given again, unmarked": lambda world: world.given["roo"].add(_known(world).token),
    "a reader is skipped": lambda world: world.given["roo"].clear(),
    "people's own text is gone from the page": lambda world: setattr(world, "top", "never written"),
    "a redacted text is on the disk": lambda world: world.secrets.add(_known(world).token),
}


@pytest.mark.parametrize("kind", PROMISES)
def test_each_broken_promise_is_seen(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more was promised than is kept, it is said, and what it is."""
    trial = Trial("come and go", SCENARIOS["come and go"], 7, tmp_path, monkeypatch)
    ops = trial.first.ops
    ((_, disk),) = list(killed(trial.first.recorder.start, ops, len(ops), trial.rng))
    world = trial.first.world(len(ops))
    PROMISES[kind](world)
    found = problems(trial.put(trial.first, len(ops), disk, AS_IT_IS), world, AS_IT_IS)
    assert kind in {one for one, _ in found}, found
