"""Owns how untrusted text is shown, to a person at a terminal or to a model: as inert data.

Text from a message, a file name, another machine or an error must not end the line it is on, move the cursor, change
the reading direction, hide text, or pass for output of the program that shows it. There is one function for each
place where such text can appear; every edge uses these and adds none of its own.

    value     within a line: paths, commands, whatever stands at its end or alone
    word      within a line, among others: names, ids, threads, times
    sentence  prose that takes one line, whatever its layout: errors, warnings
    framed    a body, each of its lines behind a bar
    named     a value that may have several lines, after its name
    escaped   within JSON, where the value must stay what it is

An active character is shown as its picture (U+2400 …) or by its number. Pure, and needs no other module.
"""

from __future__ import annotations

import re
from functools import cache

#: Every invisible or active character: line ends, cursor and direction controls, and what Unicode lets a
#: program ignore (Default_Ignorable_Code_Point). Tab and newline come first; see `framed`.
_UNSEEN = (
    "\t\n\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0, DEL, C1: line ends, and whatever a terminal obeys
    "\u2028\u2029"  # line and paragraph separator
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # reading direction
    "\xad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u2065\u206a-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "\ud800-\udfff"  # half of a character
)
_EMOJI_OR_TEXT = "\ufe0e\ufe0f"
_STACKED = 6  #: combining marks on one character; more are shown by their numbers
_JOINERS = "\u200c\u200d"


def value(text: str) -> str:
    """Make `text` safe as one value within a line."""
    if text.isascii() and text.isprintable() and "<" not in text:
        return text
    return _tags().sub("&lt;", _unseen().sub(_picture, _unstacked(text)))


def word(text: str) -> str:
    """Make `text` safe as one value among others in a line: quoted unless it is a plain word."""
    if _plain().fullmatch(text):
        return value(text)
    return '"' + value(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def words(text: str) -> str:
    """A list of values, joined by ", "."""
    return ", ".join(map(word, text.split(", ")))


def sentence(text: str) -> str:
    """Prose on one line: blanks and line ends in it become one space."""
    return value(" ".join(text.split()))


def framed(body: str, bar: str) -> list[str]:
    """The lines of a body, each behind `bar`; every character that some program treats as a line end splits a line."""
    lines = _unseen(but=2).sub(_picture, _breaks().sub("\n", _unstacked(body))).split("\n")
    return [f"{bar}{_tags().sub('&lt;', line)}".rstrip() for line in lines]


def named(name: str, text: str) -> str:
    """`name: text`; a text of several lines follows on lines of its own, behind bars."""
    lines = framed(text, "  | ")
    return f"{name}: {value(text)}" if len(lines) == 1 else "\n".join([f"{name}:", *lines])


def escaped(json: str) -> str:
    """JSON text on one line, with an escape for each invisible character; the JSON value stays the same."""
    if json.isascii() and json.isprintable() and "<" not in json:
        return json
    return _tags().sub(r"\\u003c", _unseen().sub(_escape, json))


# Compiled on first use: that takes a millisecond, and most short commands never need it.


@cache
def _unseen(but: int = 0) -> re.Pattern[str]:
    return re.compile(f"[{_UNSEEN[but:]}]")


@cache
def _plain() -> re.Pattern[str]:
    return re.compile(r"[\w.:+@/#-]+")


@cache
def _breaks() -> re.Pattern[str]:
    return re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")


@cache
def _tags() -> re.Pattern[str]:
    """Matches the `<` of tags by which an agent's program addresses its model; in JSON, blanks may be escapes."""
    return re.compile(r"<(?=(?:[\s/]|\\[nrt])*(?:system-reminder|task-notification)\b)", re.IGNORECASE)


@cache
def _stacks() -> re.Pattern[str]:
    return re.compile(rf"[^\x00-\u02ff\w\s]{{{_STACKED + 1},}}")


def _unstacked(text: str) -> str:
    """The text without combining marks stacked so high that they are drawn over other lines; no script needs those."""
    return text if text.isascii() else _stacks().sub(_spread, text)


def _spread(found: re.Match[str]) -> str:
    from unicodedata import category

    out, height = [], 0
    for char in found[0]:
        height = height + 1 if category(char) in ("Mn", "Me") else 0
        out.append(char if height <= _STACKED else f"\\u{ord(char):04x}")
    return "".join(out)


def _picture(found: re.Match[str]) -> str:
    if _in_use(found):
        return found[0]
    code = ord(found[0])
    if code < 0x20 or code == 0x7F:
        return chr(0x2400 + code) if code < 0x20 else "\u2421"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _escape(found: re.Match[str]) -> str:
    if _in_use(found):
        return found[0]
    code = ord(found[0])
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    return f"\\u{0xD800 + (code - 0x10000 >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def _in_use(found: re.Match[str]) -> bool:
    """Whether a joiner or variation selector has a real effect here: single, and after a character beyond ASCII.

    After an ASCII letter, as in `master`, it would only make two different names look the same.
    """
    text, at = found.string, found.start()
    if found[0] in _JOINERS and at and text[at - 1] in _EMOJI_OR_TEXT:
        at -= 1
    elif found[0] not in _JOINERS + _EMOJI_OR_TEXT:
        return False
    before = text[at - 1] if at else ""
    return before > "\x7f" and _unseen().match(before) is None
