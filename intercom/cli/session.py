"""Owns what commands share at their start: the open bus with its warnings, and the text of a message."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from intercom.cli import show

if TYPE_CHECKING:
    from intercom.bus.bus import Bus
    from intercom.core.config import Config


class Asked(NamedTuple):
    """What every command can be told."""

    root: str | None = None  #: the project
    json: bool = False  #: answer in JSON, one object a line


@contextmanager
def open_bus(asked: Asked) -> Iterator[Bus]:
    """The bus of `--root` or of the working directory; its warnings and notices go to stderr, a line each."""
    from intercom.bus.bus import Bus

    with Bus.open(asked.root) as bus:
        warn(bus.config)
        try:
            yield bus
        finally:
            for text in bus.notices:
                show.note(text)
            bus.notices.clear()


def warn(config: Config) -> None:
    """Say what is wrong with where the bus lies: another root than expected, a log in git."""
    from intercom.system.git_index import tracked

    for text in config.warnings:
        show.note(f"warning: {text}")
    found = tracked(config.root)
    if found:
        some = found[0] if len(found) == 1 else f"{found[0]} and {len(found) - 1} more"
        show.note(
            f"warning: git tracks {some}; a push publishes it. Stop that with: git rm -r -f --cached .claude/local"
        )


def message_text(word: str) -> str:
    """The message itself, or standard input for `-`: its bytes as they are, also where they are no UTF-8."""
    if word != "-":
        return word
    from intercom.format import decode

    if sys.stdin is None:
        return ""
    if sys.stdin.isatty():
        show.note("type the message, then Ctrl-D")
    return decode(sys.stdin.buffer.read())
