"""Logs of any length: read in pieces they mean what they mean read whole, and neither memory nor patience runs out."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from intercom import Bus
from intercom.core.errors import LockTimeout
from intercom.format import MESSAGE, digest, one, parse, record
from intercom.format.record import is_control
from intercom.format.roster import Roster
from intercom.repair import intake, sides
from intercom.repair.rules import trimmed
from intercom.store.log import ledger, unfinished
from intercom.store.log.log import Log
from intercom.system.lock import WriterLock
from tests.conftest import SOURCE
from tests.killing import dies
from tests.strategies import hand_written, logs, tangles

pytestmark = pytest.mark.slow

_EXACT = b"## [2026-01-12 10:00:00] user -> roo [INFO]\n\nok\n\n---\n\n"
_VAGUE = b"## [{DATE}] user -> roo [INFO]\n\nok\n\n---\n\n"
_AGAIN = st.sampled_from(
    (
        _EXACT,
        _VAGUE,
        b"## [2026-01-12 10:00] user -> roo [INFO]\n\nok\n\n---\n\n",
        b"## [2026-01-12 10:00:00] a \xe2\x86\x92 b [ASK]\n<!-- intercom id=2 -->\n\nx\n\n---\n\n",
        b"## [2026-01-12 10:00:01] a \xe2\x86\x92 b [ASK]\n<!-- intercom id=2 -->\n\ny\n\n---\n\n",
    )
)
#: Files in which the same stands several times, under the same ids, on two sides of a conflict, with tangles between.
unseen = st.lists(st.one_of(_AGAIN, _AGAIN, logs(), tangles, hand_written), max_size=8).map(b"".join)


@settings(max_examples=50)
@given(st.one_of(unseen, tangles))
def test_a_message_read_again(data: bytes) -> None:
    """The bytes of a message alone say what they said in their file."""
    for entry in parse(data):
        assert entry.kind != MESSAGE or one(entry.raw, entry.start) == entry


@settings(max_examples=40)
@given(unseen)
def test_a_view_in_pieces(data: bytes) -> None:
    """A view of the log holds what a whole parse gives, however small the pieces."""
    whole = parse(data, Roster())
    with patch.object(unfinished, "_PIECE", 7):
        view = sides.View(data, Roster())
    assert [view.raw(place) for place in range(len(view))] == [entry.raw for entry in whole]
    texts = {place: entry for place, entry in enumerate(whole) if entry.kind == MESSAGE}
    assert {seen.place: seen.body for seen in view.found} == {place: entry.body for place, entry in texts.items()}
    assert {seen.place: view.entry(seen.place) for seen in view.found} == texts
    assert {seen.place for seen in view.found if seen.holed} == {n for n, one in texts.items() if b"\0" in one.raw}
    for seen in view.found:
        short = trimmed(seen.body)
        cut = None if seen.closed or short == seen.body else digest(texts[seen.place]._replace(body=short))
        assert seen.trimmed == cut


def _taken_in(data: bytes, *, pieces: bool) -> bytes:
    """The records of the messages in the ledger after the first look at this log."""
    real = intake.adopt if pieces else lambda *_: False
    with (
        TemporaryDirectory() as folder,
        patch.object(intake, "adopt", real),
        patch.object(intake, "_PIECE", 11),
        patch.object(record, "utc", lambda *_: "now"),
        Bus.open(folder, machine="box") as bus,
    ):
        bus.config.log.parent.mkdir(parents=True)
        bus.config.log.write_bytes(data)
        count = len(bus.history())
        found = [one for path in sorted(bus.config.archive.glob("*.md")) for one in parse(path.read_bytes())]
        records = [one for one in found if not is_control(one) and one.sender != "system"]
        count -= len({message.id for message in bus.history() if message.sender == "system"})
        assert count == len({one.id for one in records})
        return b"".join(one.raw for one in records)


@settings(max_examples=40)
@given(unseen)
@example(_VAGUE * 3)
@example(_EXACT * 2 + _VAGUE + _EXACT)
@example(b"<<<<<<< a\n" + _EXACT + b"=======\n" + _EXACT.replace(b"ok", b"oh, ok") + b">>>>>>> b\n")
def test_taken_in_whole_or_in_pieces(data: bytes) -> None:
    """A log that nobody knows is taken in alike, whether its entries are looked at one by one or all together."""
    assert _taken_in(data, pieces=True) == _taken_in(data, pieces=False)


# -- patience -------------------------------------------------------------------------------------

_HOLDER = """
import sys
from pathlib import Path
from intercom.system.lock import WriterLock
lock = WriterLock(Path(sys.argv[1]))
with lock.held():
    if float(sys.argv[2]):
        lock.promise(float(sys.argv[2]))
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def holder(lock: Path, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the writer lock, having promised so many seconds, until it reads a line."""
    command = [sys.executable, "-c", _HOLDER, str(lock), str(seconds)]
    env = {**os.environ, "PYTHONPATH": str(SOURCE)}
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_others_wait_as_long_as_was_promised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who holds the lock and said that it takes is waited for beyond all patience; when it is done, so is the wait."""
    asked: list[float] = []
    real = WriterLock._promised

    def counted(lock: WriterLock) -> float:
        asked.append(real(lock))
        if len(asked) == 3:
            process.communicate("done\n")
        return asked[-1]

    monkeypatch.setattr(WriterLock, "_promised", counted)
    with holder(tmp_path / "lock", 1000) as process, WriterLock(tmp_path / "lock").held(0.05):
        assert process.returncode == 0
        assert len(asked) == 3
    assert not (tmp_path / "lock.until").exists()


@pytest.mark.parametrize("seconds", [0, 0.05, 1e9])
def test_nobody_waits_for_ever(tmp_path: Path, seconds: float) -> None:
    """Where nothing was promised, or the promise is over or absurd, patience ends as it does."""
    with (
        holder(tmp_path / "lock", seconds),
        pytest.raises(LockTimeout, match="nothing was written"),
        WriterLock(tmp_path / "lock").held(0.1),
    ):
        pass


def test_the_dead_keep_nobody_waiting(tmp_path: Path) -> None:
    """What somebody promised who was killed since is nothing."""
    with holder(tmp_path / "lock", 1000) as process:
        process.kill()
        process.wait()
        with WriterLock(tmp_path / "lock").held(0):
            assert (tmp_path / "lock.until").exists()


def test_work_on_a_long_log_is_promised(project: Path) -> None:
    """Whoever locks a log of 5 MB promises to be done in a time that grows with it; of a short one nothing is said."""
    with Bus.open(project, machine="box") as bus:
        until = bus.config.private / "lock.until"
        bus.config.log.parent.mkdir(parents=True)
        bus.config.log.write_bytes(b"x" * 5_000_000)
        log = Log(bus.config)
        with log.locked():
            log.promise(0)
            assert 5 < until.stat().st_mtime - time.time() <= 10
        bus.config.log.write_bytes(b"x" * 5_000)
        with log.locked():
            assert not until.exists()


# -- many segments --------------------------------------------------------------------------------


def _take_in_parts(root: str) -> None:
    with patch.object(ledger, "_AT_ONCE", 700), Bus.open(root, machine="box") as bus:
        bus.history()


def _send_in_parts(root: str) -> None:
    with patch.object(ledger, "SEGMENT_BYTES", 600), Bus.open(root, machine="box") as bus:
        bus.send("roo", "the last", sender="zoo")
        bus.compact(2)


TEXTS = [f"number {n} " + "word " * 20 + "end" for n in range(12)]


def _typed(start: Path) -> None:
    with Bus.open(start, machine="box") as bus:
        bus.add_agents(["roo", "zoo"])
        headers = (f"## [2026-01-01 10:00:{n:02}] zoo -> roo [INFO]" for n in range(len(TEXTS)))
        blocks = [f"{header}\n\n{text}\n\n---\n\n" for header, text in zip(headers, TEXTS, strict=True)]
        bus.config.log.write_text("# Typed\n\n" + "".join(blocks), encoding="utf-8")


def _sent(start: Path) -> None:
    with Bus.open(start, machine="box") as bus, patch.object(ledger, "SEGMENT_BYTES", 600):
        bus.add_agents(["roo", "zoo"])
        for text in TEXTS:
            bus.send("roo", text, sender="zoo")
        bus.history()


@pytest.mark.parametrize(("made", "act"), [(_typed, _take_in_parts), (_sent, _send_in_parts)])
def test_many_segments_killed_at_any_call(
    tmp_path: Path, made: Callable[[Path], None], act: Callable[[str], None]
) -> None:
    """kill -9 before every call of an act that makes segments: each message stands once in the ledger, in order."""
    start = tmp_path / "start"
    start.mkdir()
    made(start)
    step, more, segments = -1, True, []
    while more:
        step += 2
        root = tmp_path / f"{step}"
        shutil.copytree(start, root)
        more = dies(act, root, step)
        if more and step % 4 == 1:
            with Bus.open(root, machine="box") as bus:
                assert [body for body in bodies(bus) if body != "the last"] == TEXTS
        act(str(root))
        with Bus.open(root, machine="box") as bus:
            assert [body for body in bodies(bus) if body != "the last"] == TEXTS
            segments = bus._log.ledger.segments()
            found = [one for name in segments for one in parse((bus.config.archive / name.name).read_bytes())]
            ids = [one.id for one in found if not is_control(one)]
            assert len(ids) == len(set(ids)) >= len(TEXTS)
            assert bus.notices == []
        shutil.rmtree(root)
    assert len(segments) >= 3
    assert step > 7


def bodies(bus: Bus) -> list[str]:
    """Every text, in order."""
    return [message.body for message in bus.history()]


# -- a long log -----------------------------------------------------------------------------------

_LOOKS = """
import re, sys
from pathlib import Path
from intercom import Bus
with Bus.open(Path(sys.argv[1]), machine="box") as bus:
    for step in sys.argv[2:]:
        if step == "look":
            print(bus.unread("roo"), end=" ", flush=True)
        else:
            bus.send("roo", "a word", sender="zoo")
    # Not ru_maxrss: after an exec that still counts what the parent had.
    peak = re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]
    print(int(peak) // 1024, *bus.notices, sep="\\n")
"""
SIZE = 100 if os.environ.get("INTERCOM_SOAK") else 20  #: MB
REST = 75  #: MB; what a process needs besides, the index's cache with it


class Seen(NamedTuple):
    """What a process saw of a bus."""

    counts: list[int]  #: unread, at each look
    peak: int  #: MB of memory
    notices: list[str]


def looks(root: Path, *steps: str) -> Seen:
    """Let a process of its own look at the bus of `root`, or say something on it."""
    env = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-c", _LOOKS, str(root), *steps]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    counts, *notices = done.stdout.splitlines()
    *numbers, peak = map(int, counts.split())
    return Seen(numbers, peak, notices)


def long_log(megabytes: int) -> tuple[bytes, int]:
    """A log that people wrote, and how many messages it has."""
    text = "Some words on what was found, which nobody will read again in this life or the next.\n" * 12
    count = megabytes * 1_000_000 // (len(text) + 80)
    stamps = (f"20{10 + n // 86400:02}-01-01 {n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02}" for n in range(count))
    return "".join(f"## [{at}] user -> roo [INFO]\n\n{at}\n{text}\n---\n\n" for at in stamps).encode(), count


def placed(root: Path, data: bytes) -> Path:
    """A project with this log; the log."""
    with Bus.open(root, machine="box") as bus:
        bus.add_agents(["roo", "zoo"])
        bus.config.log.write_bytes(data)
        return bus.config.log


def test_a_long_log_is_put_in_place(project: Path) -> None:
    """The first look at it, and the compaction that the first message brings: all is there, and memory is bounded."""
    data, count = long_log(SIZE)
    log = placed(project, data)
    first = looks(project, "look")
    assert first.counts == [count]
    assert first.notices == []
    assert first.peak < 2 * SIZE + REST
    second = looks(project, "say", "look")
    assert second.counts == [count + 1]
    assert second.notices == []
    assert second.peak < 2 * SIZE + REST
    assert log.stat().st_size < 100_000
    assert max(path.stat().st_size for path in (log.parent / "archive").iterdir()) < 10_000_000


def _append(data: bytes) -> bytes:
    return data + b"## [2030-01-01 00:00:00] user -> roo [INFO]\n\none more\n\n---\n\n"


def _edit(data: bytes) -> bytes:
    at = data.index(b"nobody", len(data) // 2)
    return data[:at] + b"SOMEBODY" + data[at + 6 :]


def _old_copy(data: bytes) -> bytes:
    return _append(data[: data.index(b"\n## [", len(data) * 9 // 10) + 1])


def _overwritten(_data: bytes) -> bytes:
    return _append(b"")


def _emptied(_data: bytes) -> bytes:
    return b""


@pytest.mark.parametrize(
    ("change", "new", "repaired"),
    [(_append, 1, 0), (_edit, 0, 0), (_old_copy, 1, 1), (_overwritten, 1, 1), (_emptied, 0, 1)],
)
def test_a_long_log_is_changed(project: Path, change: Callable[[bytes], bytes], new: int, repaired: int) -> None:
    """What somebody does to a log of many messages is taken in or put right, in memory that is bounded."""
    data, count = long_log(SIZE // 4)
    log = placed(project, data)
    assert looks(project, "look").counts == [count]
    after = change(data)
    log.write_bytes(after)
    seen = looks(project, "look", "look")
    assert seen.counts == [count + new] * 2
    assert len(seen.notices) == repaired
    assert seen.peak < 5.5 * SIZE / 4 + REST // 2  # the log five times over, and the index's cache the fuller
    found = {entry.body for entry in parse(log.read_bytes()) if entry.kind == MESSAGE and entry.sender != "system"}
    assert len(found) == count + new
    with Bus.open(project, machine="box") as bus:
        assert {message.body for message in bus.history() if message.sender != "system"} == found


def test_a_long_line(project: Path) -> None:
    """A line of 10 MB in a message by hand: delivered whole, moved to the archive whole, in memory that is bounded."""
    line = "word and " * (SIZE * 55_555)
    log = placed(project, f"## [2026-01-12 10:00:00] user -> roo [INFO]\n\n{line}\n\n---\n\n".encode())
    seen = looks(project, "look", "say", "say", "look")
    assert seen.counts == [1, 3]
    assert seen.notices == []
    assert seen.peak < 14 * SIZE // 2 + REST, seen
    with Bus.open(project, machine="box") as bus:
        bus.compact(1)
        assert [len(message.body) for message in bus.read("roo")] == [len(line) - 1, 6, 6]
    assert log.stat().st_size < 2000


# -- and what a long log may not lose -------------------------------------------------------------


def test_a_redacted_text_that_is_back_takes_nothing_along(project: Path) -> None:
    """An old copy brings a redacted text back: the stub takes its place again, all else in the file stays."""
    with Bus.open(project) as bus:
        bus.add_agents(["roo", "zoo"])
        ids = [bus.send("roo", f"secret number {n}", sender="zoo").id for n in range(4)]
        bus.compact(3)
        old = bus.config.log.read_bytes()
        bus.redact(ids[2])
        stubbed = bus.config.log.read_bytes()
        bus.config.log.write_bytes(old)
        bus.history()
        after = bus.config.log.read_bytes()
    assert old.startswith(b"---\n")
    assert b"### COMPACTED" in stubbed
    assert after.startswith(stubbed)
