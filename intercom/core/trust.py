"""Owns what the person on this machine has trusted, by project: other machines, and powers in settings.

It is stored in the person's own folder, `$XDG_CONFIG_HOME/intercom/trust.json`, never in a project: whoever can
change a project must not decide what is trusted there. A project is known by its path, so a copy of it starts with
nothing trusted. Only read here; `intercom trust` writes it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from intercom.core import xdg

_MOST = 1024 * 1024  # bytes


class Trust(NamedTuple):
    """What is trusted in one project."""

    machines: tuple[str, ...] = ()  #: as `canonical` spells them
    settings: str = ""  #: digest of the powers that were agreed to


def place(environ: Mapping[str, str]) -> Path | None:
    """Path of this person's trust file; None for a user without a home."""
    folder = xdg.base(xdg.CONFIG, environ)
    return None if folder is None else folder / "intercom" / "trust.json"


def given(root: Path, environ: Mapping[str, str]) -> Trust:
    """What is trusted in the project at `root`; nothing if the file is unreadable or cannot be this person's."""
    path = place(environ)
    return of(everything(path).get(os.fspath(root))) if path is not None and apart(path, root, environ) else Trust()


def of(found: object) -> Trust:
    """Parse one project's part of the file; anything malformed counts as nothing."""
    if not isinstance(found, dict):
        return Trust()
    machines, settings = found.get("machines", []), found.get("settings", "")
    machines = tuple(name for name in machines if isinstance(name, str)) if isinstance(machines, list) else ()
    return Trust(machines, settings if isinstance(settings, str) else "")


def everything(path: Path) -> dict[str, Any]:
    """The whole file, by project root; {} if there is none that can be read."""
    import json

    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return {}
    try:
        with open(handle, encoding="utf-8") as file:
            about = os.fstat(handle)
            if not stat.S_ISREG(about.st_mode) or not is_persons(about, 0o002):
                return {}
            found = json.loads(file.read(_MOST))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def me() -> int:
    """The id of the user this process acts for; 0 on systems without user ids, where files have 0 too."""
    found: int = getattr(os, "geteuid", int)()
    return found


def is_persons(about: os.stat_result, mode: int) -> bool:
    """Whether a file belongs to this person or root, and has none of these mode bits, if the system has such."""
    return about.st_uid in {me(), 0} and not (hasattr(os, "geteuid") and about.st_mode & mode)


def apart(path: Path, root: Path, environ: Mapping[str, str]) -> bool:
    """Whether the file lies outside the project; a home folder may itself be a project."""
    home = environ.get("HOME", "")
    return not _below(path, root) or (os.path.isabs(home) and _below(Path(home), root))


def _below(path: Path, root: Path) -> bool:
    real, top = os.path.realpath(path), os.fspath(root)
    return real == top or real.startswith(top.rstrip(os.sep) + os.sep)
