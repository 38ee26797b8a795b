"""Owns where Cline keeps a user's files, for setting it up as for starting it as a worker."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

SETTINGS = "CLINE_MCP_SETTINGS_PATH"  #: the variable that names the list itself


def own(environ: Mapping[str, str], home: Path) -> Path:
    """The user's folder. A relative path in one of its variables counts as none: it would depend on the folder."""
    return _said(environ, "CLINE_DIR") or home / ".cline"


def data(environ: Mapping[str, str], home: Path) -> Path:
    """What it keeps there, or elsewhere."""
    return _said(environ, "CLINE_DATA_DIR") or own(environ, home) / "data"


def servers(environ: Mapping[str, str], home: Path) -> Path:
    """The user's list of MCP servers."""
    return _said(environ, SETTINGS) or data(environ, home) / "settings" / "cline_mcp_settings.json"


def _said(environ: Mapping[str, str], variable: str) -> Path | None:
    found = environ.get(variable, "")
    return Path(found) if os.path.isabs(found) else None
