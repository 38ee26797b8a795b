"""What a full disk, missing rights and things that are in the way do: one clear line, exit 1, nothing half-written."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from intercom import Bus
from tests.conftest import Command

ROOT = os.geteuid() == 0


def contents(folder: Path) -> dict[str, bytes]:
    """Every log below a folder, by its bytes."""
    return {str(path): path.read_bytes() for path in folder.rglob("*.md") if path.is_file()}


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
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    place = tmp_path / "small"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", place], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("mounting needs root")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk(small: Path, command: Command) -> None:
    """On a full disk sends fail by name, no part of them is stored, and all is well when there is room again."""
    with Bus.open(small) as bus:
        bus.register("worker", "w")
        sent = [bus.send("roo", "first", sender="w").body]
        bus.history()
    with (small / "ballast").open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass
    failed = 0
    for n in range(12):
        done = command("send", "roo", "--from", "w", f"{n} " + "long " * 2000, INTERCOM_ROOT=str(small))
        if done.returncode == 0:
            sent.append(f"{n} " + "long " * 2000)
        else:
            failed += 1
            assert done.returncode in {1, 2}
            assert done.stderr.count("\n") == 1, done.stderr
            assert "Traceback" not in done.stderr
    assert failed
    (small / "ballast").unlink()
    with Bus.open(small) as bus:
        bus.send("roo", "last", sender="w")
        assert [message.body.strip() for message in bus.read("roo")] == [body.strip() for body in [*sent, "last"]]


@pytest.mark.skipif(not ROOT, reason="becoming somebody else needs root")
@pytest.mark.parametrize("closed", [".claude/local", ".claude/local/INTERCOM-testbox.md", ".claude/local/.intercom"])
def test_no_rights(project: Path, folder: Path, closed: str) -> None:
    """A folder or log that may not be written, or read: a clear error, and no byte changes."""
    subprocess.run(["chown", "-R", "65534", project], check=True)
    for parent in project.parents:
        if os.stat(parent).st_uid == 0 and parent != Path("/") and parent != Path("/tmp"):
            parent.chmod(0o755)
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
    if closed != ".claude/local":  # where only the folder itself is closed, all files in it can still be written
        assert said.startswith("StorageError: "), said
        assert contents(folder) == before
    assert "\n" not in said


@pytest.mark.parametrize(
    "name", ["INTERCOM-testbox.md", ".intercom/journal.md", ".intercom/index.db", ".intercom/state.db"]
)
def test_a_folder_in_the_way(project: Path, command: Command, name: str) -> None:
    """A folder where a file should be: one line, exit 1."""
    (project / ".claude" / "local" / name).mkdir(parents=True)
    for words in (("send", "roo", "x", "--from", "claude-code"), ("read", "--id", "roo")):
        done = command(*words)
        if name.endswith("index.db") and words[0] == "send":
            continue
        assert done.returncode in {1, 2}, done
        assert done.stderr.count("\n") == 1
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("page", [0, 1, 3])
def test_a_damaged_state(project: Path, folder: Path, command: Command, page: int) -> None:
    """A damaged state.db is named in one line; the messages stay."""
    before = contents(folder)
    with Bus.open(project) as bus:
        bus._state.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path = folder / ".intercom" / "state.db"
    data = bytearray(path.read_bytes())
    data[page * 4096 : page * 4096 + 4096] = b"\x5a" * 4096
    path.write_bytes(data)
    done = command("read", "--id", "roo")
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") <= 1
    assert contents(folder) == before


def test_outside_and_bad_names(project: Path, tmp_path: Path, command: Command) -> None:
    """A symbolic link out of the root, and machine names that would leave the folder, are refused; nothing is made."""
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("../x", "a/b", "..", "a\nb", ""):
        done = command("send", "roo", "--from", "claude-code", "x", INTERCOM_MACHINE=name or "/")
        assert done.returncode in {1, 2}
        assert "Traceback" not in done.stderr
    assert not (project / ".claude").exists()
    (project / ".claude").mkdir()
    (project / ".claude" / "local").symlink_to(outside)
    done = command("send", "roo", "--from", "claude-code", "x")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert list(outside.iterdir()) == []
