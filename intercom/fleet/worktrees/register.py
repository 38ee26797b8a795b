"""Owns the register of workers' worktrees: which there are, from where, and how far their work has come.

A table of its own inside `state.db`, made on first use. What git knows (`intercom.fleet.worktrees.worktree`) is asked
anew each time; the register holds only what git cannot know.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, NamedTuple

from intercom.core.errors import IntercomError, NotFound, Refused, UsageError
from intercom.core.limits import WORKTREE_STATUSES
from intercom.core.message import check_name, utc
from intercom.fleet.worktrees import worktree
from intercom.store.state.db import State

_SCHEMA = """
CREATE TABLE IF NOT EXISTS worktrees (
    worker TEXT PRIMARY KEY, path TEXT NOT NULL, base TEXT NOT NULL, branch TEXT, status TEXT NOT NULL,
    created TEXT NOT NULL, changed TEXT NOT NULL
) WITHOUT ROWID
"""
_COLUMNS = "worker, path, base, branch, status, created, changed"


class Entry(NamedTuple):
    """What is registered about a worktree. Times are UTC."""

    worker: str
    path: str
    base: str  #: the branch or commit it began at
    branch: str | None  #: the branch that carries its result, as far as somebody said
    status: str  #: one of WORKTREE_STATUSES
    created: str
    changed: str

    def to_json(self) -> dict[str, Any]:
        """The public form."""
        return self._asdict()


class Worktrees:
    """The worktrees of the project at `root`. One thread at a time, as its State."""

    def __init__(self, state: State, root: Path) -> None:
        self._state = state
        self._root = root
        self._made = False

    def _db(self) -> sqlite3.Connection:
        db = self._state.db
        if not self._made:
            with self._state.guarded():
                db.execute(_SCHEMA)
            self._made = True
        return db

    def _put(self, entry: Entry) -> Entry:
        with self._state.guarded():
            self._db().execute("INSERT OR REPLACE INTO worktrees VALUES (?, ?, ?, ?, ?, ?, ?)", entry)
        return entry

    def get(self, worker: str) -> Entry | None:
        """What is registered for `worker`, None if nothing is."""
        if not worker.isascii():
            return None  # no name on the bus is like that
        with self._state.guarded():
            sql = f"SELECT {_COLUMNS} FROM worktrees WHERE worker = ?"  # noqa: S608  # our own words
            row = self._db().execute(sql, (worker,)).fetchone()
        return Entry(*row) if row else None

    def entries(self) -> list[Entry]:
        """All that is registered, removed ones too."""
        with self._state.guarded():
            sql = f"SELECT {_COLUMNS} FROM worktrees ORDER BY worker"  # noqa: S608  # our own words
            return [Entry(*row) for row in self._db().execute(sql)]

    def add(self, worker: str, base: str = worktree.DEFAULT_BASE, path: str | None = None) -> Entry:
        """Create and register a worktree, with the settings that a session in it needs. As `worktree.add`."""
        name, now = check_name(worker), utc()
        where = worktree.place(self._root, name, Path(path) if path else None)
        before, base = self.get(name), worktree.base_of(self._root, base)
        _storable("created", base, str(where))
        entry = self._put(Entry(name, str(where), base, None, "active", now, now))
        try:  # registered first: should we be killed while git makes it, a teardown still knows of it
            worktree.add(self._root, name, base, where if path else None)
        except BaseException:
            self._forget(name) if before is None else self._put(before)
            raise
        worktree.copy_settings(self._root, where)
        return entry

    def _forget(self, worker: str) -> None:
        with self._state.guarded():
            self._db().execute("DELETE FROM worktrees WHERE worker = ?", (worker,))

    def list(self) -> list[dict[str, Any]]:
        """Every registered worktree, and those that only git knows, with what git says about each."""
        seen = {str(one.path): one for one in worktree.worktrees(self._root)}
        found = []
        for entry in self.entries():
            tree = seen.pop(entry.path, None)
            gone = {} if tree or entry.status == "removed" else {"note": "git no longer knows this worktree"}
            found.append({**entry.to_json(), **_facts(tree), **gone})
        for path, tree in seen.items():
            found.append({"worker": tree.worker or None, "path": path, "status": None, **_facts(tree)})
        return found

    def set_status(self, worker: str, status: str, branch: str | None = None) -> Entry:
        """Note how far the work is. `done` is checked first: branch, commit, a clean worktree. Refused, NotFound."""
        entry = self._known(worker)
        if status not in WORKTREE_STATUSES:
            raise UsageError(
                f"{status!r} is not a status; nothing was changed. Use one of {', '.join(WORKTREE_STATUSES)}."
            )
        _storable("changed", branch or "")
        named = branch or entry.branch
        if status == "done":
            named = self._check_done(entry, named)
        return self._put(entry._replace(status=status, branch=named, changed=utc()))

    def _check_done(self, entry: Entry, branch: str | None) -> str | None:
        """The branch that is done, if what git says agrees; Refused with each contradiction."""
        tree = worktree.find(self._root, entry.worker, Path(entry.path), facts=False)
        branch = branch or tree.branch
        if branch is None:
            raise Refused(
                f"{entry.worker} is on no branch, so nothing says what is done; nothing was changed. Name the branch."
            )
        problems = worktree.check_done(self._root, tree.path, branch, tree.head)
        if problems:
            raise Refused(f"{entry.worker} is not done: {' '.join(problems)} Nothing was changed.")
        return branch

    def remove(self, worker: str, *, force: bool = False) -> worktree.Removed:
        """Remove a worktree; the entry stays, as removed. Refused while something in it is unsaved, unless `force`."""
        entry = self.get(worker)
        path = Path(entry.path) if entry else None
        done = worktree.remove(self._root, worker, path, force=force)
        if entry:
            self._put(entry._replace(status="removed", changed=utc()))
        return done

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


def _storable(verb: str, *values: str) -> None:
    """UsageError for text that is no Unicode, as a path or an argument of other bytes is."""
    for value in values:
        try:
            value.encode()
        except UnicodeEncodeError:
            raise UsageError(f"{value!r} is not UTF-8 and cannot be noted; nothing was {verb}.") from None


def _facts(tree: worktree.Worktree | None) -> dict[str, Any]:
    """What git says; names as git has them."""
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
