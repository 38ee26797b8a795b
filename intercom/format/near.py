"""Owns near misses: text on a page that looks like a message or an answer but is none, with the likely intent. Pure.

Text that looks like a header is a near miss only if its names are unknown, or if it is a line without names. Below a
finished message, anything that a person added is one: it is an answer that reaches nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from intercom.core.message import ALL, SYSTEM
from intercom.core.patterns import lazy
from intercom.format.dialects import FORMS, HOUR, MOMENT, STAMP, addressee, arrow
from intercom.format.grammar import FRONT, MESSAGE, PREAMBLE, Entry
from intercom.format.lines import Row, people_begin, rows
from intercom.format.roster import SAID_TO_ALL, Roster
from intercom.format.text import decode

_HEADING = lazy(r" {0,3}#{1,6}\s*\[([^\]\n]{1,60})\](.{1,200})")
_MENTION = lazy(r" {0,3}@([\w.-]{2,40})(?:\s|[:,]|\Z)")
_BLANK = lazy(rb"\n[ \t\r]*\n")
_NOTHING = lazy(r"\0|\s*(?:<{7}|={7}|>{7}|\|{7}|<!--|-->|#{1,6}\s+COMPACTED|-{3,}|[*_]{3,})")
_SHORT = 4_000  #: bytes; of longer messages nothing is kept in memory
_WORDS = 4  #: the longest name
_PLAIN = lazy(r"[^\W\d_]\w*(?:-\w+)*(?:@[\w.-]+|\s\d+)?\Z")  #: a possibly misspelled name, not a phrase or file
#: Words before a colon that may address somebody though no name of an agent is there, or begin a letter.
_CALLED = {
    *("to", "all", "everyone", "everybody"),
    *("from", "von", "subject", "betreff", "objet", "asunto", "oggetto", "re", "date", "datum", "fecha"),
    *("件名", "主题", "тема"),
}
_FORMLESS = "it is not in a form that is read"
_CODE = lazy(r"(?:`{3,}|~{3,})[^\n]*\n\s*(\S[^\n]*)")
_SPLIT = lazy(r"\s*(?:[,;+&/]|\band\b)\s*")


class Near(NamedTuple):
    """A near miss: the line, why it reaches nobody, and what to write instead."""

    line: str
    why: str
    instead: str


def near_misses(entries: Iterable[Entry], roster: Roster) -> Iterator[Near]:
    """The near misses among the entries of a page, in order."""
    above: Entry | None = None
    for entry in entries:
        if entry.kind == PREAMBLE:
            finished = above is not None and above.kind == MESSAGE
            yield from _below(above, entry, roster) if above and finished else _looks(entry, 0, roster)
        elif entry.kind == MESSAGE and entry.sender != SYSTEM:
            if entry.id is None:
                yield from (_seen if len(entry.raw) <= _SHORT else _seen.__wrapped__)(entry, roster)
            elif (end := _edited(entry)) is not None:
                yield from _below(entry, Entry(PREAMBLE, 0, entry.raw[end:]), roster)
        elif entry.kind == FRONT:
            yield from _letters(entry, roster)
        above = entry


def _edited(entry: Entry) -> int | None:
    """Where the text below a tool's block begins whose seal no longer fits, because somebody edited it."""
    if people_begin(entry) is not None or b" sum=" not in entry.raw[:4096]:
        return None
    rule = entry.raw.replace(b"\r\n", b" \n").rstrip().rfind(b"\n---")
    end = entry.raw.find(b"\n", rule + 1) if rule > 0 else -1
    return end + 1 if end > 0 and entry.raw[end:].strip() else None


def _below(above: Entry, entry: Entry, roster: Roster) -> Iterator[Near]:
    """The near misses in what somebody added below a finished message: its beginning, and header-like lines."""
    first = True
    for row in rows(entry, 0):
        if _NOTHING.match(row.text):
            continue
        looks = _look(row, roster, loose=True) if not row.quoted else None
        if looks is not None:
            yield looks
        elif first:
            yield _answer(above, row.text, roster)
        first = False
    if first and (code := _CODE.search(decode(entry.raw))) is not None:
        yield _answer(above, code[1], roster)


def _answer(above: Entry, line: str, roster: Roster) -> Near:
    text = line.strip().lstrip("> ").strip()
    return Near(
        line.strip(),
        f"it stands under a message of {above.sender}'s, and names nobody",
        f"@{above.sender} {text}" if above.sender in roster.names else f"@NAME {text}",
    )


@lru_cache(maxsize=256)
def _seen(entry: Entry, roster: Roster) -> tuple[Near, ...]:
    """Such lines of a hand-written message: the same page is looked at after each save of somebody's."""
    return tuple(_looks(entry, people_begin(entry), roster))


def _looks(entry: Entry, begin: int | None, roster: Roster) -> Iterator[Near]:
    """Lines of people's text that look like headers."""
    end = len(entry.raw.rstrip(b" \t\r\n-"))
    letter = None
    for row in rows(entry, begin) if begin is not None else ():
        if row.quoted or row.text.lstrip().startswith("<!--"):
            continue
        last = row.apart and not row.first and not _BLANK.search(entry.raw, row.end - 1, end)
        loose = entry.kind == PREAMBLE or row.ruled or (last and _is_mention(row.text, roster))
        if letter is None and _in_sight(row.text, roster):
            from intercom.format.address import Letter

            letter = Letter()
        found = letter.read(row.text, row.start, row.end, roster, apart=row.apart) if letter is not None else None
        if found is not None and (loose or not found.startswith("@")):
            yield Near(row.text.strip(), _FORMLESS, found)
        elif (near := _look(row, roster, loose=loose, top=entry.kind == PREAMBLE or row.ruled)) is not None:
            yield near


def _letters(entry: Entry, roster: Roster) -> Iterator[Near]:
    """A letter's lines in front matter: `to: master`, `from: codex`."""
    from intercom.format.address import Letter

    letter = Letter()
    for row in rows(entry, 0):
        if (found := letter.read(row.text, row.start, row.end, roster, apart=row.apart)) is not None:
            yield Near(row.text.strip(), _FORMLESS, found)


def _is_mention(text: str, roster: Roster) -> bool:
    """Whether a line mentions a group, such as `@here`, or a misspelt name."""
    found = _MENTION.match(text)
    if found is None or roster.known(found[1]) is not None:
        return False
    return found[1].casefold() in SAID_TO_ALL or roster.nearest(found[1], surely=True) is not None


def _look(row: Row, roster: Roster, *, loose: bool, top: bool = False) -> Near | None:
    """What a line that is not a header looks like; None if it looks like text. `top`: no message stands above it."""
    heading = _HEADING.match(row.text)
    if heading is not None and STAMP.match(heading[1]) and not arrow(heading[2]):
        name = heading[2].strip(" \t*`_:")
        guess = roster.nearest(name) if MOMENT.match(heading[1]) and len(name.split()) <= _WORDS else None
        if guess:
            return _unknown(row, [name], guess, roster)
        return _pair(row, roster) or _half(row, roster, loose, top) or _sender(row, heading, roster)
    for form in FORMS:
        found = form.match(row.text, apart=row.apart)
        if found is None:
            continue
        groups = found.groupdict()
        stamp = next((groups[key] for key in ("in", "round", "bare") if groups.get(key)), "")
        if stamp and not STAMP.match(stamp):
            continue
        to = groups.get("names") or addressee(groups["rest"].partition("[")[0], roster).to
        names = [part.strip(" \t*`_@") for part in (groups["sender"], *_SPLIT.split(to))]
        if not all(names) or any(len(name.split()) > _WORDS for name in names):
            continue
        unknown = [name for name in names if roster.known(name) is None]
        near = [name for name in unknown if _PLAIN.match(name) and roster.nearest(name, surely=True)]
        sure = groups.get("in") and (MOMENT.match(stamp) or HOUR.match(stamp))
        known = len(unknown) < len(names)
        if unknown and (sure or (known and (stamp or len(near) == len(unknown)))):
            return _unknown(row, unknown, None, roster)
    if row.apart and (pair := _pair(row, roster)) is not None:
        return pair
    mention = _MENTION.match(row.text) if loose and row.apart else None
    if mention is not None and roster.known(mention[1]) is None and (guess := roster.nearest(mention[1])):
        return _unknown(row, [mention[1]], guess, roster)
    return _half(row, roster, loose, top) if row.apart else None


def _pair(row: Row, roster: Roster) -> Near | None:
    """A line that begins with two known names, one to the other, in a form that is not read as a header."""
    if not _in_sight(row.text, roster):
        return None
    from intercom.format import address

    found = address.between(row.text, roster)
    return Near(row.text.strip(), _FORMLESS, found) if found is not None else None


def _half(row: Row, roster: Roster, loose: bool, top: bool) -> Near | None:
    """A line that begins with one known name (sender or recipient), outside of any message."""
    if not loose or not _in_sight(row.text, roster):
        return None
    from intercom.format import address

    line = row.text.strip()
    if (found := address.said(row.text, roster) or (address.in_cells(line, roster) if row.alone else None)) is not None:
        return Near(line, "it names nobody whom it is for" if "→ NAME" in found else _FORMLESS, found)
    if (found := address.meant(row.text, roster, alone=row.alone, top=top)) is not None:
        return Near(line, _FORMLESS, found)
    to = address.misspelt(row.text, roster)
    return _unknown(row, [to], roster.nearest(to), roster) if to is not None else None


def _in_sight(text: str, roster: Roster) -> bool:
    """Whether a line may address anybody: cheap, so that a page of prose does not cost the patterns of `address`."""
    if text.startswith(("    ", "\t", "|", "!")):
        return False
    low = text.casefold()
    if "@" in low or "\uff20" in low or any(first in low for first in roster.firsts):
        return True
    head, colon, _ = low.replace("\uff1a", ":").partition(":")
    return bool(colon) and not _CALLED.isdisjoint(head.strip(" *_`-").split())


def _sender(row: Row, heading: re.Match[str], roster: Roster) -> Near | None:
    """A heading with a time that begins with a known name: `## [2026-06-05 08:34] codex for master`."""
    first, _, rest = heading[2].strip(" \t*`_@").partition(" ")
    sender = roster.known(first) if MOMENT.match(heading[1]) else None
    if sender is None or sender == ALL:
        return None
    meant = (known for word in rest.split()[:_WORDS] if (known := roster.known(word)) not in {None, sender})
    to = next(meant, None)
    return Near(row.text.strip(), _FORMLESS, f"## [{heading[1]}] {sender} → {to or 'NAME'}" + f": {rest}" * (not to))


def _unknown(row: Row, names: list[str], guess: str | None, roster: Roster) -> Near:
    why, text = not_known(names), row.text.strip()
    corrected = text
    for name in names:
        meant = guess or roster.nearest(name)
        corrected = corrected.replace(name, meant) if meant else corrected
    return Near(text, why, corrected if corrected != text else f"one of {', '.join(roster.people)} for {names[0]!r}")


def not_known(names: Iterable[str]) -> str:
    """A phrase saying that these names are unknown."""
    return f"nobody is called {' or '.join(repr(name) for name in dict.fromkeys(names))}"
