"""Reading ahead in a second process: the same index as without it, whatever happens to that process."""

from __future__ import annotations

import errno
import itertools
import os
import random
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

import pytest

from intercom import Bus
from intercom.core.errors import StorageError
from intercom.core.message import Message, new_id, utc
from intercom.format import render
from intercom.store.log import ledger, segments
from intercom.store.sources import readahead

TABLES = ("messages", "inbox", "versions", "hands", "words", "sources", "kept", "traces")


def tables(bus: Bus) -> dict[str, list[tuple[object, ...]]]:
    """Everything that the index holds."""
    db = sqlite3.connect(bus.config.private / "index2.db")
    try:
        return {name: sorted(db.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in TABLES}
    finally:
        db.close()


def block(rng: random.Random, number: int) -> bytes:
    """A message as it may stand in a segment: a tool's, a person's, to several, none of ours, with odd bytes."""
    to = rng.choice(["roo", "all", "claude-code", "roo, claude-code"])
    text = rng.choice([f"text {number}", "again", "naïve → ☃", "## [2026-01-01] quoted", ""])
    if rng.random() < 0.2:
        odd = rng.choice([b"", b"\xff"])
        return f"## [2026-01-01 10:00:0{rng.randrange(3)}] user → {to} [INFO]\n\n{text}".encode() + odd + b"\n\n---\n\n"
    return render(Message(new_id(), None, utc(), "roo", to, "INFO", "status", text), "2026-01-01 10:00:00")


@pytest.fixture
def history(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bus]:
    """A bus with segments of every kind, versions, duplicates, a message of another machine amid ours."""
    monkeypatch.setattr(readahead, "_WORTH", 1)
    rng = random.Random(7)
    bus = Bus.open(project)
    archive = bus.config.archive
    archive.mkdir(parents=True)
    bus.config.private.mkdir()
    (bus.config.private / "journal.md").touch()  # as the version had that made segments without a first record
    written = [block(rng, number) for number in range(120)]
    written += [one.replace(b"text", b"newer text") for one in rng.sample(written, 20)] + rng.sample(written, 20)
    for number in range(4):
        data = b"".join(written[number * 40 : number * 40 + 40])
        (archive / f"INTERCOM-{bus.config.machine}-{number + 1:06d}.md").write_bytes(data)
    (archive / "INTERCOM-other-000001.md").write_bytes(b"".join(block(rng, n) for n in range(200, 220)))
    for number in range(5):
        bus.send("roo", f"live {number}", sender="claude-code")
        bus.history()
        with (bus.config.folder / "INTERCOM-other.md").open("ab") as file:
            file.write(block(rng, 300 + number))
        bus.history()
    yield bus
    bus.close()


def rebuilt(bus: Bus, monkeypatch: pytest.MonkeyPatch, worth: int) -> dict[str, list[tuple[object, ...]]]:
    """The index, made anew with or without the second process."""
    with monkeypatch.context() as patch:
        patch.setattr(readahead, "_WORTH", worth)
        bus.rebuild()
    return tables(bus)


def test_the_same_index(history: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every table holds the same, and the segments did come from the second process."""
    alone = rebuilt(history, monkeypatch, 1 << 60)
    assert len(alone["messages"]) > 100
    assert alone["versions"]
    assert alone["hands"]
    came = []
    received = readahead._received

    def noted(pipe: IO[bytes], path: str) -> readahead.Segment | None:
        came.append(received(pipe, path))
        return came[-1]

    monkeypatch.setattr(readahead, "_received", noted)
    assert rebuilt(history, monkeypatch, 1) == alone
    assert len(came) == 4
    assert None not in came


@pytest.mark.parametrize(
    "program",
    [
        "",
        "/nowhere/python",
        "exec cat >/dev/null",
        "exit 3",
        "cat >/dev/null; printf 'garbage, a lot of it'",
        "cat >/dev/null; printf '\\0\\0\\0\\0\\0\\0\\0\\4abcd'",
        "cat >/dev/null; printf '\\0\\0\\0\\0\\0\\0\\0\\2i'",
        "cat >/dev/null; printf '\\0\\0\\0\\0\\0\\0\\0\\1N'",
        'exec {python} "$@" | head -c 9000',
        'exec {python} "$@" | tail -c 9000',
    ],
)
def test_a_process_that_fails(history: Bus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str) -> None:
    """Missing, dead, talking nonsense, or cut off in the middle: the index is the same."""
    alone = rebuilt(history, monkeypatch, 1 << 60)
    if program and not program.startswith("/"):
        script = tmp_path / "python"
        script.write_text("#!/bin/sh\n" + program.replace("{python}", f"'{sys.executable}'") + "\n")
        script.chmod(0o755)
        program = str(script)
    monkeypatch.setattr(sys, "executable", program)
    assert rebuilt(history, monkeypatch, 1) == alone


def test_a_process_that_is_not_read_to_the_end(history: Bus) -> None:
    """It ends, and nothing waits for what it had to say."""
    paths = sorted(history.config.archive.glob(f"INTERCOM-{history.config.machine}-*.md"))
    ahead = readahead.Ahead([(path, path != paths[0], "") for path in paths])
    first = ahead.next(paths[0])
    assert first == readahead.read_segment(str(paths[0]), sealed=False)
    ahead.close()
    assert ahead.next(paths[1]) is None


@pytest.mark.parametrize("what", ["segment", "folder"])
def test_not_gone(project: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """A segment that cannot be opened, or listed, for a moment is not taken for gone: the order stays."""
    monkeypatch.setattr(ledger, "SEGMENT_BYTES", 1)
    with Bus.open(project) as bus:
        sent = [bus.send("roo", f"text {number}", sender="claude-code").id for number in range(12)]
        archive = bus.config.archive
    place, name = (segments, "opened") if what == "segment" else (os, "listdir")

    def fails(path: Any, real: Callable[[Any], Any], failing: Path, number: int, count: Iterator[int]) -> Any:
        if Path(path) == failing and next(count) == number:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return real(path)

    for number in range(1, 6):  # the first, the second … time
        with monkeypatch.context() as patch, Bus.open(project) as bus:
            assert [one.id for one in bus.history()] == sent
            ident = sent[number - 1]
            holding = next(path for path in archive.iterdir() if ident.encode() in path.read_bytes())
            fault: dict[str, Any] = {"failing": holding if what == "segment" else archive, "number": number}
            count = itertools.count(1)
            patch.setattr(place, name, partial(fails, real=getattr(place, name), count=count, **fault))
            with suppress(StorageError):
                bus.redact(ident)
            assert next(count) > 1
        with Bus.open(project) as bus:
            assert [one.id for one in bus.history()] == sent, number
