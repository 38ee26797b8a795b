"""Owns the judgement on the whole file: what is missing by somebody's will, what by accident, and how bad it is.

10. *Owed* is what was never seen in the file since it was appended: nobody can have meant to delete it, nothing was
    damaged, and it is not evidence of anything. It is put into the file, or its beginning that is there is completed,
    and there is nothing to tell.
11. *A stale save* is made from a copy read at some moment T: of what was agreed, everything that arrived after T is
    missing and everything before T is there. So the missing that arrived after the last agreed message still
    there are lost; those that arrived before it were deleted by somebody who let later ones stand, and that is
    honoured: if that is all that is missing, also of what nobody has read; beside anything that is lost, only of what
    was received by all it is for. A hand-written message may have stood in the file for a while before it was first
    seen, so what tools appended is the better evidence, where there is any.
    *A file whose end was cut off* misses what stood behind the last message that is still in its place, and people
    move messages about: that is lost, too, whenever it had arrived. A person who deletes just the last messages
    looks the same as either: they are put back once.
12. *Insisting.* If what is missing by rule 11 are at most a few, each was put back before, and the same save
    added nothing and left others, then somebody deleted them again: honoured, if all that is missing was received by
    all it is for. A stale save in a loop adds, or takes new ones along; one that does neither (an editor that saves
    the same old copy again) must not take away what nobody has read: that is put back every time.
13. *Damage.* If the file is gone, holds no message, was cut off in the middle of a line or a message, or more than a
    few and more than most of the log are missing, no deletion in it is taken for meant: everything missing is put
    back, however often that was done before. *A doubtful page* is one that may be what a power cut left of it: it was
    not synced, and is not as expected. It may be old, short, or full of holes, so that nothing in it deletes or undoes
    anything: what is missing is put back, and what had been deleted before is taken out again. What a person can have
    written there is taken in as ever, and that is any text but a rest (rule 5).
14. *Announcements* of our own are evidence of what arrived when, but are never worth a repair: missing alone,
    they count as deleted; with others, they come back with them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from intercom.repair.rules.table import OPEN, Gaps, Table
from intercom.repair.rules.values import Damage, Decision, Judgement, Known, Outcome, Verdict


class _Missing(NamedTuple):
    """The missing agreed messages, sorted by rules 11 to 14."""

    deleted: list[Known]
    lost: list[Known]
    damage: bool = False


def judge(table: Table, *, exists: bool, broken: bool) -> Outcome:
    """Apply rules 10 to 14, once every entry has its verdict."""
    gaps = table.gaps()
    said = {decision.place: decision for decision in table.decided if decision}
    entries = tuple(_final(table, gaps, said, f, decision) for f, decision in enumerate(table.decided) if decision)
    verdicts = {entry.verdict for entry in entries}
    broken = broken or bool(verdicts & {Verdict.CUT, Verdict.BEGUN}) or table.doubtful or _broken_off(table)
    owed = [table.known[k] for k in table.missing() if not table.known[k].agreed]
    missing = _sort(table, exists=exists, broken=broken, willed=Verdict.ADDED not in verdicts)
    kind = None
    if missing.lost or verdicts & {Verdict.CUT, Verdict.DROPPED, Verdict.REDACTED} or not (exists or owed):
        judgement = Judgement.REPAIR
        kind = _kind(table, missing, verdicts, exists=exists)
    elif missing.deleted or verdicts & {Verdict.EDITED, Verdict.MOVED, Verdict.RETURNED}:
        judgement = Judgement.CHANGED
    elif Verdict.ADDED in verdicts or any(not one.agreed for one in table.known):
        judgement = Judgement.GREW
    else:
        judgement = Judgement.INTACT
    quiet = judgement == Judgement.REPAIR and exists and _quiet(table, entries, missing.lost, kind)
    return Outcome(judgement, kind, entries, _ids(missing.deleted), _ids(missing.lost), _ids(owed), quiet)


def _quiet(table: Table, entries: tuple[Decision, ...], lost: list[Known], kind: Damage | None) -> bool:
    """Whether the repair restores nothing that anybody had seen, or only what was restored before."""
    if any(entry.verdict == Verdict.REDACTED for entry in entries):
        return False
    if lost:
        return kind == Damage.STALE_SAVE and all(one.restored for one in _worth(lost))
    cut = [table.known[table.position[entry.id or ""]] for entry in entries if entry.verdict == Verdict.CUT]
    return not any(one.agreed for one in cut)


def _broken_off(table: Table) -> bool:
    """Whether the last entry lost its closing rule; entries with a meta line always had one."""
    last = len(table.found) - 1
    if last < 0 or table.found[last].closed:
        return False
    stands = [one for f, one in zip(table.holder, table.known, strict=True) if f == last]
    return any(one.via != "hand" or table.found[last].id == one.id for one in stands)


def _ids(messages: list[Known]) -> tuple[str, ...]:
    return tuple(one.id for one in sorted(messages, key=lambda one: one.seq))


def _final(table: Table, gaps: Gaps, said: dict[int, Decision], f: int, decision: Decision) -> Decision:
    """Complete a decision with what only the whole shows: whether the entry moved, and what a copy is a copy of."""
    if decision.verdict == Verdict.UNCHANGED and f not in gaps.anchors:
        return decision._replace(verdict=Verdict.MOVED)
    if decision.verdict != Verdict.DUPLICATE:
        return decision
    if decision.id in table.position:
        return decision._replace(of=table.found[table.holder[table.position[decision.id]]].place)
    original = decision
    while original.verdict == Verdict.DUPLICATE and original.of is not None:  # it may have become a copy itself
        original = said[original.of]
    if original.verdict == Verdict.ARCHIVED:
        return decision._replace(verdict=Verdict.ARCHIVED, id=original.id, of=None)
    return decision._replace(id=original.id, of=original.place)


def _worth(messages: Iterable[Known]) -> list[Known]:
    """The messages that are worth a repair (rule 14)."""
    return [one for one in messages if not one.system]


def _sort(table: Table, *, exists: bool, broken: bool, willed: bool) -> _Missing:
    away = {k: one for k, one in enumerate(table.known) if one.agreed and table.holder[k] == OPEN}
    gone = list(away.values())
    worth, limits = _worth(gone), table.limits
    if not worth and exists and not table.doubtful:
        return _Missing(gone, [])
    most = limits.most * len(_worth(one for one in table.known if one.agreed))
    if not exists or not table.found or (len(worth) > limits.few and len(worth) > most):
        return _Missing([], gone, damage=True)
    if broken:
        return _Missing([], gone)
    stayed = [one for k, one in enumerate(table.known) if one.agreed and table.holder[k] != OPEN]
    tools = any(one.agreed and one.via != "hand" for one in table.known)
    moment = _moment(one for one in stayed if one.via != "hand" or not tools)
    end = max((k for k in table.unmoved() if table.known[k].agreed), default=OPEN)
    old = {k for k, one in away.items() if one.arrived < moment and k < end}
    lost = _worth(one for k, one in away.items() if k not in old)
    insisted = willed and stayed and len(lost) <= limits.few and all(one.restored for one in lost)
    if not lost or (insisted and all(one.received for one in worth)):
        return _Missing(gone, [])
    meant = {k for k in old if away[k].received or away[k].system}
    return _Missing([away[k] for k in meant], [one for k, one in away.items() if k not in meant])


def _moment(stayed: Iterable[Known]) -> int:
    """The earliest time at which the copy with these messages can have been read: the last of their arrivals.

    A message that was put back may come from an older copy, so it only proves its first arrival.
    """
    return max((min(one.seq, one.arrived) for one in stayed), default=-1)


def _kind(table: Table, missing: _Missing, verdicts: set[Verdict], *, exists: bool) -> Damage:
    if not exists:
        return Damage.REMOVED
    if not table.found and missing.lost:
        return Damage.EMPTIED
    held = [k for k, f in enumerate(table.holder) if f != OPEN and table.known[k].agreed]
    had_any = any(one.agreed for one in table.known)
    rest_is_beginning = held == list(range(len(held))) and Verdict.ADDED not in verdicts
    if missing.lost and (missing.damage or (had_any and not held and len(missing.lost) > table.limits.few)):
        return Damage.TRUNCATED if held and rest_is_beginning else Damage.OVERWRITTEN
    if Verdict.CUT in verdicts:
        return Damage.TRUNCATED
    return Damage.STALE_SAVE if missing.lost or Verdict.DROPPED in verdicts else Damage.RESURFACED
