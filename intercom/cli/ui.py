"""Owns `intercom ui`: the screen for people, or the same as lines of text."""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING, Annotated

from intercom.cli import show
from intercom.cli.session import Asked, open_bus, warn
from intercom.core.config import load
from intercom.core.errors import UsageError
from intercom.core.signature import Arg

if TYPE_CHECKING:
    from intercom.cli.tui.app import Ui

_OFTEN = 1_000  #: new objects after which the collector looks at them


def ui(
    asked: Asked,
    *,
    plain: Annotated[bool, Arg(help="as lines, for a screen reader or a pipe; runs until Ctrl-C")] = False,
) -> int:
    """Show who works, what was said and what waits for you, and answer with a key."""
    if plain:
        return _lines(asked)
    from intercom.cli.tui import terminal

    terminal.require()
    try:
        from intercom.cli.tui.app import Ui
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in {"textual", "rich"}:
            raise
        raise UsageError(
            'ui needs the package textual; nothing was shown. Install it with: pip install "intercom-md[ui]". '
            "Without it: intercom ui --plain"
        ) from None
    config = load(asked.root)
    if config.made:
        warn(config)
    else:  # a bus that was deleted may come back
        with open_bus(asked) as bus:
            config = bus.config
    screen = Ui(config)
    gc.set_threshold(_OFTEN)  # commands set it high, as they end soon; removed cards would pile up
    screen.run()
    _leave(screen)
    if screen.failed is not None:
        raise screen.failed
    return screen.return_code or 0


def _leave(screen: Ui) -> None:
    """Wait for what a key had begun on the bus, such as a message that is not sent yet; not for ever."""
    from intercom.cli.tui.source import UNHURRIED

    if screen.source.ended(UNHURRIED):
        return
    show.note("the bus is busy; waiting until it has done what was asked of it (Ctrl-C: leave it undone)")
    try:
        screen.source.ended(None)
    except KeyboardInterrupt:
        os._exit(130)  # the thread that waits would be waited for


def _lines(asked: Asked) -> int:
    """Print the state once, then every message as it comes, and what newly waits for a person."""
    from intercom.cli.fleet import crew_of
    from intercom.cli.status import status
    from intercom.cli.tui.source import picture
    from intercom.system.watch import Watch

    with crew_of(asked) as crew, Watch(crew.bus.config.folder) as watch:
        found = picture(crew)  # first, so that what comes while the state is printed follows it
        seen, waits = found.newest, {item.key for item in found.waits}
        status(asked)
        while True:
            watch.wait(1.0)
            found = picture(crew)
            for text in crew.bus.notices:
                show.note(text)
            crew.bus.notices.clear()
            if found.newest != seen:
                show.messages(crew.bus.history(after=seen), as_json=asked.json)
            for item in found.waits:
                if item.key not in waits and not asked.json:
                    show.line(show.paint(f"waits for you: {item.kind} from {item.who}: {item.title}", show.BOLD))
            seen, waits = found.newest, {item.key for item in found.waits}
            sys.stdout.flush()
