"""The state: kept across processes, made by many at once, clear about what it cannot use."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from intercom import Bus
from intercom.core.errors import StorageError
from intercom.store.state import db, tables
from intercom.store.state.db import State
from tests.processes import Peer, all_at_once


def test_made_by_many_at_once(tmp_path: Path) -> None:
    """Several processes create it at the same time: one state, with what each put there."""
    peers = [Peer(tmp_path) for _ in range(4)]
    try:
        names = [f"agent-{number}" for number in range(4)]
        for peer, name in zip(peers, names, strict=True):
            peer.start("add_agents", [name])
        for peer in peers:
            peer.answer()
        assert all(sorted(found) == names for found in all_at_once(peers, "agents"))
    finally:
        for peer in peers:
            peer.kill()


def test_its_folders_are_private(tmp_path: Path) -> None:
    """Also where it is the first that is ever made in a project, and the log's folder with it."""
    State(tmp_path / ".claude" / "local" / ".intercom").db.close()
    for folder in (tmp_path / ".claude" / "local", tmp_path / ".claude" / "local" / ".intercom"):
        assert folder.stat().st_mode & 0o777 == 0o700, folder
    (tmp_path / "usual").mkdir()
    assert (tmp_path / ".claude").stat().st_mode == (tmp_path / "usual").stat().st_mode, "it is shared with others"


def test_killed_in_a_transaction(tmp_path: Path) -> None:
    """What a transaction began is not there, and nobody waits for whoever was killed in it."""
    code = (
        "import os, signal, sys; from pathlib import Path; from intercom.store.state.db import State\n"
        "with State(Path(sys.argv[1])).transaction() as db:\n"
        "    db.execute(\"INSERT INTO agents VALUES ('half', 'now')\")\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    import subprocess
    import sys

    source = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=source, check=False)
    assert done.returncode == -9
    state = State(tmp_path)
    state.add_agents(["whole"])
    assert state.agents() == ["whole"]
    state.close()


def test_an_error_rolls_back(tmp_path: Path) -> None:
    """A transaction whose block raises leaves nothing."""
    state = State(tmp_path)

    def half() -> None:
        with state.transaction() as db:
            db.execute("INSERT INTO agents VALUES ('half', 'now')")
            raise KeyError

    with pytest.raises(KeyError):
        half()
    assert state.agents() == []
    state.set_meta("key", 5)
    state.close()
    assert (state.meta("key"), state.meta("none")) == (5, None)
    state.close()


@pytest.mark.parametrize("damage", [b"this is no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_state(project: Path, damage: bytes) -> None:
    """One line says so, and what to do; nothing is sent; once it is moved away all messages are there."""
    with Bus.open() as bus:
        bus.send("roo", "kept", sender="claude-code")
        log = bus.config.log.read_bytes()
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        (bus.config.private / name).unlink(missing_ok=True)
    (bus.config.private / "state.db").write_bytes(damage)
    with Bus.open() as second:
        for act in (lambda: second.send("roo", "x", sender="claude-code"), lambda: second.read("roo"), second.status):
            with pytest.raises(
                StorageError, match=r"state.db cannot be used: .*; nothing was changed.*move it away"
            ) as caught:
                act()
            assert "\n" not in str(caught.value)
    assert second.config.log.read_bytes() == log
    (bus.config.private / "state.db").rename(bus.config.private / "state.db.bad")
    with Bus.open() as third:
        assert [m.body for m in third.read("roo")] == ["kept"]


@pytest.mark.parametrize("code", [sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_IOERR_LOCK, sqlite3.SQLITE_IOERR_SHMLOCK])
def test_a_file_system_that_cannot_lock(project: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """It is said, and nobody is told to move a state away that is whole."""

    def refused(_path: Path) -> sqlite3.Connection:
        error = sqlite3.OperationalError("locking protocol")
        error.sqlite_errorcode = code
        raise error

    with Bus.open() as bus:
        monkeypatch.setattr(db, "opened_state", refused)
        with pytest.raises(StorageError, match="the file system cannot lock it") as caught:
            bus.send("roo", "x", sender="claude-code")
    assert "local disk" in str(caught.value)
    assert "move it away" not in str(caught.value)


def test_a_state_from_a_newer_version(project: Path) -> None:
    """It is left alone, and the way out is said."""
    with Bus.open() as bus:
        bus.register()
    path = bus.config.private / "state.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with Bus.open() as newer, pytest.raises(StorageError, match="written by a newer Intercom"):
        newer.instances()


@pytest.mark.parametrize("version", range(1, tables.VERSION))
@pytest.mark.parametrize("extra", [False, True], ids=["as it was", "with later tables, made on first use"])
def test_a_state_from_an_older_version(tmp_path: Path, version: int, *, extra: bool) -> None:
    """It gets what it lacks, and keeps what it has."""
    folder = tmp_path / "private"
    folder.mkdir()
    db = sqlite3.connect(folder / "state.db")
    for step in tables.STEPS if extra else tables.STEPS[:version]:
        db.executescript(step)
    db.executescript(f"INSERT INTO agents VALUES ('roo', '2026'); PRAGMA user_version = {version};")
    db.close()
    for path in (folder, tmp_path / "new"):
        with closing(State(path)) as state:
            assert state.agents() == (["roo"] if path == folder else [])
    found = [sqlite3.connect(path / "state.db") for path in (folder, tmp_path / "new")]
    shapes = [sorted(db.execute("SELECT name, sql FROM sqlite_master").fetchall()) for db in found]
    assert shapes[0] == shapes[1]
    assert [db.execute("PRAGMA user_version").fetchone()[0] for db in found] == [tables.VERSION] * 2
    for db in found:
        db.close()


def test_private(project: Path) -> None:
    """The files are the user's alone."""
    with Bus.open() as bus:
        bus.send("roo", "x", sender="claude-code")
        bus.read("roo")
        modes = {path.name: path.stat().st_mode & 0o777 for path in bus.config.private.iterdir()}
        assert {name: mode for name, mode in modes.items() if mode & 0o077} == {}
        assert bus.config.log.stat().st_mode & 0o777 == 0o600
        assert bus.config.private.stat().st_mode & 0o777 == 0o700
