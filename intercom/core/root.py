"""Owns where a bus lies: its root folder, and what decided it. Nothing here writes.

Tried in this order: an explicit root (an argument, INTERCOM_ROOT, INTERCOMM_DB_ROOT); the git repository, shared by
all its worktrees; the project that an agent program says it is in (CLAUDE_PROJECT_DIR); the nearest folder above
that has `.claude/local`; the working directory. The root of a file system, the home folder and the temporary folders
do not count as projects: the search upwards stops before them, and a bus is made there only on explicit request.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from intercom.core.document import text_of
from intercom.core.errors import Refused, UsageError
from intercom.core.patterns import lazy

_WORK_TREE = lazy(r"^[ \t]*worktree[ \t]*=[ \t]*([^\n]+)", re.MULTILINE | re.IGNORECASE)
_NOT_BARE = lazy(r"^[ \t]*bare[ \t]*=[ \t]*false", re.MULTILINE | re.IGNORECASE)
_TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm", "/private/tmp", "/private/var/tmp")  # noqa: S108  # never used for files
_TEMPORARY_WORDS = "a temporary folder"
_AGENTS = "CLAUDE_PROJECT_DIR"  #: set by an agent program to the project of its session


class Root(NamedTuple):
    """A root folder, what decided it, and a warning about it ("" for none)."""

    path: Path
    origin: str  #: argument, INTERCOM_ROOT, INTERCOMM_DB_ROOT, git, CLAUDE_PROJECT_DIR, ancestor, directory
    surprise: str = ""


def find(root: str | os.PathLike[str] | None, env: Mapping[str, str]) -> Root:
    """Find the root of the bus. UsageError if it is not a directory; Refused for a folder that is not a project."""
    pins = (("argument", root), *((key, env.get(key)) for key in ("INTERCOM_ROOT", "INTERCOMM_DB_ROOT")))
    for origin, pinned in pins:
        if pinned:
            path = Path(os.path.expanduser(pinned))
            if not path.is_dir():
                raise UsageError(f"the root {os.fspath(pinned)!r} ({origin}) is not a directory; nothing was opened.")
            return Root(_plain(path.resolve()), origin)
    try:
        here = Path.cwd().resolve()
    except OSError as error:
        raise UsageError(
            f"the working directory cannot be found ({error.strerror}); nothing was opened. "
            "Change to one that exists, or set INTERCOM_ROOT."
        ) from error
    nobodys = _nobodys(env)
    found = _unnamed(here, env, nobodys)
    if found.path in nobodys and not has_bus(found.path):
        raise Refused(
            f"{found.path} is {nobodys[found.path]}, not a project: no bus is made there unasked, and nothing was "
            f"opened. Change to the project's folder, or name it (--root DIR, INTERCOM_ROOT)."
        )
    return found


def _plain(path: Path) -> Path:
    """The path as people write it: without the long-path prefix of Windows, behind which a slash separates nothing."""
    name = os.fspath(path)
    if os.sep == "/" or not name.startswith("\\\\?\\"):
        return path
    return Path(f"\\\\{name[8:]}" if name[4:8].upper() == "UNC\\" else name[4:])


def _unnamed(here: Path, env: Mapping[str, str], nobodys: Mapping[Path, str]) -> Root:
    """The root for a working directory, without an explicit one."""
    if found := _repository(here, nobodys):
        return Root(found, "git", _nested(found, nobodys))
    project = env.get(_AGENTS)
    if project and os.path.isdir(project):
        path = Path(project).resolve()
        return Root(_repository(path, nobodys) or _keeper(path, nobodys) or path, _AGENTS)
    if found := _keeper(here, nobodys):
        surprise = "" if found == here else f"the bus is at {found} (found by ancestor), not in {here}"
        return Root(found, "ancestor", surprise)
    return Root(here, "directory")


def has_bus(root: Path) -> bool:
    """Whether there is a bus at `root`: a log, or Intercom's private folder."""
    return _is_bus(root / ".claude" / "local")


def _is_bus(folder: Path) -> bool:
    try:
        found = os.listdir(folder)
    except OSError:
        return False
    return any(name in {".intercom", "archive"} or name.upper().startswith("INTERCOM-") for name in found)


def _nobodys(env: Mapping[str, str]) -> dict[Path, str]:
    """Folders that cannot be a project, each with what it is."""
    temporary = (*_TEMPORARY, *filter(None, [env.get("TMPDIR")]))
    found = {Path(os.path.realpath(folder)): _TEMPORARY_WORDS for folder in temporary}
    found[Path(os.path.abspath(os.sep))] = "the root of the file system"
    if home := env.get("HOME"):
        found[Path(os.path.realpath(home))] = "the home folder"
    return found


def _upwards(folder: Path, nobodys: Mapping[Path, str]) -> Iterator[Path]:
    """The folder and those above it that may be a project, up to but not including the home folder."""
    yield folder
    if folder in nobodys:
        return
    for above in folder.parents:
        what = nobodys.get(above, "")
        if what not in {"", _TEMPORARY_WORDS}:
            return
        if not what:
            yield above


def _repository(here: Path, nobodys: Mapping[Path, str]) -> Path | None:
    """The root of the git repository that contains `here`."""
    for folder in _upwards(here, nobodys):
        if folder in nobodys:
            continue
        common = git_common_parent(folder)
        if common is not None:
            return common
    return None


def _keeper(here: Path, nobodys: Mapping[Path, str]) -> Path | None:
    """The nearest folder that has `.claude/local`; not the home folder, which has one for other reasons."""
    for folder in _upwards(here, nobodys):
        local = folder / ".claude" / "local"
        if local.is_dir() and (folder not in nobodys or _is_bus(local)):
            return folder
    return None


def _nested(root: Path, nobodys: Mapping[Path, str]) -> str:
    """A warning for a repository without a bus inside a folder that has one: which of them is meant is not clear."""
    if has_bus(root):
        return ""
    for above in _upwards(root, nobodys):
        if above != root and has_bus(above):
            return f"the bus of this repository is at {root}; {above} has another, which is not this one"
    return ""


def git_common_parent(folder: Path) -> Path | None:
    """The folder that all worktrees of the repository at `folder` share, or None.

    Reads git's own files (gitrepository-layout(5)) rather than starting git: this runs in every
    hook. A submodule or `--separate-git-dir` checkout is its own bus. UsageError in a worktree of such a
    checkout, where git itself does not know the main one.
    """
    dot_git = folder / ".git"
    if dot_git.is_dir():
        return folder
    if folder.name != ".git" and _is_bare(folder):
        return _bare_root(folder)
    try:
        own = git_dir(folder)
    except OSError:
        return None
    common = _common(own)
    if common is None:
        return folder
    if tree := _work_tree(common):
        return tree
    return common.parent if common.name == ".git" or not _is_bare(common) else _bare_root(common)


def _text(path: Path) -> str:
    """What stands in a file of git's. OSError."""
    return text_of(path, errors="surrogateescape")


def spare_folder(root: Path) -> Path | None:
    """Where the ledger's second names are: in the git directory of the repository at `root`; None without one."""
    try:
        own = git_dir(root)
    except OSError:
        own = root  # a bare repository, perhaps
    common = _common(own) or own
    return common / "intercom" if (common / "HEAD").is_file() else None


def git_dir(folder: Path) -> Path:
    """The git directory of a checkout: its `.git`, or where that file points. OSError if there is neither."""
    dot_git = folder / ".git"
    if dot_git.is_dir():
        return dot_git
    pointer = _text(dot_git)
    if not pointer.startswith("gitdir:"):
        raise OSError(errno.EINVAL, "it does not point to a git directory")
    return folder / pointer.removeprefix("gitdir:").strip()


def _common(own: Path) -> Path | None:
    """The git directory that all worktrees share, if `own` is that of a linked worktree."""
    try:
        return (own / _text(own / "commondir").strip()).resolve()
    except (OSError, ValueError):  # ValueError: a NUL in a path
        return None


def _work_tree(common: Path) -> Path | None:
    """The main work tree of a git directory that names one, as a submodule's inside the outer `.git` does.

    None if the git directory is inside its work tree, or bare. UsageError if it is elsewhere and names none.
    """
    if common.name == ".git":
        return None
    try:
        text = _text(common / "config")
    except OSError:
        return None
    found = _WORK_TREE.search(text)
    tree = (common / found.group(1).strip().strip('"')).resolve() if found else None
    if tree is not None and tree.is_dir():
        return tree
    if _NOT_BARE.search(text):
        raise UsageError(
            f"the git directory {common} does not say where its main work tree is; nothing was opened. "
            "Set INTERCOM_ROOT to that folder, so that all its worktrees share one bus."
        )
    return None


def _is_bare(folder: Path) -> bool:
    """Whether a folder is a git directory without a work tree, judging by its files."""
    if not (folder / "HEAD").is_file() or not (folder / "objects").is_dir() or not (folder / "refs").is_dir():
        return False
    try:
        config = _text(folder / "config")
    except OSError:
        return False
    return re.search(r"^[ \t]*bare[ \t]*=[ \t]*true", config, re.MULTILINE | re.IGNORECASE) is not None


def _bare_root(bare: Path) -> Path:
    """The root for a bare repository: itself, or its parent for a hidden one (`project/.bare`) that is alone there."""
    around = bare.parent
    if not (bare.name.startswith(".") or has_bus(around)) or has_bus(bare):
        return bare
    try:
        beside = [around / name for name in os.listdir(around) if name != bare.name]
    except OSError:
        return bare
    return bare if any(_is_bare(one) for one in beside) else around
