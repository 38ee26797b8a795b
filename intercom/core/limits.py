"""Owns the fleet's fixed words: permission modes, statuses of worktrees, how many workers at most.

Apart from what uses them, so that the list of tools is built without importing the fleet.
"""

from __future__ import annotations

MOST_WORKERS = 32  #: in one go
PERMISSION_MODES = ("acceptEdits", "auto", "bypassPermissions", "default", "dontAsk", "plan")
WORKTREE_STATUSES = ("active", "done", "queued", "merging", "verifying", "merged", "conflict", "failed", "removed")
