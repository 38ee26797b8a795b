"""Owns where a bus lies: the root folder, and what decided it. Nothing here writes.

In this order: what somebody named (an argument, INTERCOM_ROOT, INTERCOMM_DB_ROOT); the git repository, which all its
worktrees share; the project that an agent program says it is in (CLAUDE_PROJECT_DIR); the nearest folder above that
has `.claude/local`; the working directory. The root of a file system, the home folder and the temporary folders are
nobody's project: the ways up stop before them, and a bus is made there only for who names them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from intercom.core.errors import Refused, UsageError

_WORK_TREE = re.compile(r"^[ \t]*worktree[ \t]*=[ \t]*([^\n]+)", re.MULTILINE | re.IGNORECASE)
_NOT_BARE = re.compile(r"^[ \t]*bare[ \t]*=[ \t]*false", re.MULTILINE | re.IGNORECASE)
_TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm", "/private/tmp", "/private/var/tmp")  # noqa: S108  # never used for files
_TEMPORARY_WORDS = "a temporary folder"
_AGENTS = "CLAUDE_PROJECT_DIR"  #: where an agent program says which project its session is in


class Root(NamedTuple):
    """A root folder, what decided it, and what may surprise about it ("" for nothing)."""

    path: Path
    origin: str  #: argument, INTERCOM_ROOT, INTERCOMM_DB_ROOT, git, CLAUDE_PROJECT_DIR, ancestor, directory
    surprise: str = ""


def find(root: str | os.PathLike[str] | None, env: Mapping[str, str]) -> Root:
    """The root of the bus. UsageError for one that is not a directory; Refused for a folder that is not a project."""
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
            f"{found.path} is {nobodys[found.path]} and no project: a bus is not made there unasked, and nothing was "
            f"opened. Change to the project's folder, or name it (--root DIR, INTERCOM_ROOT)."
        )
    return found


def _plain(path: Path) -> Path:
    """The path as people write it: without the prefix of Windows' own, behind which a slash parts nothing."""
    name = os.fspath(path)
    if os.sep == "/" or not name.startswith("\\\\?\\"):
        return path
    return Path(f"\\\\{name[8:]}" if name[4:8].upper() == "UNC\\" else name[4:])


def _unnamed(here: Path, env: Mapping[str, str], nobodys: Mapping[Path, str]) -> Root:
    """The root for a working directory, where nobody named one."""
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
    """Whether there is a bus at `root`: a log, or what Intercom keeps for itself."""
    return _is_bus(root / ".claude" / "local")


def _is_bus(folder: Path) -> bool:
    try:
        found = os.listdir(folder)
    except OSError:
        return False
    return any(name in {".intercom", "archive"} or name.upper().startswith("INTERCOM-") for name in found)


def _nobodys(env: Mapping[str, str]) -> dict[Path, str]:
    """Folders that are not a project, and what they are."""
    temporary = (*_TEMPORARY, *filter(None, [env.get("TMPDIR")]))
    found = {Path(os.path.realpath(folder)): _TEMPORARY_WORDS for folder in temporary}
    found[Path(os.path.abspath(os.sep))] = "the root of the file system"
    if home := env.get("HOME"):
        found[Path(os.path.realpath(home))] = "the home folder"
    return found


def _upwards(folder: Path, nobodys: Mapping[Path, str]) -> Iterator[Path]:
    """The folder itself, and those above it that may be a project: not past the home folder."""
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
    """The root of the git repository that a folder is in."""
    for folder in _upwards(here, nobodys):
        if folder in nobodys:
            continue
        common = git_common_parent(folder)
        if common is not None:
            return common
    return None


def _keeper(here: Path, nobodys: Mapping[Path, str]) -> Path | None:
    """The nearest folder that has `.claude/local`; a home has one for other reasons, too."""
    for folder in _upwards(here, nobodys):
        local = folder / ".claude" / "local"
        if local.is_dir() and (folder not in nobodys or _is_bus(local)):
            return folder
    return None


def _nested(root: Path, nobodys: Mapping[Path, str]) -> str:
    """A repository without a bus inside a folder that has one: whoever is there may expect that one."""
    if has_bus(root):
        return ""
    for above in _upwards(root, nobodys):
        if above != root and has_bus(above):
            return f"the bus of this repository is at {root}; {above} has another, which is not this one"
    return ""


def git_common_parent(folder: Path) -> Path | None:
    """The folder that every worktree of the repository at `folder` shares, or None.

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
        pointer = dot_git.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    if not pointer.startswith("gitdir:"):
        return None
    git_dir = folder / pointer[len("gitdir:") :].strip()
    try:
        shared = (git_dir / "commondir").read_text(encoding="utf-8", errors="surrogateescape").strip()
    except OSError:
        return folder
    common = (git_dir / shared).resolve()
    if tree := _work_tree(common):
        return tree
    return common.parent if common.name == ".git" or not _is_bare(common) else _bare_root(common)


def spare_folder(root: Path) -> Path | None:
    """Where the ledger of a bus has its second names: in the git directory of the repository at `root`, if any."""
    common = root / ".git"
    if not common.is_dir():
        common = root if _is_bare(root) else _git_directory(root)
    return common / "intercom" if (common / "HEAD").is_file() else None


def _git_directory(root: Path) -> Path:
    """The common git directory that a `.git` file leads to; `root` itself, which is none, without such a file."""
    try:
        pointer = (root / ".git").read_text(encoding="utf-8", errors="surrogateescape")
        git_dir = root / pointer.removeprefix("gitdir:").strip()
    except OSError:
        return root
    try:
        shared = (git_dir / "commondir").read_text(encoding="utf-8", errors="surrogateescape").strip()
    except OSError:
        return git_dir
    return (git_dir / shared).resolve()


def _work_tree(common: Path) -> Path | None:
    """Where a git directory says its main work tree is: a submodule's lies inside the outer `.git`, and says so.

    None where it lies in the main work tree, or is bare. UsageError where it lies apart and says nothing.
    """
    if common.name == ".git":
        return None
    try:
        text = (common / "config").read_text(encoding="utf-8", errors="surrogateescape")
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
    """Whether a folder is a git directory without a work tree, as far as its files tell."""
    if not (folder / "HEAD").is_file() or not (folder / "objects").is_dir() or not (folder / "refs").is_dir():
        return False
    try:
        config = (folder / "config").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return False
    return re.search(r"^[ \t]*bare[ \t]*=[ \t]*true", config, re.MULTILINE | re.IGNORECASE) is not None


def _bare_root(bare: Path) -> Path:
    """A bare repository is a bus of its own; a hidden one (`project/.bare`) is its project's, where it lies alone."""
    around = bare.parent
    if not (bare.name.startswith(".") or has_bus(around)) or has_bus(bare):
        return bare
    try:
        beside = [around / name for name in os.listdir(around) if name != bare.name]
    except OSError:
        return bare
    return bare if any(_is_bare(one) for one in beside) else around
