"""Owns everything that is printed, and how values look on a terminal and in JSON.

What a message, a file or another machine holds is data: whatever is printed goes through `core.display`, so that
no value ends its line or moves the cursor, and a body is indented, so that none can look like another message's
header. On a terminal that holds for lines too long for it as well: they go on indented.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from intercom.core.display import escaped, framed, sentence, value, word, words

if TYPE_CHECKING:
    from intercom.core.message import Message

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
_INDENT = "  "  #: before the lines of a body
_BAR = 30  #: characters
_NARROWEST = 20  #: columns; on a terminal that says it has fewer, nothing is folded


class Painted(NamedTuple):
    """A text and the codes of its colour, which count where colour is wanted."""

    text: str
    codes: tuple[int, ...]


Part = str | Painted


def paint(text: str, *codes: int) -> Painted:
    """`text` in colour, for `line`."""
    return Painted(text, codes)


def counted(count: int) -> str:
    """So many messages, in words."""
    return "1 message" if count == 1 else f"{count} messages"


# -- lines --------------------------------------------------------------------------------------------


def line(*parts: Part, error: bool = False) -> None:
    """Print one line, on stdout or stderr: whatever its parts hold, it stays one and is only read."""
    _put([[_shown(part) for part in parts]], sys.stderr if error else sys.stdout)


def note(text: str) -> None:
    """Say something beside the output: one line on stderr."""
    line(f"intercom: {sentence(text)}", error=True)


def block(body: str, *, error: bool = False) -> None:
    """Print a text of several lines as it is laid out."""
    _put([[Painted(row, ())] for row in framed(body, "")], sys.stderr if error else sys.stdout)


def rows(found: Sequence[Sequence[str]]) -> None:
    """Print rows under a heading, columns aligned."""
    shown = [[value(cell) for cell in row] for row in found]
    widths = [max(len(row[column]) for row in shown) for column in range(len(shown[0]))]
    for number, row in enumerate(shown):
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        line(paint(cells, *([DIM] if number == 0 else [])))


def json_line(found: Mapping[str, Any]) -> None:
    """One JSON object on one line, in ASCII: it is one line to every reader, in every locale, and its values exact."""
    import json

    print(escaped(json.dumps(found)))


def bar(done: int, total: int) -> None:
    """Draw progress on stderr, over the line before."""
    part = min(done / total, 1.0) if total else 1.0
    filled = round(part * _BAR)
    print(f"\rindexing [{'#' * filled}{'.' * (_BAR - filled)}] {part:4.0%}", end="", file=sys.stderr, flush=True)


def no_bar() -> None:
    """Wipe the progress bar out."""
    print("\r\x1b[K", end="", file=sys.stderr)


# -- messages -----------------------------------------------------------------------------------------


def messages(found: Iterable[Message], *, as_json: bool) -> None:
    """Print messages: a header line and the indented body each, or JSON."""
    for one in found:
        if as_json:
            json_line(one.to_json())
        else:
            message(one)


def message(one: Message) -> None:
    """Print a message for a person to read, and an empty line."""
    header: list[Part] = [paint(local(one.at), DIM), "  "]
    header += [paint(word(one.sender), BOLD), " \u2192 ", paint(words(one.to), BOLD)]
    header += ["  ", paint(f"[{one.tag}]", _COLOUR.get(one.tag, DIM))]
    if one.urgent:
        header += ["  ", paint("[URGENT]", BOLD, RED)]
    header += ["  ", paint(word(one.id), DIM)]
    notes = _about(one)
    for number, about in enumerate(notes):
        header += [", " if number else "  (", about]
    if notes:
        header.append(")")
    body = [[Painted(row, ())] for row in framed(one.body, _INDENT)]
    _put([[_shown(part) for part in header], *body, []], sys.stdout, fold=_columns())


def _about(one: Message) -> list[Part]:
    """What must be known of a message besides who, when and what."""
    notes: list[Part] = []
    if not one.proven:
        said_by = {"hand": "written by hand", "machine": "another machine's word"}
        notes.append(paint(said_by.get(one.via, "sender not proven"), YELLOW))
    if one.redelivered:
        notes.append(paint("given before, not confirmed", YELLOW))
    said = [*([word(one.status)] if one.status else []), *([] if one.progress is None else [f"{one.progress} %"])]
    if said:
        notes.append(" ".join(said))
    if one.reply_to:
        notes.append(f"answers {word(one.reply_to)}")
    if one.thread:
        notes.append(f"thread {word(one.thread)}")
    return notes


def local(at: str | None) -> str:
    """A UTC time in local time, to the second; a dash where there is none, and what is no time as it stands."""
    if not at:
        return "-"
    import time

    from intercom.core.message import epoch

    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(epoch(at)))
    except (ValueError, OverflowError, OSError):
        return word(at)


# -- the terminal -------------------------------------------------------------------------------------


def coloured() -> bool:
    """Whether stdout is a terminal that wants colour (https://no-color.org)."""
    return terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def terminal() -> bool:
    """Whether a person sees stdout as it is."""
    return sys.stdout is not None and sys.stdout.isatty()


def _columns() -> int:
    """How wide the terminal is that stdout is; 0 where it is none, or does not say."""
    try:
        columns = os.get_terminal_size(sys.stdout.fileno()).columns if terminal() else 0
    except (OSError, ValueError):
        return 0
    return columns if columns >= _NARROWEST else 0


def _shown(part: Part) -> Painted:
    return Painted(value(part), ()) if isinstance(part, str) else Painted(value(part.text), part.codes)


def _put(lines: Iterable[Sequence[Painted]], stream: TextIO | None, *, fold: int = 0) -> None:
    """Print lines whose parts are harmless already; `fold`: what is wider than so many columns goes on indented."""
    if stream is None:
        return
    colour = coloured()
    for parts in lines:
        for row in _folded(parts, fold) if fold else [parts]:
            words = (f"\x1b[{';'.join(map(str, c))}m{t}\x1b[0m" if c and t and colour else t for t, c in row)
            print("".join(words), file=stream)


def _folded(parts: Sequence[Painted], width: int) -> Iterator[Sequence[Painted]]:
    """The rows of one line; all but the first are indented."""
    from intercom.cli.columns import breaks

    text = "".join(part.text for part in parts)
    starts = [0, *breaks(text, width, len(_INDENT))]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        row, at = [Painted(_INDENT, ())] if start else [], 0
        for one, codes in parts:
            row.append(Painted(one[max(start - at, 0) : max(end - at, 0)], codes))
            at += len(one)
        yield row
