"""What a full disk, missing rights and things that are in the way do: one clear line, exit 1, nothing half-written."""

from __future__ import annotations

import json
import os
import resource
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from intercom import Bus
from intercom.core.errors import StorageError
from tests.conftest import Command

ROOT = os.geteuid() == 0


def contents(folder: Path) -> dict[str, bytes]:
    """Every log below a folder, by its bytes."""
    return {str(path): path.read_bytes() for path in folder.rglob("*.md") if path.is_file()}


def refused(done: subprocess.CompletedProcess[str], *said: str) -> None:
    """A command that failed: exit 1, nothing on stdout, one line that says all of this."""
    assert (done.returncode, done.stdout) == (1, ""), done
    assert done.stderr.startswith("intercom: ")
    assert done.stderr.count("\n") == 1
    for part in said:
        assert part in done.stderr


def given(done: subprocess.CompletedProcess[str], *, again: bool = False) -> list[str]:
    """The bodies that a `read --json` printed, none of them a second time, or perhaps each of them."""
    assert (done.returncode, done.stderr) == (0, ""), done
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row.get("redelivered", False) for row in rows] == [again] * len(rows)
    return [row["body"] for row in rows]


def in_child(work: Callable[[], None]) -> str:
    """What `work` raises in a process of its own, as `Type: text`; "" if nothing."""
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            work()
            text = ""
        except BaseException as error:  # noqa: BLE001  # it is the answer
            text = f"{type(error).__name__}: {error}"
        os.write(there, text.encode())
        os._exit(0)
    os.close(there)
    os.waitpid(child, 0)
    with os.fdopen(here, "rb") as file:
        return file.read().decode()


@pytest.fixture
def folder(project: Path) -> Path:
    """`.claude/local` of a project with one message."""
    with Bus.open(project) as bus:
        bus.register("worker", "w")
        bus.send("roo", "first", sender="w")
        bus.read("roo")
    return project / ".claude" / "local"


@pytest.mark.parametrize("room", [1, 100, 5000])
def test_a_file_size_limit(project: Path, folder: Path, room: int) -> None:
    """Where a file may not grow far enough, a send says so, and the log holds nothing of the message."""
    before = contents(folder)
    size = max(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.suffix == ".md")

    def work() -> None:
        with Bus.open(project) as bus:
            bus.instances()
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, resource.RLIM_INFINITY))
            bus._log.append(
                b"## [x] a \xe2\x86\x92 b [INFO]\n<!-- intercom id=a -->\n\n" + b"y" * 9000 + b"\n\n---\n\n", bytes
            )

    said = in_child(work)
    assert said.startswith("StorageError: cannot append"), said
    assert "\n" not in said
    assert contents(folder) == before
    with Bus.open(project) as bus:
        assert [message.body for message in bus.history()] == ["first"]


@pytest.fixture
def small(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file system of 1 MB: the default root of this test."""
    place = tmp_path / "small"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", place], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("mounting needs root")
    monkeypatch.setenv("INTERCOM_ROOT", str(place))
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(place: Path) -> Path:
    """Use up the file system, to the last byte."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                pass
    return ballast


def test_a_full_disk(small: Path, command: Command) -> None:
    """On a full disk nothing works, and says so; when there is room again, what was said before is all there is."""
    for body in ("read before", "unread"):
        assert command("send", "roo", body, "--from", "claude-code").returncode == 0
        if body == "read before":
            assert given(command("read", "--id", "roo", "--json")) == [body]
    before = contents(small)
    ballast = fill(small)
    for words in (
        ("send", "roo", "long " * 2000, "--from", "claude-code"),
        ("send", "roo", "short", "--from", "claude-code"),
        ("read", "--id", "roo"),
        ("log",),
        ("compact", "--keep", "0"),
        ("register",),
    ):
        refused(command(*words), "the disk is full", "; nothing was changed.", "Free some space and try again")
        assert contents(small) == before
    ballast.unlink()
    assert command("send", "roo", "last", "--from", "claude-code").returncode == 0
    assert given(command("read", "--id", "roo", "--json")) == ["unread", "last"]
    assert given(command("read", "--id", "roo", "--json")) == []
    assert command("register").stdout == "worker-1\n"


def test_a_disk_that_becomes_full(small: Path) -> None:
    """The same for a process that has had all files open for long: it need not be started again."""
    full = r"(disk is full; nothing was changed|No space left on device; nothing was sent)\. Free some space and"
    with Bus.open(small) as bus:
        bus.send("roo", "first", sender="claude-code")
        assert [message.body for message in bus.read("roo")] == ["first"]
        bus.send("roo", "unread", sender="claude-code")
        ballast = fill(small)
        before = contents(small)
        for _ in range(3):
            with pytest.raises(StorageError, match=full):
                bus.send("roo", "never " * 5000, sender="claude-code")
        got = []
        with suppress(StorageError):  # what it needs to note may have room in a file that is there
            got = bus.read("roo")
        assert contents(small) == before
        ballast.unlink()
        bus.send("roo", "last", sender="claude-code")
        got += bus.read("roo")
        assert [(message.body, message.redelivered) for message in got] == [("unread", False), ("last", False)]
        assert bus.read("roo") == []
        assert [message.body for message in bus.history()] == ["first", "unread", "last"]


def test_a_file_system_that_is_read_only(small: Path, command: Command) -> None:
    """That is what is said, before there is a bus and after; writable again, it is as it was."""
    acts: tuple[tuple[str, ...], ...] = (
        ("send", "roo", "never", "--from", "claude-code"),
        ("init",),
    )

    def all_refuse() -> None:
        before = contents(small)
        subprocess.run(["mount", "-o", "remount,ro", small], check=True)
        for words in acts:
            refused(command(*words), "; nothing was ", "The file system is read-only: make it writable")
        subprocess.run(["mount", "-o", "remount,rw", small], check=True)
        assert contents(small) == before

    all_refuse()
    assert command("send", "roo", "first", "--from", "claude-code").returncode == 0
    acts = (acts[0], ("read", "--id", "roo"))
    all_refuse()
    assert given(command("read", "--id", "roo", "--json")) == ["first"]


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A project that every user can reach. pytest's own folders are closed again whenever another run of it begins."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name).resolve()
        with Bus.open(root) as bus:
            bus.register("worker", "w")
            bus.send("roo", "first", sender="w")
            bus.read("roo")
        subprocess.run(["chown", "-R", "65534", root], check=True)
        root.chmod(0o755)
        yield root


@pytest.mark.skipif(not ROOT, reason="becoming somebody else needs root")
@pytest.mark.parametrize("closed", [".claude/local", ".claude/local/INTERCOM-testbox.md", ".claude/local/.intercom"])
def test_no_rights(reachable: Path, closed: str) -> None:
    """A folder or log that may not be written, or read: a clear error, and no byte changes."""
    project, folder = reachable, reachable / ".claude" / "local"
    before = contents(folder)
    target = project / closed
    target.chmod(0o500 if target.is_dir() else 0)

    def work() -> None:
        os.setgid(65534)
        os.setuid(65534)
        with Bus.open(project) as bus:
            bus.send("roo", "second", sender="w")
            bus.read("roo")
            raise AssertionError("it worked")

    said = in_child(work)
    target.chmod(0o700)
    if closed == ".claude/local":  # where only the folder itself is closed, all files in it can still be written
        assert said == "AssertionError: it worked"
        return
    assert said.startswith("StorageError: "), said
    assert "\n" not in said
    assert "nothing was" in said
    assert "See who may use it" in said
    assert contents(folder) == before
    with Bus.open(project) as bus:
        bus.send("roo", "third", sender="w")
        assert [message.body for message in bus.read("roo")] == ["third"]


@pytest.mark.parametrize(
    "name", ["INTERCOM-testbox.md", ".intercom/ledger", ".intercom/index2.db", ".intercom/state.db"]
)
def test_a_folder_in_the_way(project: Path, command: Command, name: str) -> None:
    """A folder where a file should be is named, and what to do; moved away, it is as if it had never been."""
    local = project / ".claude" / "local"
    (local / name).mkdir(parents=True)
    send, read = ("send", "roo", "x", "--from", "claude-code"), ("read", "--id", "roo", "--json")
    sent = []
    if name.endswith("index2.db"):  # a send needs no index
        assert command(*send).returncode == 0
        sent = ["x"]
    else:
        refused(command(*send), str(local / name), "nothing was ", "ove it away")
    refused(command(*read), str(local / name), "nothing was ", "ove it away")
    assert not list((local / name).iterdir())
    assert [path.name for path in local.rglob("*.md") if path.is_file()] == (
        ["INTERCOM-testbox.md", "INTERCOM-testbox-000001.md"] if sent else []
    )
    (local / name).rmdir()
    assert given(command(*read)) == sent
    assert command(*send).returncode == 0
    assert given(command(*read)) == ["x"]


def test_a_send_says_that_nothing_was_sent(project: Path, command: Command) -> None:
    """Also where what fails is reading."""
    (project / ".claude" / "local" / "INTERCOM-testbox.md").mkdir(parents=True)
    refused(command("send", "roo", "x", "--from", "claude-code"), "nothing was sent")


@pytest.mark.parametrize("page", [0, 1, 3])
def test_a_damaged_state(project: Path, folder: Path, command: Command, page: int) -> None:
    """A damaged state.db is named, and refused by all that needs it; moved away, everything unread is given."""
    assert command("send", "roo", "unread", "--from", "w").returncode == 0
    before = contents(folder)
    path = folder / ".intercom" / "state.db"
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    db.close()
    sound = path.read_bytes()
    assert len(sound) > page * 4096
    path.write_bytes(sound[: page * 4096] + b"\x5a" * 4096 + sound[page * 4096 + 4096 :])
    look = () if page == 1 else (("status",),)  # which needs nothing that stands there
    for words in (("read", "--id", "roo"), ("send", "roo", "x", "--from", "w"), *look):
        refused(command(*words), str(path), "nothing was changed.", "If it is damaged, move it away", "messages stay")
        assert contents(folder) == before
    shutil.move(path, project / "kept")
    # What was given to whom is not known any more.
    assert given(command("read", "--id", "roo", "--json"), again=True) == ["first", "unread"]
    assert command("send", "roo", "x", "--from", "claude-code").returncode == 0
    refused(command("send", "roo", "x", "--from", "w"), "'w' is not known", "nothing was sent")
    assert given(command("read", "--id", "roo", "--json")) == ["x"]


def test_outside_and_bad_names(project: Path, tmp_path: Path, command: Command) -> None:
    """A symbolic link out of the root, and machine names that would leave the folder, are refused; nothing is made."""
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("../x", "a/b", "..", "a\nb", ""):
        done = command("send", "roo", "--from", "claude-code", "x", INTERCOM_MACHINE=name or "/")
        refused(done, "cannot be a machine name; nothing was opened", "INTERCOM_MACHINE")
    assert not (project / ".claude").exists()
    (project / ".claude").mkdir()
    (project / ".claude" / "local").symlink_to(outside)
    done = command("send", "roo", "--from", "claude-code", "x")
    refused(done, "leads out of", "by a symbolic link; nothing was opened", "Remove the link")
    assert list(outside.iterdir()) == []
