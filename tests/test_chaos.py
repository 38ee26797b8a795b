"""What kill -9, a damaged index and other writers may do to a bus, and what holds all the same.

Each test steps one kind of violence over every moment it can choose; the bus that comes next has to find every
message that was accepted, once, in order, and must never wait for the dead.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from intercom import Bus
from intercom.core.errors import StorageError
from intercom.core.message import Message
from intercom.format import MESSAGE, parse
from intercom.format.record import is_control
from tests.killing import dies
from tests.processes import Peer, patience

pytestmark = pytest.mark.slow

STRIDE = int(os.environ.get("CHAOS_STRIDE", "2"))  #: 1 tries every single system call; soak does
RULES = "a\n\n---\n\n" * 60  # a torn block of this may end like a whole one, wherever it is cut


def private(root: Path, name: str) -> Path:
    """A file of Intercom's own."""
    return root / ".claude" / "local" / ".intercom" / name


def make(root: Path, count: int) -> list[str]:
    """A project with `count` messages, of which roo has read some; the bodies."""
    bodies = [f"message {n}" for n in range(count)]
    root.mkdir(parents=True, exist_ok=True)
    with Bus.open(root) as bus:
        bus.register("worker", "w")
        for n, body in enumerate(bodies):
            bus.send("roo", body, sender="w")
            if n == count // 2:
                bus.read("roo")
                bus.confirm("roo")
    return bodies


def stored(root: Path) -> Counter[str]:
    """How often each body stands in the ledger, or, where that is more, on the page."""
    folder = root / ".claude" / "local"
    ledger, page = (
        Counter(
            entry.body
            for path in sorted(where.glob("INTERCOM-*.md"))
            for entry in parse(path.read_bytes())
            if entry.kind == MESSAGE and not is_control(entry)
        )
        for where in (folder / "archive", folder)
    )
    return ledger | page


def check(root: Path, accepted: list[str], maybe: str | None = None) -> None:
    """Every accepted message is there once and in order; `maybe` is there whole or not at all; the next send works."""
    began = time.monotonic()
    with Bus.open(root) as bus:
        bus.send("roo", "next", sender="w")
        assert time.monotonic() - began < patience(8), "the next writer waited for the dead"
        history = [message.body for message in bus.history()]
        told = [body for body in history if body != maybe]
        assert told == [*accepted, "next"], (told, bus.notices)
        assert history.count(maybe or "") <= 1
        new = [message.body for message in bus.read("roo") if not message.redelivered]
        assert new == [body for body in history if body not in accepted[: len(accepted) // 2 + 1]]
        assert bus.read("roo") == []
        numbers = [message.seq for message in bus.history()]
        bus.rebuild()
        assert [(message.body, message.seq) for message in bus.history()] == list(zip(history, numbers, strict=True))
        bus.compact(keep=3)
        assert set(stored(root).values()) == {1}, stored(root)
        assert [message.body for message in bus.history()] == history


def send_rules(root: str) -> None:
    """Send a message whose text is full of what ends a block."""
    with Bus.open(root) as bus:
        bus.send("roo", RULES, sender="w")


def compact_some(root: str) -> None:
    """Compact, keeping five."""
    with Bus.open(root) as bus:
        bus.compact(keep=5)


def read_by_hand(root: str) -> None:
    """Read, which takes in what was written by hand."""
    with Bus.open(root) as bus:
        bus.history()


@pytest.mark.parametrize("short", [False, True])
def test_a_send_killed_at_any_call_is_whole_or_absent(tmp_path: Path, short: bool) -> None:
    """kill -9 before every system call of a send, and in the middle of every write: all of it or nothing."""
    accepted = make(tmp_path / "start", 6)
    step, more = 0, True
    while more:
        step += 1
        root = tmp_path / f"{step}"
        shutil.copytree(tmp_path / "start", root)
        more = dies(send_rules, root, step, short=short)
        check(root, accepted, RULES)
    assert step > 5


def test_a_compaction_killed_at_any_call_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """kill -9 before every system call of a compaction: each message stands once, in order."""
    accepted = make(tmp_path / "start", 12)
    step, more = 0, True
    while more:
        step += STRIDE
        root = tmp_path / f"{step}"
        shutil.copytree(tmp_path / "start", root)
        more = dies(compact_some, root, step)
        check(root, accepted)
        shutil.rmtree(root)
    assert step > 15


def test_a_compaction_of_what_was_never_read_can_be_killed(tmp_path: Path) -> None:
    """The same where the index has not seen the newest messages yet, with the compaction that a send begins."""
    accepted = make(tmp_path / "start", 6)
    with Bus.open(tmp_path / "start") as bus:
        more_bodies = [f"unseen {n}" for n in range(6)]
        for body in more_bodies:
            bus.send("roo", body, sender="w")
    private(tmp_path / "start", "index2.db").unlink()
    for step in range(1, 60, 3):
        root = tmp_path / f"{step}"
        shutil.copytree(tmp_path / "start", root)
        killed = dies(compact_some, root, step)
        with Bus.open(root) as bus:
            assert [message.body for message in bus.history()] == accepted + more_bodies
            assert [message.body for message in bus.read("roo")][-6:] == more_bodies
        if not killed:
            break


def test_taking_in_a_hand_written_message_can_be_killed(tmp_path: Path) -> None:
    """kill -9 before every system call of a read that finds a message written by hand: delivered once."""
    accepted = make(tmp_path / "start", 4)
    with Bus.open(tmp_path / "start") as bus, bus.config.log.open("a") as file:
        file.write("## [2026-01-01 10:00:00] user -> roo [ASK]\n\nby hand\n\n---\n\n")
    step, more = 0, True
    while more:
        step += STRIDE
        root = tmp_path / f"{step}"
        shutil.copytree(tmp_path / "start", root)
        more = dies(read_by_hand, root, step)
        with Bus.open(root) as bus:
            assert [message.body for message in bus.history()] == [*accepted, "by hand"]
            assert [message.body for message in bus.read("roo") if not message.redelivered].count("by hand") == 1
            assert bus.read("roo") == []
            assert not any("kept in" in notice for notice in bus.notices), bus.notices


def _writers(root: Path, rounds: int, rng: random.Random) -> tuple[set[str], set[str]]:
    """Processes that each send five messages, some killed on the way: what was accepted, what was tried."""
    accepted: set[str] = set()
    tried: set[str] = set()
    peers = [Peer(root) for _ in range(rounds)]
    try:
        for number in range(5):
            for place, peer in enumerate(peers):
                if peer.process.is_alive():
                    body = f"{peer.pid} {place} {number}"
                    tried.add(body)
                    with suppress(OSError):  # killed, and not known to be dead yet
                        peer.start("send", "roo", body, sender="w")
            for peer in rng.sample(peers, 3):
                time.sleep(rng.random() / 200)
                if peer.process.is_alive():
                    os.kill(peer.pid, signal.SIGKILL)
            for peer in peers:
                try:
                    accepted.add(peer.answer().body)
                except (EOFError, OSError):
                    pass
    finally:
        for peer in peers:
            peer.kill()
    return accepted, tried


def test_thirty_processes_with_kill_at_random_moments(project: Path) -> None:
    """30 processes send 5 messages each and are killed at random: what was accepted is read once, nothing is torn."""
    make(project, 1)
    rng = random.Random(7)
    with Bus.open(project) as bus:
        bus.read("roo")
        for _ in range(int(os.environ.get("CHAOS_ROUNDS", "1"))):
            accepted, tried = _writers(project, 30, rng)
            began = time.monotonic()
            bus.send("roo", "alive", sender="w")
            assert time.monotonic() - began < patience(5)
            got = Counter(message.body for message in bus.read("roo"))
            assert got.pop("alive") == 1
            assert set(got.values()) <= {1}
            assert accepted <= set(got) <= tried


# -- the index ------------------------------------------------------------------------------------


def _scramble(path: Path, rng: random.Random) -> None:
    """Random bytes somewhere in a file."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(rng.randrange(max(1, size)))
        file.write(rng.randbytes(rng.choice([1, 8, 100, 5000]))[: max(1, size)])


def _damage(root: Path, rng: random.Random) -> str:  # noqa: C901  # a list of bad things
    """Do one bad thing to the index; what it was."""
    index, seal, side = (private(root, name) for name in ("index2.db", "index2.seal", "index2.db-journal"))
    kind = rng.choice(["gone", "bytes", "cut", "garbage", "newer", "seal", "no seal", "side", "all gone", "old copy"])
    try:
        if kind == "gone":
            index.unlink()
        elif kind == "bytes":
            _scramble(index, rng)
        elif kind == "cut":
            os.truncate(index, rng.randrange(index.stat().st_size + 1))
        elif kind == "garbage":
            index.write_bytes(rng.randbytes(8192))
        elif kind == "newer":
            db = sqlite3.connect(index, isolation_level=None)
            db.execute("PRAGMA user_version = 99")
            db.close()
        elif kind == "seal":
            seal.write_bytes(rng.randbytes(40))
        elif kind == "no seal":
            seal.unlink()
        elif kind == "side":
            side.write_bytes(rng.randbytes(600))
        elif kind == "all gone":
            for path in (index, seal, side):
                path.unlink(missing_ok=True)
        else:
            shutil.copyfile(index, index.with_suffix(".copy"))
            os.replace(index.with_suffix(".copy"), index)
    except (OSError, ValueError, sqlite3.Error):
        pass  # another damage came first
    return kind


@pytest.mark.parametrize("seed", range(int(os.environ.get("CHAOS_SEEDS", "4"))))
def test_damage_to_the_index_between_any_two_calls(tmp_path: Path, seed: int) -> None:
    """The index is deleted, cut, scrambled or replaced between calls: same ids, order, numbers; read once each."""
    rng = random.Random(seed)
    root = tmp_path / "p"
    make(root, 3)
    sent: list[Message] = []
    got: list[str] = []
    buses = [Bus.open(root), Bus.open(root)]
    buses[0].read("roo")
    for step in range(40):
        bus = rng.choice(buses)
        kind = _damage(root, rng) if rng.random() < 0.6 else "nothing"
        action = rng.choice(["send", "send", "read", "history", "compact"])
        if action == "send":
            sent.append(bus.send("roo", f"body {step}", sender="w"))
        elif action == "read":
            got += [message.id for message in bus.read("roo")]
            assert set(Counter(got).values()) <= {1}, kind
        elif action == "compact":
            bus.compact(keep=rng.choice([0, 3, 10]))
        else:
            assert [message.id for message in bus.history()][3:] == [message.id for message in sent], kind
            assert [message.seq for message in bus.history()] == list(range(1, len(sent) + 4)), kind
    got += [message.id for message in buses[0].read("roo")]
    assert got == [message.id for message in sent]
    for bus in buses:
        bus.close()


def test_damage_to_the_index_under_load(project: Path) -> None:
    """While processes send and read, the index is damaged again and again: everything is read, once, in order."""
    make(project, 1)
    rng = random.Random(3)
    names = ["a", "b"]
    with Bus.open(project) as bus:
        bus.read("roo")
        bus.add_agents(names)
    with Peer(project) as first, Peer(project) as second, Peer(project) as reader:
        got: list[str] = []
        sent: dict[str, list[str]] = {name: [] for name in names}
        until = time.monotonic() + float(os.environ.get("CHAOS_SECONDS", "2.5"))
        while time.monotonic() < until:
            for name, peer in zip(names, (first, second), strict=True):
                peer.start("send", "roo", f"{name} {len(sent[name])}", sender=name)
            reader.start("read", "roo")
            for _ in range(rng.randrange(4)):
                _damage(project, rng)
                time.sleep(rng.random() / 300)
            for name, peer in zip(names, (first, second), strict=True):
                sent[name].append(peer.answer().body)
            got += [message.body for message in reader.answer()]
        got += [message.body for message in reader.call("read", "roo")]
        for name in names:
            assert [body for body in got if body.startswith(name)] == sent[name]


@pytest.mark.parametrize("begins", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE", "BEGIN"])
def test_another_program_that_holds_the_index(project: Path, begins: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person has the index open in a database browser: we wait a moment, then make one anew."""
    monkeypatch.setattr("intercom.store.index.db._WAIT_MS", 100)
    make(project, 3)
    with closing(sqlite3.connect(private(project, "index2.db"), isolation_level=None)) as stranger:
        stranger.execute(begins)
        stranger.execute("SELECT count(*) FROM messages").fetchall()
        if begins != "BEGIN":
            stranger.execute("UPDATE messages SET body = 'x'")
        with Bus.open(project) as bus:
            bus.read("roo")
            bus.send("roo", "meanwhile", sender="w")
            assert [message.body for message in bus.read("roo")] == ["meanwhile"]
            assert [notice for notice in bus.notices if "another program" in notice and "rebuilt" in notice]
        with suppress(sqlite3.OperationalError):  # its file is no longer the index
            stranger.execute("COMMIT")
    with Bus.open(project) as bus:
        assert [message.body for message in bus.history()] == ["message 0", "message 1", "message 2", "meanwhile"]
        assert bus.read("roo") == []


def test_a_newer_index_is_rebuilt_and_said(project: Path) -> None:
    """An index of a later version is not used: it is rebuilt, and a notice says so."""
    make(project, 3)
    with Bus.open(project) as bus:
        before = bus.history()
    path = private(project, "index2.db")
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA user_version = 99")
    db.close()
    stat = path.stat()
    with Bus.open(project) as bus:
        bus._index._seal()  # as that version would have left it
        assert path.stat().st_ino == stat.st_ino
        assert bus.history() == before
        assert any("rebuilt" in notice for notice in bus.notices)


def test_damage_that_the_seal_does_not_show(project: Path) -> None:
    """Where a damaged index bears a good seal, the first who meets the damage rebuilds it."""
    make(project, 30)
    path = private(project, "index2.db")
    for page in range(1, path.stat().st_size // 4096):
        with Bus.open(project) as bus:
            before = bus.history()
            with path.open("r+b") as file:
                file.seek(page * 4096)
                file.write(b"\xff" * 4096)
            bus.close()
            bus._index._seal()
        with Bus.open(project) as bus:
            bus._index._connect(bus._index._stat() or ())
            assert len(bus.search("message")) <= 30
            assert [message.body for message in before] or page
            bus.send("roo", "x", sender="w")
            bus.read("roo")


# -- other writers --------------------------------------------------------------------------------


@pytest.fixture
def shell(project: Path) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """A shell that appends messages by hand, `>>`, without pause, until its file `stop` is there."""
    make(project, 1)
    with Bus.open(project) as bus:
        log = bus.config.log
    script = (
        'n=0; while [ ! -e stop ]; do n=$((n+1)); printf "## [2026-01-01 10:00:00] user -> roo [INFO]\\n\\n'
        'hand %d.\\n\\n---\\n\\n" $n >> "$0"; echo $n > count; sleep 0.01; done'
    )
    process = subprocess.Popen(["sh", "-c", script, os.fspath(log)], cwd=project)
    yield log, process
    (project / "stop").touch()
    process.wait(timeout=20)


def test_appends_by_hand_during_compactions(project: Path, shell: tuple[Path, subprocess.Popen[bytes]]) -> None:
    """A shell appends without pause while the log is compacted again and again: each line is delivered once."""
    _, process = shell
    got: list[str] = []
    done = 0
    with Bus.open(project) as bus:
        until = time.monotonic() + float(os.environ.get("CHAOS_SECONDS", "2.5"))
        while time.monotonic() < until or not done:
            with suppress(StorageError):  # it says so where each of its tries met another append
                bus.compact(keep=2)
                done += 1
            bus.send("roo", "tool", sender="w")
            got += [message.body for message in bus.read("roo") if message.body.startswith("hand")]
        (project / "stop").touch()
        process.wait(timeout=20)
        got += [message.body for message in bus.read("roo") if message.body.startswith("hand")]
        count = int((project / "count").read_text())
        assert Counter(got) == Counter(f"hand {n}." for n in range(1, count + 1))
        assert not any("damaged" in path.parent.name for path in (project / ".claude").rglob("*.md"))
