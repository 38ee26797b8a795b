"""Owns who is known on a bus: agents from the settings and from the log's front matter, and whoever registered."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from intercom.core.config import Config
from intercom.core.message import RESERVED, canonical, is_name
from intercom.core.patterns import lazy
from intercom.format import FRONT, Entry, Parser, decode
from intercom.format.roster import Roster
from intercom.store.state.db import State

MASTER = "master"
_BEGUN = lazy(rb"\n(?:## \[|### COMPACTED:)")
_HEAD = 64 * 1024  #: bytes that may hold front matter
_PIECE = 2 * 1024  #: bytes that usually hold all of it


def agents(config: Config, state: State) -> list[str]:
    """Names that need no registration: those given to `init`, and those in the settings."""
    named = state.agents()
    settings = config.given.get("agents")
    return list(dict.fromkeys([*named, *(config.agents if settings is not None or not named else ())]))


def front_matter_agents(page: bytes) -> list[str]:
    """Agents named in the front matter of a log, wherever in the file that was moved to."""
    head = page[:_HEAD]
    if b"agents" not in head:
        return []
    begun = _BEGUN.search(head)
    above = head[: begun.start() + 1] if begun else b""  # what stands above all messages stays as it is for long
    front = _front(above) or _front(head)
    return list(_named_in(front)) if b"agents" in front else []


@lru_cache(maxsize=4)
def _front(head: bytes) -> bytes:
    """The front matter in the beginning of a page; b"" if there is none."""
    return next((entry.raw for entry in _entries(head) if entry.kind == FRONT), b"")


@lru_cache(maxsize=8)
def _named_in(front: bytes) -> tuple[str, ...]:
    """The agents named in front matter; cached apart from the page, which changes with each message."""
    import frontmatter
    import yaml

    try:
        named = frontmatter.loads(decode(front).lstrip("\ufeff")).get("agents")
        plain = [str(name) for name in named if isinstance(name, str | int)] if isinstance(named, list) else []
    except (yaml.YAMLError, ValueError, RecursionError):
        return ()  # hand-written: invalid YAML names nobody (an impossible date is a ValueError)
    found = map(canonical, plain)
    return tuple(name for name in found if is_name(name) and name not in RESERVED)


def _entries(head: bytes) -> Iterator[Entry]:
    """The entries at the beginning of a page, parsed on demand."""
    parser = Parser(roster=Roster())
    for at in range(0, len(head), _PIECE):
        yield from parser.feed(head[at : at + _PIECE])
    yield from parser.close()


def everybody(config: Config, state: State, page: bytes) -> list[str]:
    """Everybody who may send and receive now, except `user`."""
    present = [row.name for row in state.instances() if row.gone is None]
    return list(dict.fromkeys([*agents(config, state), *front_matter_agents(page), *present]))


def roster(config: Config, state: State, page: bytes) -> Roster:
    """The names that people may use on a page: also those who left, `master` before there is one, and this machine."""
    ever = [row.name for row in state.instances()]
    here = (f"@{name}" for name in map(canonical, (config.machine, *config.pages())) if is_name(name))
    return Roster((*agents(config, state), *front_matter_agents(page), *ever, MASTER, *here))
