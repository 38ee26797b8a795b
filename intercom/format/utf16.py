"""Owns converting to UTF-8 what Windows programs wrote into a log as UTF-16: the whole file, or appended lines.

Notepad ("Unicode") saves the whole file that way, with a byte order mark; `>>` in Windows PowerShell appends UTF-16
lines to any file, without one. UTF-8 text has no NULs, so both are recognised by theirs. The holes that a power cut
leaves are runs of NULs, and are not touched. Pure.
"""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple


class _Order(NamedTuple):
    encoding: str
    run: re.Pattern[bytes]  #: this many ASCII characters in a row are no accident
    newline: bytes


_LITTLE = _Order("utf-16-le", re.compile(rb"(?:[\t\r\n -~]\0){4}"), b"\n\0")
_BIG = _Order("utf-16-be", re.compile(rb"(?:\0[\t\r\n -~]){4}"), b"\0\n")  # only with a byte order mark


def as_utf8(data: bytes) -> bytes:
    """The text in UTF-8; the same object if nothing in it is UTF-16."""
    if b"\0" not in data:
        return data
    order = _BIG if data.startswith(codecs.BOM_UTF16_BE) else _LITTLE
    out, at = [], 0
    marked = data[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE} and len(data) % 2 == 0
    while (found := order.run.search(data, at)) is not None or (marked and not at):
        start = _start(data, at, found.start()) if found and not (marked and not at) else 0
        end = _end(data, start, order.newline)
        out += [data[at:start], _utf8(data[start:end], order.encoding)]
        at = end
    return b"".join([*out, data[at:]]) if out else data


def _utf8(data: bytes, encoding: str) -> bytes:
    whole = len(data) & ~1
    text = data[:whole].decode(encoding, "replace")
    return text.replace("\ufeff", "").encode() + data[whole:]


def _start(data: bytes, at: int, run: int) -> int:
    """Where UTF-16 begins: at `run`, or at a line above it that is not UTF-8."""
    first = data.find(b"\0", at, run)
    try:
        data[at : run if first < 0 else first].decode()
    except UnicodeDecodeError as error:
        first = at + error.start
    line = data.rfind(b"\n", at, first) + 1 if first >= 0 else run
    return max(line, at) if (run - line) % 2 == 0 else run


def _end(data: bytes, start: int, newline: bytes) -> int:
    """Where UTF-8 resumes: at a line without a NUL."""
    at = start
    while True:
        found = data.find(newline, at)
        while found >= 0 and (found - start) % 2:
            found = data.find(newline, found + 1)
        if found < 0:
            return len(data)
        at = found + 2
        if not _goes_on(data, at):
            return at


def _goes_on(data: bytes, at: int) -> bool:
    """Whether the line at `at` is UTF-16, too."""
    newline = data.find(b"\n", at)
    if newline == at:  # a blank line, or half a character
        zero = data.find(b"\0", at, data.find(b"\n", at + 1) + 1 or len(data))
        return zero > at and (zero - at) % 2 == 1
    line = data[at:] if newline < 0 else data[at : newline + 2]
    if b"\0" in line:
        return True
    try:
        line.decode()
    except UnicodeDecodeError as error:
        return error.start < len(line) - 4  # the end may be in the middle of a character
    return False
