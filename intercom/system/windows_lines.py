"""Owns command lines on Windows: how a program is named, started, and written for cmd and PowerShell."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

assert sys.platform == "win32"

from intercom.system import win32

REMOVES = ("cmd", "/c", "rmdir", "/s", "/q")  #: the program that removes a folder with all that is in it
_PLAIN = re.compile(r"[\w.:\\/~+-]+\Z")  # a path that means the same, unquoted, in cmd and PowerShell
_SEPARATES = re.compile("[&^]")  # what cmd reads as more than a letter wherever it stands outside quotes
_BEFORE_QUOTE = re.compile(r'(\\*)("|\Z)')


def shell_line(words: Sequence[str]) -> str:
    """A line by which both cmd and PowerShell run this program.

    cmd needs quotes around a path with blanks, PowerShell would only print a quoted one. So a path with anything but
    plain characters becomes its short name or, without one, is run through cmd: with `call`, or cmd would take off the
    first and the last quote. Without blanks PowerShell drops the quotes, so what separates commands gets escapes that
    count once the quotes are gone. In PowerShell, `$`, a backtick, comma, semicolon or `=` in such a path are too much.
    """
    import subprocess

    program = words[0] if _PLAIN.match(words[0]) else win32.short(words[0])
    rest = subprocess.list2cmdline(words[1:])
    if _PLAIN.match(program):
        return f"{program} {rest}"
    if " " in program or not _SEPARATES.search(program):
        return f'cmd /c call "{program}" {rest}'
    escaped = _SEPARATES.sub(r"^\g<0>", program)
    return f'cmd /c "{escaped}" {rest}'


def as_typed(words: Sequence[str]) -> str:
    """A line that runs a program when a person types it, in cmd as in PowerShell."""
    program = shell_line(words[:1]).rstrip()
    return " ".join([program, *(word if _PLAIN.match(word) else _quoted(word) for word in words[1:])])


def _quoted(word: str) -> str:
    """In quotes, by the rules of Windows programs: a backslash counts double before a quote."""
    inner = _BEFORE_QUOTE.sub(lambda found: found[1] * 2 + (found[2] and '\\"'), word)
    return f'"{inner}"'


def named(program: str) -> list[str]:
    """The words by which other programs start a program found on PATH; a batch file needs cmd."""
    import shutil

    found = shutil.which(program) or ""
    return ["cmd", "/c", program] if found.lower().endswith((".bat", ".cmd")) else [program]


def startable(words: Sequence[str], path: str | None) -> list[str]:
    """The words as the system must start them: with the full path, since Windows itself only looks for `.exe`."""
    import shutil

    return [shutil.which(words[0], path=path) or words[0], *words[1:]]
