"""Owns every git command we run: in English, without prompts, and on the intended repository."""

from __future__ import annotations

import os
from pathlib import Path

from intercom.core import texts, xdg
from intercom.core.errors import IntercomError
from intercom.core.escaping import value
from intercom.system import host, proc

#: committer of saved worktrees; work must not be lost on a machine without a git identity
IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Intercom"), ("EMAIL", "intercom@localhost"))
}


def some(names: tuple[str, ...] | list[str]) -> str:
    """The first few of `names`, for a message."""
    return texts.some(tuple(map(value, names)), 10)


def ok(path: Path, *args: str) -> bool:
    """Whether a git command, run in `path`, succeeds."""
    return git(path, *args, check=False).code == 0


def git(
    path: Path, *args: str, check: bool = True, index: str | None = None, stdin: str = "", timeout: float = 300.0
) -> proc.Done:
    """Run git in `path`; `index` replaces the checkout's own index file; `timeout` in seconds.

    With `check`, raises IntercomError with git's output if it fails. ProgramMissing.
    """
    env = environment() | IDENTITY
    owner = host.owner_apart(path)
    if owner is not None:  # else git refuses, or makes files that lock them out, and their hooks run as root
        env = {key: value for key, value in env.items() if key not in {"HOME", xdg.CONFIG}}
        env |= {"HOME": owner.home} if owner.home else {}
    if index is not None:
        env["GIT_INDEX_FILE"] = index
    line = ["git", "-c", "core.quotePath=false", "-c", "core.fsmonitor=false", *args]
    done = proc.run(line, cwd=path, env=env, stdin=stdin, timeout=timeout, check=False, owner=owner)
    if check and done.code:
        raise failure(path, args[0], done)
    return done


def failure(path: Path, command: str, done: proc.Done) -> IntercomError:
    """The error for a git command that failed in `path`, with git's output."""
    return IntercomError(f"git {command} failed in {path}: {proc.last_words(done)}")


def environment() -> dict[str, str]:
    """The environment without variables that would redirect git to another repository or make it prompt."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    return env | {
        "LC_ALL": "C.UTF-8",
        "LANGUAGE": "",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
    }
