"""Owns other machines whose logs are here: which there are, who is known there, how their names are addressed.

`master@laptop` is laptop's master. In our log it is for nobody here; laptop, which reads our log, takes it for its
own `master`. A machine's logs show who is known there: agents that its page names, and whoever wrote or was written
to.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

from intercom.core.config import Config
from intercom.core.message import ALL, MACHINE, RESERVED, USER, at_machine, canonical, is_name, machine_of
from intercom.store.state import known
from intercom.system.files import read_from

Asked = Callable[[sqlite3.Connection], list[str]]  #: a query on the index
_HEAD = 64 * 1024
_WORKER = re.compile(r"worker-[0-9]{1,4}")  # a name given by registering, which may not have sent anything yet
_EVERYBODY = ("master", USER, ALL)  #: names that exist at any machine


def here(name: str, config: Config) -> str:
    """A recipient in the form for our log: without a machine if it is at this one."""
    return name.rpartition("@")[0] if machine_of(name) == canonical(config.machine) else name


def others(config: Config) -> list[str]:
    """The other machines with a log here, in canonical spelling."""
    return list(_logs(config))


def unknown(name: str, config: Config, ask: Callable[[Asked], list[str]]) -> str:
    """Why `name`, at another machine, cannot be written to, and who can; "" if it can."""
    bare, _, machine = name.rpartition("@")
    logs = _logs(config)
    if machine not in logs:
        near = _near(machine, list(logs))
        guess = f"Did you mean {at_machine(bare, near)!r}? " if near else ""
        return f"{guess}Other machines with a log here: {', '.join(logs) or 'none'}."
    names = [*front_matter_agents(logs[machine]), *_EVERYBODY]
    if bare not in names:
        names = list(dict.fromkeys([*ask(lambda db: _names_at(db, machine)), *names]))
    if bare in names or _WORKER.fullmatch(bare):
        return ""
    near = _near(bare, names)
    guess = f"Did you mean {at_machine(near, machine)!r}? " if near else ""
    return f"{guess}Known at {machine}: {', '.join(names)}."


def front_matter_agents(page: Path) -> list[str]:
    """Agents in a page's front matter."""
    return known.front_matter_agents(read_from(page) or b"")


def _logs(config: Config) -> dict[str, Path]:
    """The logs of other machines, by machine."""
    found = ((canonical(machine), name) for machine, name in config.other_logs())
    return {machine: config.folder / name for machine, name in found if is_name(machine)}


def _names_at(db: sqlite3.Connection, machine: str) -> list[str]:
    """Senders and recipients in a machine's logs."""
    end = f"@{machine}"
    sql = "SELECT DISTINCT sender, rcpt FROM messages WHERE sender LIKE '%@%' AND via IN (?, 'hand')"
    rows = [(sender, to) for sender, to in db.execute(sql, (MACHINE,)) if isinstance(sender, str)]
    rows = [(sender, to) for sender, to in rows if sender.endswith(end) and isinstance(to, str)]
    found = dict.fromkeys(name for sender, to in rows for name in (sender[: -len(end)], *to.split(", ")))
    return [name for name in found if is_name(name) and name not in RESERVED]


def _near(name: str, known: list[str]) -> str:
    import difflib

    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.5)), "")
