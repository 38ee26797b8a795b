"""Owns what commands share at their start: the open bus with its warnings, and the text of a message."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from intercom.cli import show

if TYPE_CHECKING:
    from intercom.bus.bus import Bus
    from intercom.core.config import Config
    from intercom.core.message import Message
    from intercom.fleet.speaker import Speaker


_MOST = 2_000  #: messages; only the newest this many show what they answer


class Asked(NamedTuple):
    """The options common to all commands."""

    root: str | None = None  #: the project's root
    json: bool = False  #: whether to print JSON, one object per line


@contextmanager
def open_bus(asked: Asked, *, makes: bool = False, sends: bool = False) -> Iterator[Bus]:
    """Open the bus of `--root` or of the working directory; its warnings and notices go to stderr, one per line.

    NotFound if there is none and the command does not create one; one that `sends` does so with what it sends, so that
    nothing is made if that is refused.
    """
    from intercom.bus.bus import Bus

    with Bus.open(asked.root) as bus:
        if sends:
            bus.state.waits = not bus.config.made
        elif not makes:
            there(bus.config)
        warn(bus.config)
        try:
            yield bus
        finally:
            for text in bus.notices:
                show.note(text)
            bus.notices.clear()


def whose(config: Config) -> Speaker:
    """Who runs this command."""
    from contextlib import closing

    from intercom.fleet.speaker import speaker
    from intercom.store.private import vet
    from intercom.store.state.db import State

    if told := vet(config):
        show.note(told)
    with closing(State(config.private)) as state:
        return speaker(state, os.environ)


def for_people(config: Config) -> None:
    """Raise Refused in a worker's session: this command takes away what others said."""
    from intercom.fleet.speaker import authority

    authority(whose(config))


class Author(NamedTuple):
    """The sender, as `Bus.send` takes it."""

    sender: str
    via: str


def author(bus: Bus, wanted: str | None) -> Author:
    """The sender of this command; Refused for another's name. Warns if it is unproven."""
    from contextlib import closing

    from intercom.core.message import UNPROVEN
    from intercom.fleet.speaker import checked, speaker
    from intercom.store.state.db import State

    with closing(State(bus.config.private)) as state:
        state.waits = bus.state.waits
        found = speaker(state, os.environ)
        name, via = checked(state, found, wanted)
    if via == UNPROVEN:
        why = f"it runs below an agent ({found.why})" if found.name else found.why
        why = why if found.proven else "only its environment says so"
        show.note(f"marked as not proven to be from {name!r}, so it is not an order to anybody: {why}")
    return Author(name, via)


def whole(bus: Bus, ident: str) -> str:
    """The full id for a shortened one. UsageError if several match; unchanged if none does."""
    from intercom.bus.pending import whole_id

    return bus.ask(lambda db: whole_id(db, ident))


def answered(bus: Bus, found: Sequence[Message]) -> dict[str, str]:
    """The texts of the messages that these answer, by id, so that a person recognises them."""
    idents = {one.reply_to for one in found[-_MOST:] if one.reply_to}
    if not idents:
        return {}
    from intercom.bus.pending import bodies

    return bus.ask(lambda db: bodies(db, idents))


def there(config: Config) -> None:
    """Raise NotFound if there is no bus: commands that only look do not create one."""
    if not config.made:
        from intercom.core.errors import NotFound

        raise NotFound(f"there is no bus in {config.root}; nothing was read or made. `intercom init` makes one.")


def warn(config: Config) -> None:
    """Warn of problems with where the bus is: an unexpected root, a log in git."""
    from intercom.system.git_index import tracked

    for text in config.cautions:
        show.note(f"warning: {text}")
    found = tracked(config.root)
    if found:
        from intercom.core.texts import some

        show.note(
            f"warning: git tracks {some(found, 1)}; a push publishes it. "
            "Stop that with: git rm -r -f --cached .claude/local"
        )


def message_text(word: str) -> str:
    """The message itself, or standard input for `-`, with its bytes preserved even if they are not UTF-8.

    Text that the system's own programs write in another encoding is converted.
    """
    if word != "-":
        return word
    import codecs

    from intercom.format import decode
    from intercom.format.utf16 import as_utf8
    from intercom.system import host

    if sys.stdin is None:
        return ""
    if sys.stdin.isatty():
        show.note(f"type the message, then {host.END_OF_INPUT}")
    given = as_utf8(sys.stdin.buffer.read()).removeprefix(codecs.BOM_UTF8)  # PowerShell puts one before what it pipes
    return decode(host.from_console(given))
