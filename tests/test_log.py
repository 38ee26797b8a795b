"""Appending: journal first, then the live log; what torn ends become."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from intercom import Bus, files, log
from intercom.config import load
from intercom.errors import StorageError
from intercom.format import render
from intercom.log import Log
from intercom.model import Message, new_id, utc


def block(body: str = "text") -> bytes:
    """A rendered message."""
    return render(Message(new_id(), None, utc(), "a", "roo", "INFO", "status", body), "2026-01-01 10:00:00")


@pytest.fixture
def ours(project: Path) -> Log:
    """The log of an empty project, with one message."""
    found = Log(load(project))
    with found.locked():
        found.append(block("first"), lambda: b"# top\n\n")
    return found


@pytest.mark.parametrize("body", ["short", "a\n\n---\n\n" * 5])
def test_a_torn_end_of_the_journal_is_dropped(ours: Log, body: str) -> None:
    """Wherever a writer died in the journal, even at what looks like a block's end, the next append drops its part."""
    whole, live = ours.journal.read_bytes(), ours.live.read_bytes()
    torn = block(body)
    for cut in range(1, len(torn)):
        with ours.locked():
            handle = os.open(ours.journal, os.O_RDWR | os.O_APPEND)
            with ours._noted(handle, len(whole), len(torn), b"open"):
                os.write(handle, torn[:cut])
                note = ours.journal.with_name("journal.next").read_bytes()
            os.close(handle)
            ours.journal.with_name("journal.next").write_bytes(note)  # it died before it could say "done"
            ours.mend()
        assert (ours.journal.read_bytes(), ours.live.read_bytes()) == (whole, live)


def test_a_torn_end_of_the_live_log_is_completed(ours: Log) -> None:
    """Wherever a writer died in the live log, the rest of its message is written."""
    with ours.locked():
        ours.append(block("a\n\n---\n\nb"), bytes)
        whole = ours.live.read_bytes()
        size = len(block("a\n\n---\n\nb"))
        for cut in range(1, size - 20):
            os.truncate(ours.live, len(whole) - cut)
            ours.mend()
            assert ours.live.read_bytes() == whole


def test_a_long_message_before_a_hand_written_one(ours: Log) -> None:
    """A message of 3 MB does not make the next append slow when somebody wrote behind it."""
    with ours.locked():
        ours.append(block("x\n" * 1_500_000), bytes)
        with ours.live.open("ab") as file:
            file.write(b"by hand\n")
        began = time.monotonic()
        ours.append(block("next"), bytes)
        assert time.monotonic() - began < 5


def test_a_failed_append_takes_back_only_its_own(ours: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full half-way, our part goes, and what somebody appended meanwhile stays."""
    before = ours.live.read_bytes()
    real = files.write_all

    def full(handle: int, data: bytes) -> None:
        if os.path.samestat(os.fstat(handle), os.stat(ours.live)):
            if foreign:
                os.write(handle, data[:30])
                os.write(handle, foreign)
            else:
                os.write(handle, data[:30])
            raise OSError(28, "No space left on device")
        real(handle, data)

    monkeypatch.setattr(log, "write_all", full)
    for foreign in (b"", b"somebody else's\n"):
        with ours.locked(), pytest.raises(StorageError, match="nothing was sent"):
            ours.append(block("x" * 100), bytes)
        assert ours.live.read_bytes().endswith(foreign or before)


def test_a_deleted_journal_changes_no_id(project: Path) -> None:
    """The journal alone is deleted: the messages of the live log keep their ids and are not given again."""
    with Bus.open(project) as bus:
        sent = [bus.send("roo", f"m{n}", sender="claude-code").id for n in range(4)]
        assert [message.id for message in bus.read("roo")] == sent
        bus._log.journal.unlink()
        assert [message.id for message in bus.history()] == sent
        assert bus.read("roo") == []
