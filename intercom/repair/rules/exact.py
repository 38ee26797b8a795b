"""Owns the first rules: the id and the content say which message an entry is.

0. *Any other text under the id of a redacted message is the secret*, back with an old copy: destroyed again, and
   the stub takes its place.
1. *Same id, same digest: the message.* The digest ignores what reformatting changes, so a file that went through
   a formatter, CRLF or a BOM is unchanged here. A second such entry is a duplicate.
2. *Same digest, no id or a wrong one: the message.* Hand-written messages have no id in the file, and tools that
   strip HTML comments take the others'. Where the file holds more or fewer such entries than were known, those
   that stand in their old place come first, then file order decides.
"""

from __future__ import annotations

from collections import defaultdict

from intercom.repair.rules.table import OPEN, Table
from intercom.repair.rules.values import Found, Reason, Verdict


def by_id_and_content(table: Table) -> None:
    """Apply rules 0 and 1, for messages of the live log and for past ones."""
    whole = (f for f in range(len(table.found)) if f not in table.frayed)
    secrets = [f for f in (*whole, *sorted(table.frayed)) if table.found[f].id and not _same(table, f, table.found[f])]
    for f in secrets:
        id = table.found[f].id
        k = table.position.get(id or "")
        table.past(f, Verdict.REDACTED, id)
        if k is not None and table.holder[k] == OPEN:
            table.holder[k] = f


def _same(table: Table, f: int, entry: Found) -> bool:
    """Apply rule 1 to an entry with an id; False if rule 0 applies."""
    assert entry.id is not None
    k = table.position.get(entry.id)
    if k is not None:
        one = table.known[k]
        if one.digest == entry.digest and table.holder[k] == OPEN:
            table.hold(k, f)
        elif one.digest == entry.digest:
            table.copy(f, k)
        return one.digest == entry.digest or not one.redacted
    past = table.history.get(entry.id)
    if past is None or past.digest != entry.digest:
        return past is None or past.reason != Reason.REDACTED
    if past.reason == Reason.DELETED:
        table.back(f, past)
    else:
        table.past(f, Verdict.ARCHIVED, past.id)
    return True


def by_content(table: Table, *, claimed: bool) -> None:
    """Apply rule 2. Unless `claimed`, messages whose id an open entry claims wait: that entry may be their new text."""
    known = {table.known[k].digest for k in table.missing()}
    texts = [] if claimed else [f for f in table.open_found() if table.found[f].digest not in known]
    claims = {table.found[f].id for f in texts}
    wanted: dict[str, list[int]] = defaultdict(list)
    for k in table.missing():
        if table.known[k].id in claims:
            continue
        wanted[table.known[k].digest].append(k)
    offered: dict[str, list[int]] = defaultdict(list)
    for f in table.open_found():
        if table.found[f].digest in wanted:
            offered[table.found[f].digest].append(f)
    unclear: list[tuple[list[int], list[int]]] = []
    for digest, entries in offered.items():
        ks = wanted[digest]
        whole = [f for f in entries if f not in table.frayed]
        plain = [f for f in whole if not _past_text(table, f)]
        fs = next((fs for fs in (plain, whole) if len(fs) >= len(ks)), entries)  # the others are worse candidates
        if len(ks) == len(fs):
            for k, f in zip(ks, fs, strict=True):
                table.hold(k, f)
        else:
            unclear.append((ks, fs))
    if unclear:
        _in_place_first(table, unclear)


def _past_text(table: Table, f: int) -> bool:
    """Whether rule 3 would take the entry for another text of the past message whose id it has."""
    entry = table.found[f]
    past = None if entry.id is None else table.history.get(entry.id)
    return past is not None and past.header.exact and past.header == entry.header


def _in_place_first(table: Table, unclear: list[tuple[list[int], list[int]]]) -> None:
    """Match entries with the same digest gap by gap, then the rest in order."""
    gaps = table.gaps()
    for ks, fs in unclear:
        here: dict[int, list[int]] = defaultdict(list)
        for f in reversed(fs):
            here[gaps.found[f]].append(f)
        rest = []
        for k in ks:
            place = here.get(gaps.known[k])
            if place:
                table.hold(k, place.pop())
            else:
                rest.append(k)
        left = [f for f in fs if table.decided[f] is None]
        for k, f in zip(rest, left, strict=False):
            table.hold(k, f)
