"""Owns the last rules about entries: is what is left a copy of something, or new?

6. *A copy in which the stamp is a time to the second* is a duplicate of what stands in the file, or an old copy of
   what the archive holds, whether it has the present text or a former one. But a person may well write "ok" twice
   without a look at the clock, so beside what was written by hand it is a copy only where a program made it: if it has
   an id, stands in a conflict, was cut off, or has the same neighbour as the first, for then a whole stretch was
   pasted or merged: nobody says several things again in their order and to the letter. What a tool had sent, nobody
   types again: that is its double append, or a block whose id was stripped. Also, under one such header on two sides
   of a git conflict are two texts of one message, even if nobody had seen either (the first counts), if each side has
   one text under that header; two on one side are two messages. And where a copy of what the archive holds was agreed
   to stand, what is similar under that header is that copy, edited.
7. *A copy with a vaguer stamp* (`{DATE}`, no seconds) may well be a new "ok". It counts as a copy only if it was
   agreed to be one before, or the two stand on two sides of a git conflict. Otherwise it is new.
8. *Exactly what a person had deleted* is that message back (an undo, a restored copy), whatever its stamp.
9. *Everything else is a new message written by hand*, also when it claims an id: ids are ours to give.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from intercom.format.grammar import Header
from intercom.repair.rules.table import OPEN, Table
from intercom.repair.rules.values import Known, Reason, Verdict


def copies_and_new(table: Table) -> None:
    """Rules 6 to 9: leaves no entry open."""
    sides = _sides(table)
    _other_side(table, sides)
    groups: dict[str, list[int]] = defaultdict(list)
    for f in table.open_found():
        groups[table.found[f].digest].append(f)
    if not groups:
        return
    live: dict[str, list[int]] = defaultdict(list)
    for k, one in enumerate(table.known):
        if table.holder[k] != OPEN:
            for digest in {one.digest, table.found[table.holder[k]].digest, *one.versions}:
                if digest in groups:
                    live[digest].append(k)
    told = Counter(d.id for d in table.decided if d and d.id and d.verdict in {Verdict.DUPLICATE, Verdict.ARCHIVED})
    for digest, fs in groups.items():
        _copies(table, fs, live[digest], told)
    _edited(table, told)
    _two_sides(table, sides)
    _new(table)


def _sides(table: Table) -> set[int]:
    """The entries on the sides of a conflict that are the only text there under their exact header."""
    texts: dict[tuple[int, Header], set[str]] = defaultdict(set)
    sided = [f for f, one in enumerate(table.found) if one.side and one.header.exact]
    for one in (table.found[f] for f in sided):
        texts[one.side, one.header].add(one.digest)
    return {f for f in sided if len(texts[table.found[f].side, table.found[f].header]) == 1}


def _other_side(table: Table, sides: set[int]) -> None:
    """Treat two texts under one exact header on two sides of a conflict as versions of one message."""
    held = {table.found[f].header: k for k, f in enumerate(table.holder) if f in sides}
    for f in (f for f in table.open_found() if f in sides):
        k = held.get(table.found[f].header)
        if k is not None and table.sides_differ(f, table.holder[k]):
            table.copy(f, k)


def _copies(table: Table, fs: list[int], live: list[int], told: Counter[str]) -> None:
    """Apply rules 6 to 8 to entries with equal text, of which `live` are the messages on the page.

    `told` counts the copies of each message that were recognised so far.
    """
    exact = table.found[fs[0]].header.exact
    past = table.history.having(table.found[fs[0]].digest)
    gone = [one for one in past if one.reason == Reason.DELETED and one.id not in table.returned]
    kept = [one for one in past if one.reason != Reason.DELETED]
    known = [table.known[k] for k in live]
    first = None  # the last entry that was not a copy
    for f in fs:
        one = next((one for one in known if one.copies > told[one.id] or (exact and _again(table, f, one))), None)
        old = next((one for one in kept if exact or one.copies > told[one.id]), None)
        if one is None:
            one = next((one for one in known if table.sides_differ(f, table.holder[table.position[one.id]])), None)
        if one is not None:
            table.copy(f, table.position[one.id])
            told[one.id] += 1
        elif gone:
            table.back(f, gone[0])
            if not (table.doubtful and exact):  # there, every copy of it is dropped
                gone.pop(0)
            if not table.doubtful:
                first = f
        elif first is not None and (table.sides_differ(f, first) or (exact and _made(table, f, first))):
            table.copy_of(f, first)
        elif old is not None:
            table.past(f, Verdict.ARCHIVED, old.id)
            told[old.id] += 1
        else:
            first = f


def _again(table: Table, f: int, one: Known) -> bool:
    """Whether entry `f`, equal to message `one` in text and to the second, is a copy made by a program."""
    return one.via != "hand" or _made(table, f, table.holder[table.position[one.id]])


def _made(table: Table, f: int, first: int) -> bool:
    """The same for a hand-written message, for which entry `first` stands."""
    if table.found[f].id is not None or f in table.frayed or table.doubtful:
        return True
    if table.found[f].side or table.found[first].side:
        return True
    for step in (-1, 1):
        beside, there = f + step, first + step
        if 0 <= beside < len(table.found) and 0 <= there < len(table.found) and beside != first:
            mark = table.found[beside].digest
            if mark == table.found[there].digest and mark != table.found[f].digest:
                return True
    return False


def _edited(table: Table, told: Counter[str]) -> None:
    """Apply rule 6 to what was a copy of a past message, and has another text now."""
    fs = [f for f in table.open_found() if table.found[f].header.exact]
    copied = table.history.copied() if fs else ()
    gone = [one for one in copied if one.reason == Reason.ARCHIVED and one.copies > told[one.id]]
    for f in fs if gone else ():
        one = next((one for one in gone if one.header == table.found[f].header and table.similar(one.id, f)), None)
        if one is not None and one.copies > told[one.id]:
            table.past(f, Verdict.ARCHIVED, one.id, version=not table.rest(one.id, f))
            told[one.id] += 1


def _two_sides(table: Table, sides: set[int]) -> None:
    """Apply rule 6 to an unseen message: its texts on the sides of a conflict are versions of one."""
    texts: dict[Header, list[int]] = defaultdict(list)
    for f in (f for f in table.open_found() if f in sides):
        texts[table.found[f].header].append(f)
    for first, *others in texts.values():
        for f in others:
            table.copy_of(f, first, version=table.found[f].digest != table.found[first].digest)


def _new(table: Table) -> None:
    """Apply rule 9: number each new entry among all entries with the same content."""
    new: dict[str, list[int]] = defaultdict(list)
    for f in table.open_found():
        new[table.frayed.get(f, table.found[f].digest)].append(f)
    live = Counter(one.digest for one in table.known if one.digest in new)
    for digest, fs in new.items():
        for number, f in enumerate(fs, live[digest] + len(table.history.having(digest)) + 1):
            table.add(f, number)
