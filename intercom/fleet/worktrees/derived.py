"""Owns which files of a worktree are derived: a build, an install or a tool regenerates them, so they need no saving.

Files derived by name count only if git ignores them; those declared by a project's tools always do: AIMFP's own
files, and `derived` under `[worktrees]` in the project's settings, a list of globs. A glob without `/` matches any
part of a path, as in a .gitignore; one with `/` matches the path from the worktree's top.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import translate
from typing import Any

from intercom.core import aimfp
from intercom.core.errors import UsageError

_NAMES_TEXT = """
    node_modules .venv venv __pycache__ .pytest_cache .mypy_cache .ruff_cache .hypothesis .tox .nox .eggs dist build
    target .gradle .next .nuxt .turbo .parcel-cache .cache htmlcov coverage .coverage .DS_Store
"""
NAMES = frozenset(_NAMES_TEXT.split())
_ENDS = (".pyc", ".pyo", ".o", ".class", ".egg-info", ".tsbuildinfo")


def by_name(name: str) -> bool:
    """Whether an ignored file, by its name, is made by builds and installs."""
    return any(part in NAMES or part.endswith(_ENDS) for part in name.rstrip("/").split("/"))


class Declared:
    """What a project's tools declare derived. `globs` are the project's own, besides AIMFP's."""

    def __init__(self, globs: tuple[str, ...] = ()) -> None:
        every = (*aimfp.DERIVED, *globs)
        self._parts = [re.compile(translate(glob.rstrip("/"))) for glob in every if "/" not in glob.rstrip("/")]
        self._paths = [re.compile(translate(glob.strip("/"))) for glob in every if "/" in glob.rstrip("/")]

    def __contains__(self, name: str) -> bool:
        """Whether `name`, relative to the worktree, or a folder above it, is declared."""
        parts = name.rstrip("/").split("/")
        if any(one.match(part) for one in self._parts for part in parts):
            return True
        above = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        return any(one.match(path) for one in self._paths for path in above)


def declared(settings: Mapping[str, Any]) -> Declared:
    """From `[worktrees]` in the settings. UsageError if that is not a list of globs."""
    found = settings.get("derived", [])
    if not isinstance(found, list) or not all(isinstance(one, str) and one.strip("/ ") for one in found):
        raise UsageError(
            "`derived` under [worktrees] in .claude/intercom.toml must be a list of globs, such as "
            '["*.log", "reports/"]; nothing was done.'
        )
    return Declared(tuple(found))


NONE = Declared()
