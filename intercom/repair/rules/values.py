"""Owns the input and output values of reconciling: what was known, what was found, what was decided.

Known messages carry no texts: for 10^5 messages that would load them all, and only the few that changed are ever
compared. `body_of(id)` fetches one when a rule needs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from intercom.format.grammar import Header


class Verdict(StrEnum):
    """What one entry of the file is."""

    UNCHANGED = "unchanged"  #: the message as it was; reformatting (same digest) is not a change
    MOVED = "moved"  #: the message as it was, in another position
    EDITED = "edited"  #: the message `id` with another text or header, changed by a person
    CUT = "cut"  #: what a truncation left of `id`; the known text stays valid and is put back
    ADDED = "added"  #: a new message written by hand, whatever id it claims
    DUPLICATE = "duplicate"  #: a further copy of a message that entry `of` already stands for
    RETURNED = "returned"  #: a deleted message is back on the page: shown again, but not new
    ARCHIVED = "archived"  #: a copy of what the archive holds: not new, not part of the live log
    REDACTED = "redacted"  #: an old copy of a redacted message: its text must be destroyed again
    BEGUN = "begun"  #: a header with nothing below it at the end of the page: somebody is still writing; it stays
    DROPPED = "dropped"  #: left by a power cut, of a known text or a deleted message; removed again


class Judgement(StrEnum):
    """What happened to the file as a whole."""

    INTACT = "intact"  #: nothing to do
    GREW = "grew"  #: messages were added, nothing else happened
    CHANGED = "changed"  #: somebody edited, moved or deleted something, and that is accepted
    REPAIR = "repair"  #: something must be put back


class Damage(StrEnum):
    """What is to be repaired."""

    REMOVED = "removed"  #: the file does not exist
    EMPTIED = "emptied"  #: no message is left in it
    TRUNCATED = "truncated"  #: its end is missing
    OVERWRITTEN = "overwritten"  #: most of it is gone
    STALE_SAVE = "stale_save"  #: saved from an old copy: later messages are missing, or deleted ones are back
    RESURFACED = "resurfaced"  #: nothing is missing, but a redacted text is back


class Reason(StrEnum):
    """Why a message is no longer on the page."""

    ARCHIVED = "archived"  #: a compaction took it off
    DELETED = "deleted"  #: a person deleted it by hand
    REDACTED = "redacted"  #: its text was destroyed


class Known(NamedTuple):
    """One message that the live log is supposed to hold.

    `seq` orders arrival on the bus (never reused). `arrived` orders arrival **in the file**, on the same scale: it
    equals `seq`, except that a message put back arrived anew, after all others. `agreed`: it was seen in the file,
    or a repair wrote it there; until then it is owed. `restored` counts how often a repair put it back. `received`:
    everybody it is for has received it.
    """

    id: str
    digest: str
    header: Header
    seq: int
    arrived: int
    agreed: bool = True
    restored: int = 0
    via: str = "tool"
    system: bool = False  #: an announcement by Intercom
    redacted: bool = False  #: a stub replaced it; any other text under its id is the secret
    versions: frozenset[str] = frozenset()  #: digests of its earlier and rival texts
    copies: int = 0  #: how many DUPLICATE entries of it the file held at the last agreement
    received: bool = True


class Found(NamedTuple):
    """One message entry of the file as it is now. `place` is the caller's number for it, unique in the file.

    `trimmed` is the digest it would have without a partial rule or header at its end (`torn.trimmed`), if there is
    one. `holed`: it contains a NUL somewhere from its header on.
    """

    place: int
    id: str | None
    digest: str
    header: Header
    body: str
    closed: bool = True  #: whether it has its `---`
    side: int = 0  #: the side of a git conflict it is in, numbered through the file; 0 = none
    trimmed: str | None = None
    holed: bool = False


class Past(NamedTuple):
    """A message that is no longer on the page."""

    id: str
    digest: str
    header: Header
    seq: int
    reason: Reason = Reason.ARCHIVED
    copies: int = 0  #: how many copies of it the file held at the last agreement


class History(Protocol):
    """Look-up of messages outside the page; an index answers it row by row."""

    def get(self, id: str, /) -> Past | None:
        """The past message with this id, or None."""

    def having(self, digest: str, /) -> Sequence[Past]:
        """Every past message that has or had a text with this digest, in order of seq."""

    def copied(self) -> Sequence[Past]:
        """Every past message of which the file held copies at the last agreement."""


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
        """The past message with this id, or None."""
        return self._by_id.get(id)

    def having(self, digest: str, /) -> Sequence[Past]:
        """Every past message that has or had a text with this digest, in order of seq."""
        return self._by_digest.get(digest, ())

    def copied(self) -> Sequence[Past]:
        """Every past message of which the file held copies at the last agreement."""
        return [one for one in self._by_id.values() if one.copies]


class Thresholds(NamedTuple):
    """The limits of judgement. `most` and `similar` are fractions between 0 and 1."""

    few: int = 3  #: up to this many missing messages are not damage by their number alone
    most: float = 0.5  #: more than this share missing is damage, not housekeeping
    similar: float = 0.6  #: texts at least this similar are versions of one message


class Decision(NamedTuple):
    """What one entry of the file is.

    `id` is the message it belongs to: None for ADDED, for a DUPLICATE of an entry that is itself new, and for a
    DROPPED entry of which nothing is left. `of`, on a DUPLICATE, is the place of the entry that stands for the
    message. `occurrence`, on ADDED, is the first number to try in deriving its id; go up while that id is taken.
    `version`: this text of the message is new and worth keeping in its history.
    """

    place: int
    verdict: Verdict
    id: str | None = None
    of: int | None = None
    occurrence: int = 0
    version: bool = False


class Outcome(NamedTuple):
    """The decision on the whole file. `entries` has one decision per entry found, in file order.

    `deleted` are deletions to accept. `lost` is to be put back at the end; `owed` is to be put there as well, but is
    not a repair. All are in order of `seq`. `quiet`: a repair that needs no announcement, because everything that a
    stale save lost had been put back before, or nothing that anybody had seen was lost or cut.
    """

    judgement: Judgement
    kind: Damage | None
    entries: tuple[Decision, ...]
    deleted: tuple[str, ...]
    lost: tuple[str, ...]
    owed: tuple[str, ...] = ()
    quiet: bool = False

    def count(self, verdict: Verdict) -> int:
        """The number of entries with this verdict."""
        return sum(1 for entry in self.entries if entry.verdict == verdict)

    def having(self, verdict: Verdict) -> list[Decision]:
        """The entries with this verdict, in file order."""
        return [entry for entry in self.entries if entry.verdict == verdict]
