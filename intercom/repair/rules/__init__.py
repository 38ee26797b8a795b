"""Owns deciding what happened to a live log: pure rules over what was known and what the file holds now.

No files, no locks, no clock. Each rule is stated once, numbered, in the header of the module that applies it:

| what happened to the file | rule | module |
|---|---|---|
| reformatted; a message moved; a redacted text is back | 0, 1, 2 | exact |
| a text or header was edited; somebody typed over a block | 3, 4 | edits |
| the end was cut off; a power cut left holes | 5 | cuts |
| merged or pasted copies; an old copy restored; an undo; a message added by hand | 6, 7, 8, 9 | copies |
| messages are missing: owed, deleted, lost to a stale save, or the file is damaged | 10 to 14 | judge |

The rules run in that order (2 once more after 3), each on what those before it left open: every entry gets exactly
one verdict, and every known message is held by an entry, deleted, lost, or owed. Where a case is ambiguous, a message
is kept.

The caller owes five things: `agreed` turns True only when a whole outcome has been applied (what a half-applied
repair saw is not evidence); a message put back, lost or owed, gets a new `arrived`; the text of an entry that is EDITED
counts from then on, also if it is an older one (an undo); an entry that is EDITED, RETURNED with `version`, or ADDED
carries a person's text, whoever its header names; and what is CUT, DROPPED or REDACTED does not stay in the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from intercom.format.grammar import Header
from intercom.repair.rules import copies, cuts, edits, exact, judge
from intercom.repair.rules.table import Table
from intercom.repair.rules.torn import trimmed
from intercom.repair.rules.values import (
    Damage,
    Decision,
    Found,
    History,
    Judgement,
    Known,
    Outcome,
    Past,
    Reason,
    Recalled,
    Thresholds,
    Verdict,
)

__all__ = [
    "Damage",
    "Decision",
    "Found",
    "Header",
    "History",
    "Judgement",
    "Known",
    "Outcome",
    "Past",
    "Reason",
    "Recalled",
    "Thresholds",
    "Verdict",
    "reconcile",
    "trimmed",
]

NOTHING_PAST = Recalled()
DEFAULT = Thresholds()


def _no_text(_id: str) -> str | None:
    return None


def _no_former(_id: str) -> Iterable[str]:
    return ()


def reconcile(
    known: Sequence[Known],
    found: Sequence[Found],
    *,
    history: History = NOTHING_PAST,
    body_of: Callable[[str], str | None] = _no_text,
    former_of: Callable[[str], Iterable[str]] = _no_former,
    thresholds: Thresholds = DEFAULT,
    exists: bool = True,
    broken: bool = False,
    doubtful: bool = False,
) -> Outcome:
    """Decide, entry by entry and as a whole, what happened to the live log.

    `known` is in the order of the log as last agreed, what was appended since behind it; `found` is in file
    order; ids in `known` are unique and none of them is past. `body_of` gives the current text of a known or past
    message, or None; `former_of` the texts that it had before. `exists` is False when there is no file (`found` is
    then empty); `broken` says that the file ends within a line of no message; `doubtful` that it may be what a power
    cut left of it (rule 13). Never raises on any content; O(n log n) in entries, linear in the texts it compares.
    """
    table = Table(known, found, history, body_of, former_of, thresholds, doubtful=doubtful)
    exact.by_id_and_content(table)
    exact.by_content(table, claimed=False)
    edits.by_id(table)
    exact.by_content(table, claimed=True)
    edits.in_place(table)
    cuts.cut(table)
    copies.copies_and_new(table)
    return judge.judge(table, exists=exists, broken=broken)
