"""Reconciling where two things happened at once: what a long random search found, one story each."""

from __future__ import annotations

import pytest

from tests.reconcile_kit import CHANGED, INTACT, REPAIR, TRUNCATED, World, applied, world


def verdicts(now: World) -> list[str]:
    """What is said of each entry, with the message's id where it has one."""
    return [f"{entry.verdict} {entry.id or ''}".strip() for entry in now.reconcile().entries]


def settled(now: World) -> None:
    """Once the outcome has been applied there is nothing more to do."""
    again = applied(now, now.reconcile()).reconcile()
    assert (again.deleted, again.lost) == ((), ())
    assert again.judgement in {INTACT, CHANGED}


def standing(now: World, order: str) -> World:
    """The same with what is known in this order of the file; it arrived in the order it was written down in."""
    by_id = {one.id: one for one in now.known}
    return now._replace(known=[by_id[name] for name in order.split()])


STORIES = {
    "two texts of a message that nobody had seen, on the two sides of a conflict": (
        "",
        "-:1 10:00:01 roo: The branch is topic\n-:2 10:00:01 roo: The branch is topic-2\n-:2 10:00:05 roo: Bye",
        "added, duplicate, added",
    ),
    "two messages of one second on one side of a conflict": (
        "",
        "-:1 10:00:01 roo: The branch is topic\n-:1 10:00:01 roo: The tests are green",
        "added, added",
    ),
    "two messages of one second on one side of a conflict, one of them on the other, too": (
        "",
        "-:1 10:00:01 roo: build 41 ok\n-:2 10:00:01 roo: build 41 ok\n-:2 10:00:01 roo: build 42 ok",
        "added, duplicate, added",
    ),
    "two messages of one second on one side of a conflict, one of them known": (
        "a:h 10:00:01 roo: build 41 ok",
        "-:1 10:00:01 roo: build 41 ok\n-:2 10:00:01 roo: build 41 ok\n-:2 10:00:01 roo: build 42 ok",
        "unchanged a, duplicate a, added",
    ),
    "three messages of one second in a conflict": (
        "a:h 10:00:01 roo: build 41 ok",
        "-:1 10:00:01 roo: build 41 ok\n-:2 10:00:01 roo: build 42 ok\n-:2 10:00:01 roo: build 43 ok",
        "unchanged a, added, added",
    ),
    "one side of a conflict was cut off in the middle": (
        "a 10:00:01 roo: The build is green, go on\nb 10:00:02 roo: Good",
        "a:1 10:00:01 roo: The build is gr…\na:2 10:00:01 roo: The build is green, go on\nb 10:00:02 roo: Good",
        "duplicate a, unchanged a, unchanged b",
    ),
    "a pasted block does not stand for one that was deleted in the same second": (
        "a 10:00:01 roo: Yes\nb 10:00:01 roo: No",
        "- 10:00:01 roo: Yes\n- 10:00:01 roo: Yes",
        "unchanged a, duplicate a",
    ),
    "a pasted block without its id beside an edited one of the same second": (
        "a 10:00:01 roo: One\nb 10:00:01 roo: Two",
        "- 10:00:01 roo: One\n- 10:00:01 roo: One\n- 10:00:01 roo: Two, better",
        "unchanged a, duplicate a, edited b",
    ),
    "a pasted block with its id does not stand for another of its second": (
        "a 10:00:01 roo: One\nb 10:00:01 roo: Two",
        "a 10:00:01 roo: One\na 10:00:01 roo: Quite another thing it is",
        "unchanged a, added",
    ),
    "cut off behind a copy, within the next header": (
        "a 10:00:01 roo: One\nb 10:00:01 roo: Two",
        "a 10:00:01 roo: One\na 10:00:01 roo: One\\n\\n---\\n\\n## [2…",
        "unchanged a, duplicate a",
    ),
    "cut off behind a copy without an id": (
        "a:h 10:00:01 user: One\nb 10:00:07 roo: Two",
        "- 10:00:01 user: One\n- 10:00:01 user: One\\n\\n## [2…",
        "unchanged a, duplicate a",
    ),
    "cut off behind a copy of what nobody had seen": (
        "",
        "- 10:00:01 user: One\n- 10:00:01 user: One\\n\\n## [2…",
        "added, duplicate",
    ),
    "edited and cut off before a heading of its own": (
        "a:h 10:00:01 user: One\\n\\n---\\n\\n## Then the rest of it, which is long",
        "- 10:00:01 user: One, better\\n\\n---\\n\\n#…",
        "edited a",
    ),
    "a text that goes on is no copy": (
        "a:h 10:00:01 user: One",
        "- 10:00:01 user: One\n- 10:00:01 user: One and a half…",
        "unchanged a, added",
    ),
    "of two that are alike the likest is the one that was edited": (
        "a 10:00:01 roo: Part one of the work is done\nb 10:00:01 roo: Part two of the work is done",
        "- 10:00:01 roo: Part two of the work is done now",
        "edited b",
    ),
    "of two long ones that are alike the likest is the one that was edited": (
        "a 10:00:01 roo: the sentence about (1), what follows\nb 10:00:01 roo: the sentence about (2), what follows",
        "- 10:00:01 roo: the sentence about (2) fixed, what follows",
        "edited b",
    ),
    "cut off in a meta line, and merged": (
        "a~ 10:00:01 roo: One\nb~ 10:00:01 roo: Two",
        "-:1 10:00:01 roo: <!-- intercom id…\nb:2 10:00:01 roo: Two",
        "cut a, unchanged b",
    ),
    "cut off in a meta line before its id": (
        "b 10:00:01 roo: Two\na 10:00:01 roo: One",
        "a 10:00:01 roo: One\n- 10:00:01 roo: <!-- in…",
        "moved a, cut b",
    ),
    "cut off in a meta line: its id says which": (
        "abc 10:00:01 roo: One\nabd 10:00:01 roo: Two\nabe 10:00:01 roo: Three",
        "abc 10:00:01 roo: One\n- 10:00:01 roo: <!-- intercom id=abe at=20…",
        "unchanged abc, cut abe",
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_story(name: str) -> None:
    """Each entry is what the story says."""
    known, found, says = STORIES[name]
    now = world(known, found)
    assert verdicts(now) == says.split(", ")
    settled(now)


def test_an_older_text_of_an_archived_message() -> None:
    """A former text, back from a copy of the log, is a copy; one that nobody had seen is a message, if it has no id."""
    now = world(
        "b 10:00:02 roo: Two", "- 10:00:01 user: Go on please\nb 10:00:02 roo: Two", "a:archived 10:00:01 user: Go on"
    )
    assert verdicts(now) == ["added", "unchanged b"]
    assert verdicts(now._replace(older=((now.found[0].digest, "a"),))) == ["archived a", "unchanged b"]
    now = world("", "a 10:00:01 user: Go on please", "a:archived 10:00:01 user: Go on")
    assert verdicts(now) == ["archived a"]
    assert now.reconcile().entries[0].version


def test_an_archived_message_on_both_sides_of_a_conflict() -> None:
    """One header and one id on two sides: two texts of one message, however unlike."""
    now = world("", "a:1 10:00:01 roo: No, not at all\na:2 10:00:01 roo: One", "a:archived 10:00:01 roo: One")
    assert verdicts(now) == ["archived a", "archived a"]


@pytest.mark.parametrize("name", ["a", "-"])
def test_cut_off_behind_a_copy_of_an_archived_message(name: str) -> None:
    """The piece of the next header makes the copy no message of its own, and no other text of the old one."""
    found = f"b 10:00:02 roo: Two\n{name} 10:00:01 roo: One\\n\\n---\\n\\n## [2026-1…"
    now = world("b 10:00:02 roo: Two", found, "a:archived 10:00:01 roo: One")
    assert verdicts(now) == ["unchanged b", "archived a"]
    assert not now.reconcile().entries[1].version


@pytest.mark.parametrize("end", ["-", "---\\n\\n## [2026-1"])
def test_cut_off_behind_a_copy_where_one_of_its_second_is_missing(end: str) -> None:
    """The torn copy of an archived message is not the missing message, edited."""
    found = f"b 10:00:02 roo: Two\n- 10:00:01 roo: One\\n\\n{end}…"
    now = world("b 10:00:02 roo: Two\nc 10:00:01 roo: Quite another", found, "a:archived 10:00:01 roo: One")
    now = now._replace(past=[now.past[0]._replace(copies=1)])
    assert verdicts(now) == ["unchanged b", "archived a"]
    assert now.reconcile().lost == ("c",)


def test_cut_off_behind_a_copy_that_is_like_a_missing_message() -> None:
    """The torn copy of an archived message is not the missing one, however alike the two are."""
    found = "b 10:00:02 roo: Two\n- 10:00:01 roo: The sentence about (1), and so on\\n\\n-…"
    known = "b 10:00:02 roo: Two\nc 10:00:01 roo: The sentence about (2), and so on"
    now = world(known, found, "a:archived 10:00:01 roo: The sentence about (1), and so on")
    now = now._replace(past=[now.past[0]._replace(copies=1)])
    assert verdicts(now) == ["unchanged b", "archived a"]


def test_a_copy_of_an_archived_message_is_edited() -> None:
    """Where it was known to be one (a conflict had two, and one was compacted) the text is the message's, once."""
    now = world("b 10:00:01 roo: Two", "- 10:00:01 roo: One fixed\nb 10:00:01 roo: Two", "a:archived 10:00:01 roo: One")
    assert verdicts(now) == ["added", "unchanged b"]
    copied = now._replace(past=[now.past[0]._replace(copies=1)])
    assert verdicts(copied) == ["archived a", "unchanged b"]
    assert copied.reconcile().entries[0].version
    settled(copied)
    both = world("", "- 10:00:01 roo: One\n- 10:00:01 roo: One more", "a:archived 10:00:01 roo: One")
    assert verdicts(both._replace(past=copied.past)) == ["archived a", "added"]


def test_a_copy_of_an_archived_message_is_edited_beyond_likeness() -> None:
    """Its id and header are there, and the copy that was is not; beside that copy it would be a new message."""
    now = world("b 10:00:02 roo: Two", "a 10:00:01 roo: No, not at all", "a:archived 10:00:01 roo: One")
    assert verdicts(now) == ["archived a"]
    now = now._replace(past=[now.past[0]._replace(copies=1)])
    assert verdicts(now) == ["archived a"]
    both = world("", "a 10:00:01 roo: One\na 10:00:01 roo: No, not at all", "a:archived 10:00:01 roo: One")
    assert verdicts(both._replace(past=now.past)) == ["archived a", "added"]


@pytest.mark.parametrize(
    ("past", "found"),
    [
        ("a:archived 10:00 user: Go on", "- 10:00 user: Go on please"),  # no time to the second
        ("a:archived 10:00:01 user: Go on", "- 10:00:01 user: Go on please"),  # however alike
        ("a:archived 10:00 user: Go on", "a 10:00 user: Go on please"),  # the id on a header that may be a pattern's
        ("a:archived 10:00:01 user: Go on", "- 10:00:01 user: Where are the keys?"),  # not alike
    ],
)
def test_a_header_that_is_no_name(past: str, found: str) -> None:
    """Rather one message too many than one lost."""
    assert verdicts(world("", found, past)) == ["added"]


def test_a_deleted_message_is_back_with_another_text() -> None:
    """A person undoes a deletion and edits at once: its id says which; without one it is a new message."""
    now = world("", "a 10:00:01 user: Go on please", "a:deleted 10:00:01 user: Go on")
    assert verdicts(now) == ["returned a"]
    now = world("", "- 10:00:01 user: Go on please", "a:deleted 10:00:01 user: Go on")
    assert verdicts(now) == ["added"]


def test_cut_off_where_the_newest_does_not_stand_last() -> None:
    """Somebody had moved the newest message to the top; then the end was cut off: nothing of it was deleted."""
    now = standing(world("a 10:00:01 roo: A\nb 10:00:02 roo: B\nc 10:00:03 roo: C", "c 10:00:03 roo: C"), "c a b")
    outcome = now.reconcile()
    assert (outcome.deleted, outcome.lost) == ((), ("a", "b"))
    settled(now)


def test_moved_and_cut_off_at_once() -> None:
    """The newest was moved up, and before anybody looked the end was cut off."""
    now = world(
        "a 10:00:01 roo: A\nb 10:00:02 roo: B\nc 10:00:03 roo: C\nd 10:00:04 roo: D",
        "c 10:00:03 roo: C\na 10:00:01 roo: A",
    )
    assert now.reconcile().lost == ("b", "d")


def test_a_deletion_among_others_that_were_moved_is_honoured() -> None:
    """What was deleted before the last message that is still in its place is not put back."""
    now = standing(
        world("a 10:00:01 roo: A\nb 10:00:02 roo: B\nc 10:00:03 roo: C", "c 10:00:03 roo: C\nb 10:00:02 roo: B"),
        "c a b",
    )
    outcome = now.reconcile()
    assert (outcome.deleted, outcome.lost) == (("a",), ())


def test_a_cut_undoes_deletions() -> None:
    """Where a message is torn there was an accident: what is missing before it is put back as well."""
    now = world(
        "a 10:00:01 roo: One\nb 10:00:02 roo: Two\nc 10:00:03 roo: Three blind mice",
        "a 10:00:01 roo: One\nc 10:00:03 roo: Three bl…",
    )
    outcome = now.reconcile()
    assert verdicts(now) == ["unchanged a", "cut c"]
    assert (outcome.judgement, outcome.kind, outcome.deleted, outcome.lost) == (REPAIR, TRUNCATED, (), ("b",))


@pytest.mark.parametrize("via", ["tool", "hand"])
def test_edited_and_cut_off_after_a_repair(via: str) -> None:
    """The rest was put back once before, but a lost closing rule says that nobody meant to delete it.

    What people wrote gets such a rule when a repair puts it back, and with it the id.
    """
    now = world("a+ 10:00:01 roo: One and only\nb+ 10:00:02 roo: Two of them", "a 10:00:01 roo: One and only bett…")
    now = now._replace(known=[one._replace(via=via) for one in now.known])
    outcome = now.reconcile()
    assert verdicts(now) == ["edited a"]
    assert (outcome.deleted, outcome.lost) == ((), ("b",))
