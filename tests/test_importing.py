"""Taking over what InterComm kept: a database as its first and its last version left it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from intercom import Bus
from intercom.bus import importing
from intercom.core.errors import NotFound, Refused
from tests.conftest import Command

T0 = 1_754_000_000_000  # milliseconds


def database(root: Path, *, first: bool = False) -> Path:
    """What InterComm 1.0 (or its `first` version) leaves; worker-1 has read the first two messages, master all."""
    path = root / ".intercomm-aimfp" / "intercomm.db"
    path.parent.mkdir()
    db = sqlite3.connect(path)
    by = "last_read_ts" if first else "last_read_seq"
    db.executescript(
        "CREATE TABLE instances (id TEXT PRIMARY KEY, role TEXT, active INTEGER, last_active INTEGER);"
        "CREATE TABLE messages (id TEXT PRIMARY KEY, from_id TEXT, to_id TEXT, type TEXT, content TEXT, ts INTEGER);"
        f"CREATE TABLE read_cursors (instance_id TEXT PRIMARY KEY, {by} INTEGER NOT NULL DEFAULT 0);"
    )
    rows = [
        ("11111111-aaaa", "master", "worker-1", "task", "Build it.\n---\n## not a header", T0),
        ("22222222-bbbb", "master", "all", "announce", "It begins.", T0 + 1_000),
        ("33333333-cccc", "worker-1", "master", "done", "branch: x", T0 + 2_000),
        ("44444444-dddd", "master", "worker-1", "question", "Which? \u2192 [ASK]", T0 + 3_000),
        ("55555555-eeee", "The Boss!", "user", "identity-request", "", T0 + 4_000),
    ]
    db.executemany("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?)", rows)
    upto = [("worker-1", T0 + 1_500 if first else 2), ("master", T0 + 9_000 if first else 5)]
    db.executemany("INSERT INTO read_cursors VALUES (?, ?)", upto)
    db.commit()
    db.close()
    return path


@pytest.mark.parametrize("first", [False, True])
def test_messages_are_taken_over_once(project: Path, command: Command, first: bool) -> None:
    """With times, names and types; none is an order; what was unread waits for its name; a second import finds them."""
    database(project, first=first)
    assert command("import", "--dry-run").stdout.startswith("5 messages in ")
    done = command("import")
    assert "5 messages taken over" in done.stdout, done
    assert "2 had not been read there" in done.stdout
    with Bus.open(project) as bus:
        found = bus.history()
        assert [(one.sender, one.to, one.type, one.via) for one in found] == [
            ("master", "worker-1", "task", "unproven"),
            ("master", "all", "announce", "unproven"),
            ("worker-1", "master", "done", "unproven"),
            ("master", "worker-1", "question", "unproven"),
            ("unknown", "unknown", "identity-request", "unproven"),
        ]
        assert [one.at for one in found[:2]] == ["2025-07-31T22:13:20.000Z", "2025-07-31T22:13:21.000Z"]
        assert found[0].body == "Build it.\n---\n## not a header"
        for name in ("roo", "user", "claude-code"):
            assert bus.unread(name) == 0
        bus.register("worker", "worker-1")
        assert [one.body for one in bus.read("worker-1")] == ["Which? \u2192 [ASK]"]
        bus.register("master")
        assert bus.read("master") == []
    again = command("import", "--json")
    assert '"imported":0' in again.stdout.replace(" ", "")
    with Bus.open(project) as bus:
        assert len(bus.history()) == 5


def test_many_messages_leave_a_short_log(project: Path) -> None:
    """All of them stand in the archive, in their order."""
    path = database(project)
    db = sqlite3.connect(path)
    many = [(f"{n:08}-ffff", "worker-2", "master", "status", f"n{n}", T0 + n) for n in range(300)]
    db.executemany("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?)", many)
    db.commit()
    db.close()
    with Bus.open(project) as bus:
        done = importing.take(bus, importing.read(path))
        assert (len(done.messages), done.known) == (305, 0)
        assert [one.body for one in bus.history()][5:] == [f"n{n}" for n in range(300)]
        assert bus.status().live <= 100


def test_what_is_no_such_database(project: Path, command: Command) -> None:
    """None, our own marker, another file: each is said, and nothing is made."""
    path = project / ".intercomm-aimfp" / "intercomm.db"
    with pytest.raises(NotFound, match="there is no"):
        importing.read(path)
    path.parent.mkdir()
    path.write_bytes(b"")
    with pytest.raises(NotFound, match="own marker"):
        importing.read(path)
    path.write_bytes(b"no database at all, but long enough to be one" * 30)
    with pytest.raises(Refused, match="not a database"):
        importing.read(path)
    assert command("import").returncode == 1
