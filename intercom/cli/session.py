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


_MOST = 2_000  #: messages; of more only the newest say what they answer


class Asked(NamedTuple):
    """What every command can be told."""

    root: str | None = None  #: the project
    json: bool = False  #: answer in JSON, one object a line


@contextmanager
def open_bus(asked: Asked, *, makes: bool = False) -> Iterator[Bus]:
    """The bus of `--root` or of the working directory; its warnings and notices go to stderr, a line each.

    NotFound where there is none and the command does not make one.
    """
    from intercom.bus.bus import Bus

    with Bus.open(asked.root) as bus:
        if not makes:
            there(bus.config)
        warn(bus.config)
        try:
            yield bus
        finally:
            for text in bus.notices:
                show.note(text)
            bus.notices.clear()


def whose(config: Config) -> Speaker:
    """Whose command this is."""
    from contextlib import closing

    from intercom.fleet.speaker import speaker
    from intercom.store.private import vet
    from intercom.store.state.db import State

    if told := vet(config):
        show.note(told)
    with closing(State(config.private)) as state:
        return speaker(state, os.environ)


def for_people(config: Config) -> None:
    """Refused where this command runs in a worker's session: it takes away what others said."""
    from intercom.fleet.speaker import authority

    authority(whose(config))


class Author(NamedTuple):
    """Who sends, as `Bus.send` takes it."""

    sender: str
    via: str


def author(bus: Bus, wanted: str | None) -> Author:
    """Who speaks by this command; Refused for a name that is another's. Says what is not proven."""
    from contextlib import closing

    from intercom.core.message import UNPROVEN
    from intercom.fleet.speaker import checked, speaker
    from intercom.store.state.db import State

    with closing(State(bus.config.private)) as state:
        found = speaker(state, os.environ)
        name, via = checked(state, found, wanted)
    if via == UNPROVEN:
        why = f"it runs below an agent ({found.why})" if found.name else found.why
        why = why if found.proven else "only its environment says so"
        show.note(f"marked as not proven to be from {name!r}, so it is not an order to anybody: {why}")
    return Author(name, via)


def whole(bus: Bus, ident: str) -> str:
    """The id that a person shortened. UsageError where several begin so; where none does, what was typed."""
    from intercom.bus.standing import whole_id

    return bus.ask(lambda db: whole_id(db, ident))


def answered(bus: Bus, found: Sequence[Message]) -> dict[str, str]:
    """What the messages say that these answer, by id, for a person to know it by more than its id."""
    idents = {one.reply_to for one in found[-_MOST:] if one.reply_to}
    if not idents:
        return {}
    from intercom.bus.standing import bodies

    return bus.ask(lambda db: bodies(db, idents))


def there(config: Config) -> None:
    """NotFound where there is no bus: looking makes nothing."""
    if not config.made:
        from intercom.core.errors import NotFound

        raise NotFound(f"there is no bus in {config.root}; nothing was read or made. `intercom init` makes one.")


def warn(config: Config) -> None:
    """Say what is wrong with where the bus lies: another root than expected, a log in git."""
    from intercom.system.git_index import tracked

    for text in config.cautions:
        show.note(f"warning: {text}")
    found = tracked(config.root)
    if found:
        some = found[0] if len(found) == 1 else f"{found[0]} and {len(found) - 1} more"
        show.note(
            f"warning: git tracks {some}; a push publishes it. Stop that with: git rm -r -f --cached .claude/local"
        )


def message_text(word: str) -> str:
    """The message itself, or standard input for `-`: its bytes as they are, also where they are not UTF-8.

    But text that the system's own programs write in another encoding is that text.
    """
    if word != "-":
        return word
    from intercom.format import decode
    from intercom.format.utf16 import as_utf8
    from intercom.system import host

    if sys.stdin is None:
        return ""
    if sys.stdin.isatty():
        show.note(f"type the message, then {host.END_OF_INPUT}")
    return decode(host.from_console(as_utf8(sys.stdin.buffer.read())))
