"""Owns the list of settings a project can have, and which of them need the consent of the person on this machine.

Settings come with a repository, so whoever wrote the repository wrote them. Settings that only restrict or name
something take effect at once. All others (which allow, run or redirect something) are *powers*: they have no effect
until `intercom trust settings` has recorded a digest of exactly these values (see `trust`). An unknown setting is a
power. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from intercom.core.digests import blake2b


class Known(NamedTuple):
    """A top-level setting."""

    keys: frozenset[str] | None = None  #: the keys a table may have; None: any key, or not a table
    free: frozenset[str] | None = None  #: keys that need no consent; None: none of them does


_NOTHING_FREE: frozenset[str] = frozenset()
#: Every setting that is read.
SETTINGS: Mapping[str, Known] = {
    "machine": Known(),
    "agents": Known(),
    "budget": Known(),
    "compact": Known(frozenset({"messages", "size", "keep"})),
    "repair": Known(frozenset({"mode", "few", "most"})),
    "permissions": Known(frozenset({"allow", "deny", "wait"}), frozenset({"deny", "wait"})),
    "tmux": Known(frozenset({"socket"}), _NOTHING_FREE),
    "fleet": Known(frozenset({"env"}), _NOTHING_FREE),
    "worktrees": Known(frozenset({"derived"}), _NOTHING_FREE),
}
_UNKNOWN = Known(free=_NOTHING_FREE)
_NAMED = "agents"  #: either a list of names, or a table of tables
_NOTHING: tuple[Any, ...] = ({}, [], "")


def powers(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The part of the settings that needs consent, in the structure of the file."""
    out: dict[str, Any] = {}
    for name, value in settings.items():
        free = SETTINGS.get(name, _UNKNOWN).free
        if free is None and not (name == _NAMED and isinstance(value, Mapping)):
            continue
        found = value
        if free is None:  # names need no consent, the settings of each agent do
            found = {key: one for key, one in value.items() if one not in _NOTHING}
        elif isinstance(value, Mapping):
            found = {key: one for key, one in value.items() if key not in free and one not in _NOTHING}
        if found not in _NOTHING:
            out[name] = found
    return out


def without(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that take effect without consent."""
    held = powers(settings)
    out: dict[str, Any] = {}
    for name, value in settings.items():
        if name not in held:
            out[name] = value
        elif name == _NAMED:
            out[name] = {key: {} for key in value}
        elif isinstance(value, Mapping) and (rest := {key: one for key, one in value.items() if key not in held[name]}):
            out[name] = rest
    return out


def digest(held: Mapping[str, Any]) -> str:
    """The digest by which consent to these powers is recorded; "" if there are none."""
    import json

    text = json.dumps(held, sort_keys=True, default=repr)
    return blake2b(text.encode(), digest_size=20).hexdigest() if held else ""


def lines(held: Mapping[str, Any]) -> Iterator[str]:
    """The powers with their values, one per line."""
    import json

    for name, value in held.items():
        if not isinstance(value, Mapping):
            yield f"{name} = {json.dumps(value, default=repr)}"
            continue
        for key, one in value.items():
            if isinstance(one, Mapping):
                yield from (f"[{name}.{key}] {inner} = {json.dumps(what, default=repr)}" for inner, what in one.items())
            else:
                yield f"[{name}] {key} = {json.dumps(one, default=repr)}"


def named(held: Mapping[str, Any]) -> str:
    """The names of the powers, joined on one line."""
    found = []
    for name, value in held.items():
        if isinstance(value, Mapping):
            found += [
                f"[{name}.{key}]" if isinstance(one, Mapping) else f"[{name}] {key}" for key, one in value.items()
            ]
        else:
            found.append(name)
    return ", ".join(found)
