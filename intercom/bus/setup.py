"""Owns what `intercom init` does to a project: the private folder, the first log, git's ignore rule.

Every step is safe to repeat and leaves alone what is right already. An existing log is never rewritten; names added
later live in the state, not in the front matter.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from intercom.bus.names import other_machine, take_over
from intercom.core.config import Config
from intercom.core.errors import Refused, StorageError
from intercom.core.message import RESERVED, canonical, check_name
from intercom.store.log.log import Log
from intercom.store.log.template import fresh_log
from intercom.store.private import foreign, mark, own, set_aside, unproven, vet
from intercom.store.state.db import State
from intercom.system import host
from intercom.system.files import make_private_folder, read_from, replace, storage
from intercom.system.git_index import tracked

IGNORE_RULE = ".claude/local/"
_IGNORE_COMMENT = "# Intercom: the log and its state are this machine's own"
IGNORE_LINES = f"{_IGNORE_COMMENT}\n{IGNORE_RULE}\n"
_IGNORED = re.compile(rb"^/?\.claude(?:/(?:local/?)?)?(?:\*\*?)?[ \t]*\r?$", re.MULTILINE)


class InitReport(NamedTuple):
    """The result of init."""

    log: Path
    created: bool  #: whether the log is new
    ignored: str  #: the ignore rule: "added", "present", or "" if there is neither git nor a .gitignore
    tracked: tuple[str, ...]  #: logs that git tracks anyway
    agents: tuple[str, ...]
    notice: str = ""  #: what became of a private folder that another machine wrote


def init(config: Config, agents: Iterable[str], *, remember: bool = False, comment: bool = False) -> InitReport:
    """Set up the bus of `config`. StorageError; FormatError, Refused for an invalid name.

    `remember`: a person chose the machine's name, so keep it. `comment`: a comment for git's ignore rule.
    """
    names = tuple(dict.fromkeys(check_name(name) for name in agents))
    for name in RESERVED.intersection(names):
        raise Refused(f"{name!r} is reserved; nothing was made. Choose another name.")
    make_private_folder(config.folder)
    notice = (_move_in(config) if remember else "") or vet(config)
    if not config.private.exists():
        mark(config)
    with storage(f"make {config.folder} private"):
        for folder in (config.folder, config.private):
            if not host.is_private(folder):
                host.make_private(folder)
    if remember:
        replace(config.private / "machine", f"{config.machine}\n".encode())
    created = _make_log(config, names)
    return InitReport(
        config.log,
        created,
        _ignore(config.root, IGNORE_LINES if comment else f"{IGNORE_RULE}\n"),
        tuple(tracked(config.root)),
        names,
        notice,
    )


def _move_in(config: Config) -> str:
    """Take over the private folder that another machine wrote, or start over; what to tell, "" if it is ours.

    Somebody gives this machine a name. If it is one of those that the folder has, the project moved here; another
    name says that the folder is still that machine's. StorageError.
    """
    state = State(config.private)
    if not state.path.exists() or foreign(config):
        return ""
    strange, goes_on = bool(unproven(config)), canonical(config.machine) in map(canonical, config.pages())
    try:
        if not strange and not other_machine(state):
            return ""
        if goes_on:
            take_over(state)
            own(config)
            return "what another machine kept here is this one's now"
    finally:
        state.close()
    aside = set_aside(config)
    return (
        f"{config.private} is another machine's, and is {aside} now. "
        "Names and read positions start over here; messages in the log stay"
    )


def _make_log(config: Config, agents: Iterable[str]) -> bool:
    """Create the log if there is none; returns whether it was created."""
    if config.log.exists():
        if not config.log.is_file():
            raise StorageError(
                f"{config.log} is there but is not a file; no log was made. Move it away, then run init again."
            )
        return False
    first = fresh_log(config.machine, agents)
    with Log(config).locked():
        if config.log.exists():  # somebody sent a message meanwhile
            return False
        replace(config.log, first)
    return True


def _ignore(root: Path, lines: str) -> str:
    """Add the ignore rule to the root's .gitignore, unless a rule covers it already."""
    path = root / ".gitignore"
    with storage(f"write {path}", "git does not ignore the log yet"):
        present = read_from(path)
        if present is None:
            if not any((folder / ".git").exists() for folder in (root, *root.parents)):
                return ""
            present = b""
        if _IGNORED.search(present):
            return "present"
        newline = b"\r\n" if b"\r\n" in present else b"\n"
        joint = newline if present and not present.endswith(b"\n") else b""
        # Append instead of replacing, which keeps the file's mode and suits open editors.
        with open(host.open_file(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644), "ab") as file:
            file.write(joint + lines.encode().replace(b"\n", newline))
    return "added"
