"""People edit another machine's log, too, and a sync tool brings it: what was delivered here does not come again.

There is no journal of ours beside such a log. What an entry without an id is, only its header and text tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from intercom import Bus
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
    for path in bus.config.private.glob("index.db*"):
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
