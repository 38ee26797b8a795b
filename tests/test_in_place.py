"""A page that somebody has open so that it cannot be replaced, as Windows lets programs do: it is written in place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from intercom import Bus
from intercom.store.log import in_place, replace


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> None:
    """No page can be replaced."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(replace, "put", refuse)


def _talk(bus: Bus, count: int = 6) -> list[str]:
    return [bus.send("roo", f"message {n}", sender="claude-code").id for n in range(count)]


@pytest.mark.usefixtures("held")
def test_compaction_and_repair_go_on(project: Path) -> None:
    """The page is shortened, mended and never lost, under the program that has it open."""
    with Bus.open(project) as bus:
        sent = _talk(bus)
        with open(bus.config.log, "rb") as reader:
            bus.compact(2)
            assert b"message 1" not in bus.config.log.read_bytes()
            bus.config.log.write_bytes(bus.config.log.read_bytes().replace(b"message 5", b"mess\0\0e 5"))
            assert [message.id for message in bus.read("roo")] == sent
            assert os.path.samestat(os.fstat(reader.fileno()), os.stat(bus.config.log))
        assert not list(bus.config.private.glob("writing.*"))
        for left in (bus.config.private / "replaced").glob("*"):  # Windows keeps every name of an open file
            assert left.samefile(bus.config.log)


@pytest.mark.usefixtures("held")
def test_what_is_not_as_it_was_is_left(tmp_path: Path) -> None:
    """Somebody wrote since it was read: nothing is overwritten."""
    (tmp_path / ".intercom").mkdir()
    page = tmp_path / "INTERCOM-x.md"
    page.write_bytes(b"theirs")
    assert not replace.swap(page, b"ours", b"new")
    assert page.read_bytes() == b"theirs"
    assert replace.swap(page, b"theirs", b"new")
    assert page.read_bytes() == b"new"


@pytest.mark.parametrize("after", [b"a longer text than the one before", b"short", b"an old text, changed", b""])
def test_killed_in_the_middle(tmp_path: Path, after: bytes) -> None:
    """After any number of bytes the next command finishes it; what somebody wrote instead is left to the rules."""
    (tmp_path / ".intercom").mkdir()
    page, before = tmp_path / "INTERCOM-x.md", b"an old text, and a rest"
    note = tmp_path / ".intercom" / "writing.INTERCOM-x"
    for at in range(len(after) + 1):
        note.write_bytes(b"%d\n" % len(before) + before + after)
        page.write_bytes(after[:at] + before[at:])
        in_place.finish(page)
        assert page.read_bytes() in {after, before if after[:at] + before[at:] == before else after}
        assert not note.exists()
    note.write_bytes(b"%d\n" % len(before) + before + after)
    page.write_bytes(b"somebody's own words")
    in_place.finish(page)
    assert page.read_bytes() == b"somebody's own words"
    assert not note.exists()
