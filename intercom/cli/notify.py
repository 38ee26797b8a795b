"""Owns `intercom notify`: alert a person elsewhere to what waits for them, once."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

from intercom.cli import show
from intercom.cli.session import Asked
from intercom.core.errors import IntercomError
from intercom.core.signature import Arg

if TYPE_CHECKING:
    from intercom.fleet.alerts import Settings
    from intercom.fleet.crew import Crew
    from intercom.fleet.notebook import Notebook
    from intercom.fleet.telling import Told

_LOOK = 5.0  #: seconds between checks for what causes no message: pending permissions, dead workers


def notify(
    asked: Asked,
    *,
    follow: Annotated[bool, Arg(help="keep running until Ctrl-C")] = False,
    test: Annotated[bool, Arg(help="send a test notice now, to see whether it arrives")] = False,
) -> int:
    """Send what is due to the desktop and to the addresses in [notify], each thing once."""
    from intercom.cli.fleet import crew_of
    from intercom.fleet.alerts import settings
    from intercom.fleet.notebook import Notebook
    from intercom.system.watch import Watch

    told = settings(os.environ)
    if test:
        from intercom.fleet import telling

        return _said(telling.try_out(told))
    with crew_of(asked) as crew:
        notebook = Notebook(crew.bus.config.root, os.environ)
        if not follow:
            return once(crew, told, notebook)
        with Watch(crew.bus.config.folder) as watch:
            while True:
                try:
                    once(crew, told, notebook)
                except IntercomError as error:
                    show.note(str(error))
                sys.stdout.flush()
                watch.wait(_LOOK)


def once(crew: Crew, told: Settings, notebook: Notebook) -> int:
    """Send what is due now; 1 if anything failed, which is tried again. StorageError."""
    from intercom.fleet.telling import due, tell

    return _said(tell(due(crew, told), told, notebook, crew.bus.config.root.name))


def _said(done: Told) -> int:
    for trouble in done.troubles:
        show.note(f"not told: {trouble}")
    for title, text in done.sent:
        show.line(f"{title}: {text}")
    return 0 if done.reached and not done.troubles else 1
