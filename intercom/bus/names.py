"""Owns names: who is known, who is alive, who may take which name.

Alive means that the instance's process exists (pid with start time). Without a heartbeat for 30 s it is stale, and
without a process to check its state is unknown, which does not mean dead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from intercom.bus import machines
from intercom.bus.machines import Asked
from intercom.core.arguments import texts
from intercom.core.config import Config
from intercom.core.errors import Refused, UnknownName, UsageError
from intercom.core.message import (
    ALL,
    CLI,
    RESERVED,
    SYSTEM,
    UNPROVEN,
    USER,
    Instance,
    age,
    at_machine,
    canonical,
    check_name,
    is_name,
    machine_of,
    recipients,
    utc,
)
from intercom.store.state import known
from intercom.store.state.db import InstanceRow, State
from intercom.store.state.origin import MACHINE
from intercom.system import host
from intercom.system.liveness import alive, started

STALE_AFTER = 30.0  #: seconds without a heartbeat
MASTER = "master"
ROLES = (MASTER, "worker", "agent")


class Names:
    """The names of one bus."""

    def __init__(self, config: Config, state: State, asked: Callable[[Asked], list[str]]) -> None:
        self._config = config
        self._asked = asked
        self._state = state
        self._checked = 0  # which opening of the state's file was checked

    # -- who is known -----------------------------------------------------------------------------

    def agents(self) -> list[str]:
        """Names that need no registration: those given to `init`, and those in the settings."""
        return known.agents(self._config, self._state)

    def known_agents(self) -> list[str]:
        """As `agents`, plus those in the log's front matter; slower, because it reads the log."""
        return list(dict.fromkeys([*self.agents(), *self._front_matter_agents()]))

    def names(self) -> list[str]:
        """Everybody who may send and receive now, except `user`."""
        present = [row.name for row in self._state.instances() if row.gone is None]
        return list(dict.fromkeys([*self.known_agents(), *present]))

    def add_agents(self, names: Iterable[str]) -> None:
        """Let these names send and receive unregistered: all, or none on UsageError, FormatError, Refused."""
        outcome = "no agent was added"
        if isinstance(names, str | bytes) or not isinstance(names, Iterable):
            raise UsageError(f"names must be a list of names, not {type(names).__name__}; {outcome}.")
        found = []
        for name in names:
            texts(outcome, name=name)
            found.append(check_name(name))
            if found[-1] in RESERVED:
                raise Refused(f"{name!r} is reserved; {outcome}. Choose another name.")
        self._state.add_agents(found)

    def check_sender(self, name: str, via: str) -> str:
        """The canonical name of somebody who may send. UnknownName; Refused for a name that is not the caller's."""
        found = canonical(name)
        if found == USER and via in {CLI, UNPROVEN}:
            return found
        if found in RESERVED:
            raise Refused(
                f"nobody can send as {found!r} here; nothing was sent. People send as `user` with the command line."
            )
        self._check(found, name, "is not known, so nothing was sent")
        return found

    def check_reader(self, name: str) -> str:
        """The canonical name of somebody who may read. UnknownName."""
        found = canonical(name)
        if found != USER:
            if found in RESERVED:
                raise Refused(f"{found!r} is not a name on this bus; nothing was read. Read under your own name.")
            self._check(found, name, "is not known, so there is nothing to read")
        return found

    def check_recipients(self, to: str) -> str:
        """The canonical recipients; every name must exist. UnknownName."""
        names = tuple(dict.fromkeys(machines.here(name, self._config) for name in recipients(to)))
        if not names:
            raise UsageError("a message needs a recipient; nothing was sent. Name one, or `all`, or `user`.")
        for name in names:
            if machine_of(name):
                self._check_there(name)
            elif name == SYSTEM:
                raise Refused("`system` takes no messages; nothing was sent. For people, send to `user`.")
            elif name not in {ALL, USER}:
                self._check(name, name, "is not known, so nothing was sent", taking=True)
        return ALL if ALL in names else ", ".join(names)

    def _check(self, name: str, given: str, said: str, *, taking: bool = False) -> None:
        row = self._state.instance(name) if name.isascii() else None
        if row is not None and row.gone is None:
            return
        if name in self.agents() or name in self._front_matter_agents():
            return
        if row is not None:
            raise UnknownName(
                f"{name!r} signed off at {row.gone}; {said.rpartition('so ')[2]}. It must register again first."
            )
        raise UnknownName(f"{given!r} {said}. {self._nearest(name, taking=taking)}")

    def _check_there(self, name: str) -> None:
        """Raise UnknownName if a name at another machine is not known there."""
        if reason := machines.unknown(name, self._config, self._asked):
            raise UnknownName(f"{name!r} is not known, so nothing was sent. {reason}")

    def _nearest(self, name: str, *, taking: bool) -> str:
        import difflib

        known = [*self.names(), USER, *([ALL] if taking else [])]
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        if not near and taking:
            from intercom.format.roster import Roster

            near = [meant] if (meant := Roster().known(name)) else []  # such as "everyone" or "human"
        guess = f"Did you mean {near[0]!r}? " if near else ""
        names = ", ".join(dict.fromkeys(known))
        return f"{guess}Known names: {names}. New names come with register, or `intercom init --agent NAME`."

    def _front_matter_agents(self) -> list[str]:
        """Agents in the log's own front matter; read only before refusing a name."""
        return machines.front_matter_agents(self._config.log)

    def make_state(self) -> None:
        """Make the state's file if it waited for that. StorageError."""
        if self._state.waits:
            self._state.make()
            self.check_machine()

    def check_machine(self) -> None:
        """Refuse to write if another machine writes under the same name. Checks each state file once."""
        if self._checked == self._state.opened():
            return
        if other_machine(self._state):
            names = " or ".join(self._config.pages()) or self._config.machine
            raise Refused(
                f"another machine wrote {self._config.private}, as {self._config.machine!r}; nothing was done. "
                f"If the project moved here, run `intercom init --machine {names}`: all goes on as it was. If that "
                "machine still uses it, keep your sync tool from .claude/local/.intercom, and run "
                f"`intercom init --machine NAME` with another name. {host.neighbour()}".rstrip()
            )
        if (mine := _machine_id()) and self._state.meta(MACHINE) is None:
            self._state.set_meta(MACHINE, mine)
        self._checked = self._state.opened()

    # -- who is there -----------------------------------------------------------------------------

    def instances(self) -> list[Instance]:
        """Everybody who registered and has not signed off."""
        late = utc(time.time() - STALE_AFTER)
        return [self._instance(row, late) for row in self._state.instances() if row.gone is None]

    def _instance(self, row: InstanceRow, late: str = "") -> Instance:
        return Instance(row.name, row.role, liveness(row, late), row.pid, row.registered, row.active, row.session)

    def joined_by_all(self) -> dict[str, int]:
        """As `joined`, for everybody who registered and has not signed off."""
        return {row.name: row.joined for row in self._state.instances() if row.gone is None}

    def joined(self, reader: str) -> int:
        """The sequence number after which broadcasts are for `reader`."""
        row = self._state.instance(reader)
        return row.joined if row is not None and row.gone is None else 0

    def role_of(self, name: str | None) -> str:
        """The default role for a name: agent if the settings name it, else worker."""
        return "agent" if name is not None and canonical(name) in self.known_agents() else "worker"

    def register(self, role: str, name: str | None, *, pid: int | None, session: str | None, last_seq: int) -> Instance:
        """Take a name, atomically across processes. Refused if it is held, FormatError if it is invalid."""
        if role not in ROLES:
            raise UsageError(f"{role!r} is not a role; nothing was registered. Use master, worker or agent.")
        wanted = check_name(name) if name is not None else None
        if role == "agent" and self.role_of(wanted) != role:
            raise Refused(
                f"{name!r} is not an agent of this project's settings; nothing was registered. "
                "Register as worker, or a person names it: `intercom init --agent NAME`."
            )
        if wanted in RESERVED:
            raise Refused(f"{wanted!r} is reserved; nothing was registered. Choose another name.")
        if wanted == "master" and role != "master":
            raise Refused(
                "'master' is the master's name; nothing was registered. Choose another, or register as master."
            )
        session = session.encode(errors="backslashreplace").decode() if session else None
        now = utc()
        with self._state.transaction() as db:
            rows = {row.name: row for row in self._state.instances()}
            before = self._before(rows, role, wanted, session)
            if role == "master":
                self._no_other_master(rows.values(), before.name if before else None)
            taken = before.name if before else self._free_name(rows, role, wanted)
            joined = before.joined if before else 0 if taken in self.known_agents() else last_seq
            mark = started(pid) if pid is not None else None
            registered = before.registered if before else now
            row = InstanceRow(taken, role, pid, mark, session, registered, now, now, joined, None)
            self._state.put_instance(db, row)
        return self._instance(row)

    def _before(
        self, rows: dict[str, InstanceRow], role: str, wanted: str | None, session: str | None
    ) -> InstanceRow | None:
        """The former identity of a session that comes back."""
        for row in rows.values():
            same = session is not None and row.session == session and row.gone is None
            if same and row.role == role and wanted in {None, row.name}:
                return row
        row_ = rows.get(wanted) if wanted else None
        return row_ if row_ is not None and row_.gone is None and liveness(row_) == "dead" else None

    def _no_other_master(self, rows: Iterable[InstanceRow], name: str | None) -> None:
        for row in rows:
            if row.role == "master" and row.gone is None and row.name != name and liveness(row) != "dead":
                raise Refused(
                    f"{row.name!r} is the master (since {row.registered}, last active {row.active}); nothing was "
                    f"registered. To hand over, a person ends that session or runs `intercom signoff --id {row.name}`."
                )

    def _free_name(self, rows: dict[str, InstanceRow], role: str, wanted: str | None) -> str:
        if wanted is None and role == "worker":
            number = 1
            while not _free(rows.get(f"worker-{number}")) or f"worker-{number}" in self.agents():
                number += 1
            return f"worker-{number}"
        name = wanted or "master"
        row = rows.get(name)
        if row is not None and row.gone is None and liveness(row) != "dead":
            raise Refused(
                f"{name!r} is taken by a session last active at {row.active}; nothing was registered. "
                f"Register without a name, or a person frees it with `intercom signoff --id {name}`."
            )
        return name

    def holds(self, name: str, pid: int, session: str | None) -> bool:
        """Whether `name` still belongs to `pid` or `session`: nobody else took it or signed it off since."""
        row = self._state.instance(name)
        return row is not None and row.gone is None and (row.pid == pid or bool(session and row.session == session))

    def heartbeat(self, name: str) -> None:
        """Record that the process of `name` is alive; an invalid name is ignored."""
        found = canonical(name)
        if is_name(found):
            self._state.touch(found, acted=False)

    def sign_off(self, name: str) -> str:
        """Record that `name` leaves. UnknownName if it is not registered."""
        found = canonical(name)
        row = self._state.instance(found) if found.isascii() else None
        if row is None or row.gone is not None:
            raise UnknownName(f"{name!r} is not registered; nothing was changed. `intercom status` shows who is.")
        self._state.sign_off(found)
        return found


def other_machine(state: State) -> bool:
    """Whether another machine has written this state; one that is in use and does not say which was not made here."""
    mine, theirs = _machine_id(), state.meta(MACHINE)
    return bool(mine) and theirs != mine and (theirs is not None or bool(state.instances()))


def take_over(state: State) -> None:
    """The state is this machine's from now on. StorageError."""
    state.set_meta(MACHINE, _machine_id())


def liveness(row: InstanceRow, late: str = "") -> str:
    """alive, stale, dead or unknown; gone after a sign-off. `late`: a heartbeat before this time is stale."""
    if row.gone is not None:
        return "gone"
    if row.pid is None:
        return "unknown"
    if not alive(row.pid, row.started):
        return "dead"
    return "alive" if row.heartbeat >= (late or utc(time.time() - STALE_AFTER)) else "stale"


def master_of(instances: Iterable[Instance]) -> Instance | None:
    """The master: a live one, else the one that last acted; None if there is none. Unknown does not mean dead."""
    masters = [known for known in instances if known.role == "master"]
    living = sorted((known for known in masters if known.state != "dead"), key=lambda known: known.state != "alive")
    return living[0] if living else max(masters, key=lambda known: known.last_active, default=None)


def masters(instances: Iterable[Instance], trusted: Iterable[str] = ()) -> set[str]:
    """Names whose task contracts are orders: this machine's masters, and master and user of each trusted machine."""
    there = (at_machine(name, machine) for machine in trusted for name in (MASTER, USER))
    return {*(known.name for known in instances if known.role == "master"), *there}


def server_there(row: InstanceRow | None, agent: int | None) -> bool:
    """Whether a session's server has registered its name and is alive; `agent` is the session's own process.

    Whoever starts a session registers it with the agent's process first; its server then registers itself.
    """
    if row is None or row.gone is not None or row.pid in (None, agent):
        return False
    return alive(row.pid or 0, row.started)


def _free(row: InstanceRow | None) -> bool:
    """Whether a numbered name can be given away: a session that has just died may come back for its name."""
    return row is None or row.gone is not None or (liveness(row) == "dead" and age(row.heartbeat) > STALE_AFTER)


def _machine_id() -> str:
    """An id of this machine; "" if the system has none, which proves nothing."""
    return host.machine_id()
