"""Owns the entry by which an MCP client starts our server, wherever this package is installed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from intercom.system.invocation import lasting_command

if TYPE_CHECKING:
    from intercom.core.config import Config


def server_entry(config: Config) -> dict[str, Any]:
    """The entry that an MCP client needs, in the form of `.mcp.json`."""
    command = [*lasting_command(), "mcp"]
    entry: dict[str, Any] = {"command": command[0], "args": command[1:]}
    if not _found_unaided(config.root):
        entry["env"] = {"INTERCOM_ROOT": str(config.root)}
    return entry


def _found_unaided(root: Path) -> bool:
    """Whether a server started in `root` finds this bus by itself, so that the entry works on every machine."""
    from intercom.core.errors import UsageError
    from intercom.core.root import git_common_parent

    for folder in (root, *root.parents):
        try:
            common = git_common_parent(folder)
        except UsageError:  # only an explicit root leads there
            return False
        if common is not None:
            return common == root
    return True
