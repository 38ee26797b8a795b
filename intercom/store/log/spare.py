"""Owns the second names of the ledger: hard links to its segments, in git's own folder, where no clean-up looks.

`git clean -fdx`, or an agent that deletes `.claude/local`, takes the first names away; the files stay, and get them
back at the next command. A link is the same file, so it can never say something else than the ledger: what is appended
is in both. A redaction writes a segment anew, and is only done when the old file has lost its second name, too.

Where there is no git, or its folder is on another file system, there is none.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from intercom.core.config import Config
from intercom.core.errors import StorageError
from intercom.core.root import spare_folder
from intercom.system import host
from intercom.system.files import make_private_folder, storage

SAID = (
    "the folder .claude/local was deleted (git clean -fdx does that): all messages are back, from {home}; who had "
    "read what is not known, so they come again, marked. To begin anew, delete that folder, too"
)


def home(config: Config) -> Path | None:
    """Where the second names are; None where there can be none."""
    folder = spare_folder(config.root)
    return folder / config.machine if folder is not None else None


def keep(config: Config, names: Iterable[str]) -> None:
    """Give each of these segments its second name, if it has none. What fails is left: it is a spare."""
    with suppress(OSError, StorageError):
        where = home(config)
        if where is None:
            return
        present = set(os.listdir(where)) if where.is_dir() else set()
        missing = [name for name in names if name not in present]
        if missing:
            make_private_folder(where.parent)
            make_private_folder(where)
            for name in missing:
                os.link(config.archive / name, where / name)
            host.sync_folder(where)


def renew(config: Config, names: Iterable[str]) -> None:
    """No second name is that of another file than the segment of this name. StorageError: then one may be."""
    known = set(names)
    with storage(f"clear the ledger's second names beside {config.root}", "the text may still stand there; try again"):
        where = home(config)
        if where is None or not where.is_dir():
            return
        for name in os.listdir(where):
            if name not in known or not os.path.samefile(where / name, config.archive / name):
                os.unlink(where / name)
        host.sync_folder(where)
    keep(config, known)


def bring_back(config: Config) -> str:
    """Give segments that lost their first names those again; what to say, "" where nothing was lost."""
    with storage(f"look for the ledger's second names beside {config.root}"):  # a ledger must not be begun beside them
        try:
            where = home(config)
            found = sorted(os.listdir(where)) if where is not None and where.is_dir() else []
        except PermissionError:
            return ""
    if where is None or not found:
        return ""
    with storage(f"bring the ledger back from {where}"):
        make_private_folder(config.folder)
        make_private_folder(config.archive)
        back = 0
        for name in found:
            if stat.S_ISREG(os.lstat(where / name).st_mode):
                with suppress(FileExistsError):  # somebody else brought it back, too
                    os.link(where / name, config.archive / name)
                back += 1
        host.sync_folder(config.archive)
        if back:
            from intercom.store.log.template import keep_out_of_git

            keep_out_of_git(config.folder)  # the rule may have been deleted, too
    return SAID.format(home=where) if back else ""
