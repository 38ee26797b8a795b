"""Owns the rules for entries whose content changed: which message is this a new text of?

3. *By id.* The only entry that claims an id is that message edited, if its header is the same or its text is
   similar. If neither, somebody typed over an old block: a new message, and the old one is missing. Beside an
   entry that still holds the known text, another entry with that id is a version of it only if the header is the
   same and the text similar (a merge); otherwise somebody copied a block as a pattern for a new message. Of two
   texts the one nobody had seen counts, of two such the later in the file; a torn rest is no text, and counts for
   nothing beside the whole. What is to the second and to the letter another message is left to rule 6, whatever id
   it claims. Of what is past, an entry with its id is another text of it if the header is the same and the text
   similar, if it stands for a copy that was agreed and is gone, or for one on the other side of a conflict.
4. *Without id*, for what is still missing: a text the message once had is that message. A stamp to the second is
   as good as a name: an entry with the same header is the message edited, if it stands in the old place (and has no
   other's id, and is not a torn copy of another) or is similar; of several the likest. Entries with different
   such stamps are different messages, however alike. Otherwise an edit stays in its place, keeps sender (or exact
   stamp), and is similar. What fits none of this is taken as a new message: delivering one edit too many is better
   than losing a message. What is to the second and to the letter another message is left to rule 6 here, too: a
   pasted "yes" is not the missing "no" of the same second, edited.
5. *Cut.* The last entry that was agreed, if its text is a torn rest of the known one (or holds the torn header
   of the next) and either its closing rule or what followed it is gone, was not edited but cut. A person who
   shortens the last hand-written message, where no closing rule was promised, has edited it. Where the cut went
   through the meta line, what is left of the id tells which message it was; where through the header, its stamp.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from intercom.reconcile.likeness import frayed, torn, torn_end, torn_id, torn_meta, torn_tag
from intercom.reconcile.table import OPEN, Gaps, Table
from intercom.reconcile.values import ARCHIVED, CUT, DELETED, DUPLICATE, EDITED, REDACTED, RETURNED, Header, Past

_WINDOW = 8  #: how many missing messages of one sender and place an entry is compared with


def by_id(table: Table) -> None:
    """Rule 3. An entry that repeats one which its content gave to another message goes with that one."""
    given = {(table.found[f].id, table.found[f].digest): k for k, f in enumerate(table.holder) if f != OPEN}
    claims: dict[str, list[int]] = defaultdict(list)
    for f in table.open_found():
        id = table.found[f].id
        k = given.get((id, table.found[f].digest)) if id is not None else None
        if k is not None:
            table.copy(f, k)
        elif id is not None:
            claims[id].append(f)
    digests = _digests(table) if claims else set()
    for id, entries in claims.items():
        fs = [f for f in entries if not _copied(table, f, digests)]
        k = table.position.get(id)
        if k is not None:
            _claimed(table, k, fs)
        elif (past := table.history.get(id)) is not None:
            _claimed_past(table, past, fs)


def _digests(table: Table) -> set[str]:
    """Every text that a message of the live log has or had."""
    return {digest for one in table.known for digest in (one.digest, *one.versions)}


def _copied(table: Table, f: int, digests: set[str]) -> bool:
    """Whether entry `f`, to the second and to the letter, is some other message."""
    entry = table.found[f]
    return entry.header.exact and (entry.digest in digests or bool(table.history.having(entry.digest)))


def _claimed(table: Table, k: int, fs: list[int]) -> None:
    one = table.known[k]
    current = table.holder[k]
    if current != OPEN:
        rivals = [f for f in fs if _rival(table, one.id, one.header, one.versions, f)]
    else:
        rivals = [f for f in fs if table.found[f].header == one.header]
        if not rivals:
            last = next((table.found[f].digest for f in reversed(fs) if table.similar(one.id, f)), None)
            rivals = [f for f in fs if table.found[f].digest == last]
    broken = {f for f in rivals if current != OPEN and _broken(table, one.id, f)}
    unseen = [f for f in rivals if f not in broken and table.found[f].digest not in one.versions]
    if unseen or current == OPEN:
        winner = table.found[(unseen or rivals)[-1]].digest if rivals else None
        chosen = next((f for f in rivals if table.found[f].digest == winner), None)
        if chosen is not None:
            table.hold(k, chosen, EDITED)
    for f in [current, *rivals] if current != OPEN else rivals:
        if f in broken:
            table.copy_of(f, table.holder[k])
        elif f != table.holder[k]:
            table.copy(f, k)


def _rival(table: Table, id: str, header: Header, versions: frozenset[str], f: int) -> bool:
    """Whether entry `f`, beside the original, is another text of it and not a message of its own."""
    entry = table.found[f]
    return entry.header == header and (entry.digest in versions or table.similar(id, f) or _broken(table, id, f))


def _broken(table: Table, id: str, f: int) -> bool:
    """Whether entry `f` is what a cut left of a copy of the message."""
    text = table.text(id)
    return not table.found[f].closed and text is not None and torn(text, table.found[f].body, more=True)


def _claimed_past(table: Table, past: Past, fs: list[int]) -> None:
    spare = past.copies - sum(1 for said in table.decided if said and said.id == past.id) if past.copies else 0
    for f in fs:
        same_header = table.found[f].header == past.header
        if past.reason == DELETED and past.id not in table.returned:
            if same_header or table.similar(past.id, f):
                table.past(f, RETURNED, past.id, version=True)
                table.returned[past.id] = f
        elif past.id in table.returned and table.found[f].digest == table.found[table.returned[past.id]].digest:
            table.copy_of(f, table.returned[past.id])
        elif same_header and (
            (broken := _broken(table, past.id, f))
            or spare > 0
            or _beside(table, past.id, f)
            or table.similar(past.id, f)
        ):
            spare -= 1
            if past.reason == DELETED:
                table.copy_of(f, table.returned[past.id], version=not broken)
            else:
                table.past(f, ARCHIVED, past.id, version=not broken)
                table.echo[f] = frozenset({("past", past.seq)})


def _beside(table: Table, id: str, f: int) -> bool:
    """Whether a copy of the message stands on another side of the conflict that entry `f` stands in."""
    side = table.found[f].side
    sides = {table.found[g].side for g, said in enumerate(table.decided) if said and said.id == id} if side else ()
    return any(other not in {0, side} for other in sides)


def by_likeness(table: Table) -> None:
    """Rule 4."""
    missing, fs = table.missing(), table.open_found()
    if not missing or not fs:
        return
    _by_old_text(table, missing, fs)
    digests = _digests(table)
    fs = [f for f in fs if not _copied(table, f, digests)]
    gaps = table.gaps()
    _by_header(table, gaps, fs)
    _in_place(table, gaps, fs)


def _still(table: Table, fs: Iterable[int]) -> Iterator[int]:
    return (f for f in fs if table.decided[f] is None)


def _by_old_text(table: Table, missing: list[int], fs: list[int]) -> None:
    owner = {digest: k for k in missing for digest in table.known[k].versions}
    for f in fs:
        k = owner.get(table.found[f].digest)
        if k is not None and table.holder[k] == OPEN:
            table.hold(k, f, EDITED)


def _by_header(table: Table, gaps: Gaps, fs: list[int]) -> None:
    wanted: dict[Header, list[int]] = defaultdict(list)
    for k in table.missing():
        if table.known[k].header.exact:
            wanted[table.known[k].header].append(k)
    for f in _still(table, fs):
        ks = [k for k in wanted.get(table.found[f].header, ())[:_WINDOW] if table.holder[k] == OPEN]
        if not table.found[f].closed and torn_meta(table.found[f].body):
            continue  # no text at all: rule 5
        here = [k for k in ks if gaps.known[k] == gaps.found[f] and not _another(table, f, k)]
        best = here[0] if here else None
        if len(here) != 1:
            score, likest = max(((table.alike(table.known[k].id, f), -k) for k in ks), default=(0.0, 0))
            best = -likest if ks and score >= table.limits.similar else best
        if best is not None and not _torn_copy(table, f, best):
            table.hold(best, f, REDACTED if table.known[best].redacted else EDITED)


def _torn_copy(table: Table, f: int, k: int) -> bool:
    """Whether entry `f` is a copy of another message than `k`, with a piece of the header behind it at its end."""
    entry = table.found[f]
    if entry.closed or not torn_end(entry.body):
        return False
    ids = [one.id for n, one in enumerate(table.known) if n != k and one.header == entry.header]
    ids += [one.id for one in table.history.headed(entry.header)]
    return any(frayed(text, entry.body) for id in ids if (text := table.text(id)) is not None)


def _another(table: Table, f: int, k: int) -> bool:
    """Whether entry `f` names another message than `k`."""
    id = table.found[f].id
    return id is not None and id != table.known[k].id and (id in table.position or table.history.get(id) is not None)


def _in_place(table: Table, gaps: Gaps, fs: list[int]) -> None:
    wanted: dict[tuple[int, str], list[int]] = defaultdict(list)
    for k in table.missing():
        one = table.known[k]
        wanted[gaps.known[k], one.header.sender].append(k)
        if one.header.exact:
            wanted[gaps.known[k], "@" + one.header.stamp].append(k)
    for f in _still(table, fs):
        header = table.found[f].header
        keys = ((gaps.found[f], key) for key in (header.sender, "@" + header.stamp))
        near = [k for key in keys for k in wanted.get(key, ())[:_WINDOW]]
        best, likeness = OPEN, table.limits.similar
        for k in near:
            if table.holder[k] != OPEN or table.known[k].redacted or _distinct(table.known[k].header, header):
                continue
            score = table.alike(table.known[k].id, f)
            if score >= likeness and (best == OPEN or score > likeness):
                best, likeness = k, score
        if best != OPEN and not _torn_copy(table, f, best):
            table.hold(best, f, EDITED)


def _distinct(one: Header, other: Header) -> bool:
    """Two different times to the second: two messages."""
    return one.exact and other.exact and one.stamp != other.stamp


def named(table: Table) -> None:
    """Rule 5, where the cut left so much of the meta line that it tells which message it was."""
    for f in table.open_found():
        entry = table.found[f]
        start = None if entry.closed or entry.id is not None else torn_id(entry.body)
        if start:
            ks = [k for k in table.missing() if table.known[k].id.startswith(start)]
            if len(ks) == 1 and table.known[ks[0]].header == entry.header:
                table.hold(ks[0], f, CUT)


def cut(table: Table) -> None:
    """Rule 5: looked for at the last entry, and, as tools may have appended since, at the last that was agreed.

    Where none of them was agreed yet, the cut is before those that are missing.
    """
    held = [(f, k) for k, f in enumerate(table.holder) if f != OPEN]
    agreed = [(f, k) for f, k in held if table.known[k].agreed]
    last = {max(pairs) for pairs in (held, agreed) if pairs}
    missing = set(table.missing())
    last |= {(f, k) for f, k in held if k + 1 in missing and not (table.found[f].closed or table.known[k].agreed)}
    for f, k in last:
        decision = table.decided[f]
        if decision is not None and decision.verdict == EDITED and _torn(table, f, k):
            table.hold(k, f, CUT)
    _torn_header(table)


def _torn(table: Table, f: int, k: int) -> bool:
    entry, one, text = table.found[f], table.known[k], table.text(table.known[k].id)
    later = range(k + 1, len(table.known))
    more = any(table.holder[n] == OPEN and table.known[n].agreed for n in later)
    unfinished = not entry.closed and one.via != "hand"
    if text is None or not (more or unfinished) or not torn(text, entry.body, more=more):
        return False
    return not any(d and d.verdict == DUPLICATE and d.id == one.id for d in table.decided)


def _torn_header(table: Table) -> None:
    """An entry is an unfinished header line with a missing message's own stamp: that one, cut."""
    for f in table.open_found():
        header, text = table.found[f].header, table.found[f].body.strip()
        if table.found[f].closed or not header.exact or (text and not torn_tag(text) and not torn_meta(text)):
            continue
        for k in table.missing():
            other = table.known[k].header
            if header.stamp == other.stamp and header.sender == other.sender:
                table.hold(k, f, CUT)
                break
