"""Owns the register of workers' worktrees: which exist, from what base, and how far their work has come.

It is a table inside `state.db`. What git knows (`intercom.fleet.worktrees.worktree`) is asked for each time; the
register only has what git cannot know.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from intercom.core import done, stages
from intercom.core.errors import IntercomError, NotFound, Refused, UsageError
from intercom.core.message import check_name, utc
from intercom.fleet import aimfp
from intercom.fleet.worktrees import branches, derived, removal, worktree
from intercom.store.state.db import State

_COLUMNS = "worker, path, base, branch, status, created, changed"


class Entry(NamedTuple):
    """The registered facts about a worktree. Times are UTC."""

    worker: str
    path: str
    base: str  #: the branch or commit it started from
    branch: str | None  #: the branch with its result, if reported
    status: str  #: one of WORKTREE_STATUSES
    created: str
    changed: str
    note: str = ""  #: a present remark; not stored

    def to_json(self) -> dict[str, Any]:
        """The public form."""
        return {key: value for key, value in self._asdict().items() if key != "note" or value}


class Worktrees:
    """The worktrees of the project at `root`. One thread at a time, as its State."""

    def __init__(self, state: State, root: Path, settings: Mapping[str, Any] | None = None) -> None:
        self._state = state
        self._root = root
        self._settings = settings or {}  # the project's `[worktrees]` settings

    def _put(self, entry: Entry) -> Entry:
        with self._state.guarded():
            self._state.db.execute("INSERT OR REPLACE INTO worktrees VALUES (?, ?, ?, ?, ?, ?, ?)", entry[:7])
        return entry

    def get(self, worker: str) -> Entry | None:
        """The entry for `worker`, None if there is none."""
        if not worker.isascii():
            return None  # not a valid name on the bus
        with self._state.guarded():
            sql = f"SELECT {_COLUMNS} FROM worktrees WHERE worker = ?"  # noqa: S608  # our own words
            row = self._state.db.execute(sql, (worker,)).fetchone()
        return Entry(*row) if row else None

    def entries(self) -> list[Entry]:
        """All entries, removed worktrees included."""
        with self._state.guarded():
            sql = f"SELECT {_COLUMNS} FROM worktrees ORDER BY worker"  # noqa: S608  # our own words
            return [Entry(*row) for row in self._state.db.execute(sql)]

    def add(self, worker: str, base: str = worktree.DEFAULT_BASE, path: str | None = None) -> Entry:
        """Create and register a worktree, with the settings that a session in it needs. Otherwise as `worktree.add`."""
        name, now = check_name(worker), utc()
        where = worktree.place(self._root, name, Path(path) if path else None)
        before, base = self.get(name), worktree.base_of(self._root, base)
        _storable("created", base, str(where))
        entry = self._put(Entry(name, str(where), base, None, "active", now, now))
        try:  # registered first, so that after a kill a teardown knows of it
            made = worktree.add(self._root, name, base, where if path else None)
        except BaseException:
            self._forget(name) if before is None else self._put(before)
            raise
        worktree.copy_settings(self._root, where)
        aimfp.mark(self._root, where)
        return entry._replace(note=made.note)

    def _forget(self, worker: str) -> None:
        with self._state.guarded():
            self._state.db.execute("DELETE FROM worktrees WHERE worker = ?", (worker,))

    def list(self) -> list[dict[str, Any]]:
        """Every registered worktree, and those only git knows, with git's facts about each."""
        seen = {str(one.path): one for one in worktree.worktrees(self._root, self.declared())}
        found = []
        for entry in self.entries():
            tree = seen.pop(entry.path, None)
            gone = {} if tree or entry.status == "removed" else _gone(entry)
            found.append({**entry.to_json(), **_facts(tree), **gone})
        for path, tree in seen.items():
            found.append({"worker": tree.worker or None, "path": path, "status": None, **_facts(tree)})
        return found

    def set_status(
        self,
        worker: str | None,
        status: str,
        branch: str | None = None,
        reported: Mapping[str, done.Claim] | None = None,
    ) -> Entry:
        """Record the progress of a worker's work, or of the owner of a branch. Refused, NotFound, UsageError.

        `done` is checked: branch, commit (as `reported` by each worker, else what is checked out), a clean worktree,
        something new.
        """
        branch = (branch or "").strip() or None
        _storable("changed", branch or "")
        entry = self._known(worker) if worker and worker.strip() else self._of_branch(branch)
        stages.known(status)
        if branch is not None and not branches.is_branch(self._root, branch):
            raise Refused(
                f"there is no branch {branch!r}; nothing was changed. Name one that exists, or none if it was "
                "deleted since."
            )
        self._check_step(entry, status, branch)
        named = branch or entry.branch
        if status == "done":
            named = self._check_done(entry, named, (reported or {}).get(entry.worker))
        return self._put(entry._replace(status=status, branch=named, changed=utc()))

    def _check_step(self, entry: Entry, status: str, branch: str | None) -> None:
        """Raise Refused if the status may not follow, unless git itself shows that it does."""
        if stages.may(entry.status, status):
            return
        named = branch or entry.branch
        seen = entry.status == "active" and status in stages.SEEN and named is not None
        if seen and branches.merge_begun(self._root, entry.base, named or ""):
            return
        if status == "removed" and not os.path.lexists(entry.path) and self.living(entry.worker) is None:
            return
        stages.check(entry.worker, entry.status, status)

    def _of_branch(self, branch: str | None) -> Entry:
        """The entry of the worktree that a branch belongs to: as reported, or as checked out. NotFound, UsageError."""
        if branch is None:
            raise UsageError("worker_id or branch must say which worktree is meant; nothing was changed.")
        on = {str(one.path) for one in worktree.worktrees(self._root, facts=False) if one.branch == branch}
        entries = [one for one in self.entries() if one.status != "removed"]
        found = [one for one in entries if one.branch == branch] or [one for one in entries if one.path in on]
        if len(found) == 1:
            return found[0]
        names = ", ".join(f"{one.worker} ({one.branch or 'no branch yet'})" for one in found or entries) or "none"
        many = "more than one worktree has" if found else "no registered worktree has"
        raise NotFound(f"{many} the branch {branch!r}; nothing was changed. Name the worker_id. There are: {names}.")

    def _check_done(self, entry: Entry, branch: str | None, reported: done.Claim | None) -> str:
        """The finished branch, if git's facts agree; Refused with each contradiction."""
        tree = worktree.find(self._root, entry.worker, Path(entry.path), facts=False)
        branch = branch or (reported.branch if reported else None) or tree.branch
        if branch is None:
            raise Refused(
                f"{entry.worker} is on no branch, so nothing says what is done; nothing was changed. Name the branch."
            )
        says = reported.commit if reported is not None and reported.branch in (None, branch) else None
        claim = done.Claim(branch=branch, commit=says or tree.head)
        facts = branches.facts(self._root, tree.path, claim, entry.base, self.declared())
        if problems := done.problems(done.BOTH, claim, facts):
            raise Refused(f"{entry.worker} is not done: {' '.join(problems)} Nothing was changed.")
        return branch

    def declared(self) -> derived.Declared:
        """What the project's tools declare derived. UsageError for invalid settings."""
        return derived.declared(self._settings)

    def note_done(self, worker: str, branch: str) -> None:
        """Move the worktree on after a verified done, if it has one in a suitable status."""
        entry = self.get(worker)
        if entry is not None and entry.status != "removed" and stages.may(entry.status, "done"):
            self._put(entry._replace(status="done", branch=branch, changed=utc()))

    def remove(self, worker: str, *, force: bool = False) -> removal.Removed:
        """Remove a worktree; the entry stays, as removed. Refused while something is unsaved, unless `force`."""
        entry = self.get(worker)
        known = entry is not None and entry.status != "removed"
        path = Path(entry.path) if entry else None
        gone = removal.remove(self._root, worker, path, self.declared(), force=force, known=known)
        if entry:
            self._put(entry._replace(status="removed", changed=utc()))
        return gone

    def _known(self, worker: str) -> Entry:
        entry = self.get(check_name(worker))
        if entry is None:
            names = ", ".join(one.worker for one in self.entries()) or "none"
            raise NotFound(f"{worker!r} has no registered worktree; nothing was changed. There are: {names}.")
        return entry

    def living(self, worker: str) -> Path | None:
        """Where the worktree of `worker` is, None if git knows of none."""
        entry = self.get(worker)
        try:
            path = Path(entry.path) if entry else None
            return worktree.find(self._root, worker, path, facts=False).path
        except IntercomError:
            return None


def _gone(entry: Entry) -> dict[str, Any]:
    """The note on a worktree that git no longer knows, and what to do about it."""
    left = ", its folder is still there" if os.path.lexists(entry.path) else ""
    return {"note": f"git no longer knows this worktree{left}", "next": f"intercom worktree remove {entry.worker}"}


def _storable(verb: str, *values: str) -> None:
    """UsageError for text that is not Unicode, such as a path of other bytes."""
    for value in values:
        try:
            value.encode()
        except UnicodeEncodeError:
            raise UsageError(f"{value!r} is not UTF-8 and cannot be noted; nothing was {verb}.") from None


def _facts(tree: worktree.Worktree | None) -> dict[str, Any]:
    """Git's facts; names as git has them."""
    if tree is None:
        return {}
    out: dict[str, Any] = {"head": tree.head, "on_branch": tree.branch}
    if tree.missing:
        out["note"] = "its folder is gone"
    elif tree.unsaved is not None and any(tree.unsaved):
        out["unsaved"] = {key: list(names) for key, names in tree.unsaved._asdict().items() if names}
    if tree.locked is not None:
        out["locked"] = tree.locked or True
    return out
