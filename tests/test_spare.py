"""What deletes `.claude/local` takes no message away: the ledger has second names in git's own folder."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from intercom import Bus
from intercom.cli import main
from intercom.store.log import spare
from tests.people_kit import bodies, talk


def clean(root: Path) -> None:
    """As a person tidies up, and an agent in a hurry."""
    subprocess.run(["git", "clean", "-fdxq"], cwd=root, check=True)


def remove(root: Path) -> None:
    """As an agent "resets the state"."""
    shutil.rmtree(root / ".claude" / "local")


@pytest.mark.parametrize("delete", [clean, remove])
def test_nothing_is_lost_and_it_is_said(
    repository: Path, delete: object, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All messages are back under the same machine's name; what was read comes again, marked; a second time, too."""
    monkeypatch.delenv("INTERCOM_MACHINE")
    assert main(["init", "--machine", "box"]) == 0
    for turn in range(2):
        with Bus.open() as bus:
            said = talk(bus, 3, start=3 * turn)
            assert bodies(bus.read("roo"))[-3:] == said
        assert callable(delete)
        delete(repository)
        capsys.readouterr()
        assert main(["log"]) == 0
        shown = capsys.readouterr()
        assert (
            shown.err.count("was deleted or written over (git clean -fdx, a checkout): all messages are back, from")
            == 1
        )
        assert all(text in shown.out for text in said)
        with Bus.open() as bus:
            assert bus.config.machine == "box"
            assert [message.redelivered for message in bus.read("roo")] == [True] * (3 * turn + 3)
    status = subprocess.run(["git", "status", "--porcelain"], cwd=repository, capture_output=True, check=True)
    assert b".claude/local" not in status.stdout


def test_the_archive_alone(repository: Path) -> None:
    """Who had read what is still known, and nothing else is said."""
    with Bus.open() as bus:
        said = talk(bus, 2)
        assert bodies(bus.read("roo"))[-2:] == said
    shutil.rmtree(repository / ".claude" / "local" / "archive")
    with Bus.open() as bus:
        assert bodies(bus.history())[-2:] == said
        assert bus.read("roo") == []
        assert ["archive was deleted" in one and "come again" not in one for one in bus.notices] == [True]


@pytest.mark.parametrize("reads", [True, False])
def test_under_an_open_bus(repository: Path, reads: bool) -> None:
    """A server that runs meanwhile goes on with the same ledger."""
    with Bus.open() as bus:
        bus.register("worker", "w")
        said = talk(bus, 2)
        remove(repository)
        if reads:
            assert bodies(bus.history())[-2:] == said
        said += talk(bus, 1, start=2)
        assert bodies(bus.history())[-3:] == said
        assert any("all messages are back" in notice for notice in bus.notices)
    with Bus.open() as bus:
        assert bodies(bus.history())[-3:] == said
        assert len(bus._log.ledger.segments()) == 1


def test_a_second_name_is_the_same_file(repository: Path) -> None:
    """So it cannot say something else; a text that is redacted is gone from both."""
    with Bus.open() as bus:
        ident = bus.send("roo", "the password is hunter2-hunter2", sender="claude-code").id
        talk(bus, 2)
        where = spare.home(bus.config)
        assert where is not None
        (name,) = [path.name for path in where.iterdir()]
        assert (where / name).samefile(bus.config.archive / name)
        bus.redact(ident)
        assert (where / name).samefile(bus.config.archive / name)
        inside = [path for path in repository.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]
        assert inside == []
        said = bodies(bus.history())
    clean(repository)
    with Bus.open() as bus:
        assert bodies(bus.history()) == said
        assert bus.restore() == []


def test_many_segments_come_back_in_order(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has its second name from the moment that it is added to."""
    from intercom.store.log import ledger

    monkeypatch.setattr(ledger, "SEGMENT_BYTES", 2_000)
    with Bus.open() as bus:
        said = talk(bus, 40)
        assert len(bus._log.ledger.segments()) > 3
    remove(repository)
    with Bus.open() as bus:
        assert bodies(bus.history())[-40:] == said


def test_without_git_there_is_none(project: Path) -> None:
    """And what was deleted is gone, as everywhere."""
    with Bus.open() as bus:
        talk(bus, 1)
        assert spare.home(bus.config) is None
    remove(project)
    with Bus.open() as bus:
        assert bus.history() == []
