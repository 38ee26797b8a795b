"""Owns the life cycle of a worktree: which status may follow which, and what to do if one may not.

    active → done → queued → merging → verifying → merged          and back to active with a new task
                                   ↘ conflict → active, queued, merging, merged

Nobody sets `removed`: it is what removing a worktree leaves. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from intercom.core.errors import Refused, UsageError
from intercom.core.fleet_words import WORKTREE_STATUSES

_NEXT: Mapping[str, tuple[str, ...]] = {
    "active": ("done", "queued", "failed"),
    "done": ("queued", "merging", "verifying", "merged", "conflict", "active", "failed"),
    "queued": ("merging", "verifying", "merged", "conflict", "done", "active", "failed"),
    "merging": ("verifying", "merged", "conflict", "queued", "failed"),
    "verifying": ("merged", "conflict", "queued", "active", "failed"),
    "conflict": ("active", "done", "queued", "merging", "verifying", "merged", "failed"),
    "failed": ("active", "done", "queued"),
    "merged": ("active", "done"),
    "removed": (),
}
SEEN = ("merging", "merged", "conflict")  #: may follow `active` if git shows that a merge was begun


def known(status: str) -> str:
    """Check a status; UsageError if it is not one."""
    if status not in WORKTREE_STATUSES:
        raise UsageError(f"{status!r} is not a status; nothing was changed. Use one of {', '.join(WORKTREE_STATUSES)}.")
    return status


def may(before: str, after: str) -> bool:
    """Whether one status may follow another; staying the same is always allowed."""
    return before == after or after in _NEXT[before]


def check(worker: str, before: str, after: str) -> None:
    """Raise Refused, with what to do, if `after` may not follow `before`."""
    if may(before, after):
        return
    if after == "removed":
        raise Refused(
            f"the worktree of {worker} still exists, so it cannot be set to removed; nothing was changed. "
            "Remove it with intercomm_worktree_remove, or intercom worktree remove."
        )
    if before == "removed":
        advice = "Make it a new worktree first (intercomm_worktree_add)."
    elif before == "active":
        advice = "Its work is not reported yet: set done first, which is checked, or queued."
    elif before == "merged":
        advice = "What is new in it needs a new done; set active while it works on a new task."
    else:
        advice = f"From {before} it goes to {', '.join(_NEXT[before])}."
    raise Refused(f"{worker} is {before} and cannot become {after}; nothing was changed. {advice}")
