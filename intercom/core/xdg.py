"""Owns where a person's own files are, by the XDG base directory specification: a relative path counts as none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

CONFIG, STATE, DATA = "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"
_DEFAULTS = {CONFIG: (".config",), STATE: (".local", "state"), DATA: (".local", "share")}


def base(variable: str, environ: Mapping[str, str]) -> Path | None:
    """The folder that this variable (one of the three) names, else its place in the home; None without a home."""
    said, home = environ.get(variable, ""), environ.get("HOME") or environ.get("USERPROFILE", "")
    if os.path.isabs(said):
        return Path(said)
    return Path(home, *_DEFAULTS[variable]) if os.path.isabs(home) else None
