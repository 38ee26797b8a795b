"""Owns `intercom notify`: a person elsewhere is told what waits for them, once."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Annotated

from intercom.cli import show
from intercom.cli.session import Asked
from intercom.core.errors import IntercomError
from intercom.core.message import USER
from intercom.core.signature import Arg

if TYPE_CHECKING:
    from intercom.fleet.alerts import Notebook, Settings
    from intercom.fleet.crew import Crew

_UNREAD = 50  #: messages to a person that are looked at
_LOOK = 5.0  #: seconds between looks for what no message tells: permissions that wait, workers that died


def notify(
    asked: Asked,
    *,
    follow: Annotated[bool, Arg(help="go on until Ctrl-C")] = False,
    test: Annotated[bool, Arg(help="tell something now, to see whether it arrives")] = False,
) -> int:
    """Tell what is due by desktop and by the addresses in [notify], each thing once."""
    from intercom.cli.fleet import crew_of
    from intercom.fleet.alerts import Notebook, settings
    from intercom.system.watch import Watch

    told = settings(os.environ)
    if test:
        return _sent([("Intercom", "This is a test: it arrives.")], told)
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
    """Tell what is due now; 1 if something could not be told: it is tried again. StorageError."""
    from intercom.fleet.alerts import alerts, digested, is_quiet
    from intercom.fleet.overview import overview

    now = time.time()
    if is_quiet(told, now):
        return 0
    status = crew.bus.status()
    unread = status.unread.get(USER, 0)
    messages = crew.bus.history(to=USER, limit=min(unread, _UNREAD)) if unread else []
    known = notebook.told()
    new = [one for one in alerts(overview(crew.bus, status), messages, told, now) if one.key not in known]
    if not new:
        return 0
    failed = _sent(digested(new, told, crew.bus.config.root.name), told)
    if not failed:
        notebook.note(one.key for one in new)
    return failed


def _sent(what: list[tuple[str, str]], told: Settings) -> int:
    from intercom.fleet.notifiers import desktop, elsewhere

    failed, reached = 0, False
    for title, text in what:
        for trouble in ([desktop(title, text)] if told.desktop else []) + (
            [elsewhere(told.urls, title, text)] if told.urls else []
        ):
            reached = reached or not trouble
            failed = failed or int(bool(trouble))
            if trouble:
                show.note(f"not told: {trouble}")
        show.line(f"{title}: {text}")
    return 0 if reached and not failed else int(not reached)
