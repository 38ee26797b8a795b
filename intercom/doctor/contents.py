"""Owns the checks of a bus's folder: odd pages, stray files, unknown names, missing folders.

They look for what people and programs may have done; they open nothing that could block or be changed.
"""

from __future__ import annotations

import os
import re
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

from intercom.core.config import Config, log_machine
from intercom.core.errors import StorageError
from intercom.core.escaping import value
from intercom.core.message import ALL, RESERVED, machine_of
from intercom.doctor.finding import OK, WARNING, WRONG, Finding, listed
from intercom.doctor.storage import Seen
from intercom.format import MESSAGE, parse
from intercom.format.near import near_misses
from intercom.format.roster import Roster
from intercom.repair.unheard import still
from intercom.store.index import Index
from intercom.store.log.ledger import Ledger
from intercom.store.state.known import front_matter_agents
from intercom.system.files import check_regular, read_from, sqlite_uri

_CONFLICT = re.compile(rb"^(?:<{7}|>{7})(?:[ \t]|\r?$)", re.MULTILINE)
_SEGMENT = re.compile(r"INTERCOM-(.+)-\d+\.md\Z", re.IGNORECASE)
_LONGEST = 4 * 1024 * 1024  #: bytes of another machine's page that is looked at; compaction keeps one far below
_OWN = ("damaged",)  #: other things that Intercom keeps in the archive


def page(config: Config) -> Finding:
    """Whether the page is a regular file without leftovers of a git conflict."""
    try:
        found = os.lstat(config.log)
    except FileNotFoundError:
        return Finding("page", OK, "not there; the next command makes it")
    if stat.S_ISLNK(found.st_mode):
        says = f"{config.log.name} is a link to {os.readlink(config.log)}"
        return Finding("page", WARNING, f"{says}; what lies there is somebody else's, too", "put a file in its place")
    if not stat.S_ISREG(found.st_mode):
        says = f"{config.log.name} is not a file, so nothing can be written there"
        return Finding("page", WRONG, says, f"move {config.log} away; the next command makes it again")
    if _CONFLICT.search(read_from(config.log) or b""):
        says = "lines of a git conflict stand in it; both sides' messages are read"
        return Finding("page", WARNING, says, f"take the lines <<<<<<<, ======= and >>>>>>> out of {config.log}")
    return Finding("page", OK, config.log.name)


def archive(config: Config) -> Finding:
    """Whether everything in the archive is Intercom's."""
    try:
        present = sorted(os.listdir(config.archive))
    except FileNotFoundError:
        return Finding("archive", OK, "not there yet")
    own = {segment.name for segment in Ledger(config).segments()}
    stray = [name for name in present if name not in own and name not in _OWN and not _theirs(config, name)]
    if stray:
        says = f"{listed(stray)} in {config.archive} was not written by Intercom, and is not read"
        return Finding("archive", WARNING, says, "move it elsewhere")
    return Finding("archive", OK, f"{len(own)} segment{'' if len(own) == 1 else 's'}")


def _theirs(config: Config, name: str) -> bool:
    """Whether a file is another machine's, brought by a sync tool."""
    found = _SEGMENT.match(name)
    machine = found[1] if found else log_machine(name)
    return machine is not None and machine.casefold() != config.machine.casefold()


def names(config: Config, seen: Seen) -> Finding:
    """Whether every name that messages were sent to exists."""
    path = Index(config.private).path
    if not path.exists() or not seen.path.exists():
        return Finding("names", OK, "none yet")
    known = {row.name for row in seen.instances()} | set(seen.agents()) | set(config.agents) | RESERVED
    with closing(_opened(path)) as db:
        try:
            sent = [row[0] for row in db.execute("SELECT DISTINCT rcpt FROM inbox ORDER BY rcpt")]
        except sqlite3.Error:
            return Finding("names", OK, "the index cannot tell")
    phantom = [name for name in map(str, sent) if name not in known and name != ALL and not machine_of(name)]
    if phantom:
        says = f"messages were written to {listed(phantom)}, and nobody has that name: nobody gets them"
        return Finding("names", WARNING, says, "correct the name in the log, or: intercom init --agent NAME")
    return Finding("names", OK, "each is somebody's")


def lines(config: Config, seen: Seen) -> Finding:
    """Whether any hand-written text on the page reaches nobody."""
    path = Index(config.private).path
    if not seen.path.exists() or not path.exists():
        return Finding("lines", OK, "nobody has looked at the page yet")
    with closing(_opened(path)) as db:
        try:
            found = still(config, seen, db)
        except sqlite3.Error:
            return Finding("lines", OK, "the index cannot tell")
    if found:
        count = "1 line reaches" if len(found) == 1 else f"{len(found)} lines reach"
        says = f"{count} nobody, or not everybody they name; the first: {value(found[0].line[:200])} ({found[0].why})"
        return Finding("lines", WARNING, says, f"write instead: {value(found[0].instead[:200])}")
    for machine, name in config.other_logs():
        if near := _elsewhere(config.folder / name):
            says = f"{name}, which is {machine}'s, has lines that reach nobody ({len(near)}); the first: {near[0]}"
            return Finding("lines", WARNING, says, f"{machine} tells its people; or write it into {config.log.name}")
    return Finding("lines", OK, "whatever people wrote into the page reaches somebody")


def _elsewhere(path: Path) -> list[str]:
    """The near misses of another machine's page, as far as the page itself tells who is known there."""
    try:
        plain = os.stat(path, follow_symlinks=False)
        page = read_from(path) if stat.S_ISREG(plain.st_mode) and plain.st_size <= _LONGEST else None
    except (OSError, StorageError):
        return []
    by_tools = [entry for entry in parse(page or b"") if entry.kind == MESSAGE and entry.id is not None]
    roster = Roster((*front_matter_agents(page or b""), *(one.sender for one in by_tools)))
    return [value(one.line[:200]) for one in near_misses(parse(page or b"", roster), roster)]


def _opened(path: Path) -> sqlite3.Connection:
    check_regular(path)
    return sqlite3.connect(sqlite_uri(path), uri=True)


def worktrees(seen: Seen) -> Finding:
    """Whether the folders of all registered worktrees exist."""
    if not seen.path.exists() or not seen.has("worktrees"):
        return Finding("worktrees", OK, "none")
    with seen.guarded():
        found = seen.db.execute(
            "SELECT worker, path FROM worktrees WHERE status != 'removed' ORDER BY worker"
        ).fetchall()
    gone = [worker for worker, path in found if not os.path.isdir(path)]
    if gone:
        says = f"the folder of {listed(gone)} is gone"
        return Finding("worktrees", WARNING, says, f"intercom worktree remove {gone[0]} (keeps what git still has)")
    return Finding("worktrees", OK, listed([worker for worker, _ in found]) or "none")
