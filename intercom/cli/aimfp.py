"""Owns `intercom init --aimfp`: shows what AIMFP needs of the project, and after asking configures what it can."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from intercom.cli import show
from intercom.core.aimfp import FOLDER, used
from intercom.core.errors import Refused
from intercom.fleet import aimfp

if TYPE_CHECKING:
    from intercom.core.config import Config


def prepare(config: Config, *, yes: bool, dry: bool, json: bool) -> int:
    """Show, ask, configure; 1 if anything is left that stops workers. Refused if the project does not use AIMFP."""
    root = config.root
    if not used(root):
        raise Refused(f"{root} has no {FOLDER}/, so it does not use AIMFP; nothing was changed for it.")
    todo = aimfp.plan(root)
    if todo and not json:
        show.line("For AIMFP this would be set:")
        for line in todo:
            show.line("  ", line)
    sets = bool(todo) and not dry and (yes or _agreed())
    if sets:
        aimfp.prepare(root)
        if not json:
            show.line("It is set.")
    elif not dry:
        aimfp.mark(root)
    left = aimfp.unmet(root)
    if json:
        show.json_line({"aimfp": {"planned": todo, "set": sets, "left": [one._asdict() for one in left]}})
    else:
        _tell(left, waits=bool(todo) and not sets)
    return 1 if any(one.stops for one in left) else 0


def _tell(left: list[aimfp.Need], *, waits: bool) -> None:
    """Print what is left to do. `waits`: include what we would do."""
    for one in left:
        show.line(f"{one.name}: {one.says}" + (f". Do: {one.do}" if one.do and not one.ours else ""))
    if waits:
        show.line("Nothing was set. To set it: intercom init --aimfp --yes")
    elif not left:
        show.line("AIMFP has all that it needs here.")


def _agreed() -> bool:
    """Ask the person, if there is one to ask; returns whether they agreed."""
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    return input("Set this? [y/N] ").strip().lower() in {"y", "yes"}
