"""Owns starting workers in the background: on a thread in a server, otherwise in a process.

Failures are then reported in the log; `scan` shows who is there.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from intercom.core.errors import IntercomError, Refused
from intercom.core.escaping import value
from intercom.fleet.crew import Crew
from intercom.fleet.workers.plan import Plan, Ticket, tickets
from intercom.store.log.announce import announce
from intercom.system.apart import apart, lives_on

#: Starts the workers of these tickets; returns the name and the reason for each that is not ready.
Up = Callable[[Crew, list[Ticket]], Sequence[tuple[str, str]]]


def in_background(crew: Crew, plan: Plan, up: Up) -> list[str]:
    """Begin to start what `plan` says; returns the names. Refused, UsageError: then nothing was started."""
    if lives_on():
        taken = tickets(crew, plan)
        threading.Thread(target=_finish, args=(crew, taken, up), name="intercom-spawn", daemon=True).start()
        return [ticket.name for ticket in taken]

    def job(say: Callable[[str], None]) -> None:
        with crew.again() as own:
            try:
                taken = tickets(own, plan)
            except IntercomError as error:
                say(json.dumps({"refused": str(error)}))
                return
            say(json.dumps({"names": [ticket.name for ticket in taken]}))
        _finish(crew, taken, up)

    crew.close()  # SQLite's locks belong to the process: a child would take over those of open connections
    told = json.loads(apart(job) or "{}")
    if "names" not in told:
        raise Refused(told.get("refused", "the workers could not be started; see intercom doctor."))
    names: list[str] = told["names"]
    return names


def _finish(crew: Crew, taken: list[Ticket], up: Up) -> None:
    with crew.again() as own:
        try:
            failed = up(own, taken)
        except Exception as error:  # noqa: BLE001  # nobody waits: the log is where it can be said
            failed = [(ticket.name, f"{type(error).__name__}: {error}") for ticket in taken]
        for name, reason in failed:
            with suppress(IntercomError):
                announce(own.bus.config, f"{value(name)} did not become ready: {reason}")
