"""Sending: the ledger first and synced, then the page; what torn ends become."""

from __future__ import annotations

import os
import time
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intercom import Bus
from intercom.core.config import load
from intercom.core.errors import StorageError
from intercom.core.message import Message, new_id, utc
from intercom.format import parse, render
from intercom.format.record import END, extent, seal
from intercom.format.roster import Roster
from intercom.repair import repair
from intercom.store.log import ledger, log
from intercom.store.log.log import Log
from intercom.store.log.unfinished import entries_of, filled, topped
from tests.powercut import restart
from tests.strategies import logs, tangles


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


def segment(found: Log) -> Path:
    """The open segment."""
    last = found.ledger.open()
    assert last is not None
    return found.ledger.path(last)


@pytest.mark.parametrize("body", ["short", "a\n\n---\n\n" * 5])
def test_a_torn_end_of_the_ledger_is_cut_back(ours: Log, body: str) -> None:
    """Wherever a writer died in a record, even at what looks like its end, the next one cuts its part."""
    path = segment(ours)
    whole, live = path.read_bytes(), ours.live.read_bytes()
    torn = seal(block(body))
    for cut in range(1, len(torn)):
        path.write_bytes(whole + torn[:cut])
        with ours.locked():
            ours.mend()
        assert (path.read_bytes(), ours.live.read_bytes()) == (whole, live)


@pytest.mark.parametrize("known", [False, True])
def test_a_hole_within_what_was_appended_at_once(ours: Log, known: bool) -> None:
    """Of several records a power cut may keep later ones alone: none was accepted, unless the page has one of them."""
    path = segment(ours)
    whole, live = path.read_bytes(), ours.live.read_bytes()
    records = [seal(block(f"number {number}")) for number in range(4)]
    first, kept = len(records[0]), b"".join(records)
    most = len(kept) - len(records[3]) - known * len(END)  # the last one begins where a record ends
    if known:
        ours.live.write_bytes(live + records[3])
    for begin in range(first, most, 7):
        for end in {begin + 1, most, min(begin + 150, most)}:
            torn = whole + kept[:begin] + bytes(end - begin) + kept[end:]
            path.write_bytes(torn)
            Log(load(ours.live.parent.parent.parent)).cut_back()
            cut = whole + b"".join(records[: sum(begin >= len(b"".join(records[: n + 1])) for n in range(4))])
            assert path.read_bytes() == (torn if known else cut)


@pytest.mark.parametrize("body", ["short", "a\n\n---\n\n" * 5])
def test_bytes_that_never_reached_the_disk(ours: Log, body: str) -> None:
    """NULs where a record was, or a part of it, count as torn."""
    path = segment(ours)
    whole, torn = path.read_bytes(), seal(block(body))
    for cut in range(len(torn)):
        path.write_bytes(whole + torn[:cut] + bytes(len(torn) - cut))
        with ours.locked():
            ours.mend()
        assert path.read_bytes() == whole


def test_a_whole_record_is_never_cut(ours: Log) -> None:
    """Not even one that nobody put on the page: it may have been accepted."""
    path = segment(ours)
    with path.open("ab") as file:
        file.write(seal(block("sent, and the power went")))
    whole = path.read_bytes()
    with ours.locked():
        ours.mend()
    assert path.read_bytes() == whole


def test_an_accepted_record_that_somebody_changed_is_never_cut(ours: Log) -> None:
    """`sed -i` over the archive: the last record does not fit its seal any more, but the page has its message."""
    path = segment(ours)
    changed = path.read_bytes().replace(b"first", b"worst")
    path.write_bytes(changed)
    with ours.locked():
        ours.mend()
    assert path.read_bytes() == changed


@pytest.mark.parametrize("which", ["first", "second"])
def test_a_record_that_somebody_changed_is_by_hand(project: Path, which: str) -> None:
    """It has lost the authority of the tool that wrote it; the others keep theirs, and nothing is lost."""
    with Bus.open(project) as bus:
        bus.register("master")
        for text in ("first", "second"):
            bus.send("roo", text, sender="master")
        assert [message.via for message in bus.history()] == ["tool", "tool"]
        path = segment(Log(bus.config))
        path.write_bytes(path.read_bytes().replace(which.encode(), b"other", 1))
        bus.rebuild()
        assert [(m.body, m.via) for m in bus.history() if m.body != which] == [
            ("other", "hand") if text == which else (text, "tool") for text in ("first", "second")
        ]
        bus.send("roo", "third", sender="master")
        assert bus.history()[-1].via == "tool"


def test_a_torn_end_of_the_page_is_completed(ours: Log) -> None:
    """Wherever a writer died on the page, the rest of its message is written, and the next stands behind it."""
    with ours.locked():
        ours.append(block("a\n\n---\n\nb"), bytes)
        whole = ours.live.read_bytes()
        size = len(seal(block("a\n\n---\n\nb")))
        for cut in range(1, size - 100):
            os.truncate(ours.live, len(whole) - cut)
            before = ours.live.read_bytes()
            ours.append(block("next"), bytes)
            after = ours.live.read_bytes()
            assert after.startswith(whole), (cut, before)
            ours.live.write_bytes(whole)
            os.truncate(segment(ours), os.stat(segment(ours)).st_size - len(after) + len(whole))


def test_a_long_message_before_a_hand_written_one(ours: Log) -> None:
    """A message of 3 MB does not make the next append slow when somebody wrote behind it."""
    with ours.locked():
        ours.append(block("x\n" * 1_500_000), bytes)
        with ours.live.open("ab") as file:
            file.write(b"by hand\n")
        began = time.monotonic()
        ours.append(block("next"), bytes)
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("at", [8, 9, 10])
def test_repeated_lines_do_not_explain_a_hole(project: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """An edited record fits the lines behind a hole in its former self by chance: it is filled by what was there."""
    with Bus.open(project) as bus:
        bus.send("roo", "what stands above", sender="claude-code")
        bus.send("roo", "all is well\n" * 60, sender="claude-code")
        before = bus.config.log.read_bytes()
        bus.config.log.write_bytes(before.replace(b"\nall", b"\nI say: all", 1))
        assert bus.history()[-1].via == "hand"
    header, start = before.rindex(b"\n## [2") + 1, before.index(b"all is") + 72 + at
    gone = [range(header, start - 50), range(start, start + 300)]
    torn = bytes(0 if any(place in hole for hole in gone) else byte for place, byte in enumerate(before[:-100]))
    bus.config.log.write_bytes(torn)
    restart(monkeypatch)
    spy = mock.Mock(side_effect=filled)
    monkeypatch.setattr(repair, "filled", spy)
    with Bus.open(project) as bus:
        assert [one.body.count("all is well") for one in bus.history()] == [0, 60]
    assert filled(*spy.call_args.args) == before


_NOTE = b"# What we know\n\nThe port is 5433.\n\n"


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (_NOTE.replace(b"port", b"\0\0\0\0"), _NOTE),
        (b"\0" * len(_NOTE) + b"\n\n", _NOTE),
        (b"", _NOTE),
        (_NOTE[:20] + b"\n", _NOTE),
        (b"# What we know\n\n", _NOTE),
        (_NOTE.replace(b"5433", b"5434"), None),
        (b"# Ours\n\n", None),
    ],
)
@pytest.mark.parametrize("front", [b"", b"---\nmachine: box\n---\n\n"])
def test_the_top_of_a_page_after_a_power_cut(front: bytes, now: bytes, expected: bytes | None) -> None:
    """What the base has comes back where at most a rest is left of it; other words that stand there count."""
    below = block("said")
    found = topped(front + now + below, front + _NOTE + block("x"), lambda: b"new\n\n", Roster(()))
    assert found == front + (now if expected is None else expected) + below


@pytest.mark.parametrize("hole", [(40, 200), (0, 900)])
def test_own_text_comes_back_twice(project: Path, monkeypatch: pytest.MonkeyPatch, hole: tuple[int, int]) -> None:
    """The power is cut as the page is mended, and again nothing of the page is there: the base still has its top."""
    with Bus.open(project) as bus:
        bus.send("roo", "one", sender="claude-code")
        page = bus.config.log
        whole = page.read_bytes().replace(b"\n## [2", b"\n" + _NOTE + b"## [2", 1)
        page.write_bytes(whole)
        assert len(bus.history()) == 1
        base = next((page.parent / ".intercom").glob("base.*"))
        before = base.read_bytes()
    for left in (whole[: hole[0]] + b"\0" * (hole[1] - hole[0]) + whole[hole[1] :], b"", b""):
        page.write_bytes(left)
        base.write_bytes(before)
        restart(monkeypatch)
        with Bus.open(project) as bus:
            assert [one.body for one in bus.history()] == ["one"]
        assert page.read_bytes() == whole


def test_a_failed_append_leaves_nothing(ours: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full half-way through the record, it goes again: nothing was sent."""
    before = segment(ours).read_bytes(), ours.live.read_bytes()

    def full(handle: int, data: bytes) -> None:
        os.write(handle, data[:30])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ledger, "write_all", full)
    with ours.locked(), pytest.raises(StorageError, match="nothing was sent"):
        ours.append(block("x" * 100), bytes)
    assert (segment(ours).read_bytes(), ours.live.read_bytes()) == before


def test_a_failed_sync_leaves_nothing(ours: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the disk did not take was not sent, and does not stand on the page."""
    before = segment(ours).read_bytes(), ours.live.read_bytes()

    def broken(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", broken)
    with ours.locked(), pytest.raises(StorageError, match="nothing was sent"):
        ours.append(block("x" * 100), bytes)
    assert (segment(ours).read_bytes(), ours.live.read_bytes()) == before


@pytest.mark.parametrize("foreign", [b"", b"somebody else's\n"])
def test_a_page_that_cannot_be_written(project: Path, monkeypatch: pytest.MonkeyPatch, foreign: bytes) -> None:
    """Once the ledger has it, a message is accepted; the page gets it as soon as that works, and keeps the rest."""
    with Bus.open(project) as bus:
        bus.send("roo", "first", sender="claude-code")
        before = bus.config.log.read_bytes()

        def full(handle: int, data: bytes) -> None:
            os.write(handle, data[:30])
            os.write(handle, foreign)
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(log, "write_all", full)
            sent = bus.send("roo", "second", sender="claude-code")
        assert "the message was accepted" in bus.notices.pop()
        assert bus.config.log.read_bytes().endswith(foreign or before)
        assert [message.id for message in bus.history() if message.sender != "system"][-1] == sent.id
        assert bus.config.log.read_bytes().count(b"second") == 1
        assert not foreign or foreign in bus.config.log.read_bytes()
        assert bus.notices == []


def test_deleted_private_files_change_no_id(project: Path) -> None:
    """Base, index and the ledger's name are deleted: the messages keep their ids and are not given again."""
    with Bus.open(project) as bus:
        sent = [bus.send("roo", f"m{n}", sender="claude-code").id for n in range(4)]
        assert [message.id for message in bus.read("roo")] == sent
        for path in bus.config.private.glob("*"):
            if path.name.startswith(("base.", "index2.", "ledger")):
                path.unlink()
    with Bus.open(project) as bus:
        assert [message.id for message in bus.history()] == sent
        assert bus.read("roo") == []


def test_each_record_proves_itself(ours: Log) -> None:
    """Any byte of it changed, or any end of it missing, it does not."""
    record = seal(block("a\n\n---\n\nb"))
    assert extent(record) == extent(record + b"behind") == len(record)
    for at in range(len(record)):
        assert extent(record[:at]) == 0
        changed = record[:at] + bytes([record[at] ^ 1]) + record[at + 1 :]
        assert extent(changed) != len(record)


def test_a_closed_segment_that_somebody_changed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every record in it is proven again: the one that was changed is by hand, the others are their tools' own."""
    monkeypatch.setattr(ledger, "SEGMENT_BYTES", 400)
    with Bus.open(project) as bus:
        bus.register("master")
        for n in range(6):
            bus.send("roo", f"number {n}", sender="master")
        segments = Log(bus.config).ledger.segments()
        assert len(segments) > 3
        assert all(segment.digest for segment in segments[:-1])
        path = bus.config.archive / segments[1].name
        changed = path.read_bytes()
        path.write_bytes(changed.replace(b"number 2", b"number X"))
        assert path.read_bytes() != changed
        bus.rebuild()
        # The page has its text still: that counts, as somebody's word.
        assert [(m.body, m.via) for m in bus.history()] == [
            (f"number {n}", "hand" if n == 2 else "tool") for n in range(6)
        ]


SPOKEN = st.sampled_from(
    (
        b"@worker-1 use main\n",
        b"\n@codex why?\n\n",
        b"codex -> roo: and this\n",
        b"\n---\n\n",
        b"> codex \xe2\x86\x92 roo\n",
    )
)


@given(st.lists(st.one_of(logs(), tangles, SPOKEN), max_size=4), st.sampled_from((None, Roster(("codex", "worker-1")))))
def test_a_page_that_goes_on_is_read_like_any_other(parts: list[bytes], roster: Roster | None) -> None:
    """What was read of it before changes nothing, whatever it was, in whichever order the pages come."""
    pages = [b"".join(parts[:count]) for count in range(len(parts) + 1)]
    for page in (*pages, *reversed(pages), *pages):
        assert list(entries_of(page, roster)) == parse(page, roster)
