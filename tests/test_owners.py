"""A file that is replaced keeps owner, group, mode and attributes: one `sudo intercom compact` locks nobody out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from intercom import Bus
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


@pytest.mark.skipif(not ROOT, reason="only root makes files in another's folder")
def test_what_root_makes_in_anothers_folder(project: Path, command: Command) -> None:
    """It is that user's: `sudo intercom` leaves nothing that locks them out."""
    os.chown(project, 12345, 12345)
    for words in (["init"], ["send", "--from", "user", "roo", "x"], ["log"], ["compact", "--keep", "0"], ["rebuild"]):
        done = command(*words)
        assert done.returncode == 0, done.stderr
    made = [project / ".claude", *(project / ".claude").rglob("*")]
    assert len(made) > 10
    assert {path: path.stat().st_uid for path in made if path.stat().st_uid != 12345} == {}
