"""Owns the last rules about entries: is what is left a copy of something, or new?

6. *A copy in which the stamp is a time to the second* is a duplicate of what stands in the file, or an old copy of
   what the archive holds: nobody repeats "ok" within the second and to the letter. Three things may keep it from
   being equal to the letter. A cut left a piece of the next header or rule behind it. Or it stands on the other side
   of a git conflict: under one header on two sides are two texts of one message, also if nobody had seen either
   (the first counts). Or it has a text that the message had while nobody looked, back with a copy of the log after
   the message went to the archive, or was deleted: if it is like the present one, and either a copy of it stood
   here before or no other message ever had that header.
7. *A copy with a vaguer stamp* (`{DATE}`, no seconds) may well be a new "ok". It counts as a copy only if the two
   messages stand on two sides of one git conflict, or it was agreed to be one before, or it is part of a run: the
   entry before or after it is a copy, too, of what stood before or after the original. Otherwise it is new.
8. *Exactly what a person had deleted* is that message back (an undo, a restored copy), whatever its stamp.
9. *Everything else is a new message written by hand*, also when it claims an id: ids are ours to give.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from intercom.reconcile.likeness import frayed
from intercom.reconcile.table import OPEN, Table
from intercom.reconcile.values import ARCHIVED, DELETED, DUPLICATE, REDACTED, RETURNED, Header, Past

_MANY = 100  #: entries under one header that a torn one is compared with
_COPIES = {ARCHIVED, DUPLICATE, REDACTED}
_Places = frozenset[tuple[str, int]]


def copies_and_new(table: Table) -> None:
    """Rules 6 to 9: leaves no entry open."""
    _other_side(table)
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
    spare = _spare(table)
    for digest, fs in groups.items():
        past = table.history.having(digest)
        _agreed_copies(table, fs, live[digest], spare)
        if past:
            _back(table, fs, live[digest], past)
        _copies(table, fs, live[digest])
        _old_copies(table, fs, [one for one in past if one.reason != DELETED])
        _echoes(table, fs, live[digest], past)
    _runs(table)
    _two_sides(table)
    _headed(table)
    _torn_copies(table)
    _new(table, groups)


def _other_side(table: Table) -> None:
    """Two texts under one exact header on two sides of a conflict are versions of one message."""
    held = {
        table.found[f].header: k
        for k, f in enumerate(table.holder)
        if f != OPEN and table.found[f].side and table.found[f].header.exact
    }
    for f in table.open_found() if held else ():
        k = held.get(table.found[f].header)
        if k is not None and _sides_differ(table, f, table.holder[k]):
            table.copy(f, k)


def _torn_copies(table: Table) -> None:
    """Rule 6 where a cut left a piece of the next header or of the closing rule behind the copy."""
    open_ = [f for f in table.open_found() if not table.found[f].closed and table.found[f].header.exact]
    headers = {table.found[f].header for f in open_}
    like: dict[Header, list[int]] = defaultdict(list)
    for f, entry in enumerate(table.found) if headers else ():
        if entry.header in headers:
            like[entry.header].append(f)
    for f in open_:
        for g in like[table.found[f].header][:_MANY]:
            stands = table.decided[g]
            original = g < f if stands is None else stands.verdict not in _COPIES
            if original and g != f and _frayed(table, f, g):
                table.copy_of(f, g)
                break


def _frayed(table: Table, f: int, g: int) -> bool:
    return frayed(table.found[g].body, table.found[f].body)


def _two_sides(table: Table) -> None:
    """Rule 6 for a message that nobody has seen yet: its texts on the sides of a conflict are versions of one."""
    texts: dict[Header, list[int]] = defaultdict(list)
    for f in table.open_found():
        if table.found[f].side and table.found[f].header.exact:
            texts[table.found[f].header].append(f)
    for first, *others in texts.values():
        if len({table.found[f].side for f in (first, *others)}) == 1 + len(others):
            for f in others:
                table.copy_of(f, first, version=table.found[f].digest != table.found[first].digest)


def _headed(table: Table) -> None:
    """Rule 6 for a text that the message had while nobody looked."""
    live = {one.header for one in table.known}
    found = Counter(decision.id for decision in table.decided if decision and decision.verdict == ARCHIVED)
    for f in table.open_found():
        entry = table.found[f]
        past = table.history.headed(entry.header) if entry.id is None and entry.header.exact else ()
        copied = [one for one in past if one.copies > found[one.id]]
        if not copied and (len(past) != 1 or entry.header in live):
            continue
        one = next((one for one in copied or past if one.reason != REDACTED and _text_of(table, one.id, f)), None)
        if one is not None and one.reason != DELETED:
            table.past(f, ARCHIVED, one.id, version=not _cut_copy(table, one.id, f))
            found[one.id] += 1
        elif one is not None and one.id not in table.returned:
            table.past(f, RETURNED, one.id, version=True)
            table.returned[one.id] = f


def _text_of(table: Table, id: str, f: int) -> bool:
    return table.similar(id, f) or _cut_copy(table, id, f)


def _cut_copy(table: Table, id: str, f: int) -> bool:
    text = table.text(id)
    return not table.found[f].closed and text is not None and frayed(text, table.found[f].body)


def _sides_differ(table: Table, f: int, g: int) -> bool:
    one, other = table.found[f].side, table.found[g].side
    return bool(one and other and one != other)


def _spare(table: Table) -> Counter[str]:
    """How many agreed copies of each live message no entry has been recognised as yet."""
    spare = Counter({one.id: one.copies for one in table.known if one.copies})
    if spare:
        spare.subtract(Counter(d.id for d in table.decided if d and d.id and d.verdict == DUPLICATE))
    return spare


def _agreed_copies(table: Table, fs: list[int], live: list[int], spare: Counter[str]) -> None:
    """Rule 7: what was agreed to be a copy stays one."""
    ks = [k for k in live for _ in range(spare[table.known[k].id])]
    for f, k in zip(fs, ks, strict=False):
        table.copy(f, k)
        spare[table.known[k].id] -= 1


def _back(table: Table, fs: list[int], live: list[int], past: Sequence[Past]) -> None:
    """Rule 8; where the stamp is exact and the message stands in the file, one more is a copy of that."""
    if live and table.found[fs[0]].header.exact:
        return
    gone = [one for one in past if one.reason == DELETED and one.id not in table.returned]
    for f, one in zip([f for f in fs if table.decided[f] is None], gone, strict=False):
        table.past(f, RETURNED, one.id)
        table.returned[one.id] = f


def _copies(table: Table, fs: list[int], live: list[int]) -> None:
    """Rules 6 and 7 but for runs, beside an original in the file (known, or returned just now)."""
    exact = table.found[fs[0]].header.exact
    back = next((f for f in fs if (d := table.decided[f]) and d.verdict == RETURNED), None)
    for f in [f for f in fs if table.decided[f] is None]:
        k = next((k for k in live if exact or _sides_differ(table, f, table.holder[k])), None)
        if k is not None:
            table.copy(f, k)
        elif back is not None and exact:
            table.copy_of(f, back)


def _old_copies(table: Table, fs: list[int], past: list[Past]) -> None:
    """Rules 6 and 7 but for runs, where the original is in the archive."""
    if not past:
        return
    exact = table.found[fs[0]].header.exact
    agreed = [one for one in past for _ in range(one.copies)][::-1]
    for f in [f for f in fs if table.decided[f] is None]:
        one = past[0] if exact else agreed.pop() if agreed else None
        if one is not None:
            table.past(f, ARCHIVED, one.id)
            table.echo[f] = frozenset({("past", one.seq)})


def _echoes(table: Table, fs: list[int], live: list[int], past: Sequence[Past]) -> None:
    """Note where the originals of the doubtful ones stand; with none, the first of them is the original."""
    doubtful = [f for f in fs if table.decided[f] is None]
    if not doubtful:
        return
    places = {("file", table.holder[k]) for k in live}
    places |= {("past", one.seq) for one in past if one.reason != DELETED}
    if not places:
        first, *doubtful = doubtful
        places = {("file", first)}
        for f in doubtful:
            if table.found[f].header.exact or _sides_differ(table, f, first):
                table.copy_of(f, first)
    shared = frozenset(places)
    for f in doubtful:
        if table.decided[f] is None:
            table.echo[f] = shared


def _runs(table: Table) -> None:
    """Rule 7's runs. Sets of places are shared by digest, so each pair of them is met once."""
    met: dict[tuple[int, int, int], tuple[str, int] | None] = {}
    hits: list[tuple[int, tuple[str, int]]] = []
    for f in table.open_found():
        for step in (-1, 1):
            mine, theirs = table.echo.get(f), table.echo.get(f + step)
            if mine is None or theirs is None or table.found[f].digest == table.found[f + step].digest:
                continue
            key = (id(mine), id(theirs), step)
            if key not in met:
                met[key] = _adjacent(mine, theirs, step)
            hit = met[key]
            if hit is not None:
                hits.append((f, hit))
                break
    by_seq: dict[int, str] = {}
    for f, (where, place) in hits:
        if where == "file":
            table.copy_of(f, place)
        else:
            if place not in by_seq:
                by_seq.update((one.seq, one.id) for one in table.history.having(table.found[f].digest))
            table.past(f, ARCHIVED, by_seq[place])


def _adjacent(mine: _Places, theirs: _Places, step: int) -> tuple[str, int] | None:
    """A place of `mine` that has one of `theirs` `step` beside it."""
    if len(mine) <= len(theirs):
        return next(((w, p) for w, p in sorted(mine) if (w, p + step) in theirs), None)
    return next(((w, p - step) for w, p in sorted(theirs) if (w, p - step) in mine), None)


def _new(table: Table, groups: dict[str, list[int]]) -> None:
    """Rule 9: give each the number of its occurrence among all that had this content."""
    live = Counter(one.digest for one in table.known if one.digest in groups)
    for digest, fs in groups.items():
        occurrence = 0
        for f in fs:
            if table.decided[f] is None:
                occurrence = occurrence or live[digest] + len(table.history.having(digest))
                occurrence += 1
                table.add(f, occurrence)
