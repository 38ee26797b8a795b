"""Owns what git says about branches: which exist, what is on one, whether its merge was begun, what was claimed."""

from __future__ import annotations

from pathlib import Path

from intercom.core import aimfp, done
from intercom.fleet.worktrees import derived, unsaved
from intercom.system.git import git, ok

_SAFE = ("rev-parse", "--verify", "--quiet", "--end-of-options")


def names(root: Path) -> list[str]:
    """All local branches."""
    return git(root, "for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads").out.splitlines()


def is_branch(root: Path, name: str) -> bool:
    """Whether a local branch with exactly this name exists."""
    return ok(root, "show-ref", "--verify", "--quiet", f"refs/heads/{name}")


def commit_of(root: Path, name: str) -> str | None:
    """The full hash of the commit that a ref or hash names."""
    found = git(root, *_SAFE, f"{name}^{{commit}}", check=False)
    return None if found.code else found.out.strip()


def merge_begun(root: Path, base: str, branch: str) -> bool:
    """Whether a branch is merged, or being merged, into its base or what is checked out."""
    tip = commit_of(root, f"refs/heads/{branch}")
    if tip is None:
        return False
    if commit_of(root, "MERGE_HEAD") == tip:
        return True
    return any(ok(root, "merge-base", "--is-ancestor", tip, onto) for onto in (base, "HEAD"))


def facts(root: Path, path: Path | None, claim: done.Claim, base: str, declared: derived.Declared) -> done.Facts:
    """What git says about a claim; `path` is the worktree that it is about, None if there is none to check."""
    tip = commit_of(root, f"refs/heads/{claim.branch}") if claim.branch and is_branch(root, claim.branch) else None
    commit = commit_of(root, claim.commit) if claim.commit and claim.commit.isalnum() else None
    dirty: tuple[str, ...] = ()
    gone = path is not None and not (path / ".git").exists()
    if path is not None and not gone:
        uncommitted, _, nested = unsaved.files(root, path, declared)
        dirty = uncommitted + nested
    changed = None
    if tip is not None and claim.branch != base:
        changed = changed_since(root, base, tip)
    tracking = aimfp.TRACKING if aimfp.used(root) else None
    return done.Facts(tip, commit, dirty, gone, base, changed, tracking)


def changed_since(root: Path, base: str, tip: str) -> tuple[str, ...] | None:
    """The files that a branch changed since it left its base; None if the base does not exist."""
    found = git(root, "diff", "--name-only", "-z", "--no-renames", f"{base}...{tip}", "--", check=False)
    return None if found.code else tuple(name for name in found.out.split("\0") if name)
