"""Owns the rules for entries whose content changed: which message is this a new text of?

3. *By id.* The only entry that claims an id is that message edited, if its header is the same or its text is
   similar. If neither, somebody typed over an old block: a new message, and the old one is missing. Beside an
   entry that still holds the known text, another entry with that id is a version of it only if the header is the
   same and the text similar (a merge); otherwise somebody copied a block as a pattern for a new message. Of two
   texts the one nobody had seen counts, of two such the later in the file; a torn rest is not a text, and counts for
   nothing beside the whole. Of what is past, an entry with its id is another text of it if the header is the same,
   to the second; beside the known text, again, only if it is similar or on the other side of a conflict. What is to
   the second and to the letter another message is left to rule 6, whatever id it claims.
4. *Without id*, only for a message whose text is gone from the file: a text it once had is that message. Under the
   very same header, if its stamp is a time to the second, an entry is the message edited if it stands in the place of
   the old text, between the same neighbours, whatever it says now and whether or not the old text was read (and
   unless it has another id), or if it is similar or one of the two begins with the other; of several the likest.
   Entries with different such stamps are different messages, however alike. Whatever the stamp, what keeps header and
   place is edited, however short the text: of several there the likest, then in their order. Under another header an
   edit stays in its place, keeps sender (or exact stamp), and is similar. What fits none of this is taken as a new
   message: delivering one edit too many is better than losing a message. So two texts in one second are two messages,
   however alike, as long as the first stands in the file, or has left the live log: nothing without an id is compared
   with what is past but to the letter (6).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from intercom.format.grammar import Header
from intercom.format.likeness import goes_on
from intercom.repair.rules import torn
from intercom.repair.rules.table import OPEN, Gaps, Table
from intercom.repair.rules.values import Past, Reason, Verdict

_WINDOW = 8  #: how many missing messages with its sender and place an entry is compared with


def by_id(table: Table) -> None:
    """Apply rule 3. An entry that repeats one already matched by content goes with that one."""
    given = {(table.found[f].id, table.found[f].digest): k for k, f in enumerate(table.holder) if f != OPEN}
    claims: dict[str, list[int]] = defaultdict(list)
    for f in table.open_found():
        id = table.found[f].id
        k = given.get((id, table.found[f].digest)) if id is not None else None
        if k is not None:
            table.copy(f, k)
        elif id is not None:
            claims[id].append(f)
    stands: dict[str, list[int]] = defaultdict(list)
    for f, said in enumerate(table.decided):
        if said and said.id:
            stands[said.id].append(f)
    for id, entries in claims.items():
        fs = [f for f in entries if not table.copied(f)]
        k = table.position.get(id)
        if k is not None:
            _claimed(table, k, fs)
        elif (past := table.history.get(id)) is not None:
            _claimed_past(table, past, fs, stands[id])


def _claimed(table: Table, k: int, fs: list[int]) -> None:
    one, current = table.known[k], table.holder[k]
    holes = {f for f in fs if table.doubtful and table.found[f].holed}  # the hole may be in the header
    rivals = [f for f in fs if f in holes or table.found[f].header == one.header]
    remnants = {f for f in rivals if table.remnant(one.id, f, one.versions)}
    if current != OPEN:
        rivals = [
            f for f in rivals if f in remnants or table.found[f].digest in one.versions or table.similar(one.id, f)
        ]
    elif not rivals:
        last = next((table.found[f].digest for f in reversed(fs) if table.similar(one.id, f)), None)
        rivals = [f for f in fs if table.found[f].digest == last]
    unseen = [f for f in rivals if f not in remnants and table.found[f].digest not in one.versions]
    if rivals and (unseen or current == OPEN):
        winner = table.found[(unseen or rivals)[-1]].digest
        table.hold(k, next(f for f in rivals if table.found[f].digest == winner), Verdict.EDITED)
    for f in {*rivals, current} - {OPEN, table.holder[k]}:
        if f in remnants and table.shaken(f):
            table.past(f, Verdict.DROPPED, one.id)
        elif f in remnants and table.found[table.holder[k]].digest == one.digest:
            table.copy_of(f, table.holder[k])
        else:
            table.copy(f, k)


def _claimed_past(table: Table, past: Past, fs: list[int], stands: list[int]) -> None:
    for f in fs:
        entry = table.found[f]
        if entry.header != past.header or not past.header.exact:
            continue
        rest = table.remnant(past.id, f)
        texts = {table.found[g].digest for g in stands}
        same = entry.digest in texts
        merged = rest or same or not stands or any(table.sides_differ(f, g) for g in stands)
        if not merged and not table.similar(past.id, f):
            continue  # the block was copied as a template
        if rest and table.shaken(f):
            table.past(f, Verdict.DROPPED, past.id)
        elif past.reason != Reason.DELETED:
            table.past(f, Verdict.ARCHIVED, past.id, version=not rest and not same)
            stands.append(f)
        elif not table.doubtful:  # there it is a person's text, in a page that undoes nothing: rule 9
            table.back(f, past, version=not same and not (rest and past.digest in texts))
            stands.append(f)


def in_place(table: Table) -> None:
    """Apply rule 4."""
    missing, fs = table.missing(), table.open_found()
    if not missing or not fs:
        return
    _by_old_text(table, missing, fs)
    fs = [f for f in fs if not table.copied(f)]
    gaps = table.gaps()
    _by_header(table, gaps, fs)
    _by_place(table, gaps, fs)
    _by_likeness(table, gaps, fs)


def _still(table: Table, fs: Iterable[int]) -> Iterator[int]:
    return (f for f in fs if table.decided[f] is None)


def _by_old_text(table: Table, missing: list[int], fs: list[int]) -> None:
    owner = {digest: k for k in missing for digest in table.known[k].versions}
    for f in fs:
        k = owner.get(table.found[f].digest)
        if k is not None and table.holder[k] == OPEN:
            table.hold(k, f, Verdict.EDITED)


def _by_header(table: Table, gaps: Gaps, fs: list[int]) -> None:
    wanted: dict[Header, list[int]] = defaultdict(list)
    for k in table.missing():
        if table.known[k].header.exact:
            wanted[table.known[k].header].append(k)
    for f in _still(table, fs):
        entry = table.found[f]
        if not entry.closed and entry.body and torn.bare(entry.body):
            continue  # no text at all: left to rule 5
        gone = [k for k in wanted.get(entry.header, ())[:_WINDOW] if table.holder[k] == OPEN]
        gone = [k for k in gone if not _another(table, f, k)]
        here = [k for k in gone if gaps.known[k] == gaps.found[f]]
        best = here[0] if here else OPEN
        if gone and len(here) != 1:
            score, likest = max((1.0 if _goes_on(table, k, f) else table.alike(table.known[k].id, f), -k) for k in gone)
            best = -likest if score >= table.limits.similar else OPEN
        if best != OPEN:
            table.hold(best, f, Verdict.REDACTED if table.known[best].redacted else Verdict.EDITED)


def _by_place(table: Table, gaps: Gaps, fs: list[int]) -> None:
    """Match entries that keep header and place: the most similar first, then in order."""
    missing: dict[tuple[int, Header], list[int]] = defaultdict(list)
    for k in table.missing():
        if not table.known[k].redacted:
            missing[gaps.known[k], table.known[k].header].append(k)
    open_: dict[tuple[int, Header], list[int]] = defaultdict(list)
    for f in _still(table, fs):
        entry, place = table.found[f], (gaps.found[f], table.found[f].header)
        if place in missing and not (not entry.closed and entry.body and torn.bare(entry.body)):
            open_[place].append(f)
    for place, here in open_.items():
        gone = missing[place]
        pairs = [(f, k) for f in here[:_WINDOW] for k in gone[:_WINDOW] if not _another(table, f, k)]
        if len(here) != len(gone) or len(gone) <= _WINDOW:
            score = {pair: table.alike(table.known[pair[1]].id, pair[0]) for pair in pairs} if len(pairs) > 1 else {}
            pairs.sort(key=lambda pair: -score.get(pair, 0.0))
        else:
            pairs = [(f, k) for f, k in zip(here, gone, strict=True) if not _another(table, f, k)]
        for f, k in pairs:
            if table.decided[f] is None and table.holder[k] == OPEN:
                table.hold(k, f, Verdict.EDITED)


def _goes_on(table: Table, k: int, f: int) -> bool:
    """Whether entry `f` is message `k` extended or shortened at a word boundary."""
    return goes_on(table.text(table.known[k].id) or "", table.found[f].body)


def _another(table: Table, f: int, k: int) -> bool:
    """Whether entry `f` says that it is another message than `k`, be it one that nobody here knows."""
    return table.found[f].id not in {None, table.known[k].id}


def _by_likeness(table: Table, gaps: Gaps, fs: list[int]) -> None:
    wanted: dict[tuple[int, str], list[int]] = defaultdict(list)
    for k in table.missing():
        one = table.known[k]
        wanted[gaps.known[k], one.header.sender].append(k)
        if one.header.exact:
            wanted[gaps.known[k], "@" + one.header.stamp].append(k)
    for f in _still(table, fs):
        header, id = table.found[f].header, table.found[f].id
        if id is not None and id not in table.position and table.history.get(id) is None:
            continue  # no meta line of ours was pasted there: it is a message of others
        keys = ((gaps.found[f], key) for key in (header.sender, "@" + header.stamp))
        near = [k for key in keys for k in wanted.get(key, ())[:_WINDOW]]
        best, likeness = OPEN, table.limits.similar
        for k in near:
            if table.holder[k] != OPEN or table.known[k].redacted or _distinct(table.known[k].header, header):
                continue
            rest = table.shaken(f) and table.rest(table.known[k].id, f)
            score = 1.0 if rest else table.alike(table.known[k].id, f)
            if score >= likeness and (best == OPEN or score > likeness):
                best, likeness = k, score
        if best != OPEN:
            table.hold(best, f, Verdict.EDITED)


def _distinct(one: Header, other: Header) -> bool:
    """Whether two headers have different times to the second, and so belong to different messages."""
    return one.exact and other.exact and one.stamp != other.stamp
