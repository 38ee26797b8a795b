"""Group commit: who finds the log locked has its message appended by whoever holds it, once, or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from intercom import Bus
from intercom.core.config import load
from intercom.core.errors import LockTimeout, StorageError
from intercom.core.message import Message, new_id, utc
from intercom.format import render
from intercom.format.record import seal
from intercom.store.log import group
from intercom.store.log.group import LONGEST, folder_of
from intercom.store.log.log import Log
from intercom.system import host, lock
from intercom.system.lock import Instead, WriterLock
from tests.killing import dies
from tests.processes import until

SENDER = "claude-code"


def block(body: str) -> bytes:
    """A rendered message."""
    return render(Message(new_id(), None, utc(), SENDER, "roo", "INFO", "status", body), "2026-01-01 10:00:00")


@pytest.fixture
def log(project: Path) -> Log:
    """The log of a project in which something was said."""
    with Bus.open(project) as bus:
        bus.send("roo", "first", sender=SENDER)
    return Log(load(project))


def queue(log: Log) -> Path:
    """Where the requests are."""
    return folder_of(log.live.parent / ".intercom", log.live)


def said(root: Path) -> list[str]:
    """What reaches roo, and that page and ledger agree on it."""
    with Bus.open(root) as bus:
        bodies = [message.body for message in bus.read("roo")]
        assert sorted(message.body for message in bus.history()) == sorted(bodies)
        assert not bus.notices
    page = load(root).log.read_text()
    assert all(page.count(f"\n{body}\n") == bodies.count(body) for body in bodies)
    return bodies


@contextmanager
def waiting(log: Log, root: Path, bodies: list[str]) -> Iterator[list[Future[list[str]]]]:
    """Senders who wait for the lock, which is ours; what each was told."""

    def send(body: str) -> list[str]:
        with Bus.open(root) as bus:
            bus.send("roo", body, sender=SENDER)
            return list(bus.notices)

    with ThreadPoolExecutor(len(bodies)) as pool:
        with log.locked():
            told = [pool.submit(send, body) for body in bodies]
            until(lambda: len(list(queue(log).glob("[!.]*"))) >= len(bodies))
            yield told
        for one in told:
            one.exception(30)


def test_one_sync_carries_many(log: Log, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who holds the lock appends what others wait to say, before its own, with one sync; nothing of it stays behind."""
    bodies, syncs, sync = [f"of many {number}" for number in range(8)], list[int](), host.sync

    def counted(handle: int) -> None:
        syncs.append(handle)
        sync(handle)

    with waiting(log, project, bodies) as told:
        monkeypatch.setattr(host, "sync", counted)
        log.append(block("mine"), bytes)
        monkeypatch.undo()
        assert [one.result(30) for one in told] == [[]] * 8  # while the lock is still held
    assert len(syncs) == 1
    assert os.listdir(queue(log)) == []
    found = said(project)
    assert found[0] == "first"
    assert found[-1] == "mine"
    assert sorted(found[1:-1]) == bodies


def _send(root: str) -> None:
    with Bus.open(root) as bus:
        bus.send("roo", "of who dies", sender=SENDER)


@pytest.mark.slow
@pytest.mark.parametrize("short", [False, True])
def test_who_took_it_dies(log: Log, project: Path, short: bool) -> None:
    """Killed at any of its calls: the one that waited finds its message in the ledger, or appends it itself."""
    sent, at = 0, 1
    while True:
        with closing(log.request(block(body := f"number {at}."))) as request:
            assert not request.done()
            died = dies(_send, project, at, short=short)
            with log.locked():
                if not log.has_taken(request):
                    log.append(block(body), bytes)
        sent, at = sent + 1, at + 1
        if not died:
            break
    found = said(project)
    assert [body for body in found if body.startswith("number")] == [f"number {number}." for number in range(1, at)]
    assert sent > 3


@pytest.mark.parametrize("body", ["dead", "x" * LONGEST])
def test_who_asked_is_dead(log: Log, project: Path, body: str) -> None:
    """What nobody waits for any more is not sent, however whole it is, and removed."""
    queue(log).mkdir()
    record = seal(written := block(body))
    (queue(log) / written.split(b"id=")[1].split(b" ")[0].decode()).write_bytes(record)
    with log.locked():
        log.append(block("next"), bytes)
    assert os.listdir(queue(log)) == []
    assert said(project) == ["first", "next"]


def test_what_is_no_request(log: Log, project: Path) -> None:
    """Folders, pipes, links, torn records and such under another's name are nobody's message, and harm nobody's."""
    place, record = queue(log), seal(block("planted"))
    place.mkdir()
    (place / "folder").mkdir()
    os.mkfifo(place / "pipe")
    (place / "link").symlink_to(log.live)
    handles = []
    for name, data in (("torn", record[:-9]), ("other", record), ("empty", b"")):
        (place / name).write_bytes(data)
        handles.append(os.open(place / name, os.O_RDWR))
        assert host.try_lock(handles[-1])
    with log.locked():
        log.append(block("next"), bytes)
    for handle in handles:
        os.close(handle)
    assert said(project) == ["first", "next"]


def test_patience_ends(log: Log, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody took is taken back, and not sent; of what somebody took it is said that nobody knows yet."""
    held = WriterLock.held
    monkeypatch.setattr(WriterLock, "held", lambda lock, wait, instead=None: held(lock, min(wait, 0.05), instead))
    with waiting(log, project, ["too late"]) as (told,):
        assert isinstance(told.exception(30), LockTimeout)
        assert os.listdir(queue(log)) == []
    with waiting(log, project, ["taken"]) as (told,):
        (path,) = queue(log).iterdir()
        path.unlink()
        error = told.exception(30)
        assert isinstance(error, StorageError)
        assert "Whether it was sent is not known yet" in str(error)
    assert said(project) == ["first"]


def test_the_ledger_cannot_be_written(log: Log, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nobody's message is there; each sender tries by itself, and is told by the system what it is."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with waiting(log, project, ["theirs"]) as (told,):
        monkeypatch.setattr(host, "sync", full)
        with pytest.raises(StorageError, match="No space left"):
            log.append(block("mine"), bytes)
        assert not told.done()
    assert "No space left" in str(told.exception())
    monkeypatch.undo()
    assert said(project) == ["first"]


def test_the_page_cannot_be_written(log: Log, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The messages are accepted, and each sender is told of the page."""
    with waiting(log, project, ["theirs"]) as (told,):
        monkeypatch.setattr(Log, "_put", lambda *_: "accepted,\nbut not on the page")
        assert log.append(block("mine"), bytes).notices == ("accepted,\nbut not on the page",)
        assert told.result(30) == ["accepted, but not on the page"]
    monkeypatch.undo()
    assert said(project) == ["first", "theirs", "mine"]


def test_no_place_for_requests(log: Log, project: Path) -> None:
    """Who cannot ask waits for its turn."""
    queue(log).write_text("a file is in the way")
    with ThreadPoolExecutor(1) as pool:
        with log.locked():
            sent = pool.submit(_send, os.fspath(project))
            until(sent.running)
            log.append(block("mine"), bytes)
        sent.result(30)
    assert said(project) == ["first", "mine", "of who dies"]


def _no_bell(*_: object) -> None:
    raise OSError("this system has no bells")


def test_who_should_wake_it_dies(log: Log, project: Path) -> None:
    """Killed with the lock in hand: who sleeps until then finds out by itself."""
    code = "import sys\nfrom pathlib import Path\nfrom intercom.system.lock import WriterLock\n"
    code += "with WriterLock(Path(sys.argv[1])).held():\n    print(flush=True)\n    sys.stdin.read()"
    command = [sys.executable, "-c", code, os.fspath(log.live.parent / ".intercom" / "lock")]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder,
        ThreadPoolExecutor(1) as pool,
    ):
        assert holder.stdout
        holder.stdout.readline()
        sent = pool.submit(_send, os.fspath(project))
        until(lambda: queue(log).is_dir() and list(queue(log).glob("[!.]*")))
        holder.kill()
        sent.result(30)
    assert said(project) == ["first", "of who dies"]
    assert os.listdir(queue(log)) == []


def test_answered_while_its_patience_ends(log: Log, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was accepted meanwhile is never called unsent, whatever became of the wait."""
    held = WriterLock.held

    @contextmanager
    def late(own: WriterLock, wait: float, instead: Instead | None = None) -> Iterator[bool]:
        try:
            with held(own, wait, instead) as got:
                yield got
        finally:
            if instead:
                raise LockTimeout("too late")

    monkeypatch.setattr(WriterLock, "held", late)
    with waiting(log, project, ["theirs"]) as (told,):
        log.append(block("mine"), bytes)
    assert told.result(30) == []
    assert said(project) == ["first", "theirs", "mine"]


@pytest.mark.parametrize("woken", ["by a bell or a look", "by a bell", "by a look"])
def test_each_sender_in_its_order(project: Path, monkeypatch: pytest.MonkeyPatch, woken: str) -> None:
    """Many at once: nothing is lost or doubled, and of each sender all is in order.

    Who waits is woken in time even if it never looks by itself, where there are bells; where there are none, it looks.
    """
    with Bus.open(project) as bus:
        bus.send("roo", "first", sender=SENDER)
    if woken == "by a bell" and sys.platform == "linux":
        monkeypatch.setattr(lock, "_LOOK", lock.WAIT)
    if woken == "by a look":
        monkeypatch.setattr(group, "Bell", _no_bell)

    def send(sender: int) -> None:
        with Bus.open(project) as bus:
            for number in range(20):
                bus.send("roo", f"{sender}: {number}.", sender=SENDER)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(send, range(6)))
    with Bus.open(project) as bus:
        found = [message.body for message in bus.read("roo")][1:]
        assert len(found) == 120
        assert not bus.notices
    for sender in range(6):
        mine = [body for body in found if body.startswith(f"{sender}:")]
        assert mine == [f"{sender}: {number}." for number in range(20)]
