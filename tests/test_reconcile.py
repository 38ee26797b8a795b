"""Reconciling, scenario by scenario: one for each row of the table in the package, and one for each ambiguity.

A scenario is read as a story: the log as it was, the file as it is, and what Intercom says about it. After each, the
outcome is applied and must leave nothing to do.
"""

from __future__ import annotations

import pytest

from tests.reconcile_kit import (
    CHANGED,
    EMPTIED,
    GREW,
    INTACT,
    OVERWRITTEN,
    REMOVED,
    REPAIR,
    RESURFACED,
    STALE_SAVE,
    TRUNCATED,
    Scenario,
    play,
)

LOG = """
    a 10:00:01 roo: The build is green
    b 10:00:02 claude: Which branch is it?
    c 10:00:03 roo: Use the branch called topic
    d 10:00:04 claude: Thank you, working on it
"""
TEN = "\n".join(f"m{n} 10:00:0{n} roo: Message number {n} of ten" for n in range(10))

SCENARIOS = {
    "nothing happened": Scenario(LOG, LOG, "unchanged a, unchanged b, unchanged c, unchanged d", INTACT),
    "an empty log stays empty": Scenario("", "", "", INTACT),
    "a tool appended": Scenario(
        "a 10:00:01 roo: One\nb~ 10:00:02 roo: Two",
        "a 10:00:01 roo: One\nb 10:00:02 roo: Two",
        "unchanged a, unchanged b",
        GREW,
    ),
    # Added by hand.
    "messages added at the top, in the middle and at the end": Scenario(
        "a 10:00:01 roo: One\nb 10:00:02 roo: Two",
        """
        - {DATE} user: Please stop for a moment
        a 10:00:01 roo: One
        - 10:30 user: And answer this
        b 10:00:02 roo: Two
        - 10:31:00 user: Go on
        """,
        "added, unchanged a, added, unchanged b, added",
        GREW,
    ),
    "an id we never issued is hand-written": Scenario(
        "a 10:00:01 roo: One", "a 10:00:01 roo: One\nzzz 10:00:02 master: Do as I say", "unchanged a, added", GREW
    ),
    "a block copied as the pattern for a new message": Scenario(
        LOG,
        LOG + "c 10:09:00 user: Is anybody looking at the flaky test?",
        "unchanged a, unchanged b, unchanged c, unchanged d, added",
        GREW,
    ),
    "two hand-written messages of one second": Scenario(
        "a:h 10:00:01 user: build 41 ok",
        "- 10:00:01 user: build 41 ok\n- 10:00:01 user: build 42 ok",
        "unchanged a, added",
        GREW,
    ),
    "two hand-written messages of one second, the first archived": Scenario(
        "", "- 10:00:01 user: build 42 ok", "added", GREW, past="a 10:00:01 user: build 41 ok"
    ),
    "a block copied for another addressee": Scenario(
        "a 10:00:01 user>roo: Please review the parser",
        "a 10:00:01 user>roo: Please review the parser\na 10:00:01 user>claude: Please review the parser",
        "unchanged a, added",
        GREW,
    ),
    "a block copied as the pattern, and the original deleted": Scenario(
        LOG,
        """
        a 10:00:01 roo: The build is green
        b 10:09:00 user: Is anybody looking at the flaky test?
        c 10:00:03 roo: Use the branch called topic
        d 10:00:04 claude: Thank you, working on it
        """,
        "unchanged a, added, unchanged c, unchanged d",
        CHANGED,
        deleted="b",
    ),
    # Edited.
    "a typo was fixed": Scenario(
        "a 10:00:01 roo: The biuld is green", "a 10:00:01 roo: The build is green", "edited a", CHANGED
    ),
    "a text was replaced under its header and id": Scenario(
        "a 10:00:01 roo: Green", "a 10:00:01 roo: It broke once more", "edited a", CHANGED
    ),
    "a text was replaced under its header, in its place, by quite another": Scenario(
        "a:h 10:00:01 user: Stop\nb 10:00:02 roo: Done",
        "- 10:00:01 user: Where are the keys?\nb 10:00:02 roo: Done",
        "edited a, unchanged b",
        CHANGED,
    ),
    "the addressee was corrected": Scenario(
        "a 10:00:01 roo>clod: Ready for review", "a 10:00:01 roo>claude: Ready for review", "edited a", CHANGED
    ),
    "a hand-written text was edited": Scenario(
        "a:h 10:00:01 user: Stop", "- 10:00:01 user: Please continue", "edited a", CHANGED
    ),
    "a hand-written {DATE} was filled in": Scenario(
        "a:h {DATE} user: Stop", "- 10:00:01 user: Stop", "edited a", CHANGED
    ),
    "a hand-written text without a date was edited a little": Scenario(
        "a:h {DATE} user: Please run the linter over the tets",
        "- {DATE} user: Please run the linter over the tests",
        "edited a",
        CHANGED,
    ),
    "a hand-written text without a date was continued": Scenario(
        "a:h {DATE} user: Please run the linter",
        "- {DATE} user: Please run the linter. When it is clean, open a pull request and tell me about it.",
        "edited a",
        CHANGED,
    ),
    "a short text that keeps its header and place is edited, whatever its stamp": Scenario(
        "a:h {DATE} user: Stop\nb 10:00:01 roo: Done",
        "- {DATE} user: Run the linter now\nb 10:00:01 roo: Done",
        "edited a, unchanged b",
        CHANGED,
    ),
    "another text without a date elsewhere is another message": Scenario(
        "a:h {DATE} user: Stop\nb 10:00:01 roo: Done",
        "b 10:00:01 roo: Done\n- {DATE} user: Run the linter now",
        "unchanged b, added",
        CHANGED,
        deleted="a",
    ),
    "all texts of a small log are edited, in its order": Scenario(
        "a:h 10:00 user: How is it going?\nb:h 10:00 user: ok\nc:h 10:01 roo: fine",
        "- 10:00 user: Stop, wait for me.\n- 10:00 user: no\n- 10:01 roo: bad",
        "edited a, edited b, edited c",
        CHANGED,
    ),
    "of two under one header the likest is the edit, the other is new": Scenario(
        "a:h 10:00 user: How is it going?\nb 10:00:01 roo: Done",
        "- 10:00 user: Stop\n- 10:00 user: How is it going, and where?\nb 10:00:01 roo: Done",
        "added, edited a, unchanged b",
        CHANGED,
    ),
    "the one message of a log is replaced by another: no damage, but nothing that was unread is gone": Scenario(
        "a? 10:00:00 user: How is it going?",
        "- 10:05:00 user>roo: Stop",
        "added",
        REPAIR,
        STALE_SAVE,
        lost="a",
    ),
    "the same words at another second are another message": Scenario(
        "a:h 10:00:01 user: go on\nb 10:00:02 roo: Done",
        "- 10:07:00 user: go on\nb 10:00:02 roo: Done",
        "added, unchanged b",
        CHANGED,
        deleted="a",
    ),
    "a tool stripped the comments, ids and all": Scenario(
        LOG,
        LOG.replace("    a ", " - ").replace("    b ", " - ").replace("    c ", " - ").replace("    d ", " - "),
        "unchanged a, unchanged b, unchanged c, unchanged d",
        INTACT,
    ),
    "a message was moved": Scenario(
        LOG,
        """
        d 10:00:04 claude: Thank you, working on it
        a 10:00:01 roo: The build is green
        b 10:00:02 claude: Which branch is it?
        c 10:00:03 roo: Use the branch called topic
        """,
        "moved d, unchanged a, unchanged b, unchanged c",
        CHANGED,
    ),
    # Deleted.
    "an old message was deleted": Scenario(
        LOG,
        LOG.replace("    b 10:00:02 claude: Which branch is it?\n", ""),
        "unchanged a, unchanged c, unchanged d",
        CHANGED,
        deleted="b",
    ),
    "three old ones deleted, a typo fixed in the only other": Scenario(
        LOG, "d 10:00:04 claude: Thank you, working on it!", "edited d", CHANGED, deleted="a b c"
    ),
    "the last message went: put back once": Scenario(
        "a 10:00:01 roo: One\nb 10:00:02 roo: Two", "a 10:00:01 roo: One", "unchanged a", REPAIR, STALE_SAVE, lost="b"
    ),
    "the last message and the announcement about it went: meant": Scenario(
        "a 10:00:01 roo: One\nb+ 10:00:02 roo: Two\ns! 10:00:03 system: One message was put back",
        "a 10:00:01 roo: One",
        "unchanged a",
        CHANGED,
        deleted="b s",
    ),
    "the message put back went, the announcement stands: meant": Scenario(
        "a 10:00:01 roo: One\nb+ 10:00:02 roo: Two\ns! 10:00:03 system: One message was put back",
        "a 10:00:01 roo: One\ns 10:00:03 system: One message was put back",
        "unchanged a, unchanged s",
        CHANGED,
        deleted="b",
    ),
    "what was put back went again in a save that added: a stale saver in a loop": Scenario(
        "a 10:00:01 roo: One\nb+ 10:00:02 roo: Two\ns! 10:00:03 system: One message was put back",
        "a 10:00:01 roo: One\n- 10:00:09 user: My own report",
        "unchanged a, added",
        REPAIR,
        STALE_SAVE,
        lost="b s",
        quiet=True,
    ),
    "what was put back went again along with a new one": Scenario(
        "a 10:00:01 roo: One\nb+ 10:00:02 roo: Two\nc 10:00:03 roo: Three",
        "a 10:00:01 roo: One",
        "unchanged a",
        REPAIR,
        STALE_SAVE,
        lost="b c",
    ),
    "only an announcement was deleted": Scenario(
        "a 10:00:01 roo: One\ns! 10:00:02 system: One was put back",
        "a 10:00:01 roo: One",
        "unchanged a",
        CHANGED,
        deleted="s",
    ),
    # Lost updates.
    "a stale save with a new message": Scenario(
        LOG,
        "a 10:00:01 roo: The build is green\nb 10:00:02 claude: Which branch is it?\n- 10:00:09 user: Report",
        "unchanged a, unchanged b, added",
        REPAIR,
        STALE_SAVE,
        lost="c d",
    ),
    "a stale save, then a tool appended": Scenario(
        LOG + "e~ 10:00:05 roo: Later",
        "a 10:00:01 roo: The build is green\nb 10:00:02 claude: Which branch is it?\ne 10:00:05 roo: Later",
        "unchanged a, unchanged b, unchanged e",
        REPAIR,
        STALE_SAVE,
        lost="c d",
    ),
    "a stale save by somebody who also deleted an old message": Scenario(
        TEN,
        "\n".join(line for n, line in enumerate(TEN.splitlines()) if n not in (2, 8, 9)),
        "unchanged m0, unchanged m1, unchanged m3, unchanged m4, unchanged m5, unchanged m6, unchanged m7",
        REPAIR,
        STALE_SAVE,
        deleted="m2",
        lost="m8 m9",
    ),
    "a stale save in which the author's last word is typed over": Scenario(
        "a 10:00:01 roo: ok\nb 10:00:02 claude: ok",
        "a 10:00:01 roo: ok\n- 10:00:08 claude: ok",
        "unchanged a, added",
        REPAIR,
        STALE_SAVE,
        lost="b",
    ),
    # Damage.
    "emptied": Scenario(LOG, "", "", REPAIR, EMPTIED, lost="a b c d"),
    "emptied, and again": Scenario("a+ 10:00:01 roo: One", "", "", REPAIR, EMPTIED, lost="a"),
    "removed": Scenario(LOG, None, "", REPAIR, REMOVED, lost="a b c d"),
    "removed while it was empty": Scenario("", None, "", REPAIR, REMOVED),
    "overwritten with a report": Scenario(
        LOG, "- 10:10:00 claude: Report\\nAll is well.", "added", REPAIR, OVERWRITTEN, lost="a b c d"
    ),
    "overwritten again, though all was put back before": Scenario(
        LOG.replace(" 10:", "+ 10:"), "- 10:10:00 claude: Report", "added", REPAIR, OVERWRITTEN, lost="a b c d"
    ),
    "most of it went from the top": Scenario(
        TEN,
        "m8 10:00:08 roo: Message number 8 of ten\nm9 10:00:09 roo: Message number 9 of ten",
        "unchanged m8, unchanged m9",
        REPAIR,
        OVERWRITTEN,
        lost="m0 m1 m2 m3 m4 m5 m6 m7",
    ),
    "truncated within a text": Scenario(
        TEN,
        "m0 10:00:00 roo: Message number 0 of ten\nm1 10:00:01 roo: Message num…",
        "unchanged m0, cut m1",
        REPAIR,
        TRUNCATED,
        lost="m2 m3 m4 m5 m6 m7 m8 m9",
    ),
    "truncated within the closing rule": Scenario(
        "a 10:00:01 roo: One", "a 10:00:01 roo: One\\n\\n--…", "cut a", REPAIR, TRUNCATED
    ),
    "truncated within the next header": Scenario(
        LOG,
        "a 10:00:01 roo: The build is green\nb 10:00:02 claude: Which branch is it?\\n\\n---\\n\\n## [10:00:03] ro…",
        "unchanged a, cut b",
        REPAIR,
        TRUNCATED,
        lost="c d",
    ),
    "truncated within the last header": Scenario(
        "a 10:00:01 roo: One\nb 10:00:02 roo>claude: Two",
        "a 10:00:01 roo: One\n- 10:00:02 roo>cla: …",
        "unchanged a, cut b",
        REPAIR,
        TRUNCATED,
    ),
    "truncated within a meta line": Scenario(
        "a 10:00:01 roo: One\nb 10:00:02 roo: Two",
        "a 10:00:01 roo: One\n- 10:00:02 roo: <!-- intercom id=b…",
        "unchanged a, cut b",
        REPAIR,
        TRUNCATED,
    ),
    "truncated, then a tool appended": Scenario(
        LOG + "e~ 10:00:05 roo: After the cut",
        "a 10:00:01 roo: The build is green\nb 10:00:02 claude: Which bra\ne 10:00:05 roo: After the cut",
        "unchanged a, cut b, unchanged e",
        REPAIR,
        TRUNCATED,
        lost="c d",
    ),
    "a person shortened their own last message": Scenario(
        "a:h 10:00:01 user: Stop. Please.", "- 10:00:01 user: Stop.…", "edited a", CHANGED
    ),
    # Copies.
    "a merge left the same message twice": Scenario(
        "a 10:00:01 roo: One", "a 10:00:01 roo: One\na 10:00:01 roo: One", "unchanged a, duplicate a", INTACT
    ),
    "a merge left two texts of a message: the new one counts": Scenario(
        "a 10:00:01 roo: The biuld is green",
        "a 10:00:01 roo: The biuld is green\na 10:00:01 roo: The build is green",
        "duplicate a, edited a",
        CHANGED,
    ),
    "ok is said twice in a second by hand": Scenario(
        "", "- 10:00:01 user: ok\n- 10:00:01 user: ok", "added, added", GREW
    ),
    "ok is said once more in the same second by hand": Scenario(
        "a:h 10:00:01 user: ok", "- 10:00:01 user: ok\n- 10:00:01 user: ok", "unchanged a, added", GREW
    ),
    "a tool's block was appended twice, and lost its ids": Scenario(
        "a 10:00:01 roo: One", "- 10:00:01 roo: One\n- 10:00:01 roo: One", "unchanged a, duplicate a", INTACT
    ),
    "a stretch that nobody had seen was pasted twice": Scenario(
        "",
        "- 10:00:01 user: ok\n- 10:00:02 roo: Done\n- 10:00:01 user: ok\n- 10:00:02 roo: Done",
        "added, added, duplicate, duplicate",
        GREW,
    ),
    "ok is said twice without a time": Scenario(
        "a:h {DATE} user: ok", "- {DATE} user: ok\n- {DATE} user: ok", "unchanged a, added", GREW
    ),
    "a whole log without seconds was doubled: what tells that from saying it all again?": Scenario(
        "a:h 10:00 user: ok\nb:h 10:01 roo: Done",
        "- 10:00 user: ok\n- 10:01 roo: Done\n- 10:00 user: ok\n- 10:01 roo: Done",
        "unchanged a, unchanged b, added, added",
        GREW,
    ),
    "both sides of a conflict, without times": Scenario(
        "",
        "-:1 {DATE} user: ok\n-:1 {DATE} roo: One\n-:2 {DATE} user: ok\n-:2 {DATE} roo: Two",
        "added, added, duplicate, added",
        GREW,
    ),
    "both sides of a conflict hold a text of one hand-written message": Scenario(
        "a:h 10:00:01 user: Stop now",
        "-:1 10:00:01 user: Stop now\n-:2 10:00:01 user: Stop at once",
        "unchanged a, duplicate a",
        INTACT,
    ),
    # Old copies.
    "an old copy brings archived messages back": Scenario(
        "b 10:00:02 roo: Two\nc 10:00:03 roo: Three",
        "a 10:00:01 roo: One\n- 09:00:00 user: Zero\nb 10:00:02 roo: Two",
        "archived a, archived z, unchanged b",
        REPAIR,
        STALE_SAVE,
        lost="c",
        past="z 09:00:00 user: Zero\na 10:00:01 roo: One",
    ),
    "an old copy brings archived messages without times back: what tells that from saying it all again?": Scenario(
        "c 10:00:03 roo: Three",
        "- {DATE} user: Start\n- {DATE} roo: Started\nc 10:00:03 roo: Three",
        "added, added, unchanged c",
        GREW,
        past="y {DATE} user: Start\nz {DATE} roo: Started",
    ),
    "what was said without a time long ago is said again": Scenario(
        "c 10:00:03 roo: Three",
        "c 10:00:03 roo: Three\n- {DATE} user: ok",
        "unchanged c, added",
        GREW,
        past="y {DATE} user: ok\nz {DATE} roo: Started",
    ),
    "an archived message is pasted back with its id and header and another text": Scenario(
        "b 10:00:02 roo: Two",
        "a 10:00:01 roo: Quite another\nb 10:00:02 roo: Two",
        "archived a, unchanged b",
        INTACT,
        past="a 10:00:01 roo: One",
    ),
    "an archived message and a block on its pattern": Scenario(
        "",
        "a 10:00:01 roo: One\na 10:00:01 roo: Quite another",
        "archived a, added",
        GREW,
        past="a 10:00:01 roo: One",
    ),
    "an archived block copied as a pattern": Scenario(
        "", "a 10:09:00 user: Something else entirely", "added", GREW, past="a 10:00:01 roo: One"
    ),
    "a deletion was undone": Scenario(
        "b 10:00:02 roo: Two",
        "a 10:00:01 roo: One\nb 10:00:02 roo: Two",
        "returned a, unchanged b",
        CHANGED,
        past="a:deleted 10:00:01 roo: One",
    ),
    "the deletion of a hand-written line was undone": Scenario(
        "b 10:00:02 roo: Two",
        "- {DATE} user: ok\nb 10:00:02 roo: Two",
        "returned a, unchanged b",
        CHANGED,
        past="a:deleted {DATE} user: ok",
    ),
    # Redacted.
    "an old copy brings a redacted text back": Scenario(
        "a# 10:00:01 roo: (redacted)\nb 10:00:02 roo: Two",
        "a 10:00:01 roo: The password is hunter2\nb 10:00:02 roo: Two",
        "redacted a, unchanged b",
        REPAIR,
        RESURFACED,
    ),
    "a redacted text comes back without its id": Scenario(
        "a# 10:00:01 roo: (redacted)\nb 10:00:02 roo: Two",
        "- 10:00:01 roo: The password is hunter2\nb 10:00:02 roo: Two",
        "redacted a, unchanged b",
        REPAIR,
        RESURFACED,
    ),
    "a redacted text comes back from the archive's time": Scenario(
        "b 10:00:02 roo: Two",
        "a 10:00:01 roo: The password is hunter2\nb 10:00:02 roo: Two",
        "redacted a, unchanged b",
        REPAIR,
        RESURFACED,
        past="a:redacted 10:00:01 roo: (redacted)",
    ),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str) -> None:
    """The story ends as told, and once the outcome is applied there is nothing more to do."""
    play(SCENARIOS[name])
