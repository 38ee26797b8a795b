"""Once a message is accepted the answer is "accepted", whatever fails afterwards: who tries again says it twice."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import filelock
import pytest

from intercom import Bus
from intercom.core.errors import IntercomError, LockTimeout, StorageError
from intercom.server import side_thread
from intercom.server.session import Session
from intercom.server.tools import tasks
from intercom.store.log import compact, log
from intercom.store.log.base import Bases
from intercom.system import host
from intercom.system.lock import WriterLock


def _lost(*_: Any, **__: Any) -> Any:
    raise OSError(errno.EIO, "Input/output error")


def _bodies(root: Path) -> list[str]:
    with Bus.open(root) as bus:
        return [message.body for message in bus.history()]


def test_a_lock_that_cannot_be_released(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message is there, it is said that others may wait, and the next command works."""
    with Bus.open(project) as bus:
        with monkeypatch.context() as patch:
            patch.setattr(filelock.FileLock, "release", _lost)
            bus.send("roo", "said once", sender="claude-code")
        (told,) = bus.notices
        assert "could not be unlocked (Input/output error); what was done with it stands" in told
        bus.notices.clear()
        bus.send("roo", "and again", sender="claude-code")
        assert bus.notices == []
    assert _bodies(project) == ["said once", "and again"]


@pytest.mark.parametrize("times", [1, 2, 1000])
def test_unlocking_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Where the system refuses to unlock, once or for ever, the next holder still gets the lock: it is closed."""
    left, real, told = times, fcntl.flock, list[str]()

    def flock(handle: int, operation: int) -> None:
        nonlocal left
        if operation == fcntl.LOCK_UN and left and os.path.samestat(os.fstat(handle), path.stat()):
            left -= 1
            _lost()
        real(handle, operation)

    path = tmp_path / "lock"
    monkeypatch.setattr(fcntl, "flock", flock)
    lock, before = WriterLock(path, told), len(os.listdir("/dev/fd"))
    with lock.held(), lock.held(), pytest.raises(IntercomError), WriterLock(path).held(0.0):
        pass
    assert len(told) == (times > 1)
    with WriterLock(path).held(0.0):
        pass
    left = 0
    with lock.held(0.0):
        pass
    lock.close()
    assert len(os.listdir("/dev/fd")) == before


def test_the_file_that_is_kept_open_locks_as_ever(tmp_path: Path) -> None:
    """Held by it, the lock excludes other objects, threads and forks; who took the file away is noticed."""
    lock, path = WriterLock(tmp_path / "lock"), tmp_path / "lock"

    def free() -> bool:
        try:
            with WriterLock(path).held(0.0):
                return True
        except LockTimeout:
            return False

    def mine() -> bool:
        try:
            with lock.held(0.0):
                return True
        except LockTimeout:
            return False

    for _ in range(3):  # by filelock, then by what is kept
        with lock.held(), lock.held():
            assert not free()
            with ThreadPoolExecutor(1) as pool:
                assert not pool.submit(mine).result()
            if not (child := os.fork()):
                os._exit(lock._open_lock.take())
            assert os.waitpid(child, 0)[1] == 0
        assert free()
    path.unlink()
    with lock.held():
        assert not free()
    with filelock.FileLock(path):
        assert not mine()
    assert mine()
    lock.close()


def _close_page(patch: pytest.MonkeyPatch, page: Path) -> None:
    """Closing the page fails, as where the room for what was written is sought only then."""
    real = os.close

    def close(handle: int) -> None:
        ours = page.exists() and os.path.samestat(os.fstat(handle), page.stat())
        real(handle)
        if ours:
            _lost()

    patch.setattr(os, "close", close)


def _fail_at(where: object, name: str) -> Callable[[pytest.MonkeyPatch, Path], None]:
    return lambda patch, _: patch.setattr(where, name, _lost)


def _once(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, fits: Callable[..., bool]) -> list[int]:
    """The first call that fits fails; how often it was called, growing."""
    real, calls = getattr(owner, name), list[int]()

    def fails(*args: Any, **more: Any) -> Any:
        if fits(*args, **more):
            calls.append(len(calls))
            if len(calls) == 1:
                _lost()
        return real(*args, **more)

    monkeypatch.setattr(owner, name, fails)
    return calls


def test_a_lock_that_is_half_taken(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its second part fails to open once: nobody waits for himself, and others get it afterwards."""
    with Bus.open(project) as bus:
        bus.send("roo", "before", sender="claude-code")
        bus.close()
        _once(monkeypatch, os, "open", lambda path, *_: str(path).endswith("lock.systems"))
        bus.send("roo", "said", sender="claude-code")
        with Bus.open(project) as other, ThreadPoolExecutor() as pool:
            pool.submit(lambda: WriterLock(other.config.private / "lock").held(0.5).__enter__()).result()


def test_a_sync_that_failed_is_no_sync_afterwards(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the kernel could not write it takes for written: only what is written again is synced."""
    with Bus.open(project) as bus:
        bus.send("roo", "said", sender="claude-code")
        written = _once(monkeypatch, os, "pwrite", lambda *_: False)
        bus._log.ledger.settle()
        assert not written
        _once(monkeypatch, os, "fsync", lambda *_: True)
        real, again = os.pwrite, list[bytes]()

        def pwrite(handle: int, data: bytes, offset: int) -> int:
            again.append(bytes(data))
            return real(handle, data, offset)

        monkeypatch.setattr(os, "pwrite", pwrite)
        bus._log.ledger.settle()
        assert b"said" in b"".join(again)
        assert [one.body for one in bus.history()] == ["said"]


def test_a_sync_fails_and_so_does_taking_it_back(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not said that nothing was sent, for it may be there; and where it can be taken back, it is."""
    with Bus.open(project) as bus:
        bus.send("roo", "said", sender="claude-code")
        _once(monkeypatch, os, "fdatasync", lambda *_: True)
        with pytest.raises(StorageError, match="nothing was sent"):
            bus.send("roo", "no", sender="claude-code")
        _once(monkeypatch, os, "fdatasync", lambda *_: True)
        _once(monkeypatch, os, "ftruncate", lambda *_: True)
        with pytest.raises(StorageError, match="whether this was sent is not known"):
            bus.send("roo", "perhaps", sender="claude-code")
        assert [one.body for one in bus.history()] == ["said", "perhaps"]


def test_a_segment_whose_name_may_not_last_takes_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder cannot be synced: the next message does not go where a power cut would leave none."""
    monkeypatch.setattr("intercom.store.log.ledger.SEGMENT_BYTES", 10)
    with Bus.open(project) as bus:
        bus.send("roo", "said", sender="claude-code")
        calls = _once(monkeypatch, host, "sync_folder", lambda path: path == bus.config.archive)
        with pytest.raises(StorageError, match="nothing was sent"):
            bus.send("roo", "again", sender="claude-code")
        bus.send("roo", "again", sender="claude-code")
        assert len(calls) == 2
        assert [one.body for one in bus.history()] == ["said", "again"]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    "fail",
    [_close_page, _fail_at(log, "write_all"), _fail_at(log.Log, "_count"), _fail_at(Bases, "write_from")],
    ids=["close", "write", "count", "base"],
)
def test_what_follows_the_commit_fails(
    project: Path, monkeypatch: pytest.MonkeyPatch, fail: Callable[[pytest.MonkeyPatch, Path], None], first: bool
) -> None:
    """The page cannot be closed or written, the base not be made: accepted, with a notice, and delivered once."""
    said = [] if first else ["before"]
    with Bus.open(project) as bus:
        for body in said:
            bus.send("roo", body, sender="claude-code")
        base = bus._log.base.path.exists()
        with monkeypatch.context() as patch:
            fail(patch, bus.config.log)
            bus.send("roo", "said once", sender="claude-code")
            made = bus._log.base.path.exists()
        assert all(text.startswith("the message was accepted and is delivered, but ") for text in bus.notices)
        assert len(bus.notices) == 1 or (base and made)  # only the first message makes a base
    assert _bodies(project) == [*said, "said once"]


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), PermissionError(errno.EACCES, "Denied")])
def test_compacting_fails(project: Path, monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    """The message that makes the page too long is accepted though it cannot be compacted, and stands there once."""

    def no(*_: object) -> None:
        raise error

    with Bus.open(project) as bus:
        for number in range(100):
            bus.send("roo", f"{number}", sender="claude-code")
        with monkeypatch.context() as patch:
            patch.setattr(compact, "_agreed", no)
            bus.send("roo", "one more", sender="claude-code")
        (told,) = bus.notices
        assert told.startswith("the message was sent, but the log could not be compacted: ")
    assert _bodies(project)[99:] == ["99", "one more"]


def test_closing_the_ledger_fails(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was synced is accepted, though closing its file fails."""
    with Bus.open(project) as bus:
        bus.send("roo", "first", sender="claude-code")
        path, real = bus._log.ledger.path(bus._log.ledger.segments()[-1]), os.close
        size, failed = path.stat().st_size, 0

        def close(handle: int) -> None:
            nonlocal failed
            ours = os.path.samestat(os.fstat(handle), path.stat()) and path.stat().st_size > size
            real(handle)
            if ours and not failed:
                failed += 1
                _lost()

        with monkeypatch.context() as patch:
            patch.setattr(os, "close", close)
            bus.send("roo", "second", sender="claude-code")
        assert failed
    assert _bodies(project) == ["first", "second"]


def test_waking_cannot_even_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that was stored is answered as stored, though nothing can be opened to wake its worker."""

    async def closed(*_: object) -> None:
        raise StorageError("the state cannot be used.")

    monkeypatch.setattr(side_thread, "on_side_thread", closed)
    said = asyncio.run(tasks._wake(cast("Session", None), "worker-1", "abc"))
    assert said == {
        "woke": False,
        "reason": "the state cannot be used. The message is stored and worker-1 gets it later",
    }


def test_a_lock_that_nobody_holds_is_taken_without_filelock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its import takes longer than all else of a short command; what is not an ordinary file is left to it."""
    path = tmp_path / "lock"
    with WriterLock(path).held():
        pass

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.ELOOP, "asked filelock")

    monkeypatch.setattr(filelock, "FileLock", refused)
    one, other = WriterLock(path), WriterLock(path)
    with one.held(0.0):
        assert not other._open_lock.take()
    path.rename(tmp_path / "elsewhere")
    path.symlink_to("elsewhere")
    with pytest.raises(OSError, match="asked filelock"), WriterLock(path).held(0.0):
        pass
