"""What is no file where one should be, and what leads out of the root: named in one line, never waited for."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from intercom import Bus, cli
from intercom.cli import completion
from intercom.core.config import load
from intercom.core.errors import StorageError, UsageError
from intercom.core.root import git_common_parent, spare_folder
from intercom.hooks.faults import note_fault
from intercom.system.files import replace
from intercom.system.git_index import tracked, tracked_in

_TYPED = "## [2026-01-12 10:00:00] zoo -> roo [INFO]\n\n{}\n\n---\n\n"


@pytest.mark.parametrize("name", ["INTERCOM-other.md", "archive/INTERCOM-other-000001.md"])
@pytest.mark.parametrize("late", [False, True])
def test_another_machines_file_that_leads_out(project: Path, tmp_path: Path, name: str, late: bool) -> None:
    """It is not followed, however late it became a link, and named; a link that stays inside is."""
    secret, inside = tmp_path / "secret.md", project / "inside.md"
    secret.write_text(_TYPED.format("outside"))
    inside.write_text(_TYPED.format("inside"))
    with Bus.open(project) as bus:
        bus.send("roo", "ours", sender="claude-code")
        path = bus.config.folder / name
        if late:
            path.write_text(_TYPED.format("theirs"))
            assert [message.body for message in bus.history()] == ["ours", "theirs"]
            path.unlink()
        path.symlink_to(secret)
        bus._freshness._indexing._swept = 0.0
        assert "outside" not in [message.body for message in bus.history()]
        assert any(text.startswith(f"{name} is not read: ") for text in bus.notices)
        bus.rebuild()
        assert [message.body for message in bus.history()] == ["ours"]
        path.unlink()
        path.symlink_to(inside)
        bus.rebuild()
        assert [message.body for message in bus.history()] == ["ours", "inside"]


def holes(path: Path) -> None:
    """A huge file that takes no room on the disk."""
    with path.open("wb") as file:
        file.truncate(10 << 30)


@pytest.mark.parametrize("name", ["INTERCOM-other.md", "archive/INTERCOM-other-000001.md", "INTERCOM-folder.md/x"])
@pytest.mark.parametrize("make", [os.mkfifo, holes], ids=["pipe", "holes"])
def test_what_is_no_log_of_another_machine(project: Path, name: str, make: Callable[[Path], None]) -> None:
    """What can never be read, or not in reasonable time, is left, and the rest works."""
    with Bus.open(project) as bus:
        bus.send("roo", "ours", sender="claude-code")
        path = bus.config.folder / name
        if path.name == "x":
            path.parent.mkdir()
        else:
            make(path)
        assert [message.body for message in bus.history()] == ["ours"]
        assert len(bus.notices) == 1
        bus.rebuild()
        assert [message.body for message in bus.read("roo")] == ["ours"]


@pytest.mark.parametrize("name", ["INTERCOM-testbox.md", ".intercom/ledger"])
def test_a_pipe_where_a_file_of_ours_should_be(project: Path, name: str) -> None:
    """It is named, and nobody waits for it."""
    path = project / ".claude" / "local" / name
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    with Bus.open(project) as bus, pytest.raises(StorageError, match=f"{path.name}: it is not a regular file; nothing"):
        bus.send("roo", "never", sender="claude-code")


@contextmanager
def at_once() -> Iterator[None]:
    """The block waits for nothing: it would be ended by an error."""

    def late(*_: object) -> None:
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("name", [".git", ".git/commondir", ".gitignore", ".claude/local/.intercom/errors.log"])
def test_a_pipe_beside_ours(project: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Where git's files or a list of errors should be: commands and hooks do not wait for it."""
    with Bus.open(project) as bus:
        bus.register("worker")
    path = project / name
    if name != ".git":
        (project / ".git").mkdir()
    os.mkfifo(path)
    with at_once():
        assert cli.main(["send", "worker-1", "arrives"]) == 0
        assert cli.main(["init", "--client", "none"]) == (name == ".gitignore")
        cli.main(["doctor"])
        said = capsys.readouterr()
        assert cli.main(["read", "--id", "worker-1"]) == 0
        note_fault(load(project), "Stop", ValueError("x"))
    assert "arrives" in capsys.readouterr().out
    assert name != ".gitignore" or (".gitignore" in said.err and ".gitignore: it is not a regular file" in said.out)


def test_a_link_where_a_draft_goes(project: Path, tmp_path: Path) -> None:
    """A repository can bring links under the names of drafts, for any number of a process: none is written to."""
    there = tmp_path / "somebodys"
    there.write_text("theirs")
    (project / f".x.{os.getpid()}.tmp").symlink_to(there)
    replace(project / "x", b"ours")
    assert (there.read_text(), (project / "x").read_text()) == ("theirs", "ours")


@pytest.mark.parametrize("name", [".intercom/state.db", ".intercom/index2.db"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_looking_at_what_is_no_database(
    project: Path, name: str, make: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """A check-up names it, and completing a word does without; neither waits for a pipe."""
    with Bus.open(project) as bus:
        bus.register("worker")
        bus.send("roo", "ours", sender="claude-code")
        bus.read("roo")
    for path in (project / ".claude" / "local" / ".intercom").glob(f"{Path(name).name}*"):
        path.unlink()
    path = project / ".claude" / "local" / name
    make(path)
    assert cli.main(["doctor"]) == 1
    assert "Traceback" not in capsys.readouterr().err
    assert list(completion._who(None)) == [] if "state" in name else list(completion._who(None))


def test_a_pipe_for_what_git_keeps(project: Path) -> None:
    """Whether git tracks the private folder cannot be told then; no command waits for it."""
    with Bus.open(project) as bus:
        bus.send("roo", "ours", sender="claude-code")
    index = project / ".git" / "index"
    index.parent.mkdir(exist_ok=True)
    index.unlink(missing_ok=True)
    os.mkfifo(index)
    with Bus.open(project) as bus:
        assert [message.body for message in bus.read("roo")] == ["ours"]


@pytest.mark.parametrize("name", [".intercom/ledger", "INTERCOM-testbox.md", ".intercom/base.INTERCOM-testbox"])
def test_a_huge_file_with_holes(project: Path, name: str) -> None:
    """It takes no room on the disk, and is not read into memory: it is named, or done without where it is derived."""
    with Bus.open(project) as bus:
        bus.send("roo", "ours", sender="claude-code")
    with (project / ".claude" / "local" / name).open("r+b") as file:
        file.truncate(10 << 30)
    with Bus.open(project) as bus:
        if "base" in name:
            assert [message.body for message in bus.history()] == ["ours"]
        else:
            with pytest.raises(StorageError, match=f"{Path(name).name}: it has more than 1024 MiB"):
                bus.history()


def test_a_pipe_for_a_base(project: Path) -> None:
    """The base is derived: without one the page is looked at again."""
    with Bus.open(project) as bus:
        bus.send("roo", "ours", sender="claude-code")
        bus._log.base.path.unlink()
        os.mkfifo(bus._log.base.path)
        assert [message.body for message in bus.history()] == ["ours"]


@pytest.mark.parametrize(
    "text",
    ["a." * 100_000 + "a = 1", "a = " + "[" * 100_000, "a = " + "9" * 10_000, "# " + "x" * 1_100_000, None],
    ids=["keys", "lists", "number", "size", "pipe"],
)
def test_settings_that_nobody_wrote_by_hand(project: Path, text: str | None) -> None:
    """One line that names the file."""
    path = project / ".claude" / "intercom.toml"
    path.parent.mkdir()
    if text is None:
        os.mkfifo(path)
    else:
        path.write_text(text)
    with pytest.raises(UsageError, match=r"intercom\.toml.*; nothing was opened") as caught:
        load(project)
    assert "\n" not in str(caught.value)


def test_a_pipe_for_the_machines_name(project: Path) -> None:
    """It is as if no name had been given."""
    path = project / ".claude" / "local" / ".intercom" / "machine"
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    assert load(project, environ={}).machine


@pytest.mark.parametrize("name", [".git", "own/commondir", "own/config"])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.write_bytes(b"gitdir: \0/\xff")], ids=["pipe", "bytes"])
def test_what_is_no_file_of_gits(tmp_path: Path, name: str, make: Callable[[Path], None]) -> None:
    """Looking for the project never waits for one, nor fails at what stands in it."""
    project, own = tmp_path / "project", tmp_path / "project" / "own"
    for folder in (own / "objects", own / "refs"):
        folder.mkdir(parents=True)
    (own / "HEAD").write_text("ref: refs/heads/main\n")
    (project / ".git").write_text("gitdir: own\n")
    (project / name).unlink(missing_ok=True)
    make(project / name)
    for folder in (project, own):
        git_common_parent(folder)
        spare_folder(folder)
    assert tracked(project) == []
    assert tracked_in(project / "x") == set()
