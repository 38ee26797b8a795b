"""Owns near misses: text on a page that looks like a message or an answer but is none, with the likely intent. Pure.

Text that looks like a header is a near miss only if its names are unknown, or if it is a line without names. Below a
finished message, anything that a person added is one: it is an answer that reaches nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from intercom.core.message import ALL, SYSTEM
from intercom.format import address
from intercom.format.address import COLON, FROM, NAME, TO
from intercom.format.dialects import CODE, FORMS, HOUR, MOMENT, STAMP, TYPES, addressee, arrow
from intercom.format.grammar import ARROW, MESSAGE, PREAMBLE, Entry
from intercom.format.lines import Row, people_begin, rows
from intercom.format.roster import Roster
from intercom.format.text import decode

_HEADING = re.compile(r" {0,3}#{1,6}\s*\[([^\]\n]{1,60})\](.{1,200})")
_MENTION = re.compile(r" {0,3}@([\w.-]{2,40})(?:\s|[:,]|\Z)")
_NOTHING = re.compile(r"\0|\s*(?:<{7}|={7}|>{7}|\|{7}|<!--|-->|#{1,6}\s+COMPACTED|-{3,}|[*_]{3,})")
_START = r"(?<![A-Za-z0-9_.\u00c0-\u024f-])"
_KIND = rf"(?:\s[\[(]?(?-i:{'|'.join(sorted(TYPES, key=len, reverse=True))})[\])]?)?"
_CLOSED, _OPENED = rf"\s{{0,9}}[\])>*_`\"'~]{{0,3}}{_KIND}\s{{0,9}}", r"\s{0,9}[\[(<*_`\"'~]{0,3}@?(?:(?:the|agent)\s)?"
_WAY = (
    rf"{ARROW.decode()}|(?:[←↔»►▶▷⮕⇨↦⤳⇾⟼➝➞➟➠➤➥]|<-{{1,9}}>?|<?[-=]{{1,9}}(?:>|&gt;)|[~|.─━\u2010-\u2014]{{1,9}}\s?>|[-=]\s>"
    r"|>>>)\ufe0f?"
)
_PAIR = re.compile(
    rf"(?:\bfrom:[*_ ]{{0,9}}(?P<a>{NAME})[*_, ;→>-]{{0,9}}to:?[*_ ]{{0,9}}(?P<b>{NAME})"
    rf"|\bfrom\s+(?P<c>{NAME})\s+to\s+(?P<d>{NAME})\s*(?::|\Z)"
    rf"|{_START}(?P<e>{NAME}){_CLOSED}(?P<way>{_WAY}){_OPENED}(?P<f>{NAME})"
    rf"|{_START}(?P<g>{NAME})(?:\s(?:says?|said))?(?:\s(?:{TO})\s|\s?(?:对|到|から)\s?|\s@)(?P<h>{NAME})"
    rf"\s?(?:へ|说|さん)?{COLON})",
    re.IGNORECASE,
)
#: Headings, brackets, numbers of threads (`#12`, `Step 2:`) and weeks, and tags.
_MARKED = re.compile(
    r"\A {0,3}#{1,6}\s|\[[^\]\n]*\]|\([^)\n]*\)|#\d{1,6}\b|\b[A-Za-z]{1,9}[- ]?\d{1,6}[.:)]|\bW\d\d\b"
    r"|</?(?:b|i|em|strong|code)>"
)
#: Words that may come before two names, as in dates and letters.
_BEFORE = frozenset(
    f"message timestamp re fwd at on am pm utc gmt uhr clock the agent {FROM.replace('|', ' ')}".split()
)
_CALENDAR = re.compile(r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun)[a-z]*\Z")
#: What else people put before a header: a sign, a list bullet, a check box, a stamp or type of any shape, a bracket.
_ROUND = re.compile(
    r" {0,3}(?:[-*+>•]\s+|\d{1,3}[.)]\s+|#{1,6}\s+)*(?:\[[ x]\]\s+)?(?:[^\w\s@|<>&\[\]#~`$\\/=+.←→↔⇒⇔➜➔➡⟶-]+\s*)?"
    r"(?:\[(?P<at>[^\[\]\n]*\d[^\[\]\n]*|[A-Z-]{2,30})\]\s*[-:|]?\s*)?[\[(*_`\"'~]{0,3}"
)
_TO = re.compile(rf"to:[*_ ]{{0,9}}({NAME})\Z", re.IGNORECASE)
_WORDS = 4  #: the longest name
_PLAIN = re.compile(r"[^\W\d_]\w*(?:-\w+)*(?:@[\w.-]+|\s\d+)?\Z")  #: a possibly misspelled name, not a phrase or file
_LETTERS = re.compile(r"[^\W\d_\u3000-\u9fff\uac00-\ud7af]+")  # what has no blanks between words is no name
_FORMLESS = "it is not in a form that is read"
_CODE = re.compile(r"(?:`{3,}|~{3,})[^\n]*\n\s*(\S[^\n]*)")
_LINE = 300  #: characters of a line that are searched for two names
_SPLIT = re.compile(r"\s*(?:[,;+&/]|\band\b)\s*")


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
                yield from _looks(entry, people_begin(entry), roster)
            elif (end := _edited(entry)) is not None:
                yield from _below(entry, Entry(PREAMBLE, 0, entry.raw[end:]), roster)
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


def _looks(entry: Entry, begin: int | None, roster: Roster) -> Iterator[Near]:
    """Lines of people's text that look like headers."""
    end = len(entry.raw.rstrip(b" \t\r\n-"))
    letter = address.Letter()
    for row in rows(entry, begin) if begin is not None else ():
        if row.quoted or row.text.lstrip().startswith("<!--"):
            continue
        group = row.end >= end and not row.first and address.to_a_group(row.text)  # the last paragraph of a message
        loose = entry.kind == PREAMBLE or row.ruled or group
        found = letter.read(row.text, row.start, row.end, roster, apart=row.apart)
        if found is not None and (loose or not found.startswith("@")):
            yield Near(row.text.strip(), _FORMLESS, found)
        elif (near := _look(row, roster, loose=loose, top=entry.kind == PREAMBLE)) is not None:
            yield near


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
        found = form.pattern.match(row.text) if row.apart or not form.apart else None
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
    text = row.text[:_LINE]
    found = _PAIR.search(text) if not text.startswith(("    ", "\t", "|", "!")) else None
    if found is None:
        return None
    before = _MARKED.sub(" ", text[: found.start()])
    words = _LETTERS.findall(before)
    left, right = (found[one[0]] or found[one[1]] or found[one[2]] or found[one[3]] for one in ("aceg", "bdfh"))
    if "#" in before:
        return None
    if any(word.lower() not in _BEFORE and word not in TYPES and not _CALENDAR.match(word.lower()) for word in words):
        left = " ".join((*words, left))  # a name of two words
    if (way := found["way"] or "").startswith(("←", "<")) and not way.endswith((">", ";")):
        left, right = right, left
    sender, to = roster.known(left.rstrip(".")), roster.known(right.rstrip("."))
    if sender is None or to is None or sender == to:
        return None
    rest = row.text[found.end() :].strip(" \t:*|—–-,;])}`\"'~_")
    return Near(row.text.strip(), _FORMLESS, f"{sender} → {to}: {rest}".rstrip())


def _half(row: Row, roster: Roster, loose: bool, top: bool) -> Near | None:
    """A line that begins with one known name (sender or recipient), outside of any message."""
    code = row.text.startswith(("    ", "\t")) or CODE.match(row.text)
    begin = _ROUND.match(row.text) if loose and not code else None
    if begin is None:
        return None
    text, line = row.text[begin.end() :][:_LINE], row.text.strip()
    if (found := address.said(row.text, roster) or (address.in_cells(line, roster) if row.alone else None)) is not None:
        return Near(line, "it names nobody whom it is for" if "→ NAME" in found else _FORMLESS, found)
    if (found := address.meant(text, roster, alone=row.alone, top=top)) is not None:
        return Near(line, _FORMLESS, found)
    to = _TO.match(text)
    if to is None or roster.known(to[1]) is not None or (guess := roster.nearest(to[1], surely=True)) is None:
        return None
    return _unknown(row, [to[1]], guess, roster)


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
    return Near(text, why, corrected if corrected != text else f"one of {', '.join(roster.names)} for {names[0]!r}")


def not_known(names: Iterable[str]) -> str:
    """A phrase saying that these names are unknown."""
    return f"nobody is called {' or '.join(repr(name) for name in dict.fromkeys(names))}"
