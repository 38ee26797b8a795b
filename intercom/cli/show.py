"""Owns everything that is printed: how values look on a terminal and in JSON.

The content of a message, a file or another machine is data: all output goes through `core.escaping`, so no value can
end its line or move the cursor, and bodies are indented, so none can look like another message's header. Lines too
long for the terminal are wrapped with an indent for the same reason.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from intercom.core.escaping import escaped, framed, sentence, value, word, words

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
Texts = Mapping[str, str]  #: message texts, by id
_NO_TEXTS: Texts = {}
_BRIEF = 40  #: characters of an answered message
_INDENT = "  "  #: prefix of the lines of a body
_BAR = 30  #: characters
_NARROWEST = 20  #: columns; a terminal that reports fewer gets no wrapping


class Painted(NamedTuple):
    """A text and its colour code, which applies if colour is wanted."""

    text: str
    codes: tuple[int, ...]


Part = str | Painted


def paint(text: str, *codes: int) -> Painted:
    """A coloured `text`, for `line`."""
    return Painted(text, codes)


def counted(count: int) -> str:
    """A number with its noun, in words."""
    return "1 message" if count == 1 else f"{count} messages"


# -- lines --------------------------------------------------------------------------------------------


def line(*parts: Part, error: bool = False, hang: int = 0) -> None:
    """Print one line, on stdout or stderr, with inert content.

    `hang`: on a terminal, wrapped rows are indented by this many columns.
    """
    fold = _columns() if hang and not error else 0
    _put([[_shown(part) for part in parts]], sys.stderr if error else sys.stdout, fold=fold, hang=hang)


def note(text: str) -> None:
    """Print a remark, one line on stderr."""
    line(f"intercom: {sentence(text)}", error=True)


def block(body: str, *, error: bool = False) -> None:
    """Print a text of several lines in its own layout."""
    _put([[Painted(row, ())] for row in framed(body, "")], sys.stderr if error else sys.stdout)


def rows(found: Sequence[Sequence[str]]) -> None:
    """Print rows under a heading, columns aligned."""
    for number, text in enumerate(columns(found)):
        cut(text, *([DIM] if number == 0 else []))


def table(found: Sequence[Sequence[str]], indent: int = 0) -> None:
    """Print rows without a heading, columns aligned, and on a terminal no wider than it."""
    for text in columns(found):
        cut(" " * indent + text)


def columns(found: Sequence[Sequence[str]]) -> list[str]:
    """Rows with their columns aligned."""
    from intercom.core.columns import columns_of

    shown = [[value(cell) for cell in row] for row in found]
    widths = [max(columns_of(row[column]) for row in shown) for column in range(len(shown[0]))]
    return [
        "  ".join(cell + " " * (width - columns_of(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in shown
    ]


def cut(text: str, *codes: int) -> None:
    """Print one line; on a terminal, one that is too long ends in an ellipsis."""
    width, shown = _columns(), value(text)
    if width:
        from intercom.core.columns import breaks

        starts = breaks(shown, width - 1, 0)
        shown = shown if not breaks(shown, width, 0) else shown[: starts[0]].rstrip() + "\u2026"
    line(paint(shown, *codes))


def first_line(body: str, most: int = 100) -> str:
    """The beginning of a message on one line; of a contract, the instructions."""
    from intercom.core.contract import in_short

    return in_short(body, most)


def since(at: str | None) -> str:
    """How long ago a UTC time was, in the largest unit; a dash if there is none."""
    from intercom.core.message import age

    try:
        seconds = max(age(at), 0.0) if at else None
    except ValueError:
        seconds = None
    if seconds is None:
        return "-"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def json_line(found: Mapping[str, Any]) -> None:
    """Print a JSON object on one ASCII line, which every reader and locale handles; its values are exact."""
    import json

    print(escaped(json.dumps(found)))


def bar(done: int, total: int) -> None:
    """Draw a progress bar on stderr, over the previous one."""
    part = min(done / total, 1.0) if total else 1.0
    filled = round(part * _BAR)
    print(f"\rindexing [{'#' * filled}{'.' * (_BAR - filled)}] {part:4.0%}", end="", file=sys.stderr, flush=True)


def no_bar() -> None:
    """Erase the progress bar."""
    print("\r\x1b[K", end="", file=sys.stderr)


# -- messages -----------------------------------------------------------------------------------------


def screenful(found: Sequence[Message], texts: Texts = _NO_TEXTS) -> Sequence[Message]:
    """The newest messages that fit on a screen; all of them if no person watches."""
    rows = height() - 2  # less the prompt, and the line that says that there is more
    used = 0
    for count, one in enumerate(reversed(found) if rows > 0 else ()):
        _paged.append([])
        message(one, texts)
        used += len(_paged.pop())
        if used > rows and count:
            return found[len(found) - count :]
    return found


def messages(found: Iterable[Message], *, as_json: bool, texts: Texts = _NO_TEXTS) -> None:
    """Print messages: a header line and the indented body each, or JSON. `texts`: the messages that they answer."""
    for one in found:
        if as_json:
            json_line(one.to_json())
        else:
            message(one, texts)


def message(one: Message, texts: Texts = _NO_TEXTS) -> None:
    """Print a message for a person to read, and an empty line."""
    header: list[Part] = [paint(local(one.at), DIM), "  "]
    header += [paint(word(one.sender), BOLD), " \u2192 ", paint(words(one.to), BOLD)]
    header += ["  ", paint(f"[{one.tag}]", _COLOUR.get(one.tag, DIM))]
    if one.urgent:
        header += ["  ", paint("[URGENT]", BOLD, RED)]
    header += ["  ", paint(word(one.id), DIM)]
    notes = _about(one, texts)
    for number, about in enumerate(notes):
        header += [", " if number else "  (", about]
    if notes:
        header.append(")")
    from intercom.core.contract import readable

    body = [[Painted(row, ())] for row in framed(readable(one.body), _INDENT)]
    _put([[_shown(part) for part in header], *body, []], sys.stdout, fold=_columns())


def edited(one: Message, *, as_json: bool) -> None:
    """Report that a message was edited after its reader got it."""
    from intercom.core.texts import edited as told

    text = told(one.id, one.sender, one.body)
    note(text) if as_json else line(paint(text, YELLOW))


def _about(one: Message, texts: Texts) -> list[Part]:
    """Further facts about a message, besides who, when and what."""
    notes: list[Part] = []
    if one.doubt:
        notes.append(paint(one.doubt, YELLOW))
    if one.late:
        notes.append(paint("late: newer ones came before", YELLOW))
    if one.redelivered:
        notes.append(paint("given before, not confirmed", YELLOW))
    said = [*([word(one.status)] if one.status else []), *([] if one.progress is None else [f"{one.progress} %"])]
    if said:
        notes.append(" ".join(said))
    if one.reply_to:
        says = first_line(texts[one.reply_to], _BRIEF) if one.reply_to in texts else ""
        notes.append(f"answers {word(one.reply_to)}" + (f": {says}" if says else ""))
    if one.thread:
        notes.append(f"thread {word(one.thread)}")
    return notes


def local(at: str | None) -> str:
    """A UTC time as local time, to the second; a dash if there is none; anything else unchanged."""
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
    """Whether stdout is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def _columns() -> int:
    """The width of the terminal on stdout; 0 if there is none, or it is unknown."""
    try:
        columns = os.get_terminal_size(sys.stdout.fileno()).columns if terminal() else 0
    except (OSError, ValueError):
        return 0
    return columns if columns >= _NARROWEST else 0


def _shown(part: Part) -> Painted:
    return Painted(value(part), ()) if isinstance(part, str) else Painted(value(part.text), part.codes)


def _put(lines: Iterable[Sequence[Painted]], stream: TextIO | None, *, fold: int = 0, hang: int = 0) -> None:
    """Print lines with inert parts; rows wider than `fold` columns are wrapped with an indent."""
    if stream is None:
        return
    colour = coloured()
    for parts in lines:
        for row in _folded(parts, fold, hang) if fold else [parts]:
            words = (f"\x1b[{';'.join(map(str, c))}m{t}\x1b[0m" if c and t and colour else t for t, c in row)
            if _paged and stream is sys.stdout:
                _paged[-1].append("".join(words))
            else:
                print("".join(words), file=stream)


# -- more than a screen -------------------------------------------------------------------------------

_paged: list[list[str]] = []  #: the lines of the block that goes to the pager


def height() -> int:
    """The lines of the terminal on stdout; 0 if there is none, or it is unknown."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).lines if terminal() else 0
    except (OSError, ValueError):
        return 0


@contextmanager
def paged(*, wanted: bool = True) -> Iterator[None]:
    """Show the output of the block in a pager, if a person watches and it is more than a screen."""
    rows = height()
    if not wanted or not rows:
        yield
        return
    _paged.append([])
    try:
        yield
    finally:
        lines = _paged.pop()
        text = "".join(f"{line}\n" for line in lines)
        if len(lines) < rows or not page(text):
            print(text, end="")


def page(text: str, *, at_end: bool = True) -> bool:
    """Show an inert text in the person's pager; False if there is none."""
    from intercom.core.errors import IntercomError
    from intercom.system import proc

    words = (os.environ.get("INTERCOM_PAGER") or os.environ.get("PAGER") or "less").split()
    if not words or words[0] == "cat":
        return False
    if words == ["less"]:
        words = ["less", "-R", *(["+G"] if at_end else [])]  # show colours, and start at the newest, which is last
    try:
        proc.feed(words, text.encode("utf-8", "backslashreplace"))
    except IntercomError:
        return False
    return True


def _folded(parts: Sequence[Painted], width: int, hang: int = 0) -> Iterator[Sequence[Painted]]:
    """The rows of one wrapped line; all but the first are indented."""
    from intercom.core.columns import breaks

    text = "".join(part.text for part in parts)
    own = len(text) - len(text.lstrip(" "))  # a wrapped line keeps its own indent
    indent = " " * max(len(_INDENT), min(hang or own, width // 2))
    starts = [0, *breaks(text, width, len(indent))]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        row, at = [Painted(indent, ())] if start else [], 0
        for one, codes in parts:
            row.append(Painted(one[max(start - at, 0) : max(end - at, 0)], codes))
            at += len(one)
        yield row
