"""Owns creating, listing and finding workers' worktrees. Removing them is in `removal`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from intercom.core.errors import CommandFailed, IntercomError, NotFound, ProgramMissing, Refused, UsageError
from intercom.fleet.worktrees import derived, unsaved
from intercom.fleet.worktrees.unsaved import Unsaved
from intercom.system import host, proc
from intercom.system.files import make_folder, read_from
from intercom.system.git import environment, failure, git, ok, some

FOLDER = ".intercomm-worktrees"  #: beside the project; it has a folder for each project, by name
DEFAULT_BASE = "main"  #: if it does not exist, what is checked out is used
OLDEST_GIT = (2, 36)  #: the first version with `worktree list -z`


class PlaceTaken(Refused):
    """The folder for the new worktree is in use; nothing was created."""


class Worktree(NamedTuple):
    """A linked worktree. `worker` is "" if the path names none, `branch` None for a detached head.

    `unsaved` is None if nobody looked, or the folder is `missing`.
    """

    worker: str
    path: Path
    head: str
    branch: str | None
    locked: str | None = None
    missing: bool = False
    unsaved: Unsaved | None = None
    note: str = ""  #: what went wrong when it was created, although it exists


def default_path(root: Path, worker: str) -> Path:
    """The default place of `worker`'s worktree, beside the project. UsageError for a name with `/`."""
    if not worker or worker.startswith(".") or "/" in worker or not worker.isprintable():
        raise UsageError(f"{worker!r} cannot name a worktree; nothing was created.")
    here = root.resolve()
    return here.parent / FOLDER / here.name / worker


def place(root: Path, worker: str, path: Path | None = None) -> Path:
    """The place of `worker`'s worktree: `path`, relative to the root, or `default_path`. UsageError."""
    return default_path(root, worker) if path is None else Path(os.path.abspath(root / path))


def add(root: Path, worker: str, base: str = DEFAULT_BASE, path: Path | None = None) -> Worktree:
    """Create `worker`'s worktree, detached at `base`, at `path` or beside the project.

    Raises PlaceTaken, Refused (not a repository's top, bare, path unusable), NotFound (no such base, no commit
    yet), UsageError (the name), ProgramMissing (no git). Nothing is created where it raises.
    """
    where = place(root, worker, path)
    _check_repository(root)
    commit = _base(root, base_of(root, base))
    taken = next((one for one in _registered(root) if one.path == where), None)
    if taken is not None and not taken.missing:
        raise PlaceTaken(f"{where} is already a worktree of this repository; nothing was created.")
    try:
        if where.is_symlink() or where.is_file() or (where.is_dir() and any(where.iterdir())):
            raise PlaceTaken(
                f"{where} is in use and not an empty folder; nothing was created. "
                f"What is left of a worktree goes with: intercom worktree remove {worker}"
            )
        _check_surroundings(root, where, chosen=path is not None)
        if path is None:
            make_folder(where.parent, 0o700, root)
    except OSError as error:
        raise Refused(f"{where} cannot be used ({error.strerror}); nothing was created.") from error
    if taken is not None and taken.branch is None:
        unsaved.keep_commits(root, worker, taken.head)  # git forgets its head
    reuse = ["--force"] if taken is not None and taken.locked is None else []
    done = git(root, "worktree", "add", "--quiet", "--detach", *reuse, str(where), commit, check=False)
    if done.code and "already exists" in done.err:  # somebody else was faster
        raise PlaceTaken(f"{where} is in use: {proc.last_words(done)}; nothing was created.")
    if done.code and not _made(where, commit):
        raise failure(root, "worktree", done)
    said = proc.last_words(done)
    note = f"a hook of the repository failed as it was made: {said}" if done.code else ""
    return Worktree(worker, where, commit, None, note=note)


def _made(where: Path, commit: str) -> bool:
    """Whether a worktree is complete although git failed: git runs its hooks after everything else."""
    return (where / ".git").is_file() and git(where, "rev-parse", "HEAD", check=False).out.strip() == commit


def worktrees(root: Path, declared: derived.Declared = derived.NONE, *, facts: bool = True) -> list[Worktree]:
    """All linked worktrees of the repository at `root`, with what is unsaved in each (`facts`), in parallel."""
    found = _registered(root)
    if not facts:
        return found
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda one: seen(root, one, declared), found))


def checkouts(root: Path) -> list[Path]:
    """The project, and every linked worktree that git knows; the project alone if git cannot tell."""
    try:
        return [root, *(one.path for one in worktrees(root, facts=False))]
    except IntercomError:
        return [root]


def find(
    root: Path,
    worker: str,
    path: Path | None = None,
    declared: derived.Declared = derived.NONE,
    *,
    facts: bool = True,
) -> Worktree:
    """The worktree of `worker` (at `path`, if it is not beside the project). NotFound."""
    where = place(root, worker, path)
    for one in _registered(root):
        if one.path == where:
            return seen(root, one, declared) if facts else one
    raise NotFound(f"{worker} has no worktree at {where}.")


def copy_settings(root: Path, path: Path) -> list[str]:
    """Copy `.claude/settings*.json` that the checkout at `path` lacks; returns the names."""
    copied = []
    for source in sorted((root / ".claude").glob("settings*.json")):
        target = path / ".claude" / source.name
        if source.is_file() and not os.path.lexists(target):
            text = read_from(source) or b""
            make_folder(target.parent, 0o700)
            handle = host.open_file(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            with os.fdopen(handle, "wb") as file:
                file.write(text)
            copied.append(f".claude/{source.name}")
    return copied


def bootstrap(
    path: Path, command: str, log: Path, *, timeout: float = 600.0, env: Mapping[str, str] | None = None
) -> None:
    """Run the shell line `command` in `path`, output to `log`; with our environment unless `env` is given.

    CommandFailed (status, or timeout in seconds), with its last line and where the rest is.
    """
    make_folder(log.parent, 0o700)
    try:
        done = proc.run(
            ["sh", "-c", command], cwd=path, env=env or environment(), timeout=timeout, check=False, log=log
        )
    except CommandFailed as error:
        raise CommandFailed(f"bootstrap: {error} Its output is in {log}.") from None
    if done.code:
        said = proc.last_words(done._replace(out=log.read_text("utf-8", "replace")))
        raise CommandFailed(f"bootstrap failed in {path} (status {done.code}): {said} Its output is in {log}.")


def _check_repository(root: Path) -> None:
    done = git(root, "rev-parse", "--is-bare-repository", "--is-inside-work-tree", "--show-toplevel", check=False)
    lines = done.out.split("\n", 2)
    if lines[0] == "true":
        raise Refused(f"{root} is a bare repository: clone it and work in the clone.")
    if done.code or lines[1] != "true":
        raise Refused(f"{root} is not a git repository ({proc.last_words(done)}); run `git init`.")
    top = Path(lines[2].removesuffix("\n"))
    if top.resolve() != root.resolve():
        raise Refused(
            f"{root} lies inside the repository {top}, so a worktree would be one of {top}: "
            "set INTERCOM_ROOT to the project that is meant."
        )


def base_of(root: Path, base: str) -> str:
    """What a worktree with base `base` starts from: without a `main`, what is checked out."""
    if base != DEFAULT_BASE or ok(root, "rev-parse", "--verify", "--quiet", f"{base}^{{commit}}"):
        return base
    branch = git(root, "symbolic-ref", "--quiet", "--short", "HEAD", check=False).out.strip()
    return branch or "HEAD"


def _base(root: Path, base: str) -> str:
    """The commit that `base` names."""
    asked = ("rev-parse", "--verify", "--quiet", "--end-of-options")
    done = git(root, *asked, base + "^{commit}", check=False)
    if not done.code:
        return done.out.strip()
    if not ok(root, *asked, "HEAD^{commit}"):
        raise NotFound(f"{root} has no commit yet, so there is nothing to branch from: commit first.")
    names = git(root, "for-each-ref", "--format=%(refname:short)", "refs/heads").out.split("\n")
    raise NotFound(f"there is no branch or commit {base!r} to start from. Branches: {some(names[:-1])}.")


def _check_surroundings(root: Path, where: Path, *, chosen: bool) -> None:
    """Refuse a place inside some repository's working tree, where it would show as untracked files."""
    above = next(folder for folder in where.parents if folder.is_dir())
    done = git(above, "rev-parse", "--show-toplevel", check=False)
    if done.code or ok(above, "check-ignore", "--quiet", str(where)):
        return
    top = Path(done.out.removesuffix("\n"))
    if not chosen or top.resolve() == root.resolve():
        raise Refused(
            f"{where} lies inside the repository {top}; nothing was created. "
            f"Give a path outside of it, or ignore {FOLDER}/ there."
        )


def _registered(root: Path) -> list[Worktree]:
    """Linked worktrees as git lists them, without looking into them."""
    done = git(root, "worktree", "list", "--porcelain", "-z", check=False)
    if done.code == 129:  # git printed its usage
        oldest = ".".join(map(str, OLDEST_GIT))
        raise ProgramMissing(f"git is older than {oldest}, which worktrees need: {proc.INSTALL['git']}.")
    if done.code:
        raise Refused(f"{root} has no worktrees: {proc.last_words(done)}")
    found = []
    for block in done.out.split("\0\0")[1:]:
        facts = dict((f + " ").split(" ", 1) for f in block.split("\0") if f)
        if "worktree" not in facts:
            continue
        path = Path(facts["worktree"][:-1])
        branch = facts.get("branch", "")[:-1].removeprefix("refs/heads/")
        locked = facts["locked"].rstrip(" ") if "locked" in facts else None
        worker = path.name if FOLDER in (path.parent.name, path.parent.parent.name) else ""
        missing = not (path / ".git").exists()
        found.append(Worktree(worker, path, facts.get("HEAD", "")[:-1], branch or None, locked, missing))
    return found


def seen(root: Path, tree: Worktree, declared: derived.Declared = derived.NONE) -> Worktree:
    """The worktree with what is unsaved in it."""
    return tree if tree.missing else tree._replace(unsaved=unsaved.inspect(root, tree.path, tree.branch, declared))
