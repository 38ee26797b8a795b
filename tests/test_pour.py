"""A database that others have open, filled from another one: what Windows needs, where it cannot be replaced."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from intercom import Bus
from intercom.core.errors import StorageError
from intercom.store.index import db, pour


def _database(path: Path, *values: str) -> Path:
    with closing(sqlite3.connect(path)) as new, new:
        new.execute("CREATE TABLE t (x)")
        new.executemany("INSERT INTO t VALUES (?)", [(value,) for value in values])
    return path


def test_a_reader_goes_on(tmp_path: Path) -> None:
    """Who has the old one open reads the new one next, though both were made alike."""
    old, new = _database(tmp_path / "old", "old"), _database(tmp_path / "new", "new")
    with closing(sqlite3.connect(old)) as reader:
        assert reader.execute("SELECT x FROM t").fetchall() == [("old",)]
        pour.pour(new, old)
        assert reader.execute("SELECT x FROM t").fetchall() == [("new",)]
        pour.pour(":memory:", old)
        assert b"new" not in old.read_bytes()


def test_what_is_no_database_is_overwritten(tmp_path: Path) -> None:
    """Damage does not stay."""
    old, new = tmp_path / "old", _database(tmp_path / "new", "new")
    old.write_bytes(b"not a database at all" * 1000)
    pour.pour(new, old)
    with closing(sqlite3.connect(old)) as reader:
        assert reader.execute("SELECT x FROM t").fetchall() == [("new",)]


@pytest.mark.slow
def test_a_reader_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for, and not for ever; nothing is half there."""
    old, new = _database(tmp_path / "old", *"abc"), _database(tmp_path / "new", "new")
    monkeypatch.setattr(pour, "_PATIENCE", 0.05)
    with closing(sqlite3.connect(old)) as reader:
        reading = reader.execute("SELECT x FROM t")
        assert reading.fetchone() == ("a",)
        with pytest.raises(StorageError, match="another program is reading it"):
            pour.pour(new, old)
        assert reading.fetchall() == [("b",), ("c",)]


def test_the_index_is_rebuilt_though_nobody_lets_go(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, where SQLite's files cannot be replaced while they are open: all readers see the new one."""

    def held(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with Bus.open(project) as first, Bus.open(project) as second:
        sent = [first.send("roo", f"m{n}", sender="claude-code").id for n in range(3)]
        assert [message.id for message in second.history()] == sent
        monkeypatch.setattr(db, "put", held)
        assert first.rebuild() == 3
        assert [message.id for message in second.history()] == sent
        sent.append(second.send("roo", "m3", sender="claude-code").id)
        assert [message.id for message in first.history()] == sent
        (first.config.private / "index2.db").write_bytes(b"damaged" * 10_000)
        assert [message.id for message in second.history()] == sent
        assert [message.id for message in first.history()] == sent
