"""Owns a marked block in another's text, between two comments of ours: at its end, or after a given line. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from intercom.fleet.clients.edit.splice import CannotEdit, Edited, newline_of

_BEGIN, _END = "intercom: begin", "intercom: end"
_ABOUT = " (kept by `intercom init`; `intercom uninstall` takes it away)"


class Comment(NamedTuple):
    """The syntax of comments."""

    left: str
    right: str = ""

    def line(self, words: str) -> str:
        """A comment line."""
        return f"{self.left} {words}{' ' + self.right if self.right else ''}"


HASH = Comment("#")
MARKDOWN = Comment("<!--", "-->")
_LEFT = r"^[ \t]*(?:#|<!--) "
_MARKED = re.compile(  # nothing that reaches over a second beginning: a block of ours that lost its end may be above
    rf"(?:(?<=\n)\r?\n)?{_LEFT}{_BEGIN}[^\n]*\n(?:(?!{_LEFT}{_BEGIN}).)*?{_LEFT}{_END}[^\n]*(?:\n|\Z)",
    re.DOTALL | re.MULTILINE,
)

_MARK = re.compile(rf"[ \t]*(?:#|<!--) (?:{_BEGIN}\b[^\n]*|{_END}[ \t]*(?:-->)?[ \t]*\r?)\n?\Z")


def written(body: str, comment: Comment, indent: str = "") -> str:
    """The block with its comments."""
    lines = [comment.line(_BEGIN + _ABOUT), *body.strip("\n").split("\n"), comment.line(_END)]
    return "".join(f"{indent}{line}".rstrip() + "\n" for line in lines)


def has(text: str) -> bool:
    """Whether the text has a block of ours."""
    return _MARKED.search(text) is not None


def broken(text: str) -> bool:
    """Whether one of the two comments stands without the other."""
    return any(map(is_mark, _MARKED.sub("", text).split("\n")))


def is_mark(line: str) -> bool:
    """Whether a line is one of the two comments."""
    return _MARK.match(line) is not None


def append(edited: Edited, body: str, comment: Comment) -> Edited:
    """Add the block at the end, after a blank line."""
    text, nl = edited.text, newline_of(edited.text)
    if has(text):
        raise CannotEdit("a block of ours is there already")
    joint = "" if not text.strip("\ufeff") else "\n" if text.endswith("\n") else "\n\n"
    return edited.insert((len(text), (joint + written(body, comment)).replace("\n", nl)))


def cut(text: str) -> str:
    """Remove our block and the blank line before it; text written after it stays."""
    return _MARKED.sub("", text, count=1)
