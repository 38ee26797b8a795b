"""Compaction: nothing is dropped, the live log stays short, what others write meanwhile stays."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intercom import Bus, compact
from intercom.format import MESSAGE, marker, parse, render, rendered
from intercom.swap import swap
from tests.strategies import bodies, front_matter, hand_written, messages


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


def test_of_two_that_are_alike_one_stays() -> None:
    """Two hand-written messages with the same text, of which the older is archived: the newer stays in the live log."""
    text = b"## [2026-01-01 10:00:00] user -> roo [INFO]\n\nsame\n\n---\n\n"
    moved = rendered(parse(text)[0], "a1", "hand", "2026-01-01T10:00:00Z")
    after = compact._without(text * 2, moved, compact.spans(moved), {"a1"}, "2026-01-01 11:00:00")
    assert [entry.body for entry in parse(after) if entry.kind == MESSAGE] == ["same"]


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

        def watched(path: Path, before: bytes, after: bytes, draft: Path | None = None) -> bool:
            if moment == "before the swap":
                append()
            worked = swap(path, before, after, draft)
            if moment == "after the swap":
                append()
            return worked

        real = compact._last_words

        def last_words(known: bytes, going: list[compact.Span]) -> list[compact.Span]:
            if moment == "before the look":
                append()
            return real(known, going)

        monkeypatch.setattr(compact, "swap", watched)
        monkeypatch.setattr(compact, "_last_words", last_words)
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


# -- the way that parses nothing, and the way that parses everything -----------------------------------

STAMP = "2026-01-12 23:50:00"
between = st.just(b"") | st.just(b"") | hand_written | st.just(marker(3, STAMP)) | st.just(b"```\n")


@st.composite
def trimmed(draw: st.DrawFn) -> tuple[bytes, bytes, int]:
    """A journal, a live log much like it, and how many of the journal's messages are to go."""
    sent = draw(st.lists(messages(), min_size=1, max_size=5))
    blocks = [render(one._replace(id=f"m{n}", via="tool"), STAMP) for n, one in enumerate(sent)]
    known, going = b"".join(blocks), draw(st.integers(1, len(blocks)))
    how = draw(
        st.sampled_from(("as it is", "as it is", "as it is", "something between", "otherwise ordered", "edited"))
    )
    if how == "something between":
        blocks.insert(draw(st.integers(0, len(blocks))), draw(between))
    elif how == "otherwise ordered":
        blocks = draw(st.permutations([*blocks, draw(st.sampled_from(blocks))]))
    elif how == "edited":
        place = draw(st.integers(0, len(blocks) - 1))
        blocks[place] = draw(
            st.sampled_from((b"", blocks[place].rstrip(b"\n-"), blocks[place].replace(b"id=", b"id=x")))
        )
    top = draw(front_matter | st.just(b"# Log\n\nA word to people.\n\n") | between)
    return known, top + b"".join(blocks) + draw(between), going


TAKEN: Counter[bool] = Counter()


@settings(max_examples=100)  # whatever the profile: both ways are to be met often enough
@given(trimmed())
def without_both_ways(case: tuple[bytes, bytes, int]) -> None:
    """Where the quick way is taken, it leaves what the slow one leaves, byte for byte."""
    known, live_log, count = case
    going = compact.spans(known)[:count]
    moved = {span.name for span in going}
    taken = compact._verbatim(live_log, compact._run(known, going), moved) is not None
    TAKEN[taken] += 1
    quick = compact._without(live_log, known, going, moved, STAMP)
    with mock.patch.object(compact, "_verbatim", return_value=None):
        assert compact._without(live_log, known, going, moved, STAMP) == quick
    names = [entry.id for entry in parse(quick) if entry.kind == MESSAGE]
    assert not moved & set(names)


def test_the_quick_way_leaves_what_the_slow_way_leaves() -> None:
    """Whatever stands in the live log; and it is the usual way."""
    TAKEN.clear()
    without_both_ways()
    assert TAKEN[True] > 10
    assert TAKEN[False] > 10


@settings(max_examples=10)
@given(st.lists(bodies(), min_size=2, max_size=12), st.integers(0, 12), hand_written, st.integers(0, 3))
def test_a_compaction_both_ways(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], keep: int, extra: bytes, before: int
) -> None:
    """Over a real bus: the same live log, the same segments, the same messages."""
    root = tmp_path_factory.mktemp("both")
    with Bus.open(root) as bus:
        for number, text in enumerate(texts):
            bus.send("roo", text, sender="claude-code")
            if number == before:
                bus.compact(1)
        with bus.config.log.open("ab") as file:
            file.write(b"\n" + extra)
        bus.history()
    found = []
    for way in ("quick", "slow"):
        copy = root.with_name(f"{root.name}-{way}")
        shutil.copytree(root, copy)
        how = {"wraps": compact._verbatim} if way == "quick" else {"return_value": None}
        with Bus.open(copy) as bus, mock.patch.object(compact, "_verbatim", **how):
            with mock.patch.object(compact, "local_stamp", return_value=STAMP):
                bus.compact(keep)
            files = {path.relative_to(copy): path.read_bytes() for path in copy.rglob("*.md")}
            found.append((files, [message._replace(seq=None) for message in bus.history()]))
            assert bus.rebuild() == len(found[-1][1])
    assert found[0] == found[1]
    before_the_last = len(texts) - 1  # what was written behind the last may belong to it
    assert [message.body for message in found[0][1]][:before_the_last] == texts[:before_the_last]
