"""Waiting for something to happen in a folder: whoever did it, however it was saved, with events and without."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import itertools
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from intercom import Bus
from intercom.system.changes import Changes
from intercom.system.watch import Watch
from tests.conftest import SOURCE
from tests.people_kit import append, bodies, by_hand, talk, until
from tests.processes import patience


def _rename(path: Path) -> None:
    temporary = path.with_name(".save")
    temporary.write_text("renamed", encoding="utf-8")
    os.replace(temporary, path)


def _recreate(path: Path) -> None:
    path.unlink()
    path.write_text("again", encoding="utf-8")


CHANGES: dict[str, Callable[[Path], None]] = {
    "append": lambda path: append(path, "more"),
    "rename": _rename,
    "recreate": _recreate,
    "remove": Path.unlink,
    "truncate": lambda path: os.truncate(path, 0),
}


@pytest.mark.parametrize("events", [True, False])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_wakes(tmp_path: Path, change: str, events: bool) -> None:
    """With events and by polling alike; a change between two waits counts, and quiet is quiet."""
    log = tmp_path / "log.md"
    log.write_text("first", encoding="utf-8")
    with Watch(tmp_path, events=events) as watch:
        assert not watch.wait(0.1)
        CHANGES[change](log)
        assert watch.wait(5)
        while watch.wait(0.2):
            pass
        writer = threading.Timer(0.1, log.write_text, ("second",))
        writer.start()
        assert watch.wait(5)
        writer.join()


def test_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    """It is waited for all the same."""
    with Watch(tmp_path / "later") as watch:
        assert not watch.wait(0.05)
        (tmp_path / "later").mkdir()
        (tmp_path / "later" / "log.md").touch()
        assert watch.wait(5)


@pytest.mark.slow
def test_waiting_costs_next_to_nothing_and_leaves_no_thread(project: Path) -> None:
    """Two seconds of waiting take a small share of a second of work; afterwards all threads are gone."""
    with Bus.open(project) as bus:
        talk(bus, 1)
        bus.read("roo")
        bus.wait("roo", 0.1)
        before, work = threading.active_count(), time.process_time()
        assert bus.wait("roo", 2) == []
        assert time.process_time() - work < 0.4
        until(lambda: threading.active_count() <= before)


@pytest.mark.parametrize("how", ["tool", "hand", "rename"])
def test_wait_returns_whoever_wrote(project: Path, how: str) -> None:
    """`Bus.wait` returns as soon as a message for the reader is there."""
    with Bus.open(project) as bus:
        talk(bus, 1)
        bus.read("roo")
        log = bus.config.log

        def write() -> None:
            if how == "tool":
                with Bus.open(project) as other:
                    other.send("roo", "now", sender="claude-code")
            elif how == "hand":
                append(log, by_hand("now"))
            else:
                temporary = log.with_name("x.tmp")
                temporary.write_text(log.read_text(encoding="utf-8") + by_hand("now"), encoding="utf-8")
                os.replace(temporary, log)

        writer = threading.Timer(0.2, write)
        writer.start()
        began = time.monotonic()
        assert bodies(bus.wait("roo", 20)) == ["now"]
        assert time.monotonic() - began < patience(10)
        writer.join()


@pytest.fixture
def no_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system has no inotify instance left, as where editors and containers hold them all."""
    from watchdog.observers import inotify_c

    def none_left() -> int:
        ctypes.set_errno(errno.EMFILE)
        return -1

    monkeypatch.setattr(inotify_c, "inotify_init", none_left)
    monkeypatch.setattr(inotify_c.InotifyFD, "_instance", None)


def sent_meanwhile(project: Path) -> threading.Timer:
    """Somebody sends to roo in a moment."""

    def send() -> None:
        with Bus.open(project) as other:
            other.send("roo", "now", sender="claude-code")

    timer = threading.Timer(0.3, send)
    timer.start()
    return timer


@pytest.mark.parametrize("how", ["read --wait", "the waiter", "MCP wait"])
def test_waits_end_in_time_without_events(project: Path, no_events: None, how: str) -> None:
    """They look at the folder instead, and no later than a moment."""
    with Bus.open(project) as bus:
        talk(bus, 1)
        bus.read("roo")
        assert Watch(bus.config.folder).__enter__()._observer is None
    began = time.monotonic()
    if how == "MCP wait":
        assert asyncio.run(_read_waiting(project)) == ["now"]
    elif how == "the waiter":
        timer = sent_meanwhile(project)
        with Changes(bus.config.folder, os.getpid(), None) as changes:
            assert changes.wait(20)  # at once the first time
            assert changes.wait(20)
        timer.join()
    else:
        timer = sent_meanwhile(project)
        with Bus.open(project) as bus:
            assert bodies(bus.wait("roo", 20)) == ["now"]
        timer.join()
    assert time.monotonic() - began < patience(3)


async def _read_waiting(project: Path) -> list[str]:
    """What a session gets that waits in a tool's call."""
    from intercom.server.app import App
    from intercom.server.session import Session

    app = App(Session(lambda: Bus.open(project)))
    async with app.running(bind=False):
        await app.call("intercomm_register", {"role": "agent", "name": "roo"})
        await app.call("intercomm_read", {})
        timer = sent_meanwhile(project)
        found = await app.call("intercomm_read", {"wait": 20})
        timer.join()
        await asyncio.to_thread(app.bus_thread.close)
    return [message["body"] for message in found["messages"]]


@pytest.fixture
def watching(project: Path) -> Iterator[tuple[Bus, subprocess.Popen[bytes]]]:
    """`intercom watch --json` into a pipe, on a log with two messages."""
    with Bus.open(project) as bus:
        talk(bus, 2)
        env = {**os.environ, "PYTHONPATH": str(SOURCE)}
        words = [sys.executable, "-m", "intercom", "watch", "--json"]
        process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, cwd=project, env=env
        )
        yield bus, process
        process.kill()
        process.communicate()


def line(process: subprocess.Popen[bytes]) -> str:
    """The body of the next message that `watch` prints; fails after 20 seconds."""
    assert process.stdout is not None
    text = b""
    while not text.endswith(b"\n"):
        assert select.select([process.stdout], [], [], 20)[0], "nothing printed"
        byte = process.stdout.read(1)
        assert byte, "it ended"
        text += byte
    body = json.loads(text)["body"]
    assert isinstance(body, str)
    return body


def test_watch_follows_live(watching: tuple[Bus, subprocess.Popen[bytes]]) -> None:
    """Each new message once, at once, into a pipe: by tool, by hand, after a rename and a removal; Ctrl-C ends it."""
    bus, process = watching
    assert [line(process)[:16], line(process)[:16]] == ["Message number 0", "Message number 1"]
    talk(bus, 1, start=2)
    assert line(process).startswith("Message number 2")
    append(bus.config.log, by_hand("by hand"))
    assert line(process) == "by hand"
    _rename_with(bus.config.log, by_hand("renamed", stamp="2026-01-12 11:00:00"))
    assert line(process) == "renamed"
    bus.config.log.unlink()
    assert line(process).startswith("the log was removed")
    assert bus.config.log.exists()
    talk(bus, 1, start=3)
    assert line(process).startswith("Message number 3")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, b"")
    assert b"Traceback" not in err


def _rename_with(log: Path, text: str) -> None:
    temporary = log.with_name(f"{log.name}~")
    temporary.write_text(log.read_text(encoding="utf-8") + text, encoding="utf-8")
    os.replace(temporary, log)


def test_watch_goes_on_after_trouble(watching: tuple[Bus, subprocess.Popen[bytes]]) -> None:
    """What cannot be read for a while is said once, and what came meanwhile is shown when it can."""
    bus, process = watching
    assert [line(process)[:16], line(process)[:16]] == ["Message number 0", "Message number 1"]
    log, away, folder = bus.config.log, bus.config.private / "away", bus.config.private / "folder"
    os.link(log, away)
    folder.symlink_to(bus.config.private)
    os.replace(folder, log)  # in one step: nobody sees that there is no log
    assert process.stderr is not None
    assert select.select([process.stderr], [], [], 20)[0], "nothing said"
    os.replace(away, log)
    talk(bus, 1, start=2)
    assert line(process).startswith("Message number 2")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err.count(b"Is a directory")) == (130, 1)


def test_watch_follows_into_a_new_folder(watching: tuple[Bus, subprocess.Popen[bytes]], project: Path) -> None:
    """Somebody threw it all away and began anew: what is said there is shown, though its numbers begin again, too."""
    bus, process = watching
    assert [line(process)[:16], line(process)[:16]] == ["Message number 0", "Message number 1"]
    bus.close()
    os.rename(bus.config.folder, project / "trash")
    with Bus.open(project) as anew:
        talk(anew, 1, start=2)
    assert line(process).startswith("Message number 2")


def test_watch_ends_with_the_project(watching: tuple[Bus, subprocess.Popen[bytes]], project: Path) -> None:
    """It says so in one line: nothing can come any more."""
    bus, process = watching
    assert [line(process)[:16], line(process)[:16]] == ["Message number 0", "Message number 1"]
    bus.close()
    os.rename(project, project.with_name("elsewhere"))
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err.count(b"\n")) == (1, 1)
    assert f"{project} is gone".encode() in err
    assert not project.exists()


def test_watch_ends_when_its_reader_does(watching: tuple[Bus, subprocess.Popen[bytes]]) -> None:
    """`intercom watch | head -1` does not go on for ever, nor does it end in a traceback."""
    bus, process = watching
    line(process)
    assert process.stdout is not None
    process.stdout.close()
    numbers = itertools.count(2)

    def ended() -> bool:
        talk(bus, 1, start=next(numbers))
        return process.poll() is not None

    until(ended)
    assert process.stderr is not None
    assert b"Traceback" not in process.stderr.read()
    process.stdout = None
