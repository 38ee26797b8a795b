"""Owns the rule for entries that nobody wrote: what a cut through the file, or a power cut, left of a message.

5. *Cut.* The last entry that was agreed, if its text is the beginning of the known one, or that one with a piece of
   the next header or of its own closing rule behind it, was not edited but cut, where what followed it is gone, or
   its closing rule is, or nobody ever saw it whole. A person who shortens the last hand-written message, where no
   closing rule was promised, has edited it. Where the cut went through the meta line, what is left of the id tells
   which message it was; where through the header, its stamp and sender.
   *Begun*: a message with nothing new below it but the beginning of a header (`#`s, a stamp, names) was not edited, and
   a last header without any text is no message yet: somebody is still writing, and it stays on the page as it is.
   *A hole*: an entry that but for NULs is what a message was is cut, too, wherever it stands. In a page that is
   doubtful (rule 13), so is any entry that begins its message's text, is an older text of it or begins one, or holds
   a NUL, be it in its header or meta line alone. If its message stands elsewhere, or nothing but NULs is left of it,
   it is dropped.
"""

from __future__ import annotations

from collections import defaultdict

from intercom.repair.rules import torn
from intercom.repair.rules.table import OPEN, Table
from intercom.repair.rules.values import Verdict

_MANY = 100  #: how many messages with its stamp and sender an entry is compared with


def cut(table: Table) -> None:
    """Apply rule 5 to the last entry and, as tools may have appended since, to the last that was agreed.

    If none of them was agreed yet, the cut is before the missing ones.
    """
    held = [(f, k) for k, f in enumerate(table.holder) if f != OPEN]
    agreed = [(f, k) for f, k in held if table.known[k].agreed]
    ends = {max(pairs) for pairs in (held, agreed) if pairs}
    missing = set(table.missing())
    ends |= {(f, k) for f, k in held if k + 1 in missing and not (table.found[f].closed or table.known[k].agreed)}
    for f, k in held:
        decision = table.decided[f]
        if decision is not None and decision.verdict == Verdict.UNCHANGED and _framed_by_holes(table, f):
            table.hold(k, f, Verdict.CUT)
        if decision is None or decision.verdict != Verdict.EDITED:
            continue
        if _left(table, f, k) or ((f, k) in ends and _cut_off(table, f, k)):
            table.hold(k, f, Verdict.CUT)
        elif _begun(table, f, k):
            table.decided[f] = decision._replace(verdict=Verdict.UNCHANGED, version=False)
    _remains(table)


def _framed_by_holes(table: Table, f: int) -> bool:
    """Whether a power cut left holes in entry `f`, and none of them in its text."""
    return table.doubtful and table.found[f].holed and "\0" not in table.found[f].body


def _begun(table: Table, f: int, k: int) -> bool:
    """Whether entry `f` is message `k` with an unfinished header below it."""
    entry, one = table.found[f], table.known[k]
    same = f in table.frayed and entry.digest == one.digest and not one.redacted
    return same and torn.header_torn(entry.body, by_hand=one.via == "hand")


def _left(table: Table, f: int, k: int) -> bool:
    """Whether entry `f` is what a power cut left of message `k`."""
    if f in table.frayed:
        return table.doubtful
    return table.shaken(f) and table.remnant(table.known[k].id, f, table.known[k].versions)


def _cut_off(table: Table, f: int, k: int) -> bool:
    """Whether entry `f`, at the former end of the file, is what a cut left of message `k`."""
    entry, one, text = table.found[f], table.known[k], table.text(table.known[k].id)
    more = any(table.holder[n] == OPEN and table.known[n].agreed for n in range(k + 1, len(table.known)))
    unfinished = not entry.closed and one.via != "hand"
    if f in table.frayed:
        rest = more or (unfinished and torn.rule_torn(entry.body))
    else:
        unsure = more or unfinished or not one.agreed
        rest = unsure and text is not None and torn.beginning(text, entry.body)
    return rest and not any(d and d.verdict == Verdict.DUPLICATE and d.id == one.id for d in table.decided)


def _remains(table: Table) -> None:
    """Apply rule 5 to what no other rule knows: an unfinished header, a hole in a header or a meta line."""
    open_ = [f for f in table.open_found() if (table.shaken(f) and not table.copied(f)) or _bare(table, f)]
    senders: dict[tuple[str, str], list[int]] = defaultdict(list)
    if open_:
        for k in sorted(range(len(table.known)), key=lambda k: table.holder[k] != OPEN):  # missing ones first
            senders[table.known[k].header[:2]].append(k)
    for f in open_:
        entry = table.found[f]
        near = senders[entry.header[:2]][:_MANY]
        left = next((k for k in near if _is_left_of(table, f, k)), OPEN)
        if left != OPEN and table.holder[left] == OPEN:
            table.hold(left, f, Verdict.CUT)
        elif left != OPEN:
            table.past(f, Verdict.DROPPED, table.known[left].id)
        elif entry.holed and (not entry.body.strip("\0 \t\r\n") or torn.holed_meta(entry.body) is not None):
            table.past(f, Verdict.DROPPED, None)  # only tools write meta lines, and their messages are in the ledger
        elif f == len(table.found) - 1 and entry.id is None and _bare(table, f):
            table.past(f, Verdict.BEGUN, None)


def _bare(table: Table, f: int) -> bool:
    return not table.found[f].closed and torn.bare(table.found[f].body.strip())


def _is_left_of(table: Table, f: int, k: int) -> bool:
    """Whether entry `f`, with the stamp and sender of message `k`, is what is left of it."""
    entry, one = table.found[f], table.known[k]
    start = torn.ident(entry.body.strip()) if _bare(table, f) else ""
    if _bare(table, f) and table.holder[k] == OPEN and (start or one.header.exact):
        return one.id.startswith(start)
    same = entry.header == one.header or (entry.holed and "\0" not in entry.body)  # a hole in the header
    return same and one.header.exact and table.shaken(f) and table.rest(one.id, f)
