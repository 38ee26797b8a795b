"""A log that is a link: a symbolic one inside the root stays one, and what it points to is the log."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from intercom import Bus
from intercom.core.errors import Refused, StorageError
from intercom.store.log.replace import swap
from intercom.system.files import replace


@pytest.fixture
def talk(project: Path) -> Iterator[Bus]:
    """A bus with five messages that were read."""
    with Bus.open(project) as bus:
        for number in range(5):
            bus.send("roo", f"said {number}", sender="claude-code")
        bus.read("roo")
        yield bus


def _bodies(bus: Bus) -> list[str]:
    return [message.body for message in bus.history()]


@pytest.fixture
def linked(talk: Bus, project: Path) -> Path:
    """The person's own file to which the log is a symbolic link."""
    own = project / "docs" / "talk.md"
    own.parent.mkdir()
    talk.config.log.rename(own)
    talk.config.log.symlink_to(Path("..", "..", "docs", "talk.md"))
    assert talk.read("roo") == []
    return own


def test_a_symbolic_link_is_kept(talk: Bus, linked: Path) -> None:
    """Compacted, repaired, saved and redacted: the log is still the link, and the person's file the log."""
    secret = talk.send("roo", "the secret of the cake", sender="claude-code")
    talk.compact(2)
    linked.write_bytes(linked.read_bytes()[:-60])  # cut off
    assert "the secret of the cake" in _bodies(talk)
    linked.write_bytes(b"")
    talk.history()
    base = linked.read_bytes()
    talk.save(base, base + b"## [2026-01-12 10:00:00] user -> roo [INFO]\n\nby hand\n\n---\n\n")
    talk.redact(secret.id)
    talk.send("roo", "last", sender="claude-code")
    assert talk.config.log.is_symlink()
    text = linked.read_text()
    assert "by hand" in text
    assert text.rstrip().endswith("last\n\n---")
    assert "cake" not in text
    assert os.listdir(linked.parent) == ["talk.md"]
    assert not any(b"cake" in path.read_bytes() for path in talk.config.folder.rglob("*") if path.is_file())


def test_what_is_still_written_into_a_linked_log(talk: Bus, linked: Path) -> None:
    """Also the file that a link led to is fetched from while somebody writes into it."""
    with linked.open("a") as file:
        talk.compact(2)
        file.write("## [2026-01-12 10:00:00] user -> roo [INFO]\n\nlate\n\n---\n\n")
    assert [message.body for message in talk.read("roo")] == ["late"]
    assert talk.config.log.is_symlink()


def test_a_link_to_what_is_not_there_yet(project: Path) -> None:
    """The log begins where it leads."""
    local = project / ".claude" / "local"
    local.mkdir(parents=True)
    (local / "INTERCOM-testbox.md").symlink_to(project / "talk.md")
    with Bus.open(project) as bus:
        bus.send("roo", "first", sender="claude-code")
        (project / "talk.md").unlink()
        assert _bodies(bus) == ["first"]
    assert (local / "INTERCOM-testbox.md").is_symlink()
    assert "first" in (project / "talk.md").read_text()


def test_a_link_that_leads_out_by_now(talk: Bus, tmp_path: Path) -> None:
    """What was no link when the bus was opened is refused when it has become one."""
    outside = tmp_path / "outside.md"
    outside.write_text("mine\n")
    talk.config.log.unlink()
    talk.config.log.symlink_to(outside)
    with pytest.raises(Refused, match="by a symbolic link"):
        talk.send("roo", "never", sender="claude-code")
    assert outside.read_text() == "mine\n"


def test_a_hard_link_is_named(talk: Bus, project: Path) -> None:
    """What would part a log from its other name and can wait is refused, and says why; sending and reading go on."""
    other = project / "mine.md"
    other.hardlink_to(talk.config.log)
    secret = talk.send("roo", "the secret of the cake", sender="claude-code")
    text = talk.config.log.read_bytes()
    for act in (
        lambda: talk.compact(2),
        lambda: talk.redact(secret.id),
        lambda: talk.save(text, text + b"mine\n"),
    ):
        with pytest.raises(StorageError, match=r"has another name somewhere \(a hard link\).*; (nothing|the log is)"):
            act()
    assert [message.body for message in talk.read("roo")] == ["the secret of the cake"]
    for number in range(100):
        talk.send("roo", f"{number}", sender="claude-code")
    assert talk.notices
    assert all("the message was sent, but the log could not be compacted" in text for text in talk.notices)
    assert os.path.samestat(other.stat(), talk.config.log.stat())
    assert other.read_text().count("\n## [") == 106
    other.unlink()
    talk.notices.clear()
    talk.compact(2)
    talk.redact(secret.id)
    assert len(_bodies(talk)) == 106


def test_a_repair_parts_a_hard_link_and_says_so(talk: Bus, project: Path) -> None:
    """Nobody is kept from reading by it."""
    other = project / "mine.md"
    other.hardlink_to(talk.config.log)
    os.truncate(other, 200)
    assert len(_bodies(talk)) == 6  # and what is said of the repair
    assert any("had another name (a hard link): that file is no longer the log" in text for text in talk.notices)
    assert len(other.read_bytes()) == 200


def test_names_of_ours_do_not_count(talk: Bus) -> None:
    """Who was killed while he replaced the log leaves another name: that cuts nothing off."""
    folder = talk.config.private / "replaced"
    folder.mkdir()
    (folder / "1").hardlink_to(talk.config.log)
    text = talk.config.log.read_bytes()
    assert swap(talk.config.log, text, text + b"\n")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipe has a name here")
def test_a_link_to_something_else_than_a_file_is_not_replaced(tmp_path: Path) -> None:
    """A device under that name would be gone for the whole machine; the same for a pipe."""
    pipe, link = tmp_path / "pipe", tmp_path / "trust.json"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    with pytest.raises(StorageError, match="not a regular file"):
        replace(link, b"{}")
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert sorted(tmp_path.iterdir()) == [pipe, link]
