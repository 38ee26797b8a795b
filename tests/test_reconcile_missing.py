"""What is missing from a log: owed, deleted, or lost, and what receipts have to do with it; one story each."""

from __future__ import annotations

import pytest

from tests.reconcile_kit import (
    CHANGED,
    EMPTIED,
    GREW,
    OVERWRITTEN,
    REMOVED,
    REPAIR,
    STALE_SAVE,
    TRUNCATED,
    Scenario,
    applied,
    play,
    world,
)

LOG = """
    a 10:00:01 roo: One
    b? 10:00:02 roo: Two
    c 10:00:03 roo: Three
    d 10:00:04 roo: Four
"""

STORIES = {
    # Owed: it was never seen in the file.
    "never seen in the file since it was appended": Scenario(
        "a~ 10:00:01 roo: One\nb~ 10:00:02 roo: Two", "b 10:00:02 roo: Two", "unchanged b", GREW, owed="a"
    ),
    "owed, and a typo was fixed": Scenario(
        "a 10:00:01 roo: One, and tow\nb~ 10:00:02 roo: Two",
        "a 10:00:01 roo: One, and two",
        "edited a",
        CHANGED,
        owed="b",
    ),
    "owed, and a message was added": Scenario(
        "a~ 10:00:01 roo: One", "- 10:00:09 user: Hello", "added", GREW, owed="a"
    ),
    "owed, and an old message was deleted": Scenario(
        "a 10:00:01 roo: One\nb 10:00:02 roo: Two\nc~ 10:00:03 roo: Three",
        "b 10:00:02 roo: Two",
        "unchanged b",
        CHANGED,
        deleted="a",
        owed="c",
    ),
    "owed, and another was lost": Scenario(
        "a 10:00:01 roo: One\nb 10:00:02 roo: Two\nc~ 10:00:03 roo: Three",
        "a 10:00:01 roo: One",
        "unchanged a",
        REPAIR,
        STALE_SAVE,
        lost="b",
        owed="c",
    ),
    "owed, and its beginning is there, up to a rule in it": Scenario(
        "a~ 10:00:01 roo: One\\n\\n---\\n\\nand a half", "a 10:00:01 roo: One", "cut a", REPAIR, TRUNCATED, quiet=True
    ),
    "many are owed, and one was lost: that is not most of the log": Scenario(
        "a 10:00:01 roo: One\nb 10:00:02 roo: Two\n" + "\n".join(f"c{n}~ 10:00:03 roo: Three {n}" for n in range(5)),
        "a 10:00:01 roo: One",
        "unchanged a",
        REPAIR,
        STALE_SAVE,
        lost="b",
        owed="c0 c1 c2 c3 c4",
    ),
    "what is owed tells nothing about who deleted what": Scenario(
        "a 10:00:01 roo: One\nb 10:00:02 roo: Two\nc~ 10:00:03 roo: Three",
        "a 10:00:01 roo: One\nc 10:00:03 roo: Three",
        "unchanged a, unchanged c",
        REPAIR,
        STALE_SAVE,
        lost="b",
    ),
    "an announcement is owed, too": Scenario(
        "a 10:00:01 roo: One\ns!~ 10:00:02 system: One was put back",
        "a 10:00:01 roo: One",
        "unchanged a",
        GREW,
        owed="s",
    ),
    "all that is known is owed, and the file was removed": Scenario("a~ 10:00:01 roo: One", None, "", GREW, owed="a"),
    "all that is known is owed, and the file was emptied": Scenario("a~ 10:00:01 roo: One", "", "", GREW, owed="a"),
    "one is owed, one was seen, and the file was removed": Scenario(
        "a 10:00:01 roo: One\nb~ 10:00:02 roo: Two", None, "", REPAIR, REMOVED, lost="a", owed="b"
    ),
    "one is owed, one was seen, and the file was emptied": Scenario(
        "a 10:00:01 roo: One\nb~ 10:00:02 roo: Two", "", "", REPAIR, EMPTIED, lost="a", owed="b"
    ),
    # Deleted, though somebody has not received it: only where nothing else is missing.
    "an old message that nobody had read was deleted": Scenario(
        LOG,
        "a 10:00:01 roo: One\nc 10:00:03 roo: Three\nd 10:00:04 roo: Four",
        "unchanged a, unchanged c, unchanged d",
        CHANGED,
        deleted="b",
    ),
    "an old message that nobody had read is missing from a stale save": Scenario(
        LOG,
        "a 10:00:01 roo: One\nc 10:00:03 roo: Three",
        "unchanged a, unchanged c",
        REPAIR,
        STALE_SAVE,
        lost="b d",
    ),
    "an old message that was read is missing from a stale save": Scenario(
        LOG.replace("?", ""),
        "a 10:00:01 roo: One\nc 10:00:03 roo: Three",
        "unchanged a, unchanged c",
        REPAIR,
        STALE_SAVE,
        deleted="b",
        lost="d",
    ),
    # Insisting.
    "what nobody has read went again": Scenario(
        "a 10:00:01 roo: One\nb+? 10:00:02 roo: Two",
        "a 10:00:01 roo: One",
        "unchanged a",
        REPAIR,
        STALE_SAVE,
        lost="b",
        quiet=True,
    ),
    "what was read went again": Scenario(
        "a 10:00:01 roo: One\nb+ 10:00:02 roo: Two", "a 10:00:01 roo: One", "unchanged a", CHANGED, deleted="b"
    ),
    "what was read went again, with what nobody has read": Scenario(
        "a 10:00:01 roo: One\nb+ 10:00:02 roo: Two\nc+? 10:00:03 roo: Three",
        "a 10:00:01 roo: One",
        "unchanged a",
        REPAIR,
        STALE_SAVE,
        lost="b c",
        quiet=True,
    ),
    "what was read went again, with an older one that nobody has read": Scenario(
        "a? 10:00:01 roo: One\nb 10:00:02 roo: Two\nc+ 10:00:03 roo: Three",
        "b 10:00:02 roo: Two",
        "unchanged b",
        REPAIR,
        STALE_SAVE,
        lost="a c",
    ),
    "what was put back and its announcement, which nobody reads, went": Scenario(
        "a 10:00:01 roo: One\nb+ 10:00:02 roo: Two\ns!? 10:00:03 system: One message was put back",
        "a 10:00:01 roo: One",
        "unchanged a",
        CHANGED,
        deleted="b s",
    ),
    "emptied again: that is told again": Scenario("a+? 10:00:01 roo: One", "", "", REPAIR, EMPTIED, lost="a"),
    "overwritten again: that is told again": Scenario(
        "".join(f"{id}+? 10:00:01 roo: {id}\n" for id in "abcd"),
        "- 10:00:09 user: Report",
        "added",
        REPAIR,
        OVERWRITTEN,
        lost="a b c d",
    ),
    "cut off again: that is told again": Scenario(
        "a 10:00:01 roo: One and only\nb+? 10:00:02 roo: Two",
        "a 10:00:01 roo: One an…",
        "cut a",
        REPAIR,
        TRUNCATED,
        lost="b",
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_story(name: str) -> None:
    """The story ends as told, and once the outcome is applied there is nothing more to do."""
    play(STORIES[name])


def test_an_old_copy_is_saved_again_and_again() -> None:
    """An editor saves what it read before a message came, as often as it likes: nobody misses what he has not read."""
    now = world("a 10:00:01 roo: One\nb? 10:00:02 roo: Two", "a 10:00:01 roo: One")
    stale = now.found
    for turn in range(4):
        outcome = now.reconcile()
        assert (outcome.deleted, outcome.lost) == ((), ("b",))
        assert outcome.quiet == (turn > 0)
        now = applied(now, outcome)._replace(found=stale)
    now = now._replace(known=[one._replace(received=True) for one in now.known])
    assert now.reconcile().deleted == ("b",)


def test_what_was_owed_and_put_there_is_newer_than_what_stood_there() -> None:
    """A message was added to a copy that was read before a tool appended: saved again, that copy deletes nothing."""
    now = world("a 10:00:01 roo: One\nb~? 10:00:02 roo: Two", "a 10:00:01 roo: One\n- 10:00:09 user: Three")
    stale, outcome = now.found, now.reconcile()
    assert outcome.owed == ("b",)
    again = applied(now, outcome)._replace(found=stale).reconcile()
    assert (again.deleted, again.lost) == ((), ("b",))


def test_what_was_owed_may_be_there_from_an_older_copy() -> None:
    """It was put there late, but had stood there before: a copy of then deletes nothing that came since."""
    now = world(
        "a 10:00:01 roo: One\nx 10:00:03 roo: Three\no 10:00:02 roo: Two", "a 10:00:01 roo: One\no 10:00:02 roo: Two"
    )
    first, other, owed = now.known
    now = now._replace(known=[first, other._replace(seq=2, arrived=2), owed._replace(seq=1, arrived=3)])
    outcome = now.reconcile()
    assert (outcome.deleted, outcome.lost) == ((), ("x",))
