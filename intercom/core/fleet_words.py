"""Owns the fleet's fixed words and limits: states, decisions, modes, groups of agents, statuses of worktrees.

They are separate from the code that uses them, so the list of tools can be built without importing the fleet.
"""

from __future__ import annotations

from typing import Literal, get_args

SHOWN = 20_000  #: characters of a permission request that are shown to whoever decides on it
MOST_WORKERS = 32  #: per call
#: Groups of agents on the screen, most urgent first.
NEEDS_YOU, STUCK, WORKING, IDLE, DONE, ELSEWHERE = "needs you", "stuck", "working", "idle", "done", "elsewhere"
GROUPS = (NEEDS_YOU, STUCK, WORKING, IDLE, DONE, ELSEWHERE)
PERMISSION_MODES = ("acceptEdits", "auto", "bypassPermissions", "default", "dontAsk", "plan")
WORKTREE_STATUSES = ("active", "done", "queued", "merging", "verifying", "merged", "conflict", "failed", "removed")
SessionState = Literal[
    "starting", "trust", "mcp_approval", "bypass", "blocked", "ready", "running", "idle", "gone", "unknown"
]
SESSION_STATES: tuple[SessionState, ...] = get_args(SessionState)
PermissionDecision = Literal["allow", "deny"]
DECISIONS: tuple[PermissionDecision, ...] = get_args(PermissionDecision)
Ruling = tuple[PermissionDecision, str]  #: of a rule, with the rule
Outcome = PermissionDecision | Literal["ended"]  #: of a request; ended: nobody is known to have answered
