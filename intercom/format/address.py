"""Owns the ways in which people address a known name outside of any form that is read. Pure; used for near misses.

`master: stop`, `An master: bitte anhalten`, `stop @master`, `Dear master,`, `#12 @master done`, and the lines of a
letter, `From: codex` and `To: master`, in the languages that people write in.
"""

from __future__ import annotations

import re

from intercom.core.message import ALL
from intercom.core.patterns import lazy
from intercom.format.dialects import CODE, HOUR, STAMP, TYPES
from intercom.format.grammar import ARROW
from intercom.format.roster import SAID_TO_ALL, Roster

#: Names are ASCII, so text of another script may stand right beside one.
NAME = r"[A-Za-z0-9_.-]{2,40}"
EDGE = r"(?![A-Za-z0-9_.\u00c0-\u024f-])"  #: what cannot follow a name
COLON = r"(?:\s?[:\uff1a](?=[\s*_`]|[^\x00-\x7f]|\Z)|\uff1a)"
_AFTER = r"[\s:,!?)\]*_`\uff1a\uff0c\uff01\uff1f、>]{0,9}"
_SIGNS = " :,;/>)]\uff1a\uff0c\u3001"
#: Words for "to" and "from". In a letter's lines also `a` and `da`, which mean other things elsewhere.
TO = r"to|for|attn|fao|an|für|aan|à|pour|para|per|do|кому|для|إلى|ל-?|致|给|給|发给|發給|回复|回覆"
FROM = r"from|von|van|de|od|от|из|من"
_LETTER = lazy(
    r" {0,3}(?:[-*+•]\s+|[*_]{1,3}){0,2}(?:(?P<to>"
    + TO
    + r"|cc|a|宛先|收件人)|(?P<from>"
    + FROM
    + r"|da|差出人|发件人|發件人)"
    r"|subject|betreff|objet|asunto|oggetto|re|date|datum|fecha|件名|主题|тема)[*_]{0,3}\s?[:\uff1a][*_\s]{0,3}"
    r"(?P<rest>[^\n]*)\Z",
    re.IGNORECASE,
)
_MAIL = lazy(r"<[^<>\n]{0,80}>")
#: What may stand before a name that is addressed: a number of a thread, a type, a word or two.
_LABEL = r"#?\d{1,6}(?:[./]\d{1,6}){0,3}[.):]?|#\d{1,6}[.):]?|[A-Za-z]{1,9}-?\d{1,6}[.):]|re(?:\[\d{1,3}\])?:|fwd?:|aw:"
_GREETS = "hey|hi|hello|hallo|hola|ciao|salut|bonjour|yo|dear|liebe[rs]?|ok|okay|please|bitte"
_ABOUT = "reply|answer|antwort|question|frage|message|msg|dm|note|nachricht"
_MORE = "thanks|thank you|danke|merci|cc|fyi|ping|stop"
_KIND = r"(?-i:[A-Z]{3,12})\b[:)\]]?"
_BEFORE = rf"(?:(?:{_LABEL}|/?(?:%s)\b[,!:]?|{_KIND})\s{{1,9}}){{0,4}}"
_AT = lazy(
    (_BEFORE % f"{_GREETS}|{_ABOUT}|{_MORE}")
    + rf"(?:(?:{TO})\s{{1,3}})?[(\[<]?[@\uff20]\s?(?P<at>{NAME}(?:#\d{{1,3}})?){EDGE}{_AFTER}",
    re.IGNORECASE,
)
_COLON = lazy(
    _BEFORE % f"{_GREETS}|{_ABOUT}" + rf"(?:(?P<to>{TO})\s{{0,3}})?\(?(?P<name>{NAME}(?:\s\d{{1,3}})?)\)?"
    r"(?P<also>(?:,\s|\s?[&+]\s?|\sand\s)[^:\uff1a\n]{1,60}?)?[*_`]{0,3}"
    rf"\s?(?:さん|様|殿|へ)?[*_`]{{0,3}}(?:{COLON}|、){_AFTER}",
    re.IGNORECASE,
)
_TITLE = lazy(rf"(?:{_ABOUT})\s(?:to|for|an|für|@)\s?(?P<name>{NAME})\Z", re.IGNORECASE)
_ASKED = lazy(
    rf"(?:(?:message |msg )?(?:to|for|at) )?(?P<name>{NAME}),?\s(?=(?:please|pls|plz|bitte)\b)", re.IGNORECASE
)
_GREETING = lazy(
    rf"(?:hey|hi|hello|hallo|hola|ciao|salut|bonjour|dear|liebe[rs]?)\s{{1,3}}(?P<name>{NAME})\s?[,!]\s{{0,9}}",
    re.IGNORECASE,
)
_ONLY = lazy(
    rf"(?:(?:{_KIND}\s{{1,9}})?(?:[-=]*>|{ARROW.decode()})\ufe0f?\s{{0,9}}@?|to:\s{{0,9}}@?|<?[@\uff20]\s?)(?P<name>[\w.-]{{0,40}}\w)"
    r"(?:@[\w.-]{1,40})?(?=[\s:,/;!?>\uff1a\uff0c、。]|\Z)"
    rf"|to:?\s{{1,3}}(?P<closed>{NAME})(?=\s?[\])])",
    re.IGNORECASE,
)
_SAID = lazy(
    rf" {{0,3}}(?:[\[(*_`]{{0,3}}(?P<at>[\d:. TZ-]{{4,30}})\]?[\s*_`|-]{{0,9}})?(?:(?P<a>[A-Za-z][\w.-]{{0,40}})"
    rf"[*_`]{{0,3}}\s{{0,9}}:[*_`]{{0,3}}|<[@+%~&\s]?(?P<b>{NAME})>)\s{{0,9}}(?P<rest>[^\n]*)"
)
#: The head of a message in a chat: `codex  6:20 PM`, `**codex** [18:20]`, `codex — Today at 18:20`.
_CHAT = lazy(
    rf" {{0,3}}[*_`]{{0,3}}(?P<name>{NAME}(?:\s\d{{1,3}})?)[*_`]{{0,3}}(?:\s(?:APP|BOT))?"
    r"(?:\s{0,9}[—–|,·-]\s{0,9}|\s{2,9}|\s(?!\d\d?:\d\d\Z))"  # not codex 0:18, a duration
    r"[\[(]?(?:(?:today|yesterday)(?:\sat)?\s)?(?P<at>[^\[\]()]{4,40}?)[\])]?\s*\Z",
    re.IGNORECASE,
)
_TAIL = lazy(r"[*_]{0,3}\s[*_]{0,3}(?:from|subject|re|date|cc)[*_]{0,3}\s?:[*_\s]{0,4}", re.IGNORECASE)
_ITEM = lazy(rf"(?<=[\s,;])({NAME}):\s")
_TOLD = lazy(rf"@?(?P<name>{NAME})[:,]")
_CELLS = lazy(r"\s{0,9}\|\s{0,9}")
_LINE = 300  #: characters of a line that are looked at
_LETTERS = lazy(r"[^\W\d_\u3000-\u9fff\uac00-\ud7af]+")  # names are not written in scripts without blanks
_START = r"(?<![A-Za-z0-9_.\u00c0-\u024f-])"
_TYPE = r"(?:\s[\[(]?(?-i:[A-Z]{3,12})[\])]?)?"
_CLOSED, _OPENED = rf"\s{{0,9}}[\])>*_`\"'~]{{0,3}}{_TYPE}\s{{0,9}}", r"\s{0,9}[\[(<*_`\"'~]{0,3}@?(?:(?:the|agent)\s)?"
_WAY = (
    rf"{ARROW.decode()}|(?:[←↔»►▶▷⮕⇨↦⤳⇾⟼➝➞➟➠➤➥]|<-{{1,9}}>?|<?[-=]{{1,9}}(?:>|&gt;)|[~|.─━\u2010-\u2014]{{1,9}}\s?>|[-=]\s>"
    r"|>>>)\ufe0f?"
)
_PAIR = lazy(
    rf"(?:\bfrom:[*_ ]{{0,9}}(?P<a>{NAME})[*_, ;→>-]{{0,9}}to:?[*_ ]{{0,9}}(?P<b>{NAME})"
    rf"|\bfrom\s+(?P<c>{NAME})\s+to\s+(?P<d>{NAME})\s*(?::|\Z)"
    rf"|{_START}(?P<e>{NAME}){_CLOSED}(?P<way>{_WAY}){_OPENED}(?P<f>{NAME})"
    rf"|{_START}(?P<g>{NAME})(?:\s(?:says?|said))?(?:\s(?:{TO})\s|\s?(?:对|到|から)\s?|\s@)(?P<h>{NAME})"
    rf"\s?(?:へ|说|さん)?{COLON})",
    re.IGNORECASE,
)
#: Headings, brackets, numbers of threads (`#12`, `Step 2:`) and weeks, and tags.
_MARKED = lazy(
    r"\A {0,3}#{1,6}\s|\[[^\]\n]*\]|\([^)\n]*\)|#\d{1,6}\b|\b[A-Za-z]{1,9}[- ]?\d{1,6}[.:)]|\bW\d\d\b"
    r"|</?(?:b|i|em|strong|code)>"
)
#: Words that may come before two names, as in dates and letters.
_OTHERS = frozenset(
    f"message timestamp re fwd at on am pm utc gmt uhr clock the agent {FROM.replace('|', ' ')}".split()
)
_CALENDAR = lazy(r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun)[a-z]*\Z")
#: What else people put before a header: a sign, a list bullet, a check box, a stamp or type of any shape, a bracket.
_ROUND = lazy(
    r" {0,3}(?:[-*+>•]\s+|\d{1,3}[.)]\s+|#{1,6}\s+)*(?:\[[ x]\]\s+)?(?:[^\w\s@|<>&\[\]#~`$\\/=+.←→↔⇒⇔➜➔➡⟶-]+\s*)?"
    r"(?:\[(?P<at>[^\[\]\n]*\d[^\[\]\n]*|[A-Z-]{2,30})\]\s*[-:|]?\s*)?[\[(*_`\"'~]{0,3}"
)
_MISSPELT = lazy(rf"to:[*_ ]{{0,9}}({NAME})\Z", re.IGNORECASE)
_MANY = frozenset({"everyone", "everybody", "all workers", "all agents"})  #: groups that no list is headed with
_FEWEST = 3  #: cells: two names and a text


def meant(text: str, roster: Roster, *, alone: bool, top: bool) -> str | None:
    """What to write instead of a line; None if it addresses nobody.

    `alone`: it is a paragraph by itself. `top`: no message stands above it.
    """
    text = _begun(text)
    only = _ONLY.match(text)
    if only is not None and (to := roster.known(only["name"] or only["closed"])):
        return _for(to, text[only.end() :])
    greeting = _GREETING.match(text) if top else None
    if greeting is not None and (alone or greeting.end() == len(text)) and _agent(greeting["name"], roster):
        return _for(_agent(greeting["name"], roster), text[greeting.end() :])
    found = _COLON.match(text)
    if found is not None and (alone or (top and found["to"] and found.end() == len(text))):
        to = _several(f"{found['name']}{found['also'] or ''}", roster, grouped=bool(found["to"]))
        if to is not None and not _is_list(text[found.end() :], roster):
            return _for(to, text[found.end() :])
    for pattern in (_AT, _ASKED, _TITLE) if alone else ():
        found = pattern.match(text) if top or pattern is _AT else None
        if found is not None and (to := _anybody(found["at"], roster) if pattern is _AT else _agent(found[1], roster)):
            return _for(to, text[found.end() :])
    return None


def _begun(text: str) -> str:
    """A line without what people put before a header; "" if it is code."""
    begin = _ROUND.match(text) if CODE.match(text) is None else None
    return text[begin.end() :][:_LINE] if begin is not None else ""


def misspelt(text: str, roster: Roster) -> str | None:
    """The name in `To: mastre`, if it is nearly a known one."""
    found = _MISSPELT.match(_begun(text))
    name = found[1] if found is not None else None
    return name if name and roster.known(name) is None and roster.nearest(name, surely=True) else None


def between(text: str, roster: Roster) -> str | None:
    """What to write instead of a line that begins with two known names, one to the other."""
    found = _PAIR.search(text[:_LINE])
    if found is None:
        return None
    before = _MARKED.sub(" ", text[: found.start()])
    words = _LETTERS.findall(before)
    left, right = (found[one[0]] or found[one[1]] or found[one[2]] or found[one[3]] for one in ("aceg", "bdfh"))
    if "#" in before:
        return None
    if any(word.lower() not in _OTHERS and word not in TYPES and not _CALENDAR.match(word.lower()) for word in words):
        left = " ".join((*words, left))  # a name of two words
    if (way := found["way"] or "").startswith(("←", "<")) and not way.endswith((">", ";")):
        left, right = right, left
    sender, to = roster.known(left.rstrip(".")), roster.known(right.rstrip("."))
    if sender is None or to is None or sender == to:
        return None
    rest = text[found.end() :].strip(" \t:*|—–-,;])}`\"'~_")
    return f"{sender} → {to}: {rest}".rstrip()


def _is_list(rest: str, roster: Roster) -> bool:
    """Whether what follows `codex:` says something of others as well: `codex: running, roo: stuck`."""
    return any(_agent(found[1], roster) for found in _ITEM.finditer(rest))


def said(text: str, roster: Roster) -> str | None:
    """What a line means that begins with who says it: `[14:32] codex: text`, `<codex> master: text`."""
    chat = _CHAT.match(text)
    if chat is not None and HOUR.search(chat["at"]) and STAMP.match(chat["at"]):
        sender = roster.known(chat["name"])
        return f"{sender} → NAME: …" if sender is not None and sender != ALL else None
    found = _SAID.match(text)
    sender = roster.known(found["a"] or found["b"]) if found is not None else None
    if found is None or sender is None:
        return None
    told = _TOLD.match(found["rest"])
    to = roster.known(told["name"]) if told is not None else None
    if found["b"] and to and told is not None:
        return f"{sender} → {to}: {found['rest'][told.end() :].strip()}".rstrip(": ")
    if found["at"] is None or HOUR.search(found["at"]) is None:
        return None
    return f"{sender} → NAME: {found['rest']}".rstrip(": ")


def in_cells(text: str, roster: Roster) -> str | None:
    """What `codex | master | text` means, perhaps with a time before it. A line of a table begins with a bar."""
    cells = _CELLS.split(text.strip())
    while cells and re.fullmatch(r"[\d:. TZ/-]{4,30}", cells[0]):
        del cells[0]
    if len(cells) < _FEWEST or not all(cells):
        return None
    sender, to, rest = roster.known(cells[0]), roster.known(cells[1]), cells[2:]
    if sender is None or to is None or sender in {to, ALL} or any(roster.known(cell) for cell in rest):
        return None
    return f"{sender} → {to}: {' | '.join(rest)}"


class Letter:
    """The lines at the beginning of a letter, one after the other: who it is from, whom it is for, and others."""

    def __init__(self) -> None:
        self._sender: str | None = None
        self._end = -1

    def read(self, text: str, start: int, end: int, roster: Roster, *, apart: bool) -> str | None:
        """What the letter means whose recipients this line has, at these offsets of its entry; else None."""
        found = _LETTER.match(text) if apart or start == self._end else None
        if found is None:
            return None
        if apart:
            self._sender = None
        self._end = end
        value = _MAIL.sub("", found["rest"]).strip(" *_`\t")
        if found["from"] is not None:
            self._sender = roster.known(value)
        elif (tail := _TAIL.search(value)) is not None:  # all on one line
            if "from" in tail.group().lower():
                self._sender = roster.known(_TAIL.split(value[tail.end() :])[0].strip(" *_`"))
            value = value[: tail.start()]
        to = roster.listed(value) if found["to"] is not None else None
        if to is None or to == self._sender:
            return None
        return f"{self._sender} → {to}:" if self._sender else _for(to, "")


def _for(to: str | None, rest: str) -> str:
    names = " ".join(f"@{name}" for name in (to or "NAME").split(", "))
    return f"{names} {rest.strip(_SIGNS)}".rstrip()


def _anybody(name: str, roster: Roster) -> str | None:
    return roster.known(name) or SAID_TO_ALL.get(name.casefold())


def _agent(name: str, roster: Roster) -> str | None:
    """The agent of this name, and nobody else: `user` and `all` are words as well."""
    found = roster.known(name)
    return found if found in roster.names else None


def _several(names: str, roster: Roster, *, grouped: bool) -> str | None:
    """The agents that a text lists; a group only if it is `grouped`, or cannot be the head of a list."""
    if names.casefold() in _MANY:
        return ALL
    to = roster.listed(names)
    if to == ALL:
        return ALL if grouped else None
    return to if to is not None and all(name in roster.names for name in to.split(", ")) else None
