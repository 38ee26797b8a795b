"""Owns the fleet's fixed words: permission modes, statuses of worktrees, how many workers at most.

Apart from what uses them, so that the list of tools is built without importing the fleet.
"""

from __future__ import annotations

SHOWN = 20_000  #: characters of what somebody asks permission for that whoever is asked is shown
MOST_WORKERS = 32  #: in one go
PERMISSION_MODES = ("acceptEdits", "auto", "bypassPermissions", "default", "dontAsk", "plan")
WORKTREE_STATUSES = ("active", "done", "queued", "merging", "verifying", "merged", "conflict", "failed", "removed")
