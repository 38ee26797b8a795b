"""Owns the checks of what Intercom runs on: Python and packages and, for workers, tmux, git and agent programs."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version

from intercom.core.errors import IntercomError
from intercom.core.version import __version__
from intercom.doctor.finding import OK, WARNING, WRONG, Finding
from intercom.fleet.programs.known import programs
from intercom.fleet.programs.program import Program
from intercom.fleet.worktrees import worktree
from intercom.system import host, proc, tmux

PYTHON = (3, 11)
#: by package: (oldest, first that is too new); a test compares it with pyproject.toml
PACKAGES: Mapping[str, tuple[tuple[int, ...], tuple[int, ...] | None]] = {
    "filelock": ((3, 12), None),
    "mcp": ((2,), (3,)),
    "python-frontmatter": ((1, 0), None),
    "watchdog": ((4,), None),
}
_FLEET = "messages need none; workers do"
_UPDATE = "update Intercom where there is a newer one: pip install -U intercom-md"


def python() -> Finding:
    """The interpreter and the version of this package."""
    says = f"Python {platform.python_version()} ({sys.executable}), Intercom {__version__}"
    if sys.version_info < PYTHON:
        return Finding("python", WRONG, says, f"use Python {'.'.join(map(str, PYTHON))} or newer")
    return Finding("python", OK, says)


def packages() -> Finding:
    """The installed versions of required packages."""
    found, bad = [], []
    for name, (oldest, too_new) in PACKAGES.items():
        try:
            have = version(name)
        except PackageNotFoundError:
            bad.append(f"{name} is not installed")
            continue
        found.append(f"{name} {have}")
        number = _number(have)
        if number < oldest or (too_new is not None and number >= too_new):
            bad.append(f"{name} is {have}, needed {_wanted(oldest, too_new)}")
    if bad:
        return Finding(
            "packages",
            WRONG,
            "; ".join(bad),
            host.as_typed([sys.executable, "-m", "pip", "install", "-U", "intercom-md"]),
        )
    return Finding("packages", OK, ", ".join(found))


def _number(text: str) -> tuple[int, ...]:
    """The leading numbers of a version."""
    return tuple(int(part) for part in re.findall(r"\d+", (re.match(r"[\d.]*", text) or [""])[0]))


def _wanted(oldest: tuple[int, ...], too_new: tuple[int, ...] | None) -> str:
    upto = f" and before {'.'.join(map(str, too_new))}" if too_new else ""
    return f"{'.'.join(map(str, oldest))} or newer{upto}"


def fleet(environ: Mapping[str, str]) -> list[Finding]:
    """The programs that workers need; without them everything else works."""
    if host.NO_WORKERS:
        return [Finding("tmux", OK, host.NO_WORKERS)]
    found = [_program("tmux", _tmux, proc.INSTALL["tmux"]), _program("git", _git, proc.INSTALL["git"])]
    return found + [_agent(one, environ) for one in programs()]


def _agent(program: Program, environ: Mapping[str, str]) -> Finding:
    """The version of an agent program, with a warning if nobody has tried it."""
    versions: list[str] = []

    def look() -> str:
        versions.append(program.check([program.command], environ))
        return f"{program.title} {versions[0]}"

    found = _program(program.name, look, program.install)
    said = program.untried(versions[0]) if versions else ""
    return found._replace(state=WARNING, says=f"{found.says} is {said}", do=_UPDATE) if said else found


def _program(name: str, look: Callable[[], str], install: str) -> Finding:
    try:
        return Finding(name, OK, look())
    except IntercomError as error:
        said, _, advice = str(error).partition("; nothing was started: ")
        advice = (advice or install).rstrip(".")
        return Finding(name, WARNING, f"{said.rstrip('.')} ({_FLEET})", advice)


def _tmux() -> str:
    tmux.require()
    return proc.run(["tmux", "-V"]).out.strip()


def _git() -> str:
    said = proc.run(["git", "--version"]).out.strip()
    found = re.search(r"(\d+)\.(\d+)", said)
    if found and (int(found[1]), int(found[2])) < worktree.OLDEST_GIT:
        wanted = ".".join(map(str, worktree.OLDEST_GIT))
        raise IntercomError(f"{said} is older than {wanted}, which worktrees need")
    return said
