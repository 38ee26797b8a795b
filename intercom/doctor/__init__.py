"""Owns the check-up: everything about a bus and its surroundings that can be checked without changing it.

Each check is a function that returns findings; none raises, and none writes. It checks what a person would otherwise
find out too late: a lock that does not lock, a log in git, hooks that fail silently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial

from intercom.core.config import Config
from intercom.core.errors import IntercomError
from intercom.doctor import connection, contents, place, runtime, storage
from intercom.doctor.aimfp import aimfp
from intercom.doctor.finding import OK, WARNING, WRONG, Finding
from intercom.fleet.programs.known import programs
from intercom.store import key
from intercom.store.private import foreign, unproven

__all__ = ["OK", "WARNING", "WRONG", "Finding", "examine", "runs_on"]


def runs_on() -> Iterator[Finding]:
    """The checks that need no bus."""
    yield runtime.python()
    yield runtime.packages()


def examine(config: Config, environ: Mapping[str, str]) -> Iterator[Finding]:
    """All checks of one bus, in the order in which a person would fix things."""
    yield from _one("root", lambda: place.root(config))
    yield from _one("settings", lambda: place.settings(config))
    if config.folder.is_dir():
        for check in (place.folder, place.file_system, place.locking, place.ignored):
            yield from _one(check.__name__.replace("_", " "), lambda check=check: check(config))  # type: ignore[misc]
        if reason := foreign(config):
            says = f"{config.private} {reason}: it is not opened"
            tracked = "; if it is yours: git rm -r -f --cached .claude/local" if "git tracks" in reason else ""
            how = key.lacking(config, make=False) or f"the next command sets it aside{tracked}"
            yield Finding("state", WRONG, says, how)
        elif reason := unproven(config):
            says, _, how = reason.partition("; nothing was opened")
            yield Finding("state", WRONG, f"{says}: it is not opened", how.lstrip(".: "))
        else:
            with closing(storage.Seen(config.private)) as seen:
                yield from _stored(config, seen)
        yield from _one("page", lambda: contents.page(config))
        yield from _one("archive", lambda: contents.archive(config))
        yield from _one("hooks' errors", lambda: storage.faults(config))
    yield from aimfp(config)
    yield from _one(".mcp.json", lambda: connection.project_file(config))
    for program in programs():
        yield from _one("server entry", partial(connection.server, config, environ, program))
        yield from _one("hooks", partial(connection.hooks, config, environ, program))
    given = config.section("fleet").get("env", {})
    path = given.get("PATH") if isinstance(given, Mapping) else None
    yield from runtime.fleet({**environ, **({"PATH": path} if isinstance(path, str) else {})})


def _stored(config: Config, seen: storage.Seen) -> Iterator[Finding]:
    """The checks of stored data; if the state is damaged, those that depend on it are skipped."""
    found = list(_one("state", lambda: storage.state(config, seen)))
    yield from found
    yield from _one("index", lambda: storage.index(config))
    if all(one.state == OK for one in found):
        yield from _one("log", lambda: storage.log(config))
        yield from _one("instances", lambda: storage.people(seen))
        yield from _one("names", lambda: contents.names(config, seen))
        yield from _one("lines", lambda: contents.lines(config, seen))
        yield from _one("workers", lambda: storage.workers(seen))
        yield from _one("worktrees", lambda: contents.worktrees(seen))


def _one(name: str, check: Callable[[], Finding]) -> Iterator[Finding]:
    """The findings of one check, or why it failed."""
    try:
        yield check()
    except (IntercomError, OSError) as error:
        yield Finding(name, WRONG, f"it could not be checked: {error}")
