"""Owns the checks of stored data: log and ledger, index, state, who is there, and errors in hooks.

The state is opened read-only, on a connection of its own: a check-up changes nothing.
"""

from __future__ import annotations

import calendar
import os
import re
import sqlite3
import time
from pathlib import Path

from intercom.bus.names import liveness, other_machine
from intercom.core.config import Config
from intercom.core.errors import IntercomError
from intercom.doctor.finding import OK, WARNING, WRONG, Finding, age, listed
from intercom.fleet.sessions import Sessions
from intercom.store.index import Index
from intercom.store.log.checkpoint import quick
from intercom.store.log.log import Log
from intercom.store.state.db import State
from intercom.system.files import check_regular, opened, sqlite_uri

_RECENT = 7 * 86_400.0  #: seconds; older faults are not reported
_LAST = 3  #: how many faults are shown
_TRIES = 3
_PAUSE = 0.2  #: seconds within which a tool completes its second write


class Seen(State):
    """The state of a bus, opened read-only."""

    @property
    def db(self) -> sqlite3.Connection:
        """The connection. StorageError if there is nothing to read."""
        if self._db is None:
            with self.guarded():
                check_regular(self.path)
                # Without a WAL file nobody has it open; then not even the shared memory file is created.
                how = "mode=ro" if self.path.with_name(f"{self.path.name}-wal").exists() else "mode=ro&immutable=1"
                self._db = sqlite3.connect(sqlite_uri(self.path, how), uri=True, isolation_level=None)
                self._db.execute("PRAGMA trusted_schema = OFF")
        return self._db

    def swap_meta(self, key: str, old: object, new: object) -> None:
        """Do nothing."""

    def has(self, table: str) -> bool:
        """Whether the table exists."""
        with self.guarded():
            found = self.db.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,))
            return found.fetchone() is not None


def state(config: Config, seen: Seen) -> Finding:
    """Whether the one file that cannot be rebuilt is intact."""
    if not seen.path.exists():
        return Finding("state", OK, "not there yet")
    move = f"move {seen.path} away: names and read positions start afresh, messages stay"
    try:
        seen.verify()
        theirs = other_machine(seen)
    except IntercomError as error:
        return Finding("state", WRONG, str(error).partition(";")[0], move)
    if theirs:
        says = f"another machine wrote it, as {config.machine!r}"
        moved = f"if the project moved here: intercom init --machine {config.machine}"
        return Finding(
            "state", WRONG, says, f"{moved}; if not, give this one its own name: intercom init --machine NAME"
        )
    return Finding("state", OK, f"whole ({seen.path.stat().st_size >> 10} KiB)")


def log(config: Config) -> Finding:
    """Whether page and ledger hold the same messages."""
    files = Log(config)
    if not config.log.exists() and not files.ledger.segments():
        return Finding("log", WARNING, f"{config.log} is not there yet", "intercom init")
    for turn in range(_TRIES):
        time.sleep(_PAUSE if turn else 0)
        found = quick(files)
        if found and not found.behind:
            size = config.log.stat().st_size if config.log.exists() else 0
            return Finding("log", OK, f"{config.log.name} and the ledger agree ({size >> 10} KiB)")
    says = "the log differs from the ledger: written, edited or deleted by hand, or lost"
    mode = config.section("repair").get("mode", "on")
    if mode != "on":
        return Finding(
            "log", WARNING, f"{says}; repair is {mode!r}", 'set mode = "on" under [repair], then: intercom log'
        )
    return Finding("log", WARNING, f"{says}; whoever reads next takes it in", "intercom log")


def index(config: Config) -> Finding:
    """Whether the index is as Intercom left it; it is derived, so damage is never lasting."""
    found = Index(config.private)
    if not found.path.exists():
        return Finding("index", OK, "not there; the next command that reads makes it")
    for turn in range(_TRIES):
        time.sleep(_PAUSE if turn else 0)
        if found.seal_fits():
            return Finding("index", OK, f"sealed ({found.path.stat().st_size >> 10} KiB)")
    says = "it is not as Intercom leaves it (another program, a crash, a restart of the machine)"
    return Finding("index", WARNING, f"{says}; the next command that reads rebuilds it", "intercom rebuild")


def people(seen: Seen) -> Finding:
    """Whether everybody registered is really there."""
    if not seen.path.exists() or not seen.has("instances"):
        return Finding("instances", OK, "nobody has registered")
    rows = [row for row in seen.instances() if row.gone is None]
    dead = [row.name for row in rows if liveness(row) == "dead"]
    if dead:
        do = "; ".join(f"intercom signoff --id {name}" for name in dead[:3])
        says = f"registered, but their processes are gone: {listed(dead)}"
        return Finding("instances", WARNING, says, f"{do} (or let them come back under their names)")
    return Finding("instances", OK, ", ".join(f"{row.name} {liveness(row)}" for row in rows) or "nobody is registered")


def workers(seen: Seen) -> Finding:
    """Whether workers that were started are still there."""
    if not seen.path.exists() or not seen.has("requests"):
        return Finding("workers", OK, "none")
    rows = [row for row in Sessions(seen).all() if row.spawned_by is not None]
    gone = [row.name for row in rows if not row.running]
    if gone:
        return Finding("workers", WARNING, f"started, and gone by themselves: {listed(gone)}", "intercom teardown")
    return Finding("workers", OK, ", ".join(row.name for row in rows) or "none")


def faults(config: Config) -> Finding:
    """Errors of hooks, which never disturb their session and are reported nowhere else."""
    path = config.private / "errors.log"
    lines = _tail(path)
    if not lines:
        return Finding("hooks' errors", OK, "none")
    last = _when(lines[-1])
    old = time.time() - last if last is not None else 0.0
    says = f"the last {age(old)}: {' | '.join(lines)}"
    if old > _RECENT:
        return Finding("hooks' errors", OK, says)
    return Finding("hooks' errors", WARNING, says, f"see {path}; remove it when it is dealt with")


def _tail(path: Path) -> list[str]:
    """The last lines of a file."""
    try:
        with opened(path) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 8192))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    return [line.strip()[:300] for line in text.splitlines() if line.strip()][-_LAST:]


def _when(line: str) -> float | None:
    """The time at the beginning of a line, in seconds since 1970."""
    found = re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", line)
    try:
        return calendar.timegm(time.strptime(found[0], "%Y-%m-%dT%H:%M:%S")) if found else None
    except ValueError:
        return None
