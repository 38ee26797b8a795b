"""Owns checking a program's version before a worker is started, and the errors if it is unsuitable."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from intercom.core.errors import CommandFailed, ProgramMissing
from intercom.system import proc


def asked(argv: Sequence[str], environ: Mapping[str, str], install: str | None) -> proc.Done:
    """The result of `--version`. ProgramMissing, with how to `install` it, if it is missing or does not run."""
    proc.find(argv[0], path=environ.get("PATH"), install=install)
    try:
        return proc.run([*argv, "--version"], env=environ, timeout=20, check=False)
    except CommandFailed as error:
        raise ProgramMissing(f"{error} Nothing was started.") from None


def another(argv: Sequence[str], done: proc.Done, wanted: str, install: str) -> ProgramMissing:
    """The error that its output is not a version of what is `wanted`."""
    said = (done.out or done.err).strip().splitlines()
    words = f"said {said[0][:80]!r}" if said else "said nothing"
    return ProgramMissing(
        f"`{argv[0]} --version` {words}, which is not a version of {wanted}; nothing was started: {install}."
    )


def too_old(title: str, version: object, oldest: object, install: str) -> ProgramMissing:
    """The error that it is older than the `oldest` that can be a worker."""
    return ProgramMissing(
        f"{title} {version} is too old for workers, which need {oldest}; nothing was started: {install}."
    )


def checked(
    argv: Sequence[str],
    environ: Mapping[str, str],
    *,
    title: str,
    install: str,
    said: re.Pattern[str],
    oldest: tuple[int, ...],
) -> str:
    """The version, which is the first group of `said`. ProgramMissing."""
    done = asked(argv, environ, install)
    found = said.search(done.out)
    if found is None:
        raise another(argv, done, title, install)
    if _numbers(found[1])[: len(oldest)] < oldest:
        raise too_old(title, found[1], ".".join(map(str, oldest)), install)
    return found[1]


def untried(newest: tuple[int, ...], version: str) -> str:
    """A warning if this version is newer than the `newest` that was tried; "" otherwise."""
    if _numbers(version)[: len(newest)] <= newest:
        return ""
    return (
        f"newer than {'.'.join(map(str, newest))}, the newest that Intercom was tried on: a worker that does not "
        "become ready, or whose hooks report nothing, is reported as not ready"
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:3]))
