"""Owns the ledger's second names: hard links to its segments in git's own folder, which clean-ups do not touch.

`git clean -fdx`, or an agent that deletes `.claude/local`, removes the first names; the files stay, and the next
command restores the names. A link is the same file, so it cannot differ from the ledger: an append is in both. A
redaction rewrites a segment, and is only complete when the old file has lost its second name, too.

Without git, or with its folder on another file system, there are no second names.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from intercom.core.config import Config
from intercom.core.errors import StorageError
from intercom.core.root import spare_folder
from intercom.system import host
from intercom.system.files import make_private_folder, storage
from intercom.system.git_index import tracked_in

SAID = (
    "{lost} was deleted or written over (git clean -fdx, a checkout): all messages are back, from {home}{read}. "
    "To start over, delete that folder, too"
)
_UNREAD = "; who had read what is not known, so they come again, marked"


def home(config: Config) -> Path | None:
    """The folder of the second names; None if there cannot be any."""
    folder = spare_folder(config.root)
    return folder / config.machine if folder is not None else None


def keep(config: Config, names: Iterable[str]) -> None:
    """Give each of these segments its second name if it lacks one. Failures are ignored: it is only a spare."""
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
    """Make sure that no second name belongs to an outdated file of a segment. StorageError: then one may."""
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


def vouched(config: Config, name: str) -> bool:
    """Whether a segment is the file that has a second name, and so was not brought by git."""
    where = home(config)
    with suppress(OSError):
        return where is not None and os.path.samefile(where / name, config.archive / name)
    return False


def _make_way(config: Config, where: Path) -> None:
    """Move what git has written over our segments out of their way. StorageError."""
    with storage(f"move what git brought out of {config.archive}"):
        for name in tracked_in(config.archive):
            if (where / name).is_file() and not vouched(config, name):
                damaged = config.archive / "damaged"
                make_private_folder(damaged)
                host.rename(config.archive / name, damaged / f"{name}.{time.strftime('%Y%m%d-%H%M%S')}")


def bring_back(config: Config) -> str:
    """Restore the first names of segments that lost them; returns what to say, "" if nothing was lost."""
    # Or a new ledger would be begun beside them.
    with storage(f"look for the ledger's second names beside {config.root}"):
        try:
            where = home(config)
            found = sorted(os.listdir(where)) if where is not None and where.is_dir() else []
        except PermissionError:
            return ""
    if where is None or not found:
        return ""
    _make_way(config, where)
    with storage(f"bring the ledger back from {where}"):
        make_private_folder(config.folder)
        make_private_folder(config.archive)
        back = 0
        for name in found:
            if stat.S_ISREG(os.lstat(where / name).st_mode):
                with suppress(FileExistsError):  # another process restored it, too
                    os.link(where / name, config.archive / name)
                back += 1
        host.sync_folder(config.archive)
        if back:
            from intercom.store.log.template import keep_out_of_git

            keep_out_of_git(config.folder)  # the ignore rule may have been deleted, too
    if not back:
        return ""
    if (config.private / "state.db").exists():
        return SAID.format(lost="the ledger in .claude/local/archive", home=where, read="")
    return SAID.format(lost="the folder .claude/local", home=where, read=_UNREAD)
