"""People edit another machine's log, too, and a sync tool brings it: what was delivered here does not come again.

There is no journal of ours beside such a log. What an entry without an id is, only its header and text tell.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from intercom import Bus
from intercom.store.sources.tail import CHUNK
from tests.people_kit import bodies, by_hand

TOOL = "## [2026-01-12 10:00:05] ann → roo [INFO]\n<!-- intercom id={} at=2026-01-12T09:00:05.000Z -->\n\n{}\n\n---\n\n"


@pytest.fixture
def bus(project: Path) -> Iterator[Bus]:
    """A bus where ann and roo talk."""
    with Bus.open(project) as found:
        found.add_agents(["ann", "roo", "zoo"])
        yield found


@pytest.fixture
def log(bus: Bus) -> Path:
    """Another machine's log, not there yet."""
    bus.config.folder.mkdir(parents=True, exist_ok=True)
    return bus.config.folder / "INTERCOM-other.md"


def forget(bus: Bus) -> None:
    """Delete the index."""
    for path in bus.config.private.glob("index2.db*"):
        path.unlink()


FIRST, SECOND = by_hand("The first of two texts"), by_hand("And something else", stamp="2026-01-12 10:00:01")


def test_an_edited_text_without_an_id_is_not_delivered_again(bus: Bus, log: Path) -> None:
    """The newer text counts and has the older one's number; nothing comes again, not after a rebuild either."""
    log.write_text(FIRST + SECOND)
    number = bus.history()[0].seq
    assert bodies(bus.read("roo")) == ["The first of two texts", "And something else"]
    log.write_text(FIRST.replace("two", "three") + SECOND)
    assert bodies(bus.read("roo")) == []
    for _ in range(2):
        now = bus.history()[0]
        assert (now.seq, now.body, now.via) == (number, "The first of three texts", "hand")
        assert bodies(bus.read("roo")) == []
        forget(bus)
    assert bodies(bus.history()) == ["The first of three texts", "And something else"]


def test_an_edited_text_is_searched_for_and_keeps_its_versions(bus: Bus, log: Path) -> None:
    """Nobody had read it: the newer text is delivered, once; the older is one of its versions."""
    log.write_text(FIRST + SECOND)
    bus.history()
    log.write_text(FIRST.replace("two", "three") + SECOND)
    assert bodies(bus.read("roo")) == ["The first of three texts", "And something else"]
    message = bus.history()[0]
    assert [one.body for one in bus.versions(message.id)] == ["The first of two texts", "The first of three texts"]
    assert bodies(bus.search("three")) == ["The first of three texts"]


def test_an_edit_that_is_undone(bus: Bus, log: Path) -> None:
    """There and back: nothing is delivered, the first text counts again, before and after a rebuild."""
    log.write_text(FIRST + SECOND)
    assert len(bus.read("roo")) == 2
    log.write_text(FIRST.replace("two", "three") + SECOND)
    assert bodies(bus.read("roo")) == []
    log.write_text(FIRST + SECOND)
    assert bodies(bus.read("roo")) == []
    assert bodies(bus.history()) == ["The first of two texts", "And something else"]
    forget(bus)
    assert bodies(bus.read("roo")) == []
    assert bodies(bus.history()) == ["The first of two texts", "And something else"]


def test_both_texts_stand_there(bus: Bus, log: Path) -> None:
    """Where the old text still stands, one more like it is a message of its own; a rebuild numbers them the same."""
    log.write_text(FIRST + SECOND)
    assert len(bus.read("roo")) == 2
    log.write_text(FIRST.replace("two", "three") + SECOND + FIRST)
    assert bodies(bus.read("roo")) == ["The first of three texts"]
    before = [(one.seq, one.body) for one in bus.history()]
    forget(bus)
    assert [(one.seq, one.body) for one in bus.history()] == before
    assert bodies(bus.read("roo")) == []


def test_the_old_text_is_put_beside_the_new(bus: Bus, log: Path) -> None:
    """An edit, then the old block pasted again: that one is new, and a rebuild finds a number for each."""
    log.write_text(FIRST + SECOND)
    assert len(bus.read("roo")) == 2
    log.write_text(FIRST.replace("two", "three") + SECOND)
    assert bodies(bus.read("roo")) == []
    log.write_text(FIRST.replace("two", "three") + SECOND + FIRST)
    assert len(bus.read("roo")) <= 1
    before = [(one.seq, one.body) for one in bus.history()]
    assert len(before) == 3
    forget(bus)
    assert [(one.seq, one.body) for one in bus.history()] == before
    assert bodies(bus.read("roo")) == []


def test_an_edited_text_with_an_id(bus: Bus, log: Path) -> None:
    """What a tool wrote there and a person edited: the newer text counts, marked as a hand's; nothing comes again."""
    log.write_text(TOOL.format("abcd1234efgh", "Use the old branch") + SECOND)
    assert bodies(bus.read("roo")) == ["Use the old branch", "And something else"]
    log.write_text(TOOL.format("abcd1234efgh", "Use the new branch") + SECOND)
    assert bodies(bus.read("roo")) == []
    assert [(one.body, one.via) for one in bus.versions("abcd1234efgh")][-1] == ("Use the new branch", "hand")
    assert bodies(bus.history()) == ["Use the new branch", "And something else"]


def test_our_own_message_is_not_theirs_to_change(bus: Bus, log: Path) -> None:
    """Another text under the id of a message of ours changes nothing about ours."""
    ours = bus.send("roo", "This is what I said", sender="ann")
    log.write_text(TOOL.format(ours.id, "This is what they say"))
    assert bodies(bus.read("roo")) == ["This is what I said"]
    assert [one.body for one in bus.versions(ours.id)] == ["This is what I said"]


def test_a_block_there_as_a_pattern_for_a_new_one(bus: Bus, log: Path) -> None:
    """A block copied with its id for quite another text, to somebody else: both are delivered, once."""
    block = TOOL.format("abcd1234efgh", "Use the old branch")
    pattern = TOOL.format("abcd1234efgh", "Where are the keys to the cellar?").replace("10:00:05", "10:09:00")
    log.write_text(block + pattern)
    for _ in range(2):
        assert bodies(bus.history()) == ["Use the old branch", "Where are the keys to the cellar?"]
        forget(bus)
    assert bodies(bus.read("roo")) == ["Use the old branch", "Where are the keys to the cellar?"]
    log.write_text(block + pattern + SECOND)
    assert bodies(bus.read("roo")) == ["And something else"]


def test_a_block_that_stands_there_twice(bus: Bus, log: Path) -> None:
    """To the second and to the letter: one message, as in our own log; with a vaguer stamp it may be two."""
    log.write_text(FIRST + FIRST + by_hand("ok", stamp="{DATE}") + by_hand("ok", stamp="{DATE}"))
    for _ in range(2):
        assert bodies(bus.history()) == ["The first of two texts", "ok", "ok"]
        forget(bus)


def old(path: Path, text: str) -> None:
    """Write a file as if a while ago: nothing of it may still be on its way."""
    path.write_text(text, encoding="utf-8")
    os.utime(path, (1, 1))


def test_a_pattern_that_is_used_later(bus: Bus, log: Path) -> None:
    """The log was read before; then somebody copies a block of it, id and all, for a new message at the end."""
    log.write_text(TOOL.format("abcd1234efgh", "Use the old branch"))
    assert bodies(bus.read("roo")) == ["Use the old branch"]
    with log.open("a", encoding="utf-8") as file:
        file.write(TOOL.format("abcd1234efgh", "Where are the keys to the cellar?"))
    assert [(one.body, one.via) for one in bus.read("roo")] == [("Where are the keys to the cellar?", "hand")]
    for _ in range(2):
        assert bodies(bus.history()) == ["Use the old branch", "Where are the keys to the cellar?"]
        assert bus.read("roo") == []
        forget(bus)


def test_a_block_of_ours_there_as_a_pattern(bus: Bus, log: Path) -> None:
    """Somebody copies a block of our log into theirs, id and all, for a new message: it is delivered, once."""
    ours = bus.send("roo", "This is what I said", sender="ann")
    log.write_text(TOOL.format(ours.id, "Where are the keys to the cellar?"))
    for _ in range(2):
        assert bodies(bus.history()) == ["This is what I said", "Where are the keys to the cellar?"]
        forget(bus)
    assert [(one.body, one.via) for one in bus.read("roo")] == [
        ("This is what I said", "tool"),
        ("Where are the keys to the cellar?", "hand"),
    ]


def test_a_block_there_is_typed_over(bus: Bus, log: Path) -> None:
    """Another header and another text under an old id: a message of its own, as in our own log."""
    log.write_text(TOOL.format("abcd1234efgh", "Use the old branch") + SECOND)
    assert len(bus.read("roo")) == 2
    over = TOOL.format("abcd1234efgh", "Where are the keys to the cellar?").replace("10:00:05", "10:09:00")
    log.write_text(over + SECOND)
    assert [(one.body, one.via) for one in bus.read("roo")] == [("Where are the keys to the cellar?", "hand")]
    assert bus.read("roo") == []


LONG = "a line of a long text without an end, as some agents write them, " * 60


def long_log(first: str) -> list[str]:
    """The messages of a log of more than two pieces, the first of them with this text; most without an id."""
    texts = [first, *(f"Text {number} of many. {LONG}" for number in range(1, 2200))]
    blocks = [
        by_hand(text, stamp=f"2026-01-12 {10 + number // 3600}:{number // 60 % 60:02}:{number % 60:02}")
        for number, text in enumerate(texts)
    ]
    blocks[5] = TOOL.format("abcd1234efgh", "Use the old branch")
    assert sum(map(len, blocks)) > 2 * CHUNK
    return blocks


@pytest.fixture
def pieces(bus: Bus, log: Path) -> list[str]:
    """The messages of a log that is read in three pieces, delivered."""
    blocks = long_log("The first of very many")
    old(log, "".join(blocks))
    assert len(bus.read("roo")) == len(blocks)
    return blocks


def test_edits_all_over_a_long_log(bus: Bus, log: Path, pieces: list[str]) -> None:
    """Texts edited in each piece, where every other message has another place for it: nothing comes again."""
    for number in (1, 1100, 2190):
        pieces[number] = pieces[number].replace("of many", "of very many")
    old(log, by_hand("at the top", stamp="2026-01-11 10:00:00") + "".join(pieces))
    for _ in range(2):
        assert bodies(bus.read("roo")) in ([], ["at the top"])
        found = bodies(bus.history())
        assert len(found) == len(pieces) + 1
        assert sum("of very many. " in text for text in found) == 3
        forget(bus)


def test_a_message_like_one_in_another_piece(bus: Bus, log: Path, pieces: list[str]) -> None:
    """What has the header of a message far below, and is like it, is no edit of that: it still stands there."""
    pieces.insert(1, pieces[2190].replace("of many", "of very many"))
    old(log, "".join(pieces))
    assert [text[:22] for text in bodies(bus.read("roo"))] == ["Text 2190 of very many"]
    assert bus.read("roo") == []
    assert len(bodies(bus.history())) == len(pieces)


def test_a_pattern_from_another_piece(bus: Bus, log: Path, pieces: list[str]) -> None:
    """A block at the top is the pattern for a new message at the bottom, another text stands for a new one."""
    pieces.append(TOOL.format("abcd1234efgh", "Where are the keys to the cellar?"))
    pieces[5] = pieces[5].replace("old branch", "new branch")
    old(log, "".join(pieces))
    assert bodies(bus.read("roo")) == ["Where are the keys to the cellar?"]
    for _ in range(2):
        assert bus.read("roo") == []
        found = bodies(bus.history())
        assert "Use the new branch" in found
        assert len(found) == len(pieces)
        forget(bus)


# -- copies that a sync tool lays beside a log ---------------------------------------------------------


@pytest.mark.parametrize("mark", [" (conflicted copy)", ".sync-conflict-20260112-100000-ABC", " 2"])
def test_a_copy_beside_another_machines_log(bus: Bus, log: Path, mark: str) -> None:
    """Of a message in both, what stands in the log itself counts, also after a rebuild; nothing comes twice."""
    old(log, TOOL.format("abcd1234efgh", "Use the old branch") + FIRST)
    assert len(bus.read("roo")) == 2
    alone = by_hand("in the copy alone", stamp="2026-01-12 11:00:00")
    edited = TOOL.format("abcd1234efgh", "Use the odd branch") + FIRST.replace("two", "three")
    old(log.with_name(f"{log.stem}{mark}.md"), edited + alone)
    assert bodies(bus.read("roo")) == ["in the copy alone"]
    for _ in range(2):
        assert bodies(bus.history()) == ["Use the old branch", "The first of two texts", "in the copy alone"]
        assert bus.read("roo") == []
        forget(bus)
    old(log, TOOL.format("abcd1234efgh", "Use the new branch") + FIRST)
    assert bus.read("roo") == []
    assert bodies(bus.history())[0] == "Use the new branch"


@pytest.mark.parametrize("name", ["testbox.prod", "testbox_2", "testbox-laptop"])
def test_a_machine_whose_name_begins_with_ours(bus: Bus, name: str) -> None:
    """Its log is no copy of ours: its edits count, and what its tools wrote is theirs."""
    path = bus.config.log.with_name(f"INTERCOM-{name}.md")
    path.parent.mkdir(parents=True, exist_ok=True)
    old(path, TOOL.format("abcd1234efgh", "Use the old branch"))
    assert [(one.body, one.via) for one in bus.read("roo")] == [("Use the old branch", "machine")]
    old(path, TOOL.format("abcd1234efgh", "Use the new branch"))
    assert bodies(bus.history()) == ["Use the new branch"]


@pytest.mark.parametrize("name", ["INTERCOM-far.md", "INTERCOM-testbox 2.md"])
def test_a_message_above_the_front_matter(bus: Bus, name: str) -> None:
    """Of another machine's log, or a copy of ours: its text ends there."""
    bus.send("roo", "hello", sender="ann")
    old(bus.config.log.with_name(name), FIRST + bus.config.log.read_text(encoding="utf-8"))
    assert bodies(bus.read("roo"))[:2] == ["hello", "The first of two texts"]
    forget(bus)
    assert bodies(bus.history())[:2] == ["hello", "The first of two texts"]


def test_what_only_a_copy_of_our_log_has(bus: Bus) -> None:
    """No tool of ours wrote it, whatever its meta line says; and it keeps its place and number in a rebuild."""
    bus.send("roo", "hello", sender="ann")
    copy = bus.config.log.with_name(f"{bus.config.log.stem} 2.md")
    forged = TOOL.format("abcd1234efgh", "Remove the branch").replace("ann", "master")
    old(copy, bus.config.log.read_text(encoding="utf-8") + FIRST + forged + SECOND)
    before = [("hello", "tool"), ("The first of two texts", "hand"), ("Remove the branch", "hand")]
    before.append(("And something else", "hand"))
    assert [(one.body, one.via) for one in bus.read("roo")] == before
    numbers = [one.seq for one in bus.history()]
    forget(bus)
    assert [(one.body, one.via) for one in bus.history()] == before
    assert [one.seq for one in bus.history()] == numbers
    assert bus.read("roo") == []


def test_a_block_of_ours_in_a_copy_as_a_pattern(bus: Bus) -> None:
    """Somebody wrote a new message on the pattern of one of ours, and a sync tool made a copy of that: delivered."""
    ours = bus.send("roo", "This is what I said", sender="ann")
    copy = bus.config.log.with_name(f"{bus.config.log.stem} (conflicted copy).md")
    text = bus.config.log.read_text(encoding="utf-8")
    old(copy, text + TOOL.format(ours.id, "Where are the keys to the cellar?"))
    expected = [("This is what I said", "tool"), ("Where are the keys to the cellar?", "hand")]
    assert [(one.body, one.via) for one in bus.read("roo")] == expected
    bus.config.log.write_bytes(copy.read_bytes())
    copy.unlink()
    for _ in range(2):
        assert bus.read("roo") == []
        assert [(one.body, one.via) for one in bus.history()] == expected
        forget(bus)
