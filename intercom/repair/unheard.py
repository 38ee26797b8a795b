"""Owns text on the page that reaches nobody: near misses, and messages to an unknown name.

Each is reported once, by `system` to `user`, when it is taken in: the notice is in the ledger, so what was reported
stays known as long as the ledger. What still reaches nobody is determined whenever somebody asks: from the page, and
from hand-written messages that left it, of which it was reported.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from intercom.core.config import Config
from intercom.core.digests import blake2b
from intercom.core.escaping import value
from intercom.core.message import (
    ALL,
    SYSTEM,
    USER,
    Message,
    canonical,
    local_stamp,
    machine_of,
    new_id,
    recipients,
    utc,
)
from intercom.core.patterns import lazy
from intercom.format import MESSAGE, PREAMBLE, Entry, decode, encode, hand_id, render
from intercom.format.near import Near, near_misses, not_known
from intercom.format.record import START, seal, sealed
from intercom.format.roster import Roster
from intercom.repair.sides import entry_of
from intercom.store.index import query
from intercom.store.index.edited import any_edited
from intercom.store.index.values import entry_of_row, loaded
from intercom.store.log.unfinished import BEGUN_LINE, entries_of, is_compacted
from intercom.store.state.db import State
from intercom.store.state.known import everybody, roster
from intercom.system.files import read_from
from intercom.system.still import lately

MOST = 10  #: notices at a time; more are only counted
_PAST = 1_000  #: hand-written messages off the page among which what was said of them is looked for
#: How a notice begins.
_MESSAGE, _NOBODYS = "this message does not reach everybody: ", "this message reaches nobody: "
_LINE = "nobody gets this line: "
_LONGEST = 300  #: characters of a quoted line
_BELOW = lazy(r"\s*\n\s*-{3,}[ \t]*\n\s*(\S[^\n]*)")
_ENCLOSES = lazy(rb"(?:\A|\n)(?:\xef\xbb\xbf)?(?: {0,3}(?:`{3}|~{3})|<{7}|={7}|>{7}|\|{7})")
_COMPACTED = lazy(rb"(?<=\n)### COMPACTED:[^\n]*\n\s*\Z")  # a marker with nothing below it
_VERSIONS = (
    "SELECT m.id, m.sender, m.body, v.body FROM (SELECT DISTINCT id FROM versions) e JOIN messages m ON m.id = e.id "
    "JOIN versions v ON v.id = m.id WHERE m.via = 'hand' AND m.hidden = 0 ORDER BY m.seq, v.n"
)


class Unheard(NamedTuple):
    """A line, or a message by its id, that reaches nobody, or not everybody it names."""

    line: str
    why: str
    instead: str
    id: str | None = None
    some: bool = False  #: whether somebody gets it

    def sentence(self) -> str:
        """A one-line explanation for a person."""
        what = _LINE if not self.line.startswith("#") else _MESSAGE if self.some else _NOBODYS
        return f"{what}{_quoted(self.line)} ({value(self.why)}). Write instead: {_quoted(self.instead)}"


def _quoted(text: str) -> str:
    return value(_short(text))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def strangers(to: str, present: Collection[str]) -> list[str]:
    """The unknown names among the recipients: unknown here, or at a machine that has no log here."""
    return [name for name in recipients(to) if name not in present and f"@{machine_of(name)}" not in present]


def present(config: Config, state: State, page: bytes) -> frozenset[str]:
    """Everybody who can get a message now; anybody at another machine with a log here as `@machine`."""
    elsewhere = (f"@{canonical(machine)}" for machine, _ in config.other_logs())
    return frozenset((*everybody(config, state, page), ALL, USER, SYSTEM, *elsewhere))


def of_entry(entry: Entry, ident: str, names: Roster, there: Collection[str]) -> Unheard | None:
    """The finding for a hand-written message that names somebody unknown; None if it is in order."""
    unknown = strangers(entry.to, there)
    if not unknown or entry.sender == SYSTEM:
        return None
    meant = {name: names.nearest(name.partition("@")[0]) for name in unknown}
    guess = {name: found for name, found in meant.items() if found and found in there and found not in {USER, ALL}}
    to = ", ".join(guess.get(name, name) for name in recipients(entry.to))
    line = decode(entry.raw.partition(b"\n")[0]).strip() or _header(entry, entry.to)
    instead = line
    for name, found in guess.items():
        instead = instead.replace(name, found)
    instead = instead if instead != line else _header(entry, to)
    if len(unknown) == 1 and (meant_so := _said_in_header(entry, unknown[0], there)):
        instead = meant_so
    elif not guess:
        known = ", ".join(sorted(name for name in there if name != SYSTEM and not name.startswith("@")))
        instead = f"a name that is known ({known}), or wait until {unknown[0]} comes"
    return Unheard(line, not_known(unknown), instead, ident, len(unknown) < len(recipients(entry.to)))


def _said_in_header(entry: Entry, name: str, there: Collection[str]) -> str:
    """The header that was meant where it has a text right after the name, `→ master stop now`; "" if it has none."""
    known = max((one for one in there if name.startswith(f"{one}-")), key=len, default=None)
    if known is None:
        return ""
    text = name.removeprefix(f"{known}-").replace("-", " ")
    return f"## [{entry.stamp}] {entry.sender} → {known}: {text}"


def _header(entry: Entry, to: str) -> str:
    return f"## [{entry.stamp}] {entry.sender} → {to} [{entry.tag}]"


# -- saying it ----------------------------------------------------------------------------------------


def lines(page: bytes, names: Roster) -> tuple[Near, ...]:
    """The near misses of a page."""
    return _near(_by_people(page), names)


@lru_cache(maxsize=4)
def _near(text: bytes, names: Roster) -> tuple[Near, ...]:
    return tuple(near_misses(entries_of(text, names), names))


@lru_cache(maxsize=4)
def _by_people(page: bytes) -> bytes:
    """The page, without its messages if all of them are as tools wrote them: in these nothing is a near miss.

    This takes a fifth of the time of reading them. Text above that could enclose a message has all of them read.
    """
    top = 0 if page.startswith(START) else page.find(b"\n" + START) + 1
    above, messages = page[:top], page[top:]
    if not messages.startswith(START) or _ENCLOSES.search(above) or sealed(messages) is None:
        return page
    return _COMPACTED.sub(b"", above)  # so that it stays the same for long


def to_say(
    db: sqlite3.Connection,
    page: bytes,
    former: bytes | None,
    changed: Iterable[tuple[str, Entry]],
    names: Roster,
    there: Collection[str],
) -> list[bytes]:
    """The notices for what is new: lines that the `former` page did not have, and `changed` messages."""
    before = None if former is None else lines(former, names)
    now = lines(BEGUN_LINE.sub(b"", page), names)
    found = [(ident, Unheard(*one)) for ident, one in fresh(db, now, before)]
    near = {one.line for one in now}
    if former is not None:
        found += [(key, Unheard(*one)) for key, one in _continued(db, page, former, names) if one.line not in near]
    for ident, entry in changed:
        was = entry_of(db, ident)
        said = () if was is None else (was[0].to, _added(entry.sender, was[0].body, entry.body, ident, names))
        one = of_entry(entry, ident, names, there)
        if one is not None and not (said and said[0] == entry.to) and not _said(db, _about(one, entry.to)):
            found.append((_about(one, entry.to), one))
        if said and isinstance(said[1], Unheard) and said[1].line not in near:
            found.append((_about(said[1], said[1].line), said[1]))
    return notices(found)


def _added(sender: str, old: str, new: str, ident: str, names: Roster) -> Unheard | None:
    """The finding for text that somebody added below the closing rule of another's hand-written message.

    It reads as part of that message, under its sender's name. A person's own message may go on below a rule.
    """
    below = _BELOW.match(new, len(old)) if old and len(new) > len(old) and new.startswith(old) else None
    if below is None or sender in {USER, SYSTEM}:
        return None
    line = below[1].strip()
    why = f"it was added below a message of {sender}'s, and reads as a part of that"
    return Unheard(line, why, f"@{sender} {line.lstrip('> ')}" if sender in names.names else f"@NAME {line}", ident)


def fresh(db: sqlite3.Connection, page: Sequence[Near], before: Sequence[Near] | None) -> list[tuple[str, Near]]:
    """The near misses that are new, each with the id of its notice; `before` is None if the former page is unknown."""
    had: Counter[str] = Counter(one.line for one in before or ())
    seen: Counter[str] = Counter()
    out = []
    for one in page:
        seen[one.line] += 1
        if seen[one.line] <= had[one.line]:
            continue
        number = seen[one.line]
        while before is not None and _said(db, _key(one, number)):
            number += 1
        if not _said(db, _key(one, number)):
            out.append((_key(one, number), one))
    return out


def _continued(db: sqlite3.Connection, page: bytes, former: bytes, names: Roster) -> Iterator[tuple[str, Near]]:
    """Paragraphs that somebody added below a near miss later: each is an answer of its own."""
    old = [raw for entry in entries_of(former, names) if entry.kind == PREAMBLE and (raw := entry.raw.rstrip())]
    above: Entry | None = None
    for entry in entries_of(page, names):
        if entry.kind == PREAMBLE and above is not None and above.kind == MESSAGE and entry.raw.rstrip() not in old:
            more = [entry.raw[len(raw) :] for raw in old if entry.raw.startswith(raw)]
            text = decode(min(more, key=len, default=b"")).replace("\r", "")
            if text.startswith("\n\n") and (line := text.strip().partition("\n")[0].strip()):
                one = Near(line, f"it stands under a message of {above.sender}'s, and names nobody", f"@NAME {line}")
                number = 1
                while _said(db, _key(one, number)):
                    number += 1
                yield _key(one, number), one
        above = entry


def _key(one: Near, number: int) -> str:
    return hand_id(blake2b(b"near " + encode(one.line), digest_size=8).hexdigest(), number)


def _about(one: Unheard, what: str) -> str:
    return hand_id(blake2b(encode(f"about {one.id} {what}"), digest_size=8).hexdigest(), 1)


def _said(db: sqlite3.Connection, ident: str) -> bool:
    return db.execute("SELECT 1 FROM messages WHERE id = ?", (ident,)).fetchone() is not None


def notices(found: Iterable[tuple[str, Unheard]]) -> list[bytes]:
    """The records that report these, each with its id; of many only the first ones, and a count of the rest."""
    all_ = list(found)
    out = [_notice(ident, one.sentence(), one.id) for ident, one in all_[:MOST]]
    if more := len(all_) - len(out):
        says = f"{more} more lines of the log reach nobody: `intercom status` lists them"
        out.append(_notice(new_id(), says, None))
    return out


def _notice(ident: str, sentence: str, about: str | None) -> bytes:
    now = time.time()
    message = Message(ident, None, utc(now), SYSTEM, USER, "WARN", "warn", sentence, reply_to=about)
    return seal(render(message, local_stamp(now)))


# -- what is still so ---------------------------------------------------------------------------------


def still(config: Config, state: State, db: sqlite3.Connection) -> list[Unheard]:
    """Everything on the page that reaches nobody, or not everybody it names."""
    page = read_from(config.log) or b""
    names, there = roster(config, state, page), present(config, state, page)
    out = [Unheard(*one) for one in lines(page, names)]
    near = {one.line for one in out}
    out += _told(db, page, names, near)
    out += _waiting(config, page, names)
    for ident, entry in _by_hand(db):
        found = of_entry(entry, ident, names, there)
        if found is not None and not _received(state, ident, strangers(entry.to, there)):
            out.append(found)
    added: dict[str, Unheard] = {}
    shown = frozenset(query.on_page(db)) if any_edited(db) else frozenset()
    for ident, sender, new, old in db.execute(_VERSIONS) if shown else ():
        one = _added(loaded(sender), loaded(old), loaded(new), ident, names) if ident in shown else None
        if one is not None and all(one.line != other.line for other in out):
            added.setdefault(ident, one)
    return [*out, *added.values(), *_past(state, db, names, there)]


def _past(state: State, db: sqlite3.Connection, names: Roster, there: Collection[str]) -> Iterator[Unheard]:
    """What was reported of hand-written messages that left the page since, unless it was said again, and right."""
    told = "\n".join(one for one in query.warned(db) if one.startswith((_LINE, _MESSAGE, _NOBODYS)))
    for ident, *said in query.by_hand_archived(db, _PAST) if told else ():
        entry = entry_of_row(said)
        what = f"archived: write it anew, or `intercom delete {ident}`"
        found = of_entry(entry, ident, names, there)
        if found is not None and _said(db, _about(found, entry.to)):
            again = query.said_again(db, ident, entry.sender, entry.body)
            right = any(not strangers(to, there) for to in again)
            if not right and not _received(state, ident, strangers(entry.to, there)):
                yield found._replace(why=f"{found.why}; {what}")
        if _LINE in told and any(f"{_LINE}{_quoted(line.strip())} (" in told for line in entry.body.splitlines()):
            for key, one in _parts(db, ident, entry, names):
                meant = next((each for each in entries_of(encode(one.instead), names) if each.kind == MESSAGE), None)
                again = query.said_again(db, ident, meant.sender, meant.body) if meant else []
                if _said(db, key) and not (meant and meant.to in again):
                    yield one._replace(why=f"{one.why}; {what}")


def _parts(db: sqlite3.Connection, ident: str, entry: Entry, names: Roster) -> Iterator[tuple[str, Unheard]]:
    """What in the text of a message by hand reaches nobody, with the ids of its notices."""
    raw = encode(f"{_header(entry, entry.to)}\n\n{entry.body}\n")
    for near in near_misses([entry._replace(raw=raw)], names):
        yield _key(near, 1), Unheard(*near, ident)
    old = db.execute("SELECT body FROM versions WHERE id = ? ORDER BY n LIMIT 1", (ident,)).fetchone()
    if old is not None and (one := _added(entry.sender, loaded(old[0]), entry.body, ident, names)) is not None:
        yield _about(one, one.line), one


def _told(db: sqlite3.Connection, page: bytes, names: Roster, near: Collection[str]) -> Iterator[Unheard]:
    """What was said of loose text besides the lines that are `near` misses by themselves.

    A compaction puts text below its marker, away from the message it stood under; other text was added below a near
    miss.
    """
    seen: Counter[str] = Counter()
    why = "it stands below other text, and names nobody"
    above: Entry | None = None
    for entry in entries_of(_by_people(page), names):
        if entry.kind == PREAMBLE and above is not None and (above.kind == MESSAGE or is_compacted(above)):
            for line in filter(None, map(str.strip, decode(entry.raw).splitlines())):
                one = Near(line, why, f"@NAME {line.lstrip('> ')}")
                seen[line] += 1
                if line not in near and _said(db, _key(one, seen[line])):
                    yield Unheard(*one)
        above = entry


def _waiting(config: Config, page: bytes, names: Roster) -> Iterator[Unheard]:
    """A header at the end of the page that nobody wrote a text below, once that should have come."""
    last = deque(entries_of(page, names) if _by_people(page) == page else (), maxlen=1)
    for entry in last:
        header = entry.kind == MESSAGE and entry.id is None and not entry.body.strip()
        if header and not entry.raw.rstrip().endswith(b"---") and not lately(config.log):
            line = decode(entry.raw).strip()
            instead = _said_in_header(entry, entry.to, names.names) or f"{line}, and a text below"
            yield Unheard(line, "it waits for a text below it", instead)


def _received(state: State, ident: str, names: Iterable[str]) -> bool:
    """Whether all of these names existed and received it."""
    return all(name.isascii() and state.receipt(name, ident) for name in names)


def _by_hand(db: sqlite3.Connection) -> Iterable[tuple[str, Entry]]:
    """The hand-written messages on the page, as far as their headers go."""
    for ident, *said in query.by_hand_on_page(db):
        yield ident, Entry("message", 0, b"", *map(loaded, said))
