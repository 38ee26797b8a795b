"""Owns removing a worktree in any state, without losing work or leaving anything behind.

`unsaved` says what would be lost with it. If there is such work, removal is refused, unless forced: then it is saved
first. What runs in it on its behalf (`tenants`) is ended. A removal that is killed at any step continues when
repeated, even if git has forgotten the worktree and its folder still exists.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import NamedTuple

from intercom.core.errors import IntercomError, NotFound, Refused
from intercom.fleet.worktrees import derived, tenants, unsaved
from intercom.fleet.worktrees.unsaved import KEPT, Unsaved
from intercom.fleet.worktrees.worktree import Worktree, find, place, seen, worktrees
from intercom.system.git import failure, git, some

_TRIES = 5  #: attempts at a step that fails because somebody writes meanwhile
_PAUSE = 0.1  #: seconds, growing


class Removed(NamedTuple):
    """A removed worktree: the ref with its unsaved work (None: there was none)."""

    path: Path
    ref: str | None
    kept: tuple[str, ...]


def remove(
    root: Path,
    worker: str,
    path: Path | None = None,
    declared: derived.Declared = derived.NONE,
    *,
    force: bool = False,
    known: bool = False,
) -> Removed:
    """Remove `worker`'s worktree; branches stay.

    Refused, naming the files and commits, while something in it is unsaved or it is locked. `force` saves those
    first (see the module) and then removes it; a repository inside it is never removed. NotFound if there is no such
    worktree, unless it is `known` that there was one.
    """
    where = place(root, worker, path)
    try:
        tree = find(root, worker, path, facts=False)
    except NotFound:
        if not known:
            raise
        return _left_over(root, worker, where, declared, force=force)
    if tree.missing:  # before git forgets its head
        ref, commits = unsaved.keep_commits(root, worker, tree.head) if tree.branch is None else (None, ())
        left = _left_over(root, worker, tree.path, declared, force=force)  # somebody removed its `.git` file
        _take_away(root, tree, declared)
        return Removed(left.path, left.ref or ref, (*left.kept, *commits))
    lost = _lost(root, worker, tree, declared, force=force)
    if tenants.end(tree.path):
        lost = _lost(root, worker, tree, declared, force=force)  # including what was written until then
    ref = _saved(tree, worker, lost) if any(lost) else None
    try:
        _take_away(root, tree, declared)
    except IntercomError as error:
        where_kept = f" What was unsaved in it is kept under {ref}." if ref else ""
        raise type(error)(f"{error}{where_kept} To go on: intercom worktree remove {worker}") from error
    return Removed(tree.path, ref, lost.uncommitted + lost.unpushed + lost.precious)


def _lost(root: Path, worker: str, tree: Worktree, declared: derived.Declared, *, force: bool) -> Unsaved:
    """What would be lost with it; Refused if that is not allowed."""
    lost = seen(root, tree, declared).unsaved or Unsaved()
    if lost.nested:
        raise Refused(f"{tree.path} was left as it is; it holds {lost}. Move that away first.")
    if not force and (any(lost) or tree.locked is not None):
        why = str(lost) or f"it is locked ({tree.locked or 'no reason given'})"
        raise Refused(
            f"the worktree of {worker} was left as it is. {why}. Commit and push, or use force, "
            f"which keeps them under {KEPT}."
        )
    return lost


def _saved(tree: Worktree, worker: str, lost: Unsaved) -> str:
    """Save it under a ref, retrying while somebody writes; returns the ref."""
    for turn in range(_TRIES):
        try:
            return unsaved.keep(tree.path, worker, lost)
        except IntercomError:
            if turn == _TRIES - 1:
                raise
            time.sleep(_PAUSE * (turn + 1))
            tenants.end(tree.path)
    raise AssertionError


def _take_away(root: Path, tree: Worktree, declared: derived.Declared) -> None:
    """Have git remove it, and remove what a program wrote into the folder meanwhile."""
    turn = 0
    while (done := git(root, "worktree", "remove", "--force", "--force", str(tree.path), check=False)).code:
        turn += 1
        time.sleep(_PAUSE * turn)
        tenants.end(tree.path)
        if all(one.path != tree.path for one in worktrees(root, facts=False)):
            break
        if turn == _TRIES:
            raise failure(root, "worktree remove", done)
    if os.path.lexists(tree.path):
        _clear(tree.path, declared)


def _left_over(root: Path, worker: str, where: Path, declared: derived.Declared, *, force: bool) -> Removed:
    """Remove the rest of a worktree that git no longer knows."""
    if not os.path.lexists(where):
        return Removed(where, None, ())
    tenants.end(where)
    names = _rest(where, declared)
    if names and not force:
        raise Refused(
            f"git no longer knows {where} as a worktree, and there is still {some(names)} in it; it was left as it is. "
            f"Move that away, or use force, which keeps it under {KEPT}."
        )
    ref = unsaved.keep_folder(root, where, worker, names) if names else None
    _clear(where, declared, kept=frozenset(names))
    return Removed(where, ref, names)


def _rest(where: Path, declared: derived.Declared) -> tuple[str, ...]:
    """The files in a folder that no tool regenerates. Refused if it contains a repository."""
    found = []
    for folder, below, files in os.walk(where):
        inner = os.path.relpath(folder, where)
        if ".git" in below or (".git" in files and inner != "."):
            raise Refused(f"{folder} is a repository of its own; {where} was left as it is. Move it away first.")
        links = [one for one in below if os.path.islink(os.path.join(folder, one))]
        names = [os.path.normpath(os.path.join(inner, one)) for one in (*files, *links) if one != ".git"]
        found += [name for name in names if name not in declared and not derived.by_name(name)]
    return tuple(sorted(found))


def _clear(where: Path, declared: derived.Declared, kept: frozenset[str] = frozenset()) -> None:
    """Delete a folder with what is derived or already `kept`; Refused if it has more."""
    for turn in range(_TRIES):
        new = [name for name in _rest(where, declared) if name not in kept] if os.path.isdir(where) else []
        if new:
            raise Refused(f"{some(new)} came into {where} while it was removed, and was left there.")
        try:
            shutil.rmtree(where)
        except FileNotFoundError:
            return
        except OSError as error:
            if turn == _TRIES - 1:
                raise Refused(f"{where} could not be deleted: {error.strerror}.") from error
            time.sleep(_PAUSE * (turn + 1))
            tenants.end(where)
        else:
            return
