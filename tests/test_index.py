"""The index as a file and as a table: seals, versions, numbers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from intercom import Bus
from intercom.core.message import Message, new_id, utc
from intercom.format import parse, render
from intercom.store.index import Index, IndexLost, Source, add_entries
from intercom.store.index.build import Builder

IDENT = new_id()


def entries(*bodies: str, ident: str = IDENT) -> list[object]:
    """Versions of one message as parsed entries."""
    blocks = (render(Message(ident, None, utc(), "a", "b", "INFO", "status", body), "2026-01-01") for body in bodies)
    return list(parse(b"".join(blocks)))


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """An empty index, sealed."""
    found = Index(tmp_path)
    with found.locked():
        db = found.create(tmp_path / "new")
        Builder(db, {}).finish()
        db.close()
        found.install(tmp_path / "new")
    yield found
    found.close()


def test_an_edit_that_is_undone_counts(index: Index) -> None:
    """The last text in the ledger counts, even one that it had before; read again, the same."""
    for _ in range(2):
        with index.writing() as db:
            db.execute("INSERT OR IGNORE INTO sources VALUES (1, 'j', 1, '', 0, '')")
            add_entries(db, Source(1, True), entries("one", "two", "one"), reserved={}, fresh=False)  # type: ignore[arg-type]
        db = index.db()
        assert db.execute("SELECT body FROM messages").fetchall() == [("one",)]
        assert db.execute("SELECT body FROM versions").fetchall() == [("two",)]


def test_any_change_breaks_the_seal(index: Index) -> None:
    """A byte written in the very moment after a transaction, with size and time put back to the second, is noticed."""
    index.db()
    for place in (0, 100, 5000):
        with index.path.open("r+b") as file:
            file.seek(place)
            byte = file.read(1)
            file.seek(place)
            file.write(byte)
        with pytest.raises(IndexLost):
            index.db()
        index.close()
        index._seal()
        index.db()


def test_damage_breaks_the_seal(index: Index) -> None:
    """Damage that is met inside a transaction is not sealed in: nobody trusts the file afterwards."""
    index.close()
    with index.path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (os.path.getsize(index.path) - 4096))
    index._seal()
    with pytest.raises(IndexLost), index.writing() as db:  # noqa: PT012
        db.execute("SELECT * FROM messages").fetchall()
        db.execute("INSERT INTO meta VALUES ('x', 1)")
        db.execute("SELECT * FROM sources").fetchall()
    assert not index.sound()


def test_what_is_read_while_the_file_changes_does_not_count(index: Index) -> None:
    """A reading during which the file was changed, removed or replaced raises, though SQLite noticed nothing."""
    index.db()
    with pytest.raises(IndexLost), index.checked():
        index.path.write_bytes(index.path.read_bytes())
    index._seal()
    index.db()
    with pytest.raises(IndexLost), index.checked():
        index.path.unlink()


def test_what_a_bus_left_in_the_index_counts_until_another_writes(project: Path) -> None:
    """Two in turn on one index, beside a log that grows by itself: each sees everything once, in one order."""
    foreign = project / ".claude" / "local" / "INTERCOM-laptop.md"
    with Bus.open(project) as one, Bus.open(project) as other:
        one.add_agents(["ann", "bob"])
        for turn in range(6):
            one.send("bob", f"ours {turn}", sender="ann")
            looks = [one, other, one] if turn % 2 else [other, one, other]
            if turn % 3 == 0:
                block = render(
                    Message(new_id(), None, utc(), "roo", "bob", "INFO", "status", f"theirs {turn}"), "2026-01-01"
                )
                with foreign.open("ab") as file:
                    file.write(block)
            said: list[str] = []
            for bus in looks:
                said = [message.body for message in bus.history()]
                assert sorted(said) == sorted(
                    [f"ours {n}" for n in range(turn + 1)] + [f"theirs {n}" for n in (0, 3) if n <= turn]
                )
            assert len({tuple(m.id for m in bus.history()) for bus in (one, other)}) == 1
        assert len(other.read("bob")) == 8
        assert one.read("bob") == []
