"""Redacting, restoring, compacting: what is done to history on purpose."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from intercom import Bus
from intercom.core.errors import NotFound, Refused
from intercom.system.files import read_from
from tests.conftest import Command
from tests.people_kit import append, bodies, by_hand, said, talk

SECRET = "hunter2-s3cr3t-t0k3n"


@pytest.fixture
def bus(project: Path) -> Iterator[Bus]:
    """A bus on which three messages were said."""
    with Bus.open(project) as found:
        talk(found, 3)
        yield found


def holding(root: Path, secret: str = SECRET) -> list[str]:
    """Every file below the root's `.claude` that has the secret in it."""
    return sorted(
        str(path.relative_to(root))
        for path in (root / ".claude").rglob("*")
        if path.is_file() and secret.encode() in path.read_bytes()
    )


@pytest.mark.parametrize("place", ["live", "archive", "hand"])
def test_a_secret_is_really_gone(bus: Bus, project: Path, place: str) -> None:
    """Out of log, archive, journal, index, kept copies, older versions; a stub stays, its neighbours too."""
    text = f"the password is {SECRET}\nkeep it"
    if place == "hand":
        append(bus.config.log, by_hand(text))
        ident = bus.read("roo")[-1].id
    else:
        ident = bus.send("roo", text, sender="claude-code").id
        bus.read("roo")
    old = bus.config.log.read_text(encoding="utf-8")
    bus.config.log.write_text(old.replace("keep it", "keep it well"), encoding="utf-8")
    assert bus.search(SECRET.partition("-")[0])
    bus.config.log.write_text(f"oops\n{text}\n", encoding="utf-8")  # damage: a copy is kept
    assert bus.read("roo") == []
    talk(bus, 2, start=3)
    if place == "archive":
        bus.compact(1)
    assert holding(project)
    done = bus.redact(ident)
    assert holding(project) == []
    assert done.id == ident
    found = next(m for m in bus.history() if m.id == ident)
    assert found.body.startswith("[redacted ")
    assert len(bodies(bus.history())) == 6
    assert [m.body for m in bus.versions(ident)] == [found.body]
    assert bus.search(SECRET) == []
    assert bodies(bus.read("roo")) == [f"Message number {n}: the build is at step {n}." for n in (3, 4)]
    bus.rebuild()
    assert holding(project) == []


def test_a_redacted_text_that_comes_back_goes_again(bus: Bus, project: Path) -> None:
    """An old copy restored by somebody: destroyed once more, and said; nothing is delivered."""
    ident = bus.send("roo", f"the password is {SECRET}", sender="claude-code").id
    bus.read("roo")
    old = bus.config.log.read_bytes()
    bus.redact(ident)
    assert holding(project) == []
    bus.config.log.write_bytes(old)
    assert bus.read("roo") == []
    assert holding(project) == []
    assert "a redacted text came back" in said(bus)[-1]


def test_a_quote_of_a_secret_is_pointed_out(bus: Bus) -> None:
    """Other messages that repeat a line of it are named, not touched."""
    ident = bus.send("roo", SECRET, sender="claude-code").id
    quote = bus.send("claude-code", f"> {SECRET}\n\nreally?", sender="roo").id
    assert bus.redact(ident).quoted_in == (quote,)


def test_what_is_not_there(bus: Bus) -> None:
    """Unknown ids are refused with one clear line."""
    for call in (bus.redact, bus.versions, bus.restore):
        with pytest.raises(NotFound):
            call("nosuchid")


def test_compaction_keeps_what_people_wrote_around_the_messages(bus: Bus) -> None:
    """Notes, hand-written messages and an edit made just before stay or go whole."""
    append(bus.config.log, by_hand("by hand"))
    text = bus.config.log.read_text(encoding="utf-8").replace("# INTERCOM of", "# Our INTERCOM of")
    bus.config.log.write_text(text.replace("step 0", "step zero"), encoding="utf-8")
    done = bus.compact(1)
    assert (done.archived, done.kept) == (3, 1)
    live = bus.config.log.read_text(encoding="utf-8")
    assert "# Our INTERCOM of" in live
    assert "by hand" in live
    assert "### COMPACTED: 3 older messages archived" in live
    assert bodies(bus.read("roo"))[0] == "Message number 0: the build is at step zero."
    assert len(bodies(bus.history())) == 4


def test_keeping_more_than_there_is_archives_nothing(bus: Bus) -> None:
    """`clear --keep 100` on a short log leaves it alone."""
    before = bus.config.log.read_bytes()
    for keep in (3, 4, 5, 100):
        assert bus.compact(keep).archived == 0
    assert bus.config.log.read_bytes() == before


def test_restore_since(bus: Bus) -> None:
    """Only what is younger comes back; what was deleted and then compacted can be restored, too."""
    bus.read("roo")
    blocks = bus.config.log.read_text(encoding="utf-8").split("## [20")
    bus.config.log.write_text("## [20".join([blocks[0], *blocks[3:]]), encoding="utf-8")
    bus.status()
    talk(bus, 2, start=3)
    bus.compact(1)
    assert len(bus.missing()) == 2
    assert bus.restore(since="2999-01-01T00:00:00Z") == []
    assert len(bus.restore(since=bus.missing()[1].at)) >= 1
    bus.restore()
    assert bus.missing() == []
    assert len(bodies(bus.history())) == 5


def test_restoring_many_looks_at_the_log_no_oftener(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many come back, live log and journal are read the same few times: they may be long."""
    looks: list[Path] = []

    def counted(path: Path) -> bytes | None:
        looks.append(path)
        return read_from(path)

    monkeypatch.setattr("intercom.bus.history.read_from", counted)
    counts = []
    for many in (2, 25):
        root = project / f"box{many}"
        root.mkdir()
        with Bus.open(root) as bus:
            blocks = [by_hand(f"text {n} of {many}", stamp=f"2026-01-12 10:00:{n:02}") for n in range(60)]
            bus.config.folder.mkdir(parents=True, exist_ok=True)
            bus.config.log.write_text("".join(blocks), encoding="utf-8")
            bus.history()
            bus.config.log.write_text("".join([*blocks[:5], *blocks[5 + many :]]), encoding="utf-8")
            assert len(bus.missing()) == many
            looks.clear()
            assert len(bus.restore()) == many
            counts.append(len(looks))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("mark", [" 2", ".sync-conflict-20260112-100000-ABC"])
def test_a_secret_goes_from_copies_of_the_log(bus: Bus, project: Path, mark: str) -> None:
    """A sync tool laid one beside it, where the text was even edited: gone, too, and nothing of it comes again."""
    append(bus.config.log, by_hand(f"the password is {SECRET} and no other"))
    ident = bus.read("roo")[-1].id
    copy = bus.config.log.with_name(f"{bus.config.log.stem}{mark}.md")
    text = bus.config.log.read_text(encoding="utf-8").replace("no other", "no other one")
    copy.write_text(text + by_hand("in the copy alone"), encoding="utf-8")
    os.utime(copy, (1, 1))
    assert bodies(bus.read("roo")) == ["in the copy alone"]
    assert copy.name in bus.redact(ident).files
    assert holding(project) == []
    assert bus.read("roo") == []
    bus.rebuild()
    assert bus.read("roo") == []
    assert len(bodies(bus.history())) == 5


def test_a_secret_goes_from_what_an_editor_had(bus: Bus, project: Path, command: Command) -> None:
    """`intercom edit` works on a copy of the log."""
    ident = bus.send("roo", f"the password is {SECRET}", sender="claude-code").id
    assert command("edit", "--to", "roo", EDITOR="true", VISUAL="").returncode == 0
    assert command("edit", "--to", "roo", EDITOR="false", VISUAL="").returncode == 1
    assert len(holding(project)) >= 3
    bus.redact(ident)
    assert holding(project) == []


def test_a_secret_of_another_machine(bus: Bus, command: Command) -> None:
    """We never write its files, and say so: nothing was redacted. Where it stands in ours, too, we name the others."""
    for name in ("INTERCOM-other.md", "archive/INTERCOM-other-000001.md"):
        path = bus.config.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(by_hand(f"the password is {SECRET}, says {name}"), encoding="utf-8")
        os.utime(path, (1, 1))
        ident = bus.read("roo")[-1].id
        before = path.read_bytes()
        with pytest.raises(Refused, match=f"stands in {name}, .* nothing was redacted"):
            bus.redact(ident)
        assert path.read_bytes() == before
    ours = bus.send("roo", f"the password is {SECRET}, says {name}", sender="claude-code").id
    done = command("redact", ours, "--yes")
    assert done.returncode == 0
    assert f"still stands in {name}" in done.stdout
