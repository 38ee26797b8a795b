"""Owns what is unsaved in a checkout: what would be lost with it, and how it is kept.

Nothing would be lost with a worktree in which there is none of these:

- **uncommitted**: changed or untracked files, also changed ones that git was told not to look at (assume-unchanged,
  skip-worktree);
- **unpushed**: commits on no remote, no tag and no branch but the worktree's own. Where the
  repository has no remote at all, the worktree's own branch is enough, since removing a worktree
  never removes a branch; commits of a detached head that are on no branch are lost in any case;
- **precious**: ignored files, except what a build or an install makes again (see `derived`);
- **nested**: repositories inside it, which can neither be kept for somebody nor thrown away.

What a tool of the project declares derived counts for none of the first and third.

`keep` commits the first and third to a ref under `refs/intercom/kept/`, on top of the second:
`git checkout <ref> -- .` brings them back.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from intercom.core import document
from intercom.fleet.worktrees import derived
from intercom.system import host
from intercom.system.git import git, ok, some

KEPT = "refs/intercom/kept/"
_EXACT = ("-c", "core.autocrlf=false", "-c", "core.safecrlf=false", "-c", "core.hooksPath=/dev/null")


class Unsaved(NamedTuple):
    """What would be lost; names are relative to the checkout, commits are "hash subject"."""

    uncommitted: tuple[str, ...] = ()
    unpushed: tuple[str, ...] = ()
    precious: tuple[str, ...] = ()
    nested: tuple[str, ...] = ()

    def __str__(self) -> str:
        """A description in words; "" if nothing would be lost."""
        kinds = ("uncommitted", "unpushed", "ignored but not derived", "a repository of its own")
        return "; ".join(f"{kind}: {some(names)}" for kind, names in zip(kinds, self, strict=True) if names)


def inspect(root: Path, path: Path, branch: str | None, declared: derived.Declared = derived.NONE) -> Unsaved:
    """What is unsaved in the checkout at `path`, on `branch`, of the project at `root`."""
    uncommitted, precious, nested = files(root, path, declared)
    return Unsaved(uncommitted, _unpushed(path, branch), precious, nested)


def files(
    root: Path, path: Path, declared: derived.Declared = derived.NONE
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """(uncommitted, precious, nested) of the checkout at `path`: `inspect` without the history."""
    how = ("status", "--porcelain=v2", "-z", "--untracked-files=all", "--ignored=matching")
    fields = iter(git(path, *how, "--ignore-submodules=none", "--no-renames").out.split("\0"))
    uncommitted, precious, nested = [], [], []
    for entry in fields:
        kind, _, name = entry.partition(" ")
        if kind == "!":
            if not derived.by_name(name) and name not in declared:
                inner = _repositories(path, name)
                nested.extend(inner)
                precious.extend([] if inner or _copied(root, path, name) else [name])
        elif kind == "?":
            nested.extend([name] if name.endswith("/") else [])
            spared = name.endswith("/") or name in declared or _copied(root, path, name)
            uncommitted.extend([] if spared else [name])
        elif kind in ("1", "u"):
            words = entry.split(" ", 8 if kind == "1" else 10)
            if words[-1] not in declared:
                (nested if words[2].startswith("S") else uncommitted).append(words[-1])
    uncommitted += [name for name in _unlooked(path) if name not in uncommitted and name not in declared]
    return tuple(uncommitted), tuple(precious), tuple(nested)


def _unlooked(path: Path) -> list[str]:
    """Changed files that git was told to ignore: `git status` does not show them."""
    listed = git(path, "ls-files", "-v", "-z").out.split("\0")
    names = [one[2:] for one in listed if one[:1] == "S" or one[:1].islower()]
    names = [name for name in names if os.path.lexists(path / name)]
    if not names:
        return []
    folder = git(path, "rev-parse", "--absolute-git-dir").out.removesuffix("\n")
    with tempfile.TemporaryDirectory(prefix="look-", dir=folder) as scratch:
        host.hand_over(Path(scratch), Path(folder))
        index = os.path.join(scratch, "index")
        with open(host.open_file(index, os.O_WRONLY | os.O_CREAT), "wb") as copy:
            copy.write(Path(folder, "index").read_bytes())
        given = "".join(f"{name}\0" for name in names)
        for flag in ("--no-assume-unchanged", "--no-skip-worktree"):
            git(path, "update-index", flag, "-z", "--stdin", index=index, stdin=given)
        git(path, "update-index", "-q", "--refresh", index=index, check=False)
        changed = git(path, "diff-files", "--name-only", "-z", index=index).out.split("\0")
    return [name for name in changed if name in names]


def keep_commits(root: Path, name: str, head: str) -> tuple[str | None, tuple[str, ...]]:
    """Save the commits of a worktree whose folder is gone, if no ref has them: (the new ref, the commits)."""
    if not head or not ok(root, "cat-file", "-e", f"{head}^{{commit}}"):
        return None, ()
    others = ("--glob=refs/heads", "--tags", "--remotes", f"--glob={KEPT}")
    commits = git(root, "log", "--no-show-signature", "--format=%h %s", head, "--not", *others).out.splitlines()
    if not commits:
        return None, ()
    ref = _ref(name, head)
    git(root, *_EXACT, "update-ref", ref, head)
    return ref, tuple(commits)


def _copied(root: Path, path: Path, name: str) -> bool:
    """Whether it is a settings file made by `copy_settings`, with the same bytes as the root's; or their folder."""
    if name == ".claude/":
        try:
            return all(_copied(root, path, name + inner) for inner in os.listdir(path / name))
        except OSError:
            return False
    if not re.fullmatch(r"\.claude/settings[^/]*\.json", name):
        return False
    try:
        return document.text_of(root / name) == document.text_of(path / name)
    except (OSError, UnicodeDecodeError):
        return False


def _repositories(path: Path, name: str) -> list[str]:
    """Repositories in the ignored folder `name` of the worktree `path`."""
    if not name.endswith("/"):
        return []
    found = []
    for folder, below, files in os.walk(path / name):
        if ".git" in below or ".git" in files:
            found.append(os.path.relpath(folder, path) + "/")
        below[:] = [one for one in below if one != ".git" and one not in derived.NAMES]
    return found


def _unpushed(path: Path, branch: str | None) -> tuple[str, ...]:
    """Commits that would be on no ref, or only on the worktree's own branch (see the module)."""
    if not ok(path, "rev-parse", "--verify", "--quiet", "HEAD"):
        return ()
    own = []
    if branch and git(path, "remote").out.strip():
        own = [f"--exclude=refs/heads/{branch}"]
    others = [*own, "--glob=refs/heads", "--tags", "--remotes", f"--glob={KEPT}"]
    how = ("log", "--no-show-signature", "--format=%h %s", "HEAD", "--not")
    return tuple(git(path, *how, *others).out.splitlines())


def keep(path: Path, name: str, unsaved: Unsaved) -> str:
    """Commit everything `unsaved` at `path` to a new ref for `name`, changing nothing; returns the ref."""
    files = _tree(path, unsaved.precious)
    parents = ["-p", "HEAD"]
    staged = git(path, "write-tree", check=False)  # fails during a merge: then only the files are saved
    if not staged.code:
        parents += ["-p", _commit(path, staged.out.strip(), parents, "index")]
    commit = _commit(path, files, parents, f"kept from {path}: {unsaved}")
    ref = _ref(name, commit)
    git(path, *_EXACT, "update-ref", ref, commit)
    return ref


def keep_folder(root: Path, path: Path, name: str, names: tuple[str, ...]) -> str:
    """Commit the files `names` of a folder that is no longer a checkout to a new ref for `name`; returns the ref."""
    folder = git(root, "rev-parse", "--path-format=absolute", "--git-common-dir").out.removesuffix("\n")
    with tempfile.TemporaryDirectory(prefix="keep-", dir=folder) as scratch:
        host.hand_over(Path(scratch), Path(folder))
        index = os.path.join(scratch, "index")
        here = (f"--git-dir={folder}", f"--work-tree={path}", *_EXACT)
        given = "".join(f":(top,literal){one}\0" for one in names)
        how = ("add", "--force", "--pathspec-from-file=-", "--pathspec-file-nul")
        git(path, *here, *how, index=index, stdin=given)
        tree = git(path, *here, "write-tree", index=index).out.strip()
    commit = _commit(root, tree, ["-p", "HEAD"], f"kept from {path}: {some(names)}")
    ref = _ref(name, commit)
    git(root, *_EXACT, "update-ref", ref, commit)
    return ref


def _ref(name: str, commit: str) -> str:
    safe = re.sub(r"[^A-Za-z0-9-]+", "-", name).strip("-") or "worker"
    return f"{KEPT}{safe}-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{commit[:7]}"


def _tree(path: Path, precious: tuple[str, ...]) -> str:
    """The tree of all files at `path`, byte for byte, through a separate index."""
    folder = git(path, "rev-parse", "--absolute-git-dir").out.removesuffix("\n")
    with tempfile.TemporaryDirectory(prefix="keep-", dir=folder) as scratch:
        host.hand_over(Path(scratch), Path(folder))
        index = os.path.join(scratch, "index")
        git(path, "read-tree", "HEAD", index=index)
        git(path, *_EXACT, "add", "--all", index=index)
        if precious:
            names = "".join(f":(top,literal){name}\0" for name in precious)
            how = ("add", "--force", "--pathspec-from-file=-", "--pathspec-file-nul")
            git(path, *_EXACT, *how, index=index, stdin=names)
        return git(path, "write-tree", index=index).out.strip()


def _commit(path: Path, tree: str, parents: list[str], message: str) -> str:
    return git(path, "commit-tree", "--no-gpg-sign", tree, *parents, stdin=message).out.strip()
