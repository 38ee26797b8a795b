"""Owns what one server process knows about its client: who it is, and how it waits for messages.

One process has one name. It comes from the environment of a spawned worker, from a name that this client session had
before, or from `intercomm_register`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intercom.core.errors import IntercomError, Refused
from intercom.core.message import RESERVED, Instance, canonical
from intercom.fleet.clients.habits import Habits, habits
from intercom.server.carried import Carried
from intercom.server.spawned import Spawned

if TYPE_CHECKING:
    from intercom.bus.bus import Bus

WATCH_SLICE = 1.0  # seconds between checks whether a waiting read is still wanted
LOOK_ANYWAY = 5.0  # seconds between looks of a waiting read, whatever the watch says


class Session:
    """The state of one client's session. Its bus methods run on the bus thread, one at a time."""

    def __init__(self, open_bus: Callable[[], Bus], spawned: Spawned | None = None) -> None:
        self.open_bus = open_bus
        self.spawned = spawned or Spawned()
        self.name: str | None = None
        self.role: str | None = self.spawned.role
        self.trouble: str | None = None  #: why the name from the environment was not taken
        self.carried = Carried()
        self.closing = False
        self.client = Habits()  #: how the client treats long calls
        self.calls = 0  #: number of calls so far
        self._waiting: set[asyncio.Event] = set()

    def meet(self, client: str) -> None:
        """Record the client's name at connect."""
        self.client = habits(client)

    def called(self, client: str, meta: Mapping[str, Any]) -> None:
        """Record a call by this client, which may say which session it is."""
        self.meet(client)
        self.calls += 1
        told = meta.get(self.client.session_key) if self.client.session_key else None
        if isinstance(told, str) and told and not self.spawned.session:
            self.spawned = self.spawned._replace(session=told)

    # -- identity -------------------------------------------------------------------------------

    def bind(self, bus: Bus) -> None:
        """Take the name we were spawned with, or the one this client session had before a restart."""
        try:
            if self.spawned.name:
                self._take(bus, self.spawned.role, self.spawned.name)
            elif self.spawned.session:
                self._resume(bus, self.spawned.session)
        except IntercomError as error:
            self.trouble = str(error)

    def recall(self, bus: Bus) -> None:
        """Take the name again that this session had under another server, if we can tell which session it is.

        Its id tells, or what the hooks of the agent process above us recorded.
        """
        if self.name:
            return
        with contextlib.suppress(IntercomError):
            if self.spawned.session:
                self._resume(bus, self.spawned.session)
            elif not self.spawned.name and (known := _known_above(bus)) is not None:
                self._take(bus, known.role, known.name)

    def register(self, bus: Bus, role: str | None, name: str | None) -> None:
        """Take a name and role. Repeating it is harmless; another name leaves the old one behind."""
        wanted = canonical(name) if name else None
        if wanted in RESERVED:
            raise Refused(
                f"No client can register as {wanted!r}; nothing was changed. "
                "Call intercomm_register without a name, or with one of your own."
            )
        own = canonical(self.spawned.name) if self.spawned.name else None
        if own and (wanted not in (None, own) or (role and self.role and role != self.role)):
            raise Refused(
                f"This session was started as {self.role} {self.spawned.name!r} and keeps that; nothing was "
                f"changed. Call intercomm_register(role={self.role!r}) without a name."
            )
        self.settle(bus)
        if wanted is None and role is None:
            self.recall(bus)
        before = self.name
        if before and wanted in (None, before) and role in (None, self.role):
            bus.heartbeat(before)
            return
        self._take(bus, role, wanted or self.spawned.name)
        if before and before != self.name:
            bus.signoff(before)

    def settle(self, bus: Bus) -> None:
        """Give up a name that is no longer ours: a person signed it off, and another session may have it now."""
        name = self.name
        if name and not bus.holds(name, pid=os.getpid(), session=self.spawned.session):
            self.forget()
            self.trouble = f"{name!r} is not known as this session's any more: it was signed off, or another has it."

    def beat(self, bus: Bus) -> None:
        """Send a heartbeat, if the name is still ours."""
        self.settle(bus)
        if self.name:
            bus.heartbeat(self.name)

    def forget(self) -> None:
        """Forget the name, after a sign-off."""
        self.carried.clear()
        self.name, self.role = None, self.spawned.role

    def _take(self, bus: Bus, role: str | None, name: str | None) -> None:
        found = bus.register(role or bus.role_of(name), name, pid=os.getpid(), session=self.spawned.session)
        if found.name != self.name:
            self.carried.clear()
        self.name, self.role, self.trouble = found.name, found.role, None

    def _resume(self, bus: Bus, session: str) -> None:
        for known in bus.instances():
            if known.session == session and known.state != "alive":
                self._take(bus, known.role, known.name)
                return

    # -- waiting --------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def changes(self, folder: Path) -> AsyncIterator[Callable[[float], Awaitable[None]]]:
        """Watch a folder: yields a function that waits for a change, the client's leaving, or a timeout.

        The first wait returns as soon as the watch is active, for changes since the caller's last look.
        """
        loop, stop, changed = asyncio.get_running_loop(), threading.Event(), asyncio.Event()

        def watch() -> None:
            from intercom.system.watch import Watch

            with contextlib.suppress(RuntimeError), Watch(folder) as watching:  # RuntimeError: the loop is closed
                loop.call_soon_threadsafe(changed.set)
                while not stop.is_set():
                    if watching.wait(WATCH_SLICE):
                        loop.call_soon_threadsafe(changed.set)

        async def wait(seconds: float) -> None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), min(seconds, LOOK_ANYWAY))
            changed.clear()

        threading.Thread(target=watch, name="intercom-watch", daemon=True).start()
        self._waiting.add(changed)
        try:
            yield wait
        finally:
            self._waiting.discard(changed)
            stop.set()

    def leave(self) -> None:
        """End waiting reads, because the client is gone."""
        self.closing = True
        for changed in self._waiting:
            changed.set()


def _known_above(bus: Bus) -> Instance | None:
    """The instance whose hooks the agent process above us runs, if that instance's server is gone."""
    from contextlib import closing

    from intercom.fleet.sessions import Sessions
    from intercom.store.state.db import State
    from intercom.system.ancestry import client_of

    client = client_of(os.getpid())
    if client is None:
        return None
    with closing(State(bus.config.private)) as state:
        names = [row.name for row in Sessions(state).all() if row.pid == client.pid and row.running]
    return next((one for one in bus.instances() if one.name in names and one.state == "dead"), None)
