"""Owns the values that reconciling takes and gives: what was known, what was found, what was decided.

Texts are not carried for what is known: a window of 10^5 messages would load them all, and only the few that
changed are ever compared. `body_of(id)` fetches one when a rule needs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from intercom.format.grammar import Header

# Verdicts on one entry of the file (Decision.verdict).
UNCHANGED = "unchanged"  #: the message as it was; reformatting (same digest) is not a change
MOVED = "moved"  #: the message as it was, at another place among the others
EDITED = "edited"  #: the message `id` with another text or header; a person's hand is on it now
CUT = "cut"  #: what a truncation left of `id`; the known text stands and goes back in its place
ADDED = "added"  #: a new message written by hand, whatever id it claims
DUPLICATE = "duplicate"  #: one more copy of a message that entry `of` already stands for
RETURNED = "returned"  #: a message somebody had deleted is there again: shown again, not new
ARCHIVED = "archived"  #: a copy of what the archive holds: not new, not part of the live log
REDACTED = "redacted"  #: an old copy of a message whose text was destroyed on purpose: destroy again
DROPPED = "dropped"  #: left by a power cut: of a text that is known, or of a message that was deleted; taken out again

# Judgements on the whole file (Outcome.judgement), and the kinds of damage (Outcome.kind).
INTACT = "intact"  #: nothing to do
GREW = "grew"  #: messages came, nothing else happened
CHANGED = "changed"  #: somebody edited, moved or deleted, and that counts
REPAIR = "repair"  #: something is to be put back
REMOVED = "removed"  #: the file is not there
EMPTIED = "emptied"  #: not one message is left in it
TRUNCATED = "truncated"  #: its end is missing
OVERWRITTEN = "overwritten"  #: most of it went
STALE_SAVE = "stale_save"  #: saved from an old copy: what came meanwhile is missing, or what was deleted is back
RESURFACED = "resurfaced"  #: nothing is missing, but a redacted text is back


class Known(NamedTuple):
    """One message the live log is supposed to hold.

    `seq` orders arrival on the bus (never reused). `arrived` orders arrival **in the file**, on the same scale: it is
    `seq`, except that what was put back arrived anew, behind all others. `agreed` says that it was seen in the file
    (or a repair wrote it there): until then it is owed. `restored` counts how often a repair put it back. `received`
    says that everybody it is for has received it.
    """

    id: str
    digest: str
    header: Header
    seq: int
    arrived: int
    agreed: bool = True
    restored: int = 0
    via: str = "tool"
    system: bool = False  #: an announcement of ours
    redacted: bool = False  #: a stub stands for it; any other text under its name is the secret
    versions: frozenset[str] = frozenset()  #: digests of its earlier and rival texts
    copies: int = 0  #: how many DUPLICATE entries of it the file held when last agreed
    received: bool = True


class Found(NamedTuple):
    """One message entry of the file as it is now. `place` is the caller's number for it, unique in the file.

    `trimmed` is the digest it would have without the piece of a rule or header at its end (`torn.trimmed`), if there
    is one. `holed` says that there is a NUL in it, anywhere from its header on.
    """

    place: int
    id: str | None
    digest: str
    header: Header
    body: str
    closed: bool = True  #: its `---` is there
    side: int = 0  #: which side of a git conflict it stands in, numbered through the file; 0 = none
    trimmed: str | None = None
    holed: bool = False


class Past(NamedTuple):
    """One message that is not of the live log any more. `reason` is archived, deleted or redacted."""

    id: str
    digest: str
    header: Header
    seq: int
    reason: str = ARCHIVED
    copies: int = 0  #: how many copies of it the file held when last agreed


DELETED = "deleted"  #: Past.reason of what a person deleted by hand


class History(Protocol):
    """What is asked about messages outside the live log; an index answers it row by row."""

    def get(self, id: str, /) -> Past | None:
        """The message of this id, if it is past."""

    def having(self, digest: str, /) -> Sequence[Past]:
        """Every past message that has or had a text with this digest, in order of seq."""

    def copied(self) -> Sequence[Past]:
        """Every past message of which the file held copies when last agreed."""


class Recalled:
    """A History held in memory."""

    def __init__(self, past: Iterable[Past] = (), older: Iterable[tuple[str, str]] = ()) -> None:
        """`older`: digests of other texts that some of them had, with their ids."""
        self._by_id: dict[str, Past] = {}
        self._by_digest: dict[str, list[Past]] = {}
        for one in sorted(past, key=lambda p: p.seq):
            self._by_id[one.id] = one
            self._by_digest.setdefault(one.digest, []).append(one)
        for digest, id in older:
            if id in self._by_id and self._by_id[id] not in self._by_digest.get(digest, ()):
                self._by_digest.setdefault(digest, []).append(self._by_id[id])

    def get(self, id: str, /) -> Past | None:
        """The message of this id, if it is past."""
        return self._by_id.get(id)

    def having(self, digest: str, /) -> Sequence[Past]:
        """Every past message that has or had a text with this digest, in order of seq."""
        return self._by_digest.get(digest, ())

    def copied(self) -> Sequence[Past]:
        """Every past message of which the file held copies when last agreed."""
        return [one for one in self._by_id.values() if one.copies]


class Thresholds(NamedTuple):
    """Where judgement turns. `most` and `similar` are shares between 0 and 1."""

    few: int = 3  #: so many missing messages are never called damage on their number alone
    most: float = 0.5  #: more than this share of the log missing is damage, not housekeeping
    similar: float = 0.6  #: texts at least so alike are versions of one message


class Decision(NamedTuple):
    """What one entry of the file is.

    `id` is the message it belongs to: None for ADDED, for a DUPLICATE of an entry that is itself new, and for a
    DROPPED entry of which nothing is left.
    `of` is the place of the entry that stands for that message, on a DUPLICATE. `occurrence` is given with
    ADDED: the first to try in deriving its id; go up while that id is taken. `version` says that the text is
    one nobody had seen of this message: worth keeping in its history.
    """

    place: int
    verdict: str
    id: str | None = None
    of: int | None = None
    occurrence: int = 0
    version: bool = False


class Outcome(NamedTuple):
    """The whole judgement. `entries` has one decision per entry found, in file order.

    `deleted` are honoured deletions. `lost` is to be put back at the end; `owed` is to be put there as well, but that
    is not a repair. All in order of `seq`. `quiet`: there is a repair, and nothing new to tell, because all that a
    stale save lost had been put back before, or nothing was lost and nothing cut that anybody had seen.
    """

    judgement: str
    kind: str | None
    entries: tuple[Decision, ...]
    deleted: tuple[str, ...]
    lost: tuple[str, ...]
    owed: tuple[str, ...] = ()
    quiet: bool = False

    def count(self, verdict: str) -> int:
        """How many entries got this verdict."""
        return sum(1 for entry in self.entries if entry.verdict == verdict)

    def having(self, verdict: str) -> list[Decision]:
        """The entries that got this verdict, in file order."""
        return [entry for entry in self.entries if entry.verdict == verdict]
