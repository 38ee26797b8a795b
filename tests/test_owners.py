"""A file that is replaced keeps owner, group, mode and attributes: one `sudo intercom compact` locks nobody out."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from intercom import Bus
from intercom.system import host
from tests.conftest import Command

ROOT = os.geteuid() == 0
_ATTRIBUTE = "user.intercom-test"


def _marked(path: Path) -> bool:
    """Give a file an attribute; whether the file system has any."""
    try:
        os.setxattr(path, _ATTRIBUTE, b"mine")
    except OSError:
        return False
    return True


def _shared(path: Path) -> None:
    """Let somebody else own a file, and a group use it."""
    if ROOT:
        os.chown(path, 65534, 12345)
    path.chmod(0o660)


def test_who_may_use_a_replaced_file(project: Path) -> None:
    """Page, base and segment after compacting, repairing and redacting."""
    with Bus.open(project) as bus:
        for number in range(5):
            bus.send("roo", f"the secret {number}", sender="claude-code")
        bus.history()
        segment = bus._log.ledger.path(bus._log.ledger.segments()[-1])
        for path in (files := (bus.config.log, bus._log.base.path, segment)):
            _shared(path)
        marked = [path for path in files if _marked(path)]
        before = [(path.read_bytes(), path.stat()) for path in files]
        bus.compact(3)
        bus.config.log.write_bytes(b"")
        bus.history()
        bus.redact(bus.history()[4].id)
        for path, (text, then) in zip(files, before, strict=True):
            now = path.stat()
            assert path.read_bytes() != text
            assert (now.st_uid, now.st_gid, now.st_mode) == (then.st_uid, then.st_gid, then.st_mode), path
            assert path not in marked or os.getxattr(path, _ATTRIBUTE) == b"mine"


def test_who_may_use_a_rebuilt_index(project: Path) -> None:
    """The same for what is derived."""
    with Bus.open(project) as bus:
        bus.history()
        _shared(bus._index.path)
        then = bus._index.path.stat()
        bus.rebuild()
        now = bus._index.path.stat()
        assert (now.st_uid, now.st_gid, now.st_mode) == (then.st_uid, then.st_gid, then.st_mode)


def test_a_group_that_cannot_be_kept_gives_nothing_to_another(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the group might do is not what our own group may."""
    with Bus.open(project) as bus:
        for number in range(5):
            bus.send("roo", f"said {number}", sender="claude-code")
        bus.history()
        page = bus.config.log
        page.chmod(0o660)
        if ROOT:
            os.chown(page, -1, 12345)

        def refused(*_: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "chown", refused)
        bus.compact(3)
        assert page.stat().st_mode & 0o777 == (0o600 if ROOT else 0o660)


def test_new_files_are_private(project: Path) -> None:
    """What was not there before is for its owner alone."""
    with Bus.open(project) as bus:
        bus.send("roo", "said", sender="claude-code")
        bus.history()
        segment = bus._log.ledger.path(bus._log.ledger.segments()[-1])
        for path in (bus.config.log, bus._log.base.path, segment, bus._index.path):
            assert path.stat().st_mode & 0o777 == 0o600


@pytest.fixture
def theirs() -> Iterator[Path]:
    """A project of another user, where that user can reach it; git's hook notes as whom it ran."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        project = Path(folder, "project")
        (project / ".claude").mkdir(parents=True)
        (project / ".claude" / "settings.json").write_text("{}")
        for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "x"]):
            subprocess.run(["git", *words], cwd=project, check=True)
        hook = project / ".git" / "hooks" / "post-checkout"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\nid -u > {project}/who\n")
        hook.chmod(0o755)
        for path in (project, *project.rglob("*")):
            os.lchown(path, 12345, 12345)
        yield project


@pytest.mark.skipif(not ROOT, reason="only root makes files in another's folder")
def test_what_root_makes_in_anothers_folder(theirs: Path, command: Command) -> None:
    """It is that user's: `sudo intercom` leaves nothing that locks them out, and runs no program of theirs as root."""
    for words in (
        ["init"],
        ["init", "--client", "cursor"],
        ["send", "--from", "user", "roo", "x"],
        ["log"],
        ["compact", "--keep", "0"],
        ["rebuild"],
        ["report", "-o", str(theirs / "report.html")],
        ["worktree", "add", "w1"],
    ):
        done = command(*words, INTERCOM_ROOT=str(theirs))
        assert done.returncode == 0, done.stderr
    made = [*theirs.rglob("*"), *(theirs.parent / ".intercomm-worktrees").rglob("*")]
    assert len(made) > 40
    assert {path: path.lstat().st_uid for path in made if path.lstat().st_uid != 12345} == {}
    assert (theirs / "who").read_text() == "12345\n"


@pytest.mark.skipif(not ROOT, reason="only root can be another user")
def test_where_another_cannot_go_root_goes_as_root(tmp_path: Path) -> None:
    """A project of another's below a folder that only root may enter, as in a container."""
    (project := tmp_path / "closed" / "project").mkdir(parents=True)
    os.chown(project, 12345, 12345)
    project.parent.chmod(0o700)
    assert host.owner_apart(project) is None


def test_a_report_replaces_files_alone(project: Path, command: Command, tmp_path: Path) -> None:
    """A pipe or device in its place stays what it is."""
    with Bus.open(project) as bus:
        bus.send("roo", "x", sender="claude-code")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        done = command("report", "-o", str(tmp_path / name))
        assert (done.returncode, "not a regular file" in done.stderr) == (1, True)
    assert sorted(one.name for one in tmp_path.iterdir() if one.name in {"pipe", "link"}) == ["link", "pipe"]
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "link").is_symlink()
