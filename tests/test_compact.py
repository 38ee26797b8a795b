"""Compaction: nothing is dropped, the live log stays short, what others write meanwhile stays."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intercom import Bus
from intercom.core.message import Message
from intercom.format import MESSAGE, PREAMBLE, parse, render
from intercom.format.record import ident, seal
from intercom.format.roster import Roster
from intercom.store.log import compact, ledger, unfinished
from intercom.store.log.base import Base, Mark
from intercom.store.log.log import Log
from intercom.store.log.replace import swap
from intercom.store.log.unfinished import Read, trimmed, without
from tests.strategies import bodies, hand_written, rendered_blocks


def live(bus: Bus) -> list[str]:
    """The bodies in the live log."""
    return [entry.body for entry in parse(bus.config.log.read_bytes()) if entry.kind == MESSAGE]


def test_a_thousand_messages(project: Path) -> None:
    """1,000 sends: never more than 100 in the live log; history has all in order, search finds the first."""
    with Bus.open(project) as bus:
        for n in range(1000):
            bus.send("roo", f"number {n} {'needle' if n == 0 else ''}", sender="claude-code")
            assert len(live(bus)) <= 100
        assert [int(message.body.split()[1]) for message in bus.history()] == list(range(1000))
        assert [message.body for message in bus.search("needle")] == ["number 0 needle"]


def test_the_settings_say_when(project: Path) -> None:
    """`[compact]` sets how many messages, and how many bytes, a page may have, and how many stay."""
    settings_file = project / ".claude" / "intercom.toml"
    settings_file.parent.mkdir()
    settings_file.write_text("[compact]\nmessages = 6\nkeep = 2\n")
    with Bus.open(project) as bus:
        for n in range(7):
            bus.send("roo", f"m{n}", sender="claude-code")
        assert live(bus) == ["m5", "m6"]
    settings_file.write_text("[compact]\nsize = 2000\nkeep = 1\n")
    with Bus.open(project) as bus:
        bus.send("roo", "x" * 2000, sender="claude-code")
        assert live(bus) == ["x" * 2000]
        assert bus.compact().kept == 1
        assert len(bus.history()) == 8


def test_of_two_that_are_alike_one_stays() -> None:
    """Two hand-written messages with the same text, of which the older goes: the newer stays on the page."""
    text = b"## [2026-01-01 10:00] user -> roo [INFO]\n\nsame\n\n---\n\n"
    marks = {0: Mark("a1"), 1: Mark("a2")}
    after, left = trimmed(text * 2, Read(Roster(), marks), {"a1"}, 1, "2026-01-01 11:00:00")
    assert [entry.body for entry in parse(after) if entry.kind == MESSAGE] == ["same"]
    assert left == {0: Mark("a2")}


_BLANK = b"\n\n"
_ABOVE = (
    "# top",
    "```\nopen fence",
    "> quote",
    "<!-- open",
    "---\nfront: matter",
    "a → roo: stop",
    "[a] to [roo]",
    "~~~",
)
_above = st.one_of(hand_written, st.sampled_from([text.encode() for text in _ABOVE]))


@settings(max_examples=40)
@given(
    st.lists(_above, max_size=3),
    st.lists(rendered_blocks, min_size=1, max_size=5),
    st.one_of(st.just(b""), hand_written),
    st.integers(0, 31),
)
def test_records_of_tools_need_not_be_read(above: list[bytes], blocks: list[bytes], below: bytes, gone: int) -> None:
    """Whatever people wrote above or below them, a page is cut as by reading every entry of it."""
    records = [seal(block) for block in blocks]
    page = b"".join([*(text + _BLANK for text in above), *records, below])
    going = {ident(record) for number, record in enumerate(records) if gone >> number & 1}
    read = Read(Roster(("a", "roo")), {})
    found = trimmed(page, read, going, 3, "2026-01-01 11:00:00")
    with mock.patch.object(unfinished, "_of_tools", lambda page: (page, b"", [])):
        assert found == trimmed(page, read, going, 3, "2026-01-01 11:00:00")


ROSTER = Roster(["roo", "ann"])
PIECES = (
    b"",  # a tool's
    b"## [2026-01-01 10:00] user -> roo\n\nopen {n}\n\n",
    b"## [2026-01-01 10:00] user -> ann\nno blank line {n}\n",
    b"## [2026-01-01 10:00] user -> roo [INFO]\n\nclosed {n}\n\n---\n\n",
    b"@roo go on {n}\n\n",
    b"[14:32] ann -> roo: a line {n}\n\nand its text\n",
    b"ann -> roo: another {n}\n\n",
    b"ok do it {n}\n",
    b"> quoted {n}\n> more\n\nno\n\n",
    b"\xef\xbb\xbf## [2026-01-01 10:00] user -> roo\n\nmarked {n}\n\n",
    b"### COMPACTED: 3 older messages archived (x)\n\n",
)


def _by_tool(number: int) -> bytes:
    message = Message(f"t{number}", None, "2026-01-12T22:50:00.123Z", "ann", "roo", "ASK", "question", f"{number}?")
    return seal(render(message, "2026-01-12 23:50:00"))


@given(st.lists(st.sampled_from(PIECES), max_size=9), st.lists(st.booleans(), min_size=9, max_size=9), st.booleans())
def test_what_stays_is_read_as_before(pieces: list[bytes], stay: list[bool], marker: bool) -> None:
    """Whatever leaves the page between: no message becomes a part of another, and no person's text of a message."""
    page = b"# A log\n\n" + b"".join(piece.replace(b"{n}", b"%d" % n) or _by_tool(n) for n, piece in enumerate(pieces))
    before = [entry for entry in parse(page, ROSTER) if entry.kind == MESSAGE]
    read = Read(ROSTER, {n: Mark(entry.id or f"m{n}") for n, entry in enumerate(before)})
    gone = {read.marks[n].id for n in range(len(before)) if not stay[n]}
    after = trimmed(page, read, gone, 1, "x")[0] if marker else without(page, read, gone)
    there = [entry for entry in parse(after, ROSTER) if entry.kind == MESSAGE]
    left = [entry for n, entry in enumerate(before) if stay[n]]
    assert [(one.sender, one.to, one.body) for one in there] == [(one.sender, one.to, one.body) for one in left]
    loose = [entry.raw.strip() for entry in parse(page, ROSTER) if entry.kind == PREAMBLE]
    kept = b"\n".join(entry.raw for entry in parse(after, ROSTER) if entry.kind == PREAMBLE)
    assert all(text in kept for text in loose)


def test_what_is_no_message_of_ours_stays(project: Path) -> None:
    """Front matter, a preamble, loose text and a copy that somebody pasted stay where they are."""
    with Bus.open(project) as bus:
        for n in range(6):
            bus.send("roo", f"m{n}", sender="claude-code")
        log = bus.config.log
        blocks = [entry.raw for entry in parse(log.read_bytes()) if entry.kind == MESSAGE]
        log.write_bytes(b"# Our notes\n\n" + log.read_bytes() + blocks[0])
        bus.history()
        bus.compact(2)
        text = log.read_bytes()
        assert text.startswith(b"# Our notes\n\n")
        assert live(bus) == ["m4", "m5", "m0"]
        bus.compact(2)
        assert log.read_bytes() == text


@pytest.mark.parametrize("moment", ["before the look", "before the swap", "after the swap"])
def test_a_line_appended_during_a_compaction(project: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """Whenever in a compaction somebody appends a message by hand, it is delivered, and stays in the log."""
    with Bus.open(project) as bus:
        for n in range(6):
            bus.send("roo", f"m{n}", sender="claude-code")
        bus.read("roo")
        text = "## [2026-01-01 10:00:00] user -> roo [INFO]\n\nby hand\n\n---\n\n"
        done: list[int] = []

        def append() -> None:
            if not done:
                done.append(1)
                with bus.config.log.open("a") as file:
                    file.write(text)

        def watched(path: Path, before: bytes, after: bytes, *, sync: bool = False) -> bool:
            if moment == "before the swap":
                append()
            worked = swap(path, before, after, sync=sync)
            if moment == "after the swap":
                append()
            return worked

        real = compact._agreed

        def agreed(log: Log, base: Base, tail: bytes) -> bytes | None:
            if moment == "before the look":
                append()
            return real(log, base, tail)

        monkeypatch.setattr(compact, "swap", watched)
        monkeypatch.setattr(compact, "_agreed", agreed)
        bus.compact(2)
        assert [message.body for message in bus.read("roo")] == ["by hand"]
        assert live(bus) == ["m4", "m5", "by hand"]
        assert bus.read("roo") == []


def test_a_whole_save_into_the_replaced_file(project: Path) -> None:
    """An editor that saves all of its text into the replaced file is as good as one that saves later."""
    path = project / "file"
    path.write_bytes(b"old")
    writer = path.open("r+b", buffering=0)

    def save() -> None:
        with writer:
            writer.truncate(0)
            writer.write(b"saved")

    thread = threading.Timer(0.05, save)
    thread.start()
    assert swap(path, b"old", b"new")
    thread.join()
    assert path.read_bytes() == b"saved"


@settings(max_examples=40)
@given(
    st.lists(bodies(), min_size=2, max_size=12),
    st.integers(0, 12),
    hand_written,
    st.integers(0, 3),
    st.sampled_from([1, 600, ledger.SEGMENT_BYTES]),
)
def test_nothing_is_lost(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], keep: int, extra: bytes, before: int, segment: int
) -> None:
    """Whatever the texts are, and whatever somebody wrote behind them: the same messages, by the same numbers."""
    with Bus.open(tmp_path_factory.mktemp("any")) as bus, mock.patch.object(ledger, "SEGMENT_BYTES", segment):
        for number, text in enumerate(texts):
            bus.send("roo", text, sender="claude-code")
            if number == before:
                bus.compact(1)
        with bus.config.log.open("ab") as file:
            file.write(b"\n" + extra)
        said = bus.history()
        done = bus.compact(keep)
        assert [message._replace(file="") for message in bus.history()] == [m._replace(file="") for m in said]
        assert bus.status().live == done.kept == min(keep, done.kept + done.archived)
        assert bus.missing() == []
        before_the_last = len(texts) - 1  # what was written behind the last may belong to it
        assert [message.body for message in said][:before_the_last] == texts[:before_the_last]
        held = bus.history()
        assert bus.rebuild() == len(held)
        assert bus.history() == held


def test_a_compaction_that_was_killed_is_finished(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between its record and the page: the next command takes the others off the page, and says nothing."""

    def killed(*_: object) -> bool:
        raise KeyboardInterrupt

    with Bus.open(project) as bus:
        for n in range(9):
            bus.send("roo", f"m{n}", sender="claude-code")
        before = bus.history()
        with monkeypatch.context() as patch:
            patch.setattr(compact, "swap", killed)
            with pytest.raises(KeyboardInterrupt):
                bus.compact(3)
        assert len(live(bus)) == 9
    with Bus.open(project) as bus:
        assert [message._replace(file="") for message in bus.history()] == [m._replace(file="") for m in before]
        assert live(bus) == ["m6", "m7", "m8"]
        assert bus.config.log.read_text(encoding="utf-8").count("### COMPACTED: 6 older messages") == 1
        assert (bus.status().live, bus.status().archived, bus.notices) == (3, 6, [])


def test_a_killed_compaction_of_a_page_that_somebody_edits(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a person did to the page meanwhile counts, of what stays and of what goes."""

    def killed(*_: object) -> bool:
        raise KeyboardInterrupt

    with Bus.open(project) as bus:
        for n in range(9):
            bus.send("roo", f"message {n}", sender="claude-code")
        bus.read("roo")
        with monkeypatch.context() as patch:
            patch.setattr(compact, "swap", killed)
            with pytest.raises(KeyboardInterrupt):
                bus.compact(3)
    text = bus.config.log.read_text(encoding="utf-8")
    text = text.replace("message 1\n", "message one\n").replace("message 7\n", "message seven\n")
    bus.config.log.write_text(f"# Mine\n\n{text}", encoding="utf-8")
    with Bus.open(project) as bus:
        assert [m.body for m in bus.history()] == [
            f"message {'one' if n == 1 else 'seven' if n == 7 else n}" for n in range(9)
        ]
        assert live(bus) == ["message 6", "message seven", "message 8"]
        assert bus.config.log.read_text(encoding="utf-8").startswith("# Mine\n\n")
        assert bus.read("roo") == []
        assert bus.notices == []


def test_what_repairs_is_not_imported_to_compact(tmp_path: Path) -> None:
    """A command that sends, and compacts, imports while it has the lock: everybody waits for that."""
    (tmp_path / ".claude").mkdir()
    settings = 'agents = ["master", "roo"]\n[compact]\nmessages = 2\nkeep = 1\n'
    (tmp_path / ".claude" / "intercom.toml").write_text(settings, encoding="utf-8")
    code = (
        "import sys; from intercom import Bus\n"
        f"with Bus.open({str(tmp_path)!r}) as bus:\n"
        "    for n in range(3): bus.send('roo', f'm{n}', sender='master')\n"
        "print(*(name for name in sys.modules if name.startswith(('intercom.repair.', 'intercom.bus.purge'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not done.stdout.split()
    with Bus.open(tmp_path) as bus:
        assert len(live(bus)) == 1
