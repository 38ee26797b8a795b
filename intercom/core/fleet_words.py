"""Owns the fleet's fixed words and limits: modes, groups of agents, statuses of worktrees, how many workers.

They are separate from the code that uses them, so the list of tools can be built without importing the fleet.
"""

from __future__ import annotations

SHOWN = 20_000  #: characters of a permission request that are shown to whoever decides on it
MOST_WORKERS = 32  #: per call
#: Groups of agents on the screen, most urgent first.
NEEDS_YOU, STUCK, WORKING, IDLE, DONE, ELSEWHERE = "needs you", "stuck", "working", "idle", "done", "elsewhere"
GROUPS = (NEEDS_YOU, STUCK, WORKING, IDLE, DONE, ELSEWHERE)
PERMISSION_MODES = ("acceptEdits", "auto", "bypassPermissions", "default", "dontAsk", "plan")
WORKTREE_STATUSES = ("active", "done", "queued", "merging", "verifying", "merged", "conflict", "failed", "removed")
