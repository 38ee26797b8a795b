"""Owns a marked block in a text that is others': at its end, or behind a line, between two comments of ours. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from intercom.fleet.clients.edit.splice import CannotEdit, Edited, newline_of

_BEGIN, _END = "intercom: begin", "intercom: end"
_ABOUT = " (kept by `intercom init`; `intercom uninstall` takes it away)"


class Comment(NamedTuple):
    """How a comment is written."""

    left: str
    right: str = ""

    def line(self, words: str) -> str:
        """A line of it."""
        return f"{self.left} {words}{' ' + self.right if self.right else ''}"


HASH = Comment("#")
MARKDOWN = Comment("<!--", "-->")
_MARKED = re.compile(
    rf"(?:(?<=\n)\r?\n)?^[ \t]*(?:#|<!--) {_BEGIN}[^\n]*\n.*?^[ \t]*(?:#|<!--) {_END}[^\n]*(?:\n|\Z)",
    re.DOTALL | re.MULTILINE,
)

_MARK = re.compile(rf"[ \t]*(?:#|<!--) (?:{_BEGIN}\b[^\n]*|{_END}[ \t]*(?:-->)?[ \t]*\r?)\n?\Z")


def written(body: str, comment: Comment, indent: str = "") -> str:
    """The block, with the comments around it."""
    lines = [comment.line(_BEGIN + _ABOUT), *body.strip("\n").split("\n"), comment.line(_END)]
    return "".join(f"{indent}{line}".rstrip() + "\n" for line in lines)


def has(text: str) -> bool:
    """Whether there is a block of ours."""
    return _MARKED.search(text) is not None


def is_mark(line: str) -> bool:
    """Whether a line is one of the two comments."""
    return _MARK.match(line) is not None


def append(edited: Edited, body: str, comment: Comment) -> Edited:
    """With the block at the end, a blank line before it."""
    text, nl = edited.text, newline_of(edited.text)
    if has(text):
        raise CannotEdit("a block of ours is there already")
    joint = "" if not text.strip("\ufeff") else "\n" if text.endswith("\n") else "\n\n"
    return edited.insert((len(text), (joint + written(body, comment)).replace("\n", nl)))


def cut(text: str) -> str:
    """Without our block and the blank line before it; what was written behind it stays."""
    return _MARKED.sub("", text, count=1)
