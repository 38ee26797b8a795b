"""Owns what `init` and `uninstall` print about MCP clients: those in use, what changes where, what is left to do."""

from __future__ import annotations

import difflib
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from intercom.cli import show
from intercom.cli.entry import server_entry
from intercom.cli.ignore import rule
from intercom.cli.session import Asked
from intercom.core import config as configuration
from intercom.core.errors import UsageError
from intercom.core.escaping import sentence
from intercom.core.signature import Arg
from intercom.fleet.aimfp import unmark
from intercom.fleet.clients import known
from intercom.fleet.clients.changes import ADDED, ALONE, REMOVED, THERE
from intercom.fleet.clients.client import Client, Setup
from intercom.fleet.clients.plan import Planned, Records, adding_to, taking_from, write
from intercom.store.log.template import keep_out_of_git
from intercom.system.invocation import lasting_command

if TYPE_CHECKING:
    from intercom.core.config import Config

NONE = "none"
_COLOUR = {ADDED: show.GREEN, REMOVED: show.GREEN, ALONE: show.RED}


def setup_of(config: Config, entry: dict[str, Any], *, user: bool) -> Setup:
    """The parameters for setting up this project's clients."""
    from intercom.server.toolbox import TOOLS

    home = Path(os.environ.get("HOME") or os.path.expanduser("~"))
    tools = tuple(tool.name for tool in TOOLS)
    return Setup(config.root, home, os.environ, user, entry, tuple(lasting_command()), tools)


def chosen(setup: Setup, names: Sequence[str]) -> tuple[list[Client], list[str]]:
    """(the clients to set up: those named, else those in use; remarks about others). UsageError."""
    if names:
        if NONE in names and len(names) > 1:
            raise UsageError("--client none cannot be given with others; nothing was done.")
        return [known.client(name) for name in names if name != NONE], []
    found, said = [], []
    for client in known.clients():
        why = client.seen(setup, shutil.which)
        if why and client.user_only and not setup.user:
            said.append(
                f"{client.title} ({why}) has settings only in your own files: intercom init --client {client.name}"
            )
        elif why:
            found.append(client)
    return found, said


def set_up(setup: Setup, config: Config, names: Sequence[str], *, dry: bool) -> tuple[list[Planned], list[str]]:
    """Set them up, or show what would be done; returns the changes, and what is left for a person."""
    clients, said = chosen(setup, names)
    records = Records(setup, config.private)
    planned = adding_to(setup, clients, records)
    if not dry:
        planned = write(planned, records, setup)
    for client in clients:
        said += [f"{client.title}: {note}" for note in client.notes(setup)]
    return planned, said


def shown(root: Path, planned: Iterable[Planned]) -> list[dict[str, Any]]:
    """The changes for JSON."""
    return [
        {"file": _name(root, one.path), "what": one.change.what, "clients": list(one.clients), "why": one.change.why}
        for one in planned
    ]


def tell(root: Path, planned: Sequence[Planned], said: Iterable[str], *, dry: bool) -> None:
    """Print a line for each file, or its difference."""
    for one in planned:
        change = one.change
        if dry and change.what in (ADDED, REMOVED):
            _difference(_name(root, one.path), change.before, change.after)
            continue
        why = f": {change.why}" if change.why else ""
        who = f" ({', '.join(one.clients)})" if one.clients else ""
        state = show.paint(f"{change.what:<10}", *([_COLOUR[change.what]] if change.what in _COLOUR else []))
        show.line(state, f" {_name(root, one.path)}{who}{sentence(why)}")
    for note in said:
        show.line(f"note       {sentence(note)}")


def _difference(name: str, before: str | None, after: str | None) -> None:
    old, new = (before or "").splitlines(), (after or "").splitlines()
    source = name if before is not None else os.devnull
    for row in difflib.unified_diff(old, new, source, name if after is not None else os.devnull, lineterm=""):
        show.line(row)


def _name(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def uninstall(
    asked: Asked,
    *,
    user: Annotated[bool, Arg(help="remove what `init --user` put into your own files, for all projects")] = False,
    dry_run: Annotated[bool, Arg(help="show what would change, and change nothing")] = False,
) -> int:
    """Remove our part from the clients' files, as `init` added it; the log stays."""
    config = configuration.load(asked.root)
    setup = setup_of(config, server_entry(config), user=user)
    records = Records(setup, config.private)
    planned = taking_from(setup, known.clients(), records, rule(config))
    if not dry_run:
        if config.folder.is_dir():
            keep_out_of_git(config.folder)  # the log stays, and private
        planned = write(planned, records, setup)
        from intercom.fleet.worktrees.worktree import checkouts

        unmark(*checkouts(config.root))
    planned = [one for one in planned if one.change.what != THERE]
    if asked.json:
        show.json_line({"root": str(config.root), "files": shown(config.root, planned)})
    else:
        tell(config.root, planned, [], dry=dry_run)
        if not planned:
            show.line("nothing of ours is in any client's file")
        if config.folder.is_dir() and not user:
            show.line(f"the log stays: {config.folder}")
    return 1 if any(one.change.what == ALONE for one in planned) else 0
