"""Owns how values look on a terminal and in JSON.

What a message holds is data: control characters are made visible, so that no body can move the
cursor, and a body is indented, so that none can look like another message's header.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from intercom.model import Message

BOLD, DIM, RED, GREEN, YELLOW, BLUE, MAGENTA, CYAN = 1, 2, 31, 32, 33, 34, 35, 36

_COLOUR = {
    "TASK": BLUE,
    "DONE": GREEN,
    "WARN": YELLOW,
    "ERROR": RED,
    "CRITICAL": RED,
    "BLOCKED": RED,
    "ASK": MAGENTA,
    "REPLY": CYAN,
}

# Shown instead of acted on: C0 and C1 controls but tab and newline, and the marks that reorder text.
_VISIBLE = {code: chr(0x2400 + code) for code in range(32) if code not in {9, 10}}
_VISIBLE |= {code: f"\\x{code:02x}" for code in range(0x7F, 0xA0)}
_VISIBLE |= {code: f"\\u{code:04x}" for code in (0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))}
_FIELDS = ((0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19))


def coloured() -> bool:
    """Whether stdout is a terminal that wants colour (https://no-color.org)."""
    return (
        sys.stdout is not None
        and sys.stdout.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
    )


def paint(text: str, *codes: int) -> str:
    """`text` in colour where colour is wanted, else as it is."""
    if not codes or not text or not coloured():
        return text
    return f"\x1b[{';'.join(map(str, codes))}m{text}\x1b[0m"


def visible(text: str) -> str:
    """`text` with every control character made visible."""
    return text.translate(_VISIBLE)


def json_line(value: Mapping[str, Any]) -> None:
    """One JSON object on one line, in ASCII: it is one line to every reader, in every locale."""
    import json

    print(json.dumps(value))


def local(at: str | None) -> str:
    """A UTC time in local time, to the second; a dash where there is none."""
    if not at:
        return "-"
    import time

    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(epoch(at)))
    except (ValueError, OverflowError, OSError):
        return at


def epoch(at: str) -> int:
    """Seconds since 1970 of a UTC time `YYYY-MM-DDThh:mm:ss…`; ValueError if it is none.

    By hand, since `time.strptime` and `calendar` import 4 ms of locale and datetime.
    """
    year, month, day, hour, minute, second = (int(at[start:end]) for start, end in _FIELDS)
    shifted = year - (month < 3)  # years begin in March here, so that a leap day ends one
    days = 365 * shifted + shifted // 4 - shifted // 100 + shifted // 400 + (153 * ((month + 9) % 12) + 2) // 5 + day
    return (days - 719_469) * 86_400 + hour * 3_600 + minute * 60 + second


def messages(found: Iterable[Message], *, as_json: bool) -> None:
    """Print messages: a header line and the indented body each, or JSON."""
    for message in found:
        if as_json:
            json_line(message.to_json())
        else:
            print(one(message))


def one(message: Message) -> str:
    """A message for a person to read, ending in an empty line."""
    header = [
        paint(local(message.at), DIM),
        f"{paint(visible(message.sender), BOLD)} \u2192 {paint(visible(message.to), BOLD)}",
        paint(f"[{message.tag}]", _COLOUR.get(message.tag, DIM)),
    ]
    if message.urgent:
        header.append(paint("[URGENT]", BOLD, RED))
    header.append(paint(message.id, DIM))
    notes = []
    if message.via == "hand":
        notes.append(paint("written by hand", YELLOW))
    if message.redelivered:
        notes.append(paint("given before, not confirmed", YELLOW))
    if message.status:
        percent = "" if message.progress is None else f" {message.progress} %"
        notes.append(f"{message.status}{percent}")
    elif message.progress is not None:
        notes.append(f"{message.progress} %")
    if message.reply_to:
        notes.append(f"answers {visible(message.reply_to)}")
    if message.thread:
        notes.append(f"thread {visible(message.thread)}")
    if notes:
        header.append(f"({', '.join(notes)})")
    body = [f"  {line}".rstrip() for line in visible(message.body).split("\n")]
    return "\n".join(["  ".join(header), *body, ""])


def table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows under a heading, columns aligned."""
    shown = [[visible(cell).replace("\n", " ") for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in shown) for column in range(len(shown[0]))]
    for number, row in enumerate(shown):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        print(paint(line, DIM) if number == 0 else line)
