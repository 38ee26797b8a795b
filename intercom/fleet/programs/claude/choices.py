"""Owns the choices of a dialog of Claude Code: where they stand, which is marked, and which of them says what.

    numbered = [" "] ("❯ " / "  ") number "." [" "] label ; in one column, 1, 2, 3 …: its digit takes it at once
    ticked   = ("❯ " / "  ") "[" mark "] " label         ; a form; a key that its hints name ends it
    marked   = ("❯ " / "  ") label                       ; since 2.1.250: arrows move the mark, Enter takes it
    hinted   = key " to " label *(" · " key " to " label) ; where there is nothing to choose from

A choice is found by its words, never by its place: the third of a Bash dialog was "No", and is "Yes, and switch to
auto mode" on later versions. Below the real choices stands no other mark, no frame and no rule, so what a model draws
above them, or in a view of the conversation, is not taken for them.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from intercom.core.fleet_words import PermissionDecision
from intercom.fleet.programs.claude.ansi import Row
from intercom.fleet.programs.screen import PERMISSION, Choice, Dialog

RULE = re.compile(r"─{10,}(?: .*─)?\Z")
FRAME = re.compile(r"╌{10,}\Z")
_EDGE = re.compile(f"{RULE.pattern}|{FRAME.pattern}")
_NUMBERED = re.compile(r"( {0,4}(?:❯ )? {0,2})([1-9][0-9]?)\.(?: |(?=[A-Z]))(.+)\Z")
_MARKED = re.compile(r"( {0,4})❯ (\S.*)\Z")
_TICK = re.compile(r" +(❯ )?\[(.)\] (.+)\Z")
_HINT = re.compile(r" {0,3}(?:(?:Esc|Enter|Space|Tab|↑/↓|←/→|ctrl\+\w) (?:.*\b)?to|Press Enter to) \w")
_HINTED = re.compile(r"(Enter|Esc|[Ss]hift\+[Tt]ab) to (\w.*)\Z")
_KEYS = {"enter": "Enter", "esc": "Escape", "shift+tab": "BTab"}  #: keys by their names in hints: tmux's names
_TAIL = 18  #: rows that may follow the last choice

#: what holds for later, too, is no answer to one request
_ONCE = r"(?!.*\b(?:again|all|always|every|forever|future|never|permanently)\b)"
_YES, _NO = (re.compile(rf"{word}\b{_ONCE}") for word in ("Yes", "No"))
#: by (kind, decision): the words of the one choice with exactly that meaning; without a row, a person must answer
WORDS = {
    (PERMISSION, "allow"): re.compile(r"Yes\Z"),
    (PERMISSION, "deny"): _NO,
    ("trust", "allow"): _YES,
    ("trust", "deny"): _NO,
    ("bypass", "allow"): _YES,
    ("bypass", "deny"): _NO,
    ("mcp_approval", "allow"): re.compile(r"Use this MCP server\Z"),
    ("mcp_approval", "deny"): re.compile(r"Continue without|reject all\Z"),
    ("api_key", "allow"): re.compile(r"Yes\Z"),
    ("api_key", "deny"): _NO,
    ("plan", "allow"): re.compile(r"Yes, manually approve edits\Z"),
    ("plan", "deny"): re.compile(r"No, keep planning"),
    ("auto_check", "allow"): re.compile(r"stay in auto mode\Z"),
    ("auto_check", "deny"): re.compile(r"cancel\Z"),
    ("auto_offer", "deny"): re.compile(r"No, keep "),
    ("held", "deny"): re.compile(r"Deny\b"),
}


class Found(NamedTuple):
    """The choices in rows `first` to `end` (exclusive), and which of them is marked."""

    first: int
    end: int
    choices: tuple[Choice, ...] = ()
    default: int | None = None


def choice_for(dialog: Dialog, decision: PermissionDecision) -> int | None:
    """The position of the choice that allows once, or denies; None unless exactly one choice says just that."""
    words = WORDS.get((dialog.kind, decision))
    fitting = [at for at, choice in enumerate(dialog.choices) if words is not None and words.match(choice.label)]
    return fitting[0] if len(fitting) == 1 else None


def find(rows: list[Row]) -> Found:
    """The choices at the bottom of the screen; if there are none, where the hints begin."""
    return _numbered(rows) or _ticked(rows) or _marked(rows) or _hinted(rows)


def rules(rows: list[Row]) -> list[int]:
    """The rows of full-width rules; what a model writes is indented, or shorter."""
    found = [at for at, row in enumerate(rows) if RULE.match(row.text)]
    width = max((len(rows[at].text) for at in found), default=0)
    return [at for at in found if len(rows[at].text) == width]


def is_choice(text: str) -> bool:
    """Whether a row is the marked choice of a dialog."""
    return "❯ " in text[:6] and _NUMBERED.match(text) is not None


def _numbered(rows: list[Row]) -> Found | None:
    found: list[tuple[int, bool]] = []
    labels: list[list[str]] = []  # of each choice, the last first, by rows from its end
    column = number = 0
    below: list[str] = []
    for at in range(len(rows) - 1, -1, -1):
        text = rows[at].text
        match = _NUMBERED.match(text)
        if match is None or (found and (match.start(2), int(match[2])) != (column, number - 1)):
            if found and (_stands_at(match, column) or not (_is_under(text, column) or RULE.match(text))):
                return None  # what a list does not hold: what is above is text, or another
            below.append(text.strip())
            continue
        if not found:
            below = _under([row.text for row in rows[at + 1 :]], match.start(2))
        column, number = match.start(2), int(match[2])
        found.append((at, "❯" in match[1]))
        labels.append([*below, match[3].strip()])
        below = []
        if number == 1:
            break
    found.reverse()
    labels.reverse()
    marked = [place for place, (_, mark) in enumerate(found) if mark]
    if number != 1 or len(marked) != 1 or not _is_last(rows, found[-1][0] + 1):
        return None
    end = found[-1][0] + len(labels[-1])
    words = [" ".join(word for word in reversed(one) if not RULE.match(word)) for one in labels]
    choices = tuple(Choice(str(at) if at < 10 else "", label) for at, label in enumerate(words, 1))
    return Found(found[0][0], end, choices, marked[0])


def _is_under(text: str, column: int) -> bool:
    """Whether a row goes on with the label above it, whose number is in `column`: wrapped, or a note on it."""
    return text.startswith(" " * column)


def _stands_at(match: re.Match[str] | None, column: int) -> bool:
    return match is not None and match.start(2) == column


def _under(texts: list[str], column: int) -> list[str]:
    """The rows right under the last choice that go on with its label, from their end."""
    end = next((at for at, text in enumerate(texts) if not _is_under(text, column)), len(texts))
    return [text.strip() for text in reversed(texts[:end])]


def _is_last(rows: list[Row], end: int) -> bool:
    """Whether nothing below can be choices, or what they are about."""
    below = rows[end:]
    return len(below) <= _TAIL and not any("❯" in row.text or _EDGE.match(row.text) for row in below)


def _ticked(rows: list[Row]) -> Found | None:
    last_rule = max(rules(rows), default=len(rows))
    ticked = [(at, match) for at, row in enumerate(rows) if at > last_rule and (match := _TICK.match(row.text))]
    if not ticked:
        return None
    default = next((place for place, (_, match) in enumerate(ticked) if match[1]), None)
    choices = tuple(Choice("", f"[{match[2]}] {match[3]}") for _, match in ticked)
    end = ticked[-1][0] + 1
    return Found(ticked[0][0], end, choices + _keys(rows[end:]), default)


def _marked(rows: list[Row]) -> Found | None:
    """A list with a mark but no numbers, each label in the column of the marked one."""
    at = max((at for at, row in enumerate(rows) if _MARKED.match(row.text)), default=None)
    match = _MARKED.match(rows[at].text) if at is not None else None
    if at is None or match is None or not _is_last(rows, at + 1):
        return None
    column = len(match[1]) + 2
    first, end = at, at + 1
    while first and _label(rows[first - 1], column):
        first -= 1
    while end < len(rows) and _label(rows[end], column):
        end += 1
    labels: list[str] = []
    default = None
    for place in range(first, end):
        text = rows[place].text[column:]
        if text.startswith(" "):
            if not labels:
                return None
            labels[-1] += f" {text.strip()}"  # a wrapped label
            continue
        default = len(labels) if place == at else default
        labels.append(text.strip())
    if default is None or len(labels) < 2:
        return None
    return Found(first, end, tuple(Choice("", label) for label in labels), default)


def _label(row: Row, column: int) -> bool:
    return len(row.text) > column and not row.text[:column].strip()


def _hinted(rows: list[Row]) -> Found:
    """No choices: the hints begin after the last text."""
    hints = len(rows)
    while hints and (not rows[hints - 1].text or not _above_hints(rows, hints - 1)):
        hints -= 1
    return Found(hints, hints, _keys(rows[hints:]))


def _above_hints(rows: list[Row], at: int) -> bool:
    """Whether row `at` is not part of the hints, the first of which may wrap."""
    while at and rows[at].text and not _HINT.match(rows[at].text):
        at -= 1
    return not _HINT.match(rows[at].text)


def _keys(rows: list[Row]) -> tuple[Choice, ...]:
    """The keys that hints name, as choices."""
    words = " ".join(row.text.strip() for row in rows).split(" · ")
    found = [match for one in words if (match := _HINTED.match(one.strip()))]
    return tuple(Choice(_KEYS[match[1].lower()], match[2]) for match in found)
