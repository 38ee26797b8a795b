r"""Owns a small notation for logs, so that a scenario of reconciling reads like the log it is about.

One message a line: `ID STAMP SENDER>TO: text`. `-` for the id is a message without one; `>TO` may be left out.
Marks behind the id, on what is known: `~` not seen in the file since it was appended, `+` put back before, `?` not
received by all it is for, `!` an announcement, `#` redacted, `:h` hand-written; on what is found: `:1` or `:2` the side
of a git conflict, `…` at the end of the text: torn off there, and `\0` in it a NUL. Past messages carry `archived`,
`deleted` or `redacted` as their mark.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from intercom.repair.rules import (
    Damage,
    Decision,
    Found,
    Header,
    Judgement,
    Known,
    Outcome,
    Past,
    Reason,
    Recalled,
    Verdict,
    reconcile,
    trimmed,
)

UNCHANGED, MOVED, EDITED, CUT, ADDED, DUPLICATE, RETURNED, ARCHIVED, REDACTED, BEGUN, DROPPED = Verdict
INTACT, GREW, CHANGED, REPAIR = Judgement
REMOVED, EMPTIED, TRUNCATED, OVERWRITTEN, STALE_SAVE, RESURFACED = Damage

_LINE = re.compile(
    r"(?P<id>[\w-]+?)(?P<marks>[~+!#?]*|:\w+) (?P<stamp>\S+) (?P<sender>\w+)(?:>(?P<to>\w+))?: ?(?P<body>.*)"
)


def digest(header: Header, body: str) -> str:
    """Same content, same digest; white space does not count."""
    text = "\0".join((*header, " ".join(body.split())))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def seen(entry: Found) -> Found:
    """The entry with all that follows from its text."""
    short = trimmed(entry.body)
    cut = None if entry.closed or short == entry.body else digest(entry.header, short)
    return entry._replace(digest=digest(entry.header, entry.body), trimmed=cut, holed="\0" in entry.body)


class Line(NamedTuple):
    """One line of the notation, read."""

    id: str
    mark: str
    header: Header
    body: str

    @property
    def digest(self) -> str:
        """The digest of its content."""
        return digest(self.header, self.body)


def read(log: str) -> list[Line]:
    r"""Read a log in the notation; `\n` in a text is a line end, `\0` a NUL."""
    lines = []
    for text in filter(None, map(str.strip, log.splitlines())):
        match = _LINE.fullmatch(text)
        assert match, f"not in the notation: {text}"
        header = Header(match["stamp"], match["sender"], match["to"] or "all", "INFO")
        lines.append(Line(match["id"], match["marks"], header, match["body"].replace("\\n", "\n").replace("\\0", "\0")))
    return lines


class World(NamedTuple):
    """One moment: what is known, what the file holds, what is past, and the texts by id."""

    known: list[Known]
    found: list[Found]
    past: list[Past]
    texts: dict[str, str]
    exists: bool = True
    older: tuple[tuple[str, str], ...] = ()  #: digests of further texts of past messages, with their ids
    doubtful: bool = False
    former: tuple[str, ...] = ()  #: texts that the messages had before

    def reconcile(self) -> Outcome:
        """What the rules say about it."""
        return reconcile(
            self.known,
            self.found,
            history=Recalled(self.past, self.older),
            body_of=self.texts.get,
            former_of=lambda _id: self.former,
            exists=self.exists,
            doubtful=self.doubtful,
        )


class Scenario(NamedTuple):
    """A story: `says` lists a verdict for each entry of `found`, with the message's id where it has one."""

    known: str
    found: str | None
    says: str
    judgement: str
    kind: str | None = None
    deleted: str = ""
    lost: str = ""
    past: str = ""
    owed: str = ""
    quiet: bool = False
    doubtful: bool = False


def play(told: Scenario) -> World:
    """Let a story happen, and fail if it does not end as told or leaves anything to do; the world at its end."""
    now = world(told.known, told.found, told.past)._replace(doubtful=told.doubtful)
    outcome = now.reconcile()
    assert ", ".join(f"{entry.verdict} {entry.id or ''}".strip() for entry in outcome.entries) == told.says
    assert (outcome.judgement, outcome.kind, outcome.quiet) == (told.judgement, told.kind, told.quiet)
    assert " ".join(outcome.deleted) == told.deleted
    assert " ".join(outcome.lost) == told.lost
    assert " ".join(outcome.owed) == told.owed
    after = applied(now, outcome)
    assert after.reconcile().judgement == INTACT
    return after


def world(known: str, found: str | None, past: str = "") -> World:
    """A moment written in the notation; `found` None is a file that is not there."""
    texts = {}
    old, live, file = [], [], []
    for seq, line in enumerate(read(past)):
        texts[line.id] = line.body
        old.append(Past(line.id, line.digest, line.header, seq, Reason(line.mark.lstrip(":") or "archived")))
    for seq, line in enumerate(read(known), start=len(old)):
        texts[line.id] = line.body
        one = Known(line.id, line.digest, line.header, seq, seq, agreed="~" not in line.mark)
        one = one._replace(restored=line.mark.count("+"), system="!" in line.mark, redacted="#" in line.mark)
        one = one._replace(received="?" not in line.mark)
        live.append(one._replace(via="hand" if line.mark == ":h" else "tool"))
    for place, line in enumerate(read(found or "")):
        id = None if line.id == "-" else line.id
        side = int(line.mark[1:]) if line.mark.startswith(":") else 0
        body = line.body.removesuffix("…")
        closed = not line.body.endswith("…")
        file.append(seen(Found(place, id, "", line.header, body, closed, side)))
    return World(live, file, old, texts, found is not None)


class _Applying:
    """What a caller keeps while it applies an outcome."""

    def __init__(self, before: World) -> None:
        self.known = {one.id: one for one in before.known}
        self.past = {one.id: one._replace(copies=0) for one in before.past}
        self.texts = dict(before.texts)
        self.older = before.older
        self.seq = max([*(one.seq for one in before.known), *(one.seq for one in before.past)], default=-1)
        self.arrived = max([self.seq, *(one.arrived for one in before.known)])
        self.now: dict[str, Known] = {}

    def come(self, one: Known) -> None:
        """Let a message arrive in the file."""
        self.arrived += 1
        self.now[one.id] = one._replace(arrived=self.arrived)

    def entry(self, entry: Found, decision: Decision) -> str:
        """Apply what was decided of one entry; the id it goes by."""
        id = decision.id
        if decision.verdict == ADDED:
            self.seq += 1
            id = f"new{self.seq}"
            self.come(Known(id, entry.digest, entry.header, self.seq, 0, via="hand"))
            self.texts[id] = entry.body
        assert id is not None
        if decision.verdict == RETURNED:
            old = self.past.pop(id)
            self.come(Known(id, entry.digest, entry.header, old.seq, 0, versions=frozenset({old.digest})))
            self.texts[id] = entry.body
        elif decision.verdict == EDITED:
            one = self.known[id]
            self.now[id] = one._replace(digest=entry.digest, header=entry.header, versions=one.versions | {one.digest})
            self.texts[id] = entry.body
        elif decision.verdict == ARCHIVED and decision.version:
            self.older += ((entry.digest, id),)
        if id in self.known and decision.verdict != DUPLICATE:
            self.now.setdefault(id, self.known[id])
        return id

    def copy(self, entry: Found, decision: Decision, id: str) -> None:
        """Count an agreed copy of `id`."""
        if decision.verdict == DUPLICATE:
            one = self.now[id]
            versions = one.versions | ({entry.digest} if decision.version else set())
            self.now[id] = one._replace(copies=one.copies + 1, versions=versions)
        elif id in self.past:
            self.past[id] = self.past[id]._replace(copies=self.past[id].copies + 1)


def applied(before: World, outcome: Outcome) -> World:
    """The world after the caller did all that the outcome says."""
    work = _Applying(before)
    both = zip(before.found, outcome.entries, strict=True)
    pairs = [(entry, decision) for entry, decision in both if decision.verdict not in {BEGUN, DROPPED}]
    names = {d.place: work.entry(entry, d) for entry, d in pairs if d.verdict != DUPLICATE}
    work.now = {id: one._replace(agreed=True, copies=0) for id, one in work.now.items()}
    for entry, decision in pairs:
        name = names[decision.place if decision.of is None else decision.of]
        work.copy(entry, decision, name)
    file = [_kept(work, entry, decision) for entry, decision in pairs]
    for id in outcome.lost:
        one = work.known[id]
        work.come(one._replace(agreed=True, restored=one.restored + 1, copies=0))
        file.append(Found(len(before.found) + len(file), id, one.digest, one.header, work.texts[id]))
    for id in outcome.owed:
        one = work.known[id]
        work.come(one._replace(agreed=True, copies=0))
        file.append(Found(len(before.found) + len(file), id, one.digest, one.header, work.texts[id]))
    for id in outcome.deleted:
        one = work.known[id]
        work.past[id] = Past(id, one.digest, one.header, one.seq, Reason.REDACTED if one.redacted else Reason.DELETED)
    return World(list(work.now.values()), file, list(work.past.values()), work.texts, older=work.older)


def _kept(work: _Applying, entry: Found, decision: Decision) -> Found:
    """The entry as it stands in the file afterwards: damage is made good, the rest is left alone."""
    if decision.verdict not in (CUT, REDACTED):
        return entry
    assert decision.id is not None
    whole = work.known.get(decision.id) or work.past[decision.id]
    body = "" if decision.verdict == REDACTED else work.texts[decision.id]
    return Found(entry.place, decision.id, whole.digest, whole.header, body)
