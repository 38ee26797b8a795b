"""Owns the fleet's fixed words and limits: permission modes, statuses of worktrees, the number of workers.

They are separate from the code that uses them, so the list of tools can be built without importing the fleet.
"""

from __future__ import annotations

SHOWN = 20_000  #: characters of a permission request that are shown to whoever decides on it
MOST_WORKERS = 32  #: per call
PERMISSION_MODES = ("acceptEdits", "auto", "bypassPermissions", "default", "dontAsk", "plan")
WORKTREE_STATUSES = ("active", "done", "queued", "merging", "verifying", "merged", "conflict", "failed", "removed")
