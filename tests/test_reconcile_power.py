"""What a power cut leaves of a log, or may have left of it: it may be old, short, or full of holes; one story each."""

from __future__ import annotations

import pytest

from intercom.repair.rules import Found, Header
from intercom.repair.rules.torn import beginning, holed, trimmed
from tests.reconcile_kit import (
    CHANGED,
    GREW,
    INTACT,
    OVERWRITTEN,
    REPAIR,
    STALE_SAVE,
    TRUNCATED,
    Scenario,
    play,
    seen,
    world,
)

ONE_TWO = "a 10:00:01 roo: The build is green\nb 10:00:02 roo: Which branch is it?"
OLD = "a 10:00:01 roo: The build is green"
NEW = "\nb 10:00:02 roo: Which branch is it?"

DOUBTFUL = {
    "as it should be": Scenario(ONE_TWO, ONE_TWO, "unchanged a, unchanged b", INTACT),
    # Nothing in it deletes anything.
    "an old message is missing": Scenario(ONE_TWO, NEW, "unchanged b", REPAIR, STALE_SAVE, lost="a"),
    "the newest is missing once more": Scenario(
        OLD + "\nb+ 10:00:02 roo: Two", OLD, "unchanged a", REPAIR, STALE_SAVE, lost="b", quiet=True
    ),
    "only an announcement is missing": Scenario(
        OLD + "\ns! 10:00:02 system: One was put back", OLD, "unchanged a", REPAIR, STALE_SAVE, quiet=True, lost="s"
    ),
    "what was never seen in it is missing": Scenario(
        OLD + "\nb~ 10:00:02 roo: Two", OLD, "unchanged a", GREW, owed="b"
    ),
    # Nor does it undo anything.
    "what was deleted is there": Scenario(
        NEW,
        ONE_TWO,
        "dropped a, unchanged b",
        REPAIR,
        STALE_SAVE,
        quiet=True,
        past="a:deleted 10:00:01 roo: The build is green",
    ),
    "what was deleted is there twice, without its id": Scenario(
        NEW,
        "- {DATE} user: ok\n- {DATE} user: ok" + NEW,
        "dropped a, added, unchanged b",
        REPAIR,
        STALE_SAVE,
        quiet=True,
        past="a:deleted {DATE} user: ok",
    ),
    "what was deleted is there twice, to the second": Scenario(
        NEW,
        "- 10:00:01 roo: The build is green\n- 10:00:01 roo: The build is green" + NEW,
        "dropped a, dropped a, unchanged b",
        REPAIR,
        STALE_SAVE,
        quiet=True,
        past="z 10:00:01 roo: The build is green\na:deleted 10:00:01 roo: The build is green",
    ),
    "the beginning of what was deleted is there": Scenario(
        NEW,
        "a 10:00:01 roo: The build" + NEW,
        "dropped a, unchanged b",
        REPAIR,
        STALE_SAVE,
        quiet=True,
        past="a:deleted 10:00:01 roo: The build is green",
    ),
    "what was archived is there": Scenario(
        NEW, ONE_TWO, "archived a, unchanged b", INTACT, past="a 10:00:01 roo: The build is green"
    ),
    "the beginning of what was archived is there": Scenario(
        NEW,
        "a 10:00:01 roo: The build" + NEW,
        "dropped a, unchanged b",
        REPAIR,
        STALE_SAVE,
        quiet=True,
        past="a 10:00:01 roo: The build is green",
    ),
    # A rest of a text is no text.
    "the beginning of a text, in the middle of the file": Scenario(
        ONE_TWO, "a 10:00:01 roo: The build" + NEW, "cut a, unchanged b", REPAIR, TRUNCATED
    ),
    "the beginning of a hand-written text": Scenario(
        "a:h 10:00:01 user: The build is green" + NEW,
        "- 10:00:01 user: The" + NEW,
        "cut a, unchanged b",
        REPAIR,
        TRUNCATED,
    ),
    "the beginning of a hand-written text without a time": Scenario(
        "a:h {DATE} user: The build is green" + NEW, "- {DATE} user: Th" + NEW, "cut a, unchanged b", REPAIR, TRUNCATED
    ),
    "a hand-written text with the beginning of the next header": Scenario(
        "a:h 10:00:01 user: Stop", "- 10:00:01 user: Stop\\n\\n## [20…", "cut a", REPAIR, TRUNCATED
    ),
    "the beginning of a text beside the whole": Scenario(
        ONE_TWO,
        ONE_TWO + "\na 10:00:01 roo: The",
        "unchanged a, unchanged b, dropped a",
        REPAIR,
        STALE_SAVE,
        quiet=True,
    ),
    "the beginning of a text beside the whole, without its id": Scenario(
        ONE_TWO,
        ONE_TWO + "\n- 10:00:01 roo: The",
        "unchanged a, unchanged b, dropped a",
        REPAIR,
        STALE_SAVE,
        quiet=True,
    ),
    "a header with nothing behind it": Scenario(
        ONE_TWO, OLD + "\n- 10:00:02 roo: …", "unchanged a, cut b", REPAIR, TRUNCATED
    ),
    "holes in a text": Scenario(
        ONE_TWO, "a 10:00:01 roo: The \\0\\0\\0 green" + NEW, "cut a, unchanged b", REPAIR, TRUNCATED
    ),
    "a hole from one text into another": Scenario(
        ONE_TWO, "a 10:00:01 roo: The buil\\0\\0\\0\\0nch is it?", "cut a", REPAIR, TRUNCATED, lost="b"
    ),
    "a hole from a meta line into the text": Scenario(
        ONE_TWO, OLD + "\n- 10:00:02 roo: <!-- intercom id=b\\0\\0 is it?", "unchanged a, cut b", REPAIR, TRUNCATED
    ),
    "a hole in a copy without an id": Scenario(
        ONE_TWO,
        ONE_TWO + "\n- 10:00:01 roo: The\\0\\0\\0een",
        "unchanged a, unchanged b, dropped a",
        REPAIR,
        STALE_SAVE,
        quiet=True,
    ),
    "a header, and a hole where the text was": Scenario(
        OLD, OLD + "\n- 10:07:00 user: \\0\\0\\0", "unchanged a, dropped", REPAIR, STALE_SAVE, quiet=True
    ),
    # What a person may have written there is taken in as ever.
    "a message was added": Scenario(OLD, OLD + "\n- 10:07:00 user: Stop", "unchanged a, added", GREW),
    "a message was added, and it has a hole": Scenario(
        OLD, OLD + "\n- 10:07:00 user: Stop\\0at once", "unchanged a, added", GREW
    ),
    "a typo was fixed": Scenario(
        "a 10:00:01 roo: The biuld is green", "a 10:00:01 roo: The build is green", "edited a", CHANGED
    ),
    "a message was typed over one that had been deleted": Scenario(
        NEW,
        "a 10:00:01 roo: Where are the keys?" + NEW,
        "added, unchanged b",
        GREW,
        past="a:deleted 10:00:01 roo: The build is green",
    ),
    "it was overwritten": Scenario(
        "\n".join(f"m{n} 10:00:0{n} roo: Number {n}" for n in range(5)),
        "- 10:07:00 user: Report",
        "added",
        REPAIR,
        OVERWRITTEN,
        lost="m0 m1 m2 m3 m4",
    ),
}

PLAIN = {
    "holes in a text": Scenario(
        ONE_TWO, "a 10:00:01 roo: The \\0\\0\\0 green" + NEW, "cut a, unchanged b", REPAIR, TRUNCATED
    ),
    "holes in a hand-written text": Scenario(
        "a:h 10:00:01 user: The build is green" + NEW,
        "- 10:00:01 user: \\0\\0\\0ild is\\0green" + NEW,
        "cut a, unchanged b",
        REPAIR,
        TRUNCATED,
    ),
    "nothing but holes": Scenario(ONE_TWO, "a 10:00:01 roo: \\0\\0\\0" + NEW, "cut a, unchanged b", REPAIR, TRUNCATED),
    "a hole at the end of the file": Scenario(
        ONE_TWO, OLD + "\nb 10:00:02 roo: Which br\\0\\0\\0\\0…", "unchanged a, cut b", REPAIR, TRUNCATED
    ),
    "a hole in one of two copies": Scenario(
        OLD, OLD + "\na 10:00:01 roo: The \\0\\0\\0 green", "unchanged a, dropped a", REPAIR, STALE_SAVE, quiet=True
    ),
    "a text with a NUL that everybody knows": Scenario(
        "a 10:00:01 roo: Zero is \\0 here", "a 10:00:01 roo: Zero is \\0 here", "unchanged a", INTACT
    ),
    "a hole in the meta line": Scenario(
        ONE_TWO,
        "- 10:00:01 roo: <!-- intercom id=a at=2\\0\\0\\0uild is green" + NEW,
        "cut a, unchanged b",
        REPAIR,
        TRUNCATED,
    ),
    "a hole in the meta line of one of two copies": Scenario(
        OLD,
        OLD + "\n- 10:00:01 roo: <!-- intercom id=a at=2\\0\\0\\0uild is green",
        "unchanged a, dropped a",
        REPAIR,
        STALE_SAVE,
        quiet=True,
    ),
    "a hole in the meta line of what was archived": Scenario(
        NEW,
        "- 10:00:01 roo: <!-- intercom id=a at=2\\0\\0\\0uild is green" + NEW,
        "dropped, unchanged b",
        REPAIR,
        STALE_SAVE,
        quiet=True,
        past="a 10:00:01 roo: The build is green",
    ),
    "somebody writes a NUL": Scenario("a 10:00:01 roo: Go on", "a 10:00:01 roo: Go on\\0please", "edited a", CHANGED),
    "a person shortens a text": Scenario(ONE_TWO, "a 10:00:01 roo: The build" + NEW, "edited a, unchanged b", CHANGED),
    "a person writes under a heading, at the end": Scenario(
        "a:h 10:00:01 user: Stop", "- 10:00:01 user: Stop\\n\\n## At once…", "edited a", CHANGED
    ),
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_a_page_that_is_doubtful(name: str) -> None:
    """The story ends as told, and once the outcome is applied there is nothing more to do."""
    play(DOUBTFUL[name]._replace(doubtful=True))


@pytest.mark.parametrize("name", PLAIN)
def test_a_page_with_holes(name: str) -> None:
    """As much as the page shows by itself, whether or not anybody knows of a power cut."""
    play(PLAIN[name])


def test_an_older_text_is_back() -> None:
    """In a doubtful page it is no undo: the present text goes back. In any other it is one, and counts."""
    now = world("a 10:00:01 roo: Two", "a 10:00:01 roo: One")
    now = now._replace(known=[now.known[0]._replace(versions=frozenset({now.found[0].digest}))])
    assert [entry.verdict for entry in now.reconcile().entries] == ["edited"]
    assert [entry.verdict for entry in now._replace(doubtful=True).reconcile().entries] == ["cut"]


@pytest.mark.parametrize("missing", ["", "\nb 10:00:02 roo: Which branch is it?"])
def test_the_beginning_of_an_older_text_is_back(missing: str) -> None:
    """Of a page as it was before an edit, the last page of the disk is missing: nobody's text either."""
    now = world("a 10:00:01 roo: Two" + missing, "a 10:00:01 roo: One and…" + missing)
    now = now._replace(former=("One and a half",))
    assert next(entry.verdict for entry in now.reconcile().entries) == "edited"
    assert next(entry.verdict for entry in now._replace(doubtful=True).reconcile().entries) == "cut"


@pytest.mark.parametrize("missing", [True, False])
def test_a_hole_from_a_header_into_the_text(missing: bool) -> None:
    """Stamp and sender are there, the rest of the header is not, and the text begins somewhere."""
    now = world(OLD, "" if missing else OLD)
    header = Header("10:00:01", "roo", "mas-rest-of-the-text", "INFO")
    entry = seen(Found(7, None, "", header, "is green"))._replace(holed=True)
    outcome = now._replace(found=[*now.found, entry], doubtful=True).reconcile()
    assert [decision.verdict for decision in outcome.entries] == (["cut"] if missing else ["unchanged", "dropped"])
    assert (outcome.lost, outcome.deleted) == ((), ())
    other = entry._replace(header=header._replace(stamp="10:07:00"))
    assert now._replace(found=[other], doubtful=True).reconcile().entries[0].verdict == "added"


def test_what_is_a_beginning() -> None:
    """Less than the whole, but for the white space at its end; a character may be torn, too."""
    assert beginning("Go on", "Go")
    assert beginning("Go on", "")
    assert beginning("Grüße", "Gr\udcc3")
    assert not beginning("Go on", "Go on\n")
    assert not beginning("Go on", "Go off")


def test_what_is_a_text_with_holes() -> None:
    """The pieces stand in the text in this order, the first at its beginning."""
    for found in (
        "The \0\0 green",
        "\0\0build\0",
        "The build is gr\0\0\n",
        "\0",
        "The b\0s\0n",
        "The\udcc3\0\udcbcgreen",
    ):
        assert holed("The build is green", found), found
    for found in ("build\0\0", "The \0green\0build", "The \0 greener", "Oh\0"):
        assert not holed("The build is green", found), found


@pytest.mark.parametrize(
    "end", ["\n\n-", "\n\n--\n", "\n\n---\n\n#", "\n\n---\n\n## [2026-01", "\n## [2026-01-12 10:00:00] ro"]
)
def test_what_hangs_at_the_end_of_a_text(end: str) -> None:
    """A piece of its closing rule, or of the header behind it; a heading of a person's is no such piece."""
    assert trimmed("Go on" + end) == "Go on"
    assert trimmed(end.lstrip("\n")) == ""
    for text in ("Go on", "Go on -", "Go on\n\n## Heading", "Go on\n\n---", "", "a" * 1000):
        assert trimmed(text) == text


@pytest.mark.parametrize("piece", ["#", "## ", "## [", "## [2026-01", "## [2026-01-12 10:00:0"])
def test_a_header_begun_below_a_tools_message_is_no_edit_of_it(piece: str) -> None:
    """Somebody is writing there; a tool's words stay the tool's. What has words is no mere beginning."""
    play(Scenario(OLD, OLD + rf"\n\n---\n\n{piece}…", "unchanged a", INTACT))
    play(Scenario(OLD, OLD + r"\n\n---\n\n## [TODO] The tests…", "edited a", CHANGED))
