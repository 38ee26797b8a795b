"""Owns the other machines whose logs lie here: which there are, who is known there, how their names are addressed.

`master@laptop` is laptop's master. Written into our log it is for nobody here; laptop, which reads our log, takes it
for its own `master`. Who is known there its logs show: agents that its page names, whoever wrote or was written to.
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

Asked = Callable[[sqlite3.Connection], list[str]]  #: a question to the index
_HEAD = 64 * 1024
_WORKER = re.compile(r"worker-[0-9]{1,4}")  # a name that registering gives, before it has said a word
_EVERYBODY = ("master", USER, ALL)  #: can be written to at any machine


def here(name: str, config: Config) -> str:
    """A recipient as our log is to have it: at this machine it needs no machine."""
    return name.rpartition("@")[0] if machine_of(name) == canonical(config.machine) else name


def others(config: Config) -> list[str]:
    """The other machines that have a log here, as `canonical` spells them."""
    return list(_logs(config))


def unknown(name: str, config: Config, ask: Callable[[Asked], list[str]]) -> str:
    """Why nobody can be written to as `name`, a name at another machine, and who can; "" where somebody can."""
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
    """Agents that a page's front matter names."""
    return known.front_matter_agents(read_from(page) or b"")


def _logs(config: Config) -> dict[str, Path]:
    """The logs of other machines, by their machines."""
    found = ((canonical(machine), name) for machine, name in config.other_logs())
    return {machine: config.folder / name for machine, name in found if is_name(machine)}


def _names_at(db: sqlite3.Connection, machine: str) -> list[str]:
    """Who wrote in a machine's logs, and to whom."""
    end = f"@{machine}"
    sql = "SELECT DISTINCT sender, rcpt FROM messages WHERE sender LIKE '%@%' AND via IN (?, 'hand')"
    rows = [(sender, to) for sender, to in db.execute(sql, (MACHINE,)) if isinstance(sender, str)]
    rows = [(sender, to) for sender, to in rows if sender.endswith(end) and isinstance(to, str)]
    found = dict.fromkeys(name for sender, to in rows for name in (sender[: -len(end)], *to.split(", ")))
    return [name for name in found if is_name(name) and name not in RESERVED]


def _near(name: str, known: list[str]) -> str:
    import difflib

    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.5)), "")
