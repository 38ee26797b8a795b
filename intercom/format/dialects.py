r"""Owns the dialects of people and agents: the header shapes that are accepted besides those of the grammar.

There are two kinds. A *heading*, `#{1,3} [stamp] …`, may be a header anywhere; it needs a time and plausible names:

    ### [t] A → B — subject        also `: subject`, `(TYPE) subject`, `· TYPE · subject`, `| TYPE`, `→ B TYPE`
    ### [t] Some-Name              no recipient: to all. The name is known, or is one by its looks

A *line* of another shape is a header only in people's text, and only if it names a known sender and known
recipients, which the roster tells (`FORMS`, each with an example). `@name …` is addressed to that name, by whoever
may write there.

Something that looks like one of these but is not a header is a near miss (`near`).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from intercom.core.message import ALL, SYSTEM, TAGS, USER, canonical, is_name
from intercom.core.patterns import lazy
from intercom.format.grammar import ARROW
from intercom.format.roster import GROUPS, Roster

#: Words that count as a type without brackets, where a type may stand.
TYPES = frozenset(
    f"{' '.join(TAGS)} STATUS UPDATE ACK QUESTION ANSWER REVIEW BLOCKED FINDING FINDINGS SYNC PROPOSAL CRITICAL ALIVE "
    "REPORT REQUEST RESULT NOTE FYI HANDOFF ANNOUNCE URGENT".split()
)
_TYPE = lazy(r"[A-Z][A-Z0-9_-]{1,30}\Z")
#: Separators between the recipients and what follows them.
_AFTER = lazy(
    r"\s{0,9}(?:(?<=\s)-{1,3}(?=\s|\Z)|[—–]+|â€”|â€“|:(?=[\s*_]|[^\x00-\x7f]|\Z)|：|(?=[(（【])|[·•|]|(?<=\s)@(?=\s)"  # noqa: RUF001
    r"|(?<=\s)(?=#[A-Za-z]|[Rr][Ee]:\s))\s*"
)
_CC = lazy(r"[,;]?\s{0,3}\(cc:?\s+([^()\n]{1,80})\)|(?:[,;]|\s)\s{0,3}cc:?\s+(?=[\w@])", re.IGNORECASE)
_BETWEEN = lazy(r"\s{0,9}(?:[·•|:]|[—–]+|(?<=\s)-(?=\s))\s*")
_IN_PARENTHESES = lazy(r"[(（【]([^()（）【】]{1,60})[)）】]\s*[:：]?\s*")  # noqa: RUF001
_BRACKETS = lazy(r"\s*\[([^\[\]]{1,60})\]")
_NEAR = 400  #: characters; the longest list of recipients that is read
_LAST_WORD = lazy(r"(.*\S)\s+([A-Z][A-Z0-9_-]{1,30})\s*\Z")

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_IN_WORDS = (  # 20 Nov 2026, Fri, Nov 20th
    r"(?i:(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6}\.?,?\s)?"
    rf"(?:\d{{1,2}}\.?\s{_MONTH}|{_MONTH}\s{{1,2}}\d{{1,2}}(?:st|nd|rd|th)?(?![\d:]))(?:,?\s\d{{4}}(?!\d))?)"
)
_HYPHEN = "[-/.\u2010\u2011\u2012]"
_DATE = rf"(?:\d{{4}}{_HYPHEN}\d\d?{_HYPHEN}\d\d?|\d{{1,2}}[/.]\d{{1,2}}[/.]\d{{2,4}}|{_IN_WORDS})"
_CLOCK = r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d{1,6})?)?(?:\s?[AaPp]\.?[Mm]\b\.?)?"
_ZONE = (
    r"(?:\s\d{4}(?!\d))?(?:\s?(?:Z|(?:UTC|GMT)(?:[+-]\d{1,2})?|[CEW]ES?T|BST|IST|JST|MSK|[ECMP][SD]T|AE[SD]T|[+-]\d\d:?\d\d)(?![\w])"
    r"(?:\s\d{4}(?!\d))?)?"
)
_TIME = rf"(?:(?:UTC|GMT)\s+)?(?:{_DATE}(?:(?:T|\s+|,\s*){_CLOCK})?|\d{{8}}T\d{{4}}(?:\d\d)?|{_CLOCK}){_ZONE}"
#: A time as people write it, or a template's placeholder for one. Matches the whole content of a bracket.
STAMP = lazy(
    rf"\s*(?:{_TIME}|\{{[^}}]*\}}"
    r"|<?(?:YYYY\b.*|(?:CURRENT )?(?:DATE|TIME|DATETIME|TIMESTAMP)\b.*|HH:MM.*|now|today)>?)\s*\Z",
    re.IGNORECASE,
)
#: A date with a time of day.
MOMENT = lazy(rf"\s*(?:(?:UTC|GMT)\s+)?{_DATE}(?:T|\s+|,\s*){_CLOCK}{_ZONE}\s*\Z")
_SPELLED = lazy(rf"\s*(?:{_IN_WORDS}|\d{{8}}T)")
HOUR = lazy(r"\d{1,2}:\d\d")

_HEADING = lazy(
    r"\s*([*_`@]*[A-Za-z](?:[\w.-]|\s(?=[\w])){0,60}?[*_`]*)\s*(?:((?:\[|\(|[:：·•|—–]|(?<=\s)-\s).*))?\Z"  # noqa: RUF001
)
_COMPOUND = lazy(r"(?:[A-Z][A-Za-z0-9]*(?:[-_][A-Z0-9][A-Za-z0-9]*)+|[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*-?\d+)\Z")
_PARTICLES = frozenset({"up", "out", "off", "on", "in", "down", "over", "mortem", "do", "list", "log", "notes"})
_ARROWS = lazy(ARROW.decode())


class Address(NamedTuple):
    """What follows the arrow of a header: the recipients as written, and the rest."""

    to: str
    tag: str = ""
    urgent: bool = False
    subject: str = ""


def addressee(text: str, roster: Roster | None = None) -> Address:
    """Parse the part of a header from the arrow to its end, or to its first bracket."""
    text = _CC.sub(lambda found: f", {found[1] or ''}", text) if roster is not None else text
    to, tag, rest = text, "", ""
    cut = _AFTER.search(text, 0, _NEAR)
    if cut is not None and text[: cut.start()].strip(" \t*`_"):
        to, rest = text[: cut.start()], text[cut.end() :]
        tag, rest = _typed(rest, colon=":" in cut.group() or "\uff1a" in cut.group())
    word = _LAST_WORD.match(to) if not tag and len(to) <= _NEAR else None
    if word is not None and (word[2] in TYPES or (roster is not None and roster.listed(word[1]) is not None)):
        to, tag = word[1], word[2]
    if tag == "URGENT":
        return Address(to, "", True, rest)
    return Address(to, tag, False, rest)


def _typed(rest: str, *, colon: bool) -> tuple[str, str]:
    """Split a type off the beginning of a text: the type ("" for none), and the rest."""
    found = _IN_PARENTHESES.match(rest)
    if found is not None:
        word = found[1].strip()
        word = word.upper() if word.casefold() == "urgent" else word
        return (word, rest[found.end() :].strip(" *:")) if _TYPE.match(word) else ("", rest)
    parts = _BETWEEN.split(rest, maxsplit=1)
    word = parts[0].strip(" *`_")
    if _TYPE.match(word) and (word in TYPES or not (colon or (rest.strip() == word and len(word) < 3))):
        return word, parts[1].strip() if len(parts) > 1 else ""
    return "", rest.strip(" *_") if colon else rest.strip()


class Heading(NamedTuple):
    """A stamped heading that has only a sender."""

    sender: str
    rest: str  #: the text after the name


def heading(stamp: str, rest: str, roster: Roster | None) -> Heading | None:
    """Parse a stamped heading without an arrow; None if it is an ordinary heading.

    `### [2026-06-05 08:34] External-Reviewer`: a moment, and a name that is known or looks like nothing else.
    """
    if MOMENT.match(stamp) is None:
        return None
    found = _HEADING.match(rest)
    if found is None:
        return None
    name = found[1].strip(" *`_@")
    if roster is not None and (known := roster.known(name)) is not None:
        return Heading(known, found[2] or "") if known != ALL else None
    if (
        _COMPOUND.match(name) is None
        or name.rpartition("-")[2].casefold() in _PARTICLES
        or not is_name(canonical(name))
    ):
        return None
    return Heading(canonical(name), found[2] or "")


def plausible(stamp: str, sender: str, to: str, roster: Roster) -> bool:
    """Whether a dated heading with an arrow but without a type is a header; changelogs have such lines too.

    It is if one of its names is known, or if it has a time of day and both names are valid.
    """
    if roster.known(sender) is not None or any(roster.known(name) is not None for name in to.split(", ")):
        return True
    if (HOUR.search(stamp) is None and "{" not in stamp) or _SPELLED.match(stamp):
        return False
    return all(is_name(name) and name.count("-") < 2 for name in (sender, *to.split(", ")))


# -- lines --------------------------------------------------------------------------------------------


class Line(NamedTuple):
    """A line that is a message's header. `text` is the part of the line that belongs to the body."""

    stamp: str
    sender: str
    to: str
    tag: str
    urgent: bool
    text: str


class Form(NamedTuple):
    """A shape of line. `apart`: only at the start of a paragraph, because ordinary text may have it elsewhere.

    Such a line has all of the `signs` in it. Most text has not, so that the pattern need not even be compiled.
    """

    pattern: re.Pattern[str]
    apart: bool
    example: str
    signs: tuple[re.Pattern[str], ...]

    def match(self, text: str, *, apart: bool) -> re.Match[str] | None:
        """Match a line, which is `apart` if it stands at the start of a paragraph."""
        if (self.apart and not apart) or text.startswith("    ") or not all(sign.search(text) for sign in self.signs):
            return None
        return self.pattern.match(text)


#: Emoji and similar signs, as people put before a name; no arrows.
_SIGN = r"(?:[\u2600-\u2793\u2795-\u2797\u2b50-\u2b59\U0001f000-\U0001faff]\ufe0f?\s?){0,3}"
_LEAD = rf" {{0,3}}(?:(?:[-*+•]|\d{{1,3}}[.)]|>)\s+)?(?:#{{1,6}}\s*)?{_SIGN}[*_`]{{0,3}}"
_AT = rf"(?:\[(?P<in>[^\[\]\n]{{1,60}})\]|\((?P<round>{_TIME})\)|(?P<bare>{_TIME}))[*_`]{{0,3}}\s*[-—–:|·,]?\s*"
_WHO = rf"(?P<sender>{_SIGN}[*_`@]{{0,3}}[A-Za-z][^\[\]\n:|<>→]{{0,60}}?)"
_TO = rf"\s*(?:{ARROW.decode()}|>>?)\s*"
_REST = r"(?P<rest>[^\n]*)"

_ARROWED, _TOWARD, _STAMPED = lazy(rf">|{ARROW.decode()}"), lazy(r"\sto\s"), lazy(r"[\d\[]")

FORMS = (
    Form(lazy(_LEAD + _AT + _WHO + _TO + _REST), False, "[14:32] codex → master: done", (_ARROWED, _STAMPED)),
    Form(
        lazy(_LEAD + _AT + _WHO + r"\s+to\s+" + _REST),
        False,
        "[2026-01-12 14:32] codex to master: done",
        (_TOWARD, _STAMPED),
    ),
    Form(
        lazy(_LEAD + r"\[" + _WHO + _TO + r"(?P<names>[^\[\]\n]{1,80})\]" + _REST),
        False,
        "[codex → master] 14:32 | DONE",
        (_ARROWED, _STAMPED),
    ),
    Form(lazy(_LEAD + _WHO + _TO + _REST), True, "codex → master: done", (_ARROWED,)),
    Form(
        lazy(_LEAD + _WHO + r"\s+to\s+(?P<rest>[^\n:]{1,60}:(?:\s|\*)[^\n]*)"),
        True,
        "codex to master: done",
        (_TOWARD, lazy(":")),
    ),
)
_IN_CODE = lazy(rf"[^`\n]{{0,40}}`[^`\n]{{0,80}}?{ARROW.decode()}[^`\n]{{0,80}}`")  #: names and arrow within back-ticks
#: A name, with its number and machine where they stand.
_BARE = r"[\w.-]+(?:\s+\d+)?(?:@[\w.-]+)?"
_MENTION = lazy(
    rf" {{0,3}}[*_`]{{0,3}}(?P<names>[@\uff20]{_BARE}"
    rf"(?:(?:\s*[,&+]\s*|\s+and\s+|\s+(?:cc:?\s+)?)@{_BARE})*)"
    r"[*_`]{0,3}(?:\s*[:,!?—–\uff1a\uff0c\uff01\uff1f\u3001]|(?=\s|\Z))[*_`]{0,3}\s*(?P<rest>[^\n]*)"
)
_NAMED = lazy(rf"[@\uff20]{_BARE}")
CODE = lazy(r" {0,3}[*_]{0,2}`[^`]*\s[^`]*`")  #: more than a name within back-ticks
_ONWARD = lazy(rf"{ARROW.decode()}\s*(?P<to>@?[\w.-]*\w)(?:\s*[:：,]|(?=\s|\Z))\s*(?P<rest>.*)")  # noqa: RUF001
_TIME_FIRST = lazy(rf"\s*[\[(]?(?P<at>{_TIME})[\])]?\s*[-—–:|·,]?\s*")
_WORTH = lazy(rf"[@\uff20]|>|{ARROW.decode()}|\bto\b")


def worth(text: str) -> bool:
    """Cheap test whether a line could match one of the forms."""
    return _WORTH.search(text) is not None


def line(text: str, roster: Roster, *, apart: bool) -> Line | None:
    """Parse a line (without its line end) that is a message's header; None if it is text.

    `apart` says that it stands at the start of a paragraph.
    """
    if _IN_CODE.match(text) is not None:
        return None
    for form in FORMS:
        found = form.match(text, apart=apart)
        if found is not None and (read := _read(form, found, roster)) is not None:
            return read
    return None


def _read(form: Form, found: re.Match[str], roster: Roster) -> Line | None:
    groups = found.groupdict()
    stamp = next((groups[key] for key in ("in", "round", "bare") if groups.get(key)), "")
    if groups.get("in") and not STAMP.match(stamp):
        return None
    sender = roster.known(groups["sender"])
    if sender is None or sender == ALL:
        return None
    if not stamp and sender == USER and form is FORMS[-1] and groups["sender"].strip().casefold() in GROUPS:
        return None  # "Human to human: ..." is a phrase
    if groups.get("names"):
        to, rest, tag, urgent = roster.listed(groups["names"]), groups["rest"], "", False
    else:
        before, bracket, after = groups["rest"].partition("[")
        read = addressee(before, roster)
        to, tag, urgent = roster.listed(read.to), read.tag, read.urgent
        rest = f"{read.subject} {bracket}{after}".strip() if read.subject or bracket else ""
    if to is None:
        return None
    if not stamp and (at := _TIME_FIRST.match(rest)) is not None:  # A → B [14:32]: text
        stamp, rest = at["at"], rest[at.end() :]
    tag, more, text = tagged(rest, tag)
    return Line(stamp.strip(), sender, to, tag or "INFO", urgent or more, text)


def tagged(rest: str, tag: str) -> tuple[str, bool, str]:
    """Split bracketed types off the beginning of a text: the first type, whether it is urgent, and the rest."""
    urgent = False
    while (found := _BRACKETS.match(rest)) is not None:
        word = found[1].strip().upper().replace(" ", "-")
        if word == "URGENT":
            urgent = True
        elif not tag and _TYPE.match(word):
            tag = word
        else:
            break
        rest = rest[found.end() :]
    rest = rest.strip(" \t\r*_`:—–") if found is None else rest.strip()
    if not tag:
        tag, rest = _typed(rest.lstrip("|· "), colon=True)
        urgent, tag = urgent or tag == "URGENT", "" if tag == "URGENT" else tag
    return tag, urgent, rest.lstrip("|· ").rstrip("\r")


def mention(text: str, roster: Roster) -> Line | None:
    """Parse `@name text`, a message to a known name by whoever may write here."""
    found = _MENTION.match(text) if CODE.match(text) is None else None
    if found is None:
        return None
    to = roster.listed(", ".join(_NAMED.findall(found["names"])).replace("\uff20", "@"))
    if to is None:
        return None
    sender, onward = USER, _ONWARD.match(found["rest"])
    if onward is not None and to not in {ALL, SYSTEM} and ", " not in to and (goal := roster.known(onward["to"])):
        sender, to = to, goal  # @A → B text
    tag, urgent, rest = tagged(onward["rest"] if onward is not None and sender != USER else found["rest"], "")
    return Line("", sender, to, tag or "INFO", urgent, rest)


def arrow(text: str) -> bool:
    """Whether a text contains one of the arrows."""
    return _ARROWS.search(text) is not None
