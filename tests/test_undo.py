"""What people take back, move about or put together again, as a user sees it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from intercom import Bus
from intercom.core.message import epoch, local_stamp
from tests.conftest import Command
from tests.people_kit import append, bodies, by_hand
from tests.processes import until


@pytest.fixture
def bus(project: Path) -> Iterator[Bus]:
    """A bus where ann and roo talk."""
    with Bus.open(project) as found:
        found.add_agents(["ann", "roo"])
        yield found


def save(bus: Bus, data: bytes) -> None:
    """Save the log, a while ago as far as anybody can tell."""
    bus.config.log.parent.mkdir(parents=True, exist_ok=True)
    bus.config.log.write_bytes(data)
    os.utime(bus.config.log, (time.time() - 60,) * 2)


def blocks(bus: Bus) -> list[bytes]:
    """The log in pieces, each beginning with a header; the first is what stands above."""
    parts = bus.config.log.read_bytes().split(b"## [20")
    return parts[:1] + [b"## [20" + part for part in parts[1:]]


def test_an_edit_that_is_undone(bus: Bus, command: Command) -> None:
    """There and back: the first text counts again, the other is in the history, nobody is shown anything."""
    sent = bus.send("roo", "Use the branch topic", sender="ann")
    before = bus.config.log.read_bytes()
    assert bodies(bus.read("roo")) == ["Use the branch topic"]
    save(bus, before.replace(b"topic", b"main, please"))
    assert bodies(bus.read("roo")) == []
    assert bodies(bus.history()) == ["Use the branch main, please"]
    save(bus, before)
    assert bodies(bus.read("roo")) == []
    for _ in range(2):
        texts = [one.body for one in bus.versions(sent.id)]
        assert texts == ["Use the branch main, please", "Use the branch topic"]
        assert bodies(bus.history()) == ["Use the branch topic"]
        bus.rebuild()
    assert bodies(bus.read("roo")) == []
    shown = command("history", sent.id).stdout
    assert shown.index("main, please") < shown.index("branch topic")
    bus.compact(0)
    bus.rebuild()
    assert bodies(bus.history()) == ["Use the branch topic"]
    assert bodies(bus.search("topic")) == ["Use the branch topic"]


def test_an_undo_of_what_nobody_had_read(bus: Bus) -> None:
    """Who reads only then gets the first text, once."""
    bus.send("roo", "Use the branch topic", sender="ann")
    before = bus.config.log.read_bytes()
    for text in (before.replace(b"topic", b"main"), before, before.replace(b"topic", b"main"), before):
        save(bus, text)
        bus.history()
    assert bodies(bus.read("roo")) == ["Use the branch topic"]


def test_cut_off_after_the_newest_was_moved_up(bus: Bus) -> None:
    """The order in which the file has them is remembered: what stood below is put back, though it came before."""
    for text in ("one", "two", "three"):
        bus.send("roo", text, sender="ann")
    top, *rest = blocks(bus)
    save(bus, b"".join([top, rest[2], rest[0], rest[1]]))
    assert len(bus.history()) == 3
    save(bus, b"".join([top, rest[2], rest[0]]))
    assert sorted(bodies(bus.read("roo"))) == ["one", "three", "two"]
    assert bus.missing() == []
    assert "two" in bus.config.log.read_text(encoding="utf-8")


def test_cut_off_within_the_newest_that_was_moved_up(bus: Bus) -> None:
    """A torn end that once was whole is no writer's that died in the middle: the rest is put back, too."""
    for text in ("one", "two", "three"):
        bus.send("roo", text, sender="ann")
    bus.history()
    top, *rest = blocks(bus)
    save(bus, b"".join([top, rest[0], rest[2][:-30]]))
    assert sorted(bodies(bus.read("roo"))) == ["one", "three", "two"]
    assert bus.missing() == []


def test_cut_off_within_the_first_header_after_a_compaction(bus: Bus) -> None:
    """What was put back once is put back again where half a line shows that nobody deleted it."""
    for text in ("one", "two"):
        bus.send("roo", text, sender="ann")
    bus.history()
    save(bus, b"")
    assert len(bus.read("roo")) == 2
    top, one, two, said = blocks(bus)
    save(bus, b"".join([top, said, one, two]))
    bus.compact(2)
    data = bus.config.log.read_bytes()
    save(bus, data[: data.rindex(b"\n## [20") + 2])
    bus.history()
    assert bus.missing() == []
    assert "two" in bus.config.log.read_text(encoding="utf-8")


def test_a_conflict_is_taken_apart_line_by_line(bus: Bus) -> None:
    """Somebody deletes one of git's lines and saves; what then hangs on a text as its last line makes it no other."""
    one, two = by_hand("The first"), by_hand("The second", stamp="2026-01-12 10:00:01")
    save(bus, f"{one}<<<<<<< HEAD\n{one}=======\n{two}>>>>>>> theirs\n".encode())
    assert bodies(bus.read("roo")) == ["The first", "The second"]
    save(bus, f"{one}<<<<<<< HEAD\n{one}=======\n{two}".encode())
    assert bodies(bus.read("roo")) == []
    save(bus, f"{one}{one}=======\n{two}".encode())
    assert bodies(bus.read("roo")) == []
    save(bus, f"{one}{two}".encode())
    assert bodies(bus.read("roo")) == []
    assert bodies(bus.history()) == ["The first", "The second"]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_both_sides_of_a_conflict_nobody_had_seen(bus: Bus, mark: str) -> None:
    """Two texts of a new message: the first counts and is delivered, the other is in its history."""
    one = by_hand("The branch is topic")
    save(bus, f"{mark}<<<<<<< HEAD\n{one}=======\n{one.replace('topic', 'main')}>>>>>>> theirs\n".encode())
    assert bodies(bus.read("roo")) == ["The branch is topic"]
    [message] = bus.history()
    assert [m.body for m in bus.versions(message.id)] == ["The branch is main", "The branch is topic"]
    bus.rebuild()
    assert [m.body for m in bus.versions(message.id)] == ["The branch is main", "The branch is topic"]


def test_a_header_pasted_over_another_message(bus: Bus) -> None:
    """A block that has a live message's header and id over quite another text is a message of its own."""
    first = bus.send("roo", "Which branch do I use?", sender="ann")
    second = bus.send("roo", "The tests are green", sender="ann")
    assert len(bus.read("roo")) == 2
    top, one, two = blocks(bus)
    pasted = one.replace(b"Which branch do I use?", b"Lunch is at noon in the yard")
    save(bus, b"".join([top, one, two, pasted]))
    [new] = bus.read("roo")
    assert (new.body, new.via) == ("Lunch is at noon in the yard", "hand")
    assert new.id not in {first.id, second.id}
    assert [m.body for m in bus.versions(first.id)] == ["Which branch do I use?"]
    bus.rebuild()
    assert [m.id for m in bus.history()] == [first.id, second.id, new.id]
    assert bus.read("roo") == []


def test_a_meta_line_pasted_into_another_message(bus: Bus) -> None:
    """Only the id is another's: header and text say which message it is, and nothing comes again."""
    first = bus.send("roo", "Which branch do I use?", sender="ann")
    second = bus.send("ann", "The one called topic", sender="roo")
    assert (len(bus.read("roo")), len(bus.read("ann"))) == (1, 1)
    data = bus.config.log.read_bytes()
    save(bus, data.replace(f"id={second.id}".encode(), f"id={first.id}".encode()))
    assert (bus.read("roo"), bus.read("ann")) == ([], [])
    assert [(m.id, m.body) for m in bus.history()] == [
        (first.id, "Which branch do I use?"),
        (second.id, "The one called topic"),
    ]
    save(bus, data.replace(f"id={second.id}".encode(), f"id={first.id}".encode()).replace(b"topic", b"topic-2"))
    assert (bus.read("roo"), bus.read("ann")) == ([], [])
    assert bodies(bus.history()) == ["Which branch do I use?", "The one called topic-2"]


def test_a_header_pasted_over_a_message_that_goes(bus: Bus) -> None:
    """The other's header stands in the place of a message's own, above its text: nothing that was said is lost."""
    first = bus.send("roo", "Which branch do I use?", sender="ann")
    second = bus.send("ann", "The tests are green", sender="roo")
    until(lambda: local_stamp(time.time()) > local_stamp(epoch(second.at)))  # so the headers differ
    bus.send("roo", "Bye", sender="ann")
    assert len(bus.read("roo")) == 2
    top, one, _, three = blocks(bus)
    save(bus, b"".join([top, one, one.replace(b"Which branch do I use?", b"The tests are green"), three]))
    assert bodies(bus.read("roo")) == ["The tests are green"]
    if local_stamp(epoch(first.at)) == local_stamp(epoch(second.at)):
        assert bus.missing() == []  # it stands there, under the other's header
        assert {m.body for m in bus.versions(second.id)} == {"The tests are green"}
    else:  # of different times they are different messages: one was deleted, the other is new
        assert [m.id for m in bus.missing()] == [second.id]
    assert [m.body for m in bus.versions(first.id)] == ["Which branch do I use?"]


def test_what_only_a_copy_had_stays_in_a_log_that_is_made_anew(bus: Bus) -> None:
    """A message known from a sync tool's copy, then from a save over the log: it is in the mended log, not missing."""
    bus.send("roo", "one", sender="ann")
    old = bus.config.log.read_bytes() + by_hand("only in the copy").encode()
    bus.config.log.with_name(f"{bus.config.log.stem}.sync-conflict-20260112.md").write_bytes(old)
    assert "only in the copy" in bodies(bus.read("roo"))
    bus.compact(0)
    bus.send("roo", "two", sender="ann")
    bus.history()
    save(bus, old)
    assert bodies(bus.read("roo")) == ["two"]
    assert "only in the copy" in bus.config.log.read_text(encoding="utf-8")
    assert bus.missing() == []


def test_a_copy_holds_a_message_twice(bus: Bus) -> None:
    """A sync tool's copy of our log in which a block was pasted twice, and our log empty: it is delivered once."""
    copy = bus.config.log.with_name(f"{bus.config.log.stem}.sync-conflict-20260112.md")
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text(by_hand("once") * 2, encoding="utf-8")
    assert bodies(bus.read("roo")) == ["once"]
    append(bus.config.log, by_hand("once"))
    assert bodies(bus.read("roo")) == []


@pytest.mark.parametrize("known", [False, True])
def test_cut_off_behind_a_copy(bus: Bus, known: bool) -> None:
    """A block pasted twice, and the file cut off in the header behind it: the piece makes the copy no other message."""
    one = by_hand("once")
    if known:
        save(bus, one.encode())
        bus.history()
    save(bus, f"{one}{one}## [2".encode())
    assert bodies(bus.read("roo")) == ["once"]
    assert bodies(bus.history()) == ["once"]


def test_a_message_is_edited_and_its_block_pasted_again(bus: Bus) -> None:
    """The new text counts, which stands there twice, as somebody says it twice; a copy of the log brings no third."""
    save(bus, by_hand("one").encode())
    bus.history()
    save(bus, by_hand("one, corrected").encode() * 2)
    copy = bus.config.log.with_name(f"{bus.config.log.stem}.sync-conflict-20260112.md")
    copy.write_bytes(bus.config.log.read_bytes())
    assert bodies(bus.read("roo")) == ["one, corrected"] * 2
    assert bodies(bus.history()) == ["one, corrected"] * 2
    assert bus.read("roo") == []


def test_a_short_message_is_corrected_and_moved(bus: Bus) -> None:
    """Between two looks it got more words and another place: its header to the second says which one it is."""
    save(
        bus, (by_hand("on it", stamp="2026-01-12 10:00:01") + by_hand("and this", stamp="2026-01-12 10:00:02")).encode()
    )
    assert len(bus.read("roo")) == 2
    said = bus.history()
    moved = by_hand("and this", stamp="2026-01-12 10:00:02") + by_hand("on it until noon", stamp="2026-01-12 10:00:01")
    save(bus, (by_hand("new", stamp="2026-01-12 10:00:03") + moved).encode())
    assert bodies(bus.read("roo")) == ["new"]
    assert [message.body for message in bus.versions(said[0].id)] == ["on it", "on it until noon"]


def test_a_copy_holds_whole_what_was_cut_off_in_the_log(bus: Bus) -> None:
    """Before anybody looked: a short text of which only the beginning is left beside a whole copy comes once."""
    whole = by_hand("first\n\n---\n\nand a second part", stamp="2026-01-12 10:00:01")
    save(bus, whole[: whole.index("---") + 2].encode())
    copy = bus.config.log.with_name(f"{bus.config.log.stem}.sync-conflict-20260112.md")
    copy.write_text(whole, encoding="utf-8")
    assert [text.split()[0] for text in bodies(bus.read("roo"))] == ["first"]
    assert bus.read("roo") == []


@pytest.mark.parametrize("kind", ["a tool's", "by hand", "archived", "the last", "the only one"])
def test_a_message_that_is_deleted_by_name(bus: Bus, kind: str) -> None:
    """Whoever wrote it and whoever read it: it is off the page and reaches nobody, until it is restored."""
    bus.send("roo", "one", sender="ann")
    if kind == "by hand":
        append(bus.config.log, by_hand("in question", sender="ann"))
        ident = bus.history()[-1].id
    else:
        ident = bus.send("roo", "in question", sender="ann").id
    if kind == "the only one":
        bus.delete(bus.history()[0].id)
    elif kind != "the last":
        bus.send("roo", "three", sender="ann")
    if kind == "archived":
        bus.compact(1)
    text = bus.config.log.read_bytes()
    bus.delete(ident)
    for _ in range(2):
        assert "in question" not in bodies(bus.history())
        assert b"in question" not in bus.config.log.read_bytes()
        assert bus.delete(ident).id == ident
        bus.rebuild()
    assert [one.sender for one in bus.history() if one.sender == "system"] == []
    with Bus.open(bus.config.root) as again:
        assert "in question" not in bodies(again.read("roo"))
    assert [one.id for one in bus.restore(ident)] == [ident]
    assert bodies(bus.read("roo")) == ["in question"]
    assert len(bus.config.log.read_bytes()) >= len(text)


def test_what_cannot_be_deleted(bus: Bus, command: Command) -> None:
    """A name that no message has, and a message that only another machine may change."""
    assert command("delete", "nosuch").returncode == 1
    other = bus.config.folder / "INTERCOM-laptop.md"
    bus.send("roo", "one", sender="ann")
    other.write_text(by_hand("theirs", sender="ann"))
    (theirs,) = [one for one in bus.history() if one.body == "theirs"]
    refused = command("delete", theirs.id)
    assert (refused.returncode, "nothing was deleted" in refused.stderr) == (1, True)
    assert "theirs" in bodies(bus.history())
    assert command("delete", bus.history()[0].id).stdout.startswith("Deleted ")
