"""Owns the judgement on the whole file: what is missing by somebody's will, what by accident, and how bad it is.

10. *Never seen in the file* since it was appended: nobody can have meant to delete it. Lost, to be put back.
11. *A stale save* is made from a copy read at some moment T: of what was agreed, everything that arrived after T is
    missing and everything before T is there. So the missing that arrived after the last agreed message still
    there are lost; those that arrived before it were deleted by somebody who let later ones stand, and that is
    honoured. A hand-written message may have stood in the file for a while before it was first seen, so what tools
    appended is the better evidence, where there is any.
    *A file whose end was cut off* misses what stood behind the last message that is still in its place, and people
    move messages about: that is lost, too, whenever it had arrived. A person who deletes just the last messages
    looks the same as either: they are put back once.
12. *Insisting.* If what is missing by rule 11 are at most a few, each was put back before, and the same save
    added nothing and left others, then somebody deleted them again: honoured. A stale save in a loop adds, or takes
    new ones along.
13. *Damage.* If the file is gone, holds no message, was cut off in the middle of a line or a message, or more than a
    few and more than most of the log are missing, no deletion in it is taken for meant: everything missing is put
    back, however often that was done before.
14. *Announcements* of our own are evidence of what arrived when, but are never worth a repair: missing alone,
    they count as deleted; with others, they come back with them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from intercom.reconcile.table import OPEN, Gaps, Table
from intercom.reconcile.values import (
    ADDED,
    ARCHIVED,
    CHANGED,
    CUT,
    DUPLICATE,
    EDITED,
    EMPTIED,
    GREW,
    INTACT,
    MOVED,
    OVERWRITTEN,
    REDACTED,
    REMOVED,
    REPAIR,
    RESURFACED,
    RETURNED,
    STALE_SAVE,
    TRUNCATED,
    UNCHANGED,
    Decision,
    Known,
    Outcome,
)


class _Missing(NamedTuple):
    """What is missing, sorted by rules 10 to 14."""

    deleted: list[Known]
    lost: list[Known]
    damage: bool


def judge(table: Table, *, exists: bool, broken: bool) -> Outcome:
    """Rules 10 to 14, once every entry has its verdict."""
    gaps = table.gaps()
    said = {decision.place: decision for decision in table.decided if decision}
    entries = tuple(_final(table, gaps, said, f, decision) for f, decision in enumerate(table.decided) if decision)
    verdicts = {entry.verdict for entry in entries}
    broken = broken or CUT in verdicts or _broken_off(table)
    missing = _sort(table, exists=exists, broken=broken, willed=ADDED not in verdicts)
    kind = None
    if not exists or missing.lost or verdicts & {CUT, REDACTED}:
        judgement = REPAIR
        kind = _kind(table, missing, verdicts, exists=exists)
    elif missing.deleted or verdicts & {EDITED, MOVED, RETURNED}:
        judgement = CHANGED
    elif ADDED in verdicts or any(not one.agreed for one in table.known):
        judgement = GREW
    else:
        judgement = INTACT
    return Outcome(judgement, kind, entries, _ids(missing.deleted), _ids(missing.lost))


def _broken_off(table: Table) -> bool:
    """Whether the last entry lost its closing rule, whatever else was done to it: what has a meta line had one."""
    last = len(table.found) - 1
    if last < 0 or table.found[last].closed:
        return False
    stands = [one for f, one in zip(table.holder, table.known, strict=True) if f == last]
    return any(one.via != "hand" or table.found[last].id == one.id for one in stands)


def _ids(messages: list[Known]) -> tuple[str, ...]:
    return tuple(one.id for one in sorted(messages, key=lambda one: one.seq))


def _final(table: Table, gaps: Gaps, said: dict[int, Decision], f: int, decision: Decision) -> Decision:
    """What only the whole shows: out of the order that most kept is moved; a copy names the entry that counts."""
    if decision.verdict == UNCHANGED and f not in gaps.anchors:
        return decision._replace(verdict=MOVED)
    if decision.verdict != DUPLICATE:
        return decision
    if decision.id in table.position:
        return decision._replace(of=table.found[table.holder[table.position[decision.id]]].place)
    original = decision
    while original.verdict == DUPLICATE and original.of is not None:  # a copy's original may be a copy by now
        original = said[original.of]
    if original.verdict == ARCHIVED:
        return decision._replace(verdict=ARCHIVED, id=original.id, of=None)
    return decision._replace(id=original.id, of=original.place)


def _sort(table: Table, *, exists: bool, broken: bool, willed: bool) -> _Missing:
    gone = [one for _, one in _gone(table)]
    worth = [one for one in gone if not one.system]
    if not gone or (not worth and exists):
        return _Missing(gone, [], damage=False)
    agreed = sum(1 for one in table.known if one.agreed and not one.system)
    went = sum(1 for one in worth if one.agreed)
    limits = table.limits
    if not exists or not table.found or (went > limits.few and went > limits.most * agreed):
        return _Missing([], gone, damage=True)
    if broken:
        return _Missing([], gone, damage=False)
    stayed = [one for k, one in enumerate(table.known) if one.agreed and table.holder[k] != OPEN]
    tools = any(one.agreed and one.via != "hand" for one in table.known)
    moment = _moment(one for one in stayed if one.via != "hand" or not tools)
    end = max((k for k in table.unmoved() if table.known[k].agreed), default=OPEN)
    meant = {k for k, one in _gone(table) if one.agreed and one.arrived < moment and k < end}
    deleted = [one for k, one in _gone(table) if k in meant]
    lost = [one for k, one in _gone(table) if k not in meant]
    if all(one.system for one in lost) or (willed and stayed and _insisted(lost, limits.few)):
        deleted, lost = gone, []
    return _Missing(deleted, lost, damage=False)


def _gone(table: Table) -> list[tuple[int, Known]]:
    return [(k, table.known[k]) for k in table.missing()]


def _moment(stayed: Iterable[Known]) -> int:
    """When, at the earliest, the copy was read that holds these: the last of their arrivals.

    What was put back once may be there from a copy older than that: it proves no more than its first arrival.
    """
    return max((min(one.seq, one.arrived) if one.restored else one.arrived for one in stayed), default=-1)


def _insisted(lost: list[Known], few: int) -> bool:
    """Rule 12, but for what else the save did."""
    worth = [one for one in lost if not one.system]
    return len(worth) <= few and all(one.agreed and one.restored for one in worth)


def _kind(table: Table, missing: _Missing, verdicts: set[str], *, exists: bool) -> str:
    if not exists:
        return REMOVED
    if not table.found and missing.lost:
        return EMPTIED
    held = [k for k, f in enumerate(table.holder) if f != OPEN and table.known[k].agreed]
    had_any = any(one.agreed for one in table.known)
    rest_is_beginning = held == list(range(len(held))) and ADDED not in verdicts
    if missing.lost and (missing.damage or (had_any and not held)):
        return TRUNCATED if held and rest_is_beginning else OVERWRITTEN
    if CUT in verdicts:
        return TRUNCATED
    return STALE_SAVE if missing.lost else RESURFACED
