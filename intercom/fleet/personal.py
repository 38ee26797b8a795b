"""Owns reading a person's own settings, `$XDG_CONFIG_HOME/intercom/config.toml`, which are never part of a project."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intercom.core import document
from intercom.core.errors import UsageError
from intercom.core.trust import place


def table(name: str, environ: Mapping[str, str], not_done: str) -> tuple[Path, Mapping[str, Any]]:
    """The file, and one table in it (empty if absent). UsageError, saying what was `not_done`."""
    trusted = place(environ)
    if trusted is None:
        return Path("config.toml"), {}
    path = trusted.with_name("config.toml")
    try:
        found = document.toml(document.text_of(path)).get(name, {})
    except FileNotFoundError:
        return path, {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}; {not_done}.") from error
    if not isinstance(found, Mapping):
        raise UsageError(f"`{name}` in {path} must be a table, [{name}]; {not_done}.")
    return path, found


def wants_telling(environ: Mapping[str, str]) -> bool:
    """Whether they have `[notify]`: without it only `intercom notify` sends anything. UsageError."""
    return bool(table("notify", environ, "nothing was told")[1])
