"""Owns `intercom watch`: follows the log in a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from intercom.cli import show
from intercom.cli.session import Asked, open_bus
from intercom.core.errors import NotFound, StorageError, brief
from intercom.core.signature import Arg

if TYPE_CHECKING:
    from intercom.bus.bus import Bus
    from intercom.core.message import Message

_LOOK_AGAIN = 5.0  #: seconds between looks without a change event


def watch(asked: Asked, *, limit: Annotated[int, Arg(help="start with the last N", metavar="N")] = 10) -> int:
    """Print the last messages, then each new one as it comes, until interrupted, or until the project is gone."""
    from intercom.system.watch import Watch

    with open_bus(asked) as bus, Watch(bus.config.folder) as changes:
        found = bus.history(limit=max(limit, 1))
        last = found[-1] if found else None
        show.messages(found[len(found) - limit :], as_json=asked.json)
        trouble = ""
        while True:
            sys.stdout.flush()
            changes.wait(_LOOK_AGAIN)
            if not bus.config.root.is_dir():
                raise StorageError(
                    f"{bus.config.root} is gone: it was renamed or removed; nothing more can come. "
                    "Start again where the project is now."
                )
            try:
                found, said = _since(bus, last), ""
            except StorageError as error:  # a person keeps this open, and the error may pass
                found, said = [], brief(error)
            show.messages(found, as_json=asked.json)
            last = found[-1] if found else last
            for text in [*bus.notices, *([said] if said != trouble else [])]:
                if text:
                    show.note(text)
            bus.notices.clear()
            trouble = said


def _since(bus: Bus, last: Message | None) -> list[Message]:
    """What came after a message; everything if the folder was deleted meanwhile and numbering began again."""
    if last is None:
        return bus.history()
    found = bus.history(after=last.seq)
    newest = found or bus.history(limit=1)
    if newest and (newest[-1].seq or 0) < (last.seq or 0):
        try:
            bus.versions(last.id)  # the newest message may just be hidden
        except NotFound:
            return bus.history()
    return found
