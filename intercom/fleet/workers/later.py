"""Owns workers that are brought up while whoever asked for them goes on: by a thread of a server, else by a process.

What fails then is said in the log; `scan` says who is there.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from intercom.core.display import value
from intercom.core.errors import IntercomError, Refused
from intercom.fleet.crew import Crew
from intercom.fleet.workers.plan import Plan, Ticket, tickets
from intercom.store.log.announce import announce
from intercom.system.apart import apart, lives_on

#: Brings up the workers of these tickets: for each that is not ready, its name and the reason.
Up = Callable[[Crew, list[Ticket]], Sequence[tuple[str, str]]]


def later(crew: Crew, plan: Plan, up: Up) -> list[str]:
    """Begin to bring up what `plan` says; the names. Refused, UsageError: then nothing was started."""
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

    crew.close()  # SQLite's locks are a process's: a child would take those of connections open here for its own
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
