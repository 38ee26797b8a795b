"""Owns applying the project's rules to a permission request, and never ignoring a deny rule silently.

Rules are checked before anything that may have to wait: a denial by them stands whatever becomes of the hook
afterwards. If they could not be checked in time, or the request could not be read, and there is any deny rule, the
answer is no.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from intercom.core.errors import UsageError
from intercom.core.escaping import value
from intercom.core.fleet_words import Ruling
from intercom.fleet.programs.event import ASKS, Ask, Event
from intercom.hooks.deadline import RULES, WHOLE, Limit
from intercom.hooks.faults import note_fault

if TYPE_CHECKING:
    from intercom.core.config import Config
    from intercom.fleet.programs.program import Program

T = TypeVar("T")
_UNASKED = "Denied: Intercom's deny rules of this project could not be checked. Do not try another way; tell people."


def doubt(program: Program, event: str) -> str:
    """What a hook prints, as JSON, while the rules' verdict is unknown; "" for an event that asks nothing."""
    heard = program.heard(event, {})
    return _denial(program, heard, _UNASKED) if heard is not None and heard.kind == ASKS else ""


def asked(config: Config, program: Program, event: Event, environ: Mapping[str, str], limit: Limit) -> Ruling | None:
    """The rules' verdict on this request, None if none applies; `limit` gets the answer of deny rules."""
    if not event.tool["tool"] or event.people:
        limit.stage(WHOLE)
        return None
    allow, deny = (_listed(config, event.name, key) for key in ("allow", "deny"))
    limit.stage(RULES, _denial(program, event, _UNASKED) if deny else "")
    inputs = event.inputs if isinstance(event.inputs, dict) else {}
    cwd = event.cwd or os.getcwd()
    ask = Ask(event.tool["tool"], inputs, cwd, program.project_of(environ) or cwd)
    # Nobody knows what an invalid deny list was meant to deny: then nothing is allowed without asking.
    found = program.ruled(ask, allow or [] if deny is not None else [], deny or [])
    denies = found is not None and found[0] == "deny"
    limit.stage(WHOLE, _denial(program, event, refusal(f"rule {found[1]}")) if found is not None and denies else "")
    return found


def refusal(by: str, about: str = "") -> str:
    """The text of a denial, for the model."""
    return f"Denied by {value(by)}{about}. Do not try another way to do the same; say so if you cannot go on."


def _denial(program: Program, event: Event, message: str) -> str:
    return json.dumps(program.decision(event, "deny", message))


def setting(config: Config, event: str, how: Callable[[object, str], T], key: str, default: T, bad: T) -> T:
    """A setting under [permissions]; an invalid one is reported, and counts as `bad`."""
    try:
        name = f"`{key}` under [permissions] in .claude/intercom.toml"
        return how(config.section("permissions").get(key, default), name)
    except UsageError as error:
        note_fault(config, event, error)
        return bad


def _listed(config: Config, event: str, key: str) -> list[str] | None:
    nothing: list[str] | None = []
    return setting(config, event, _list, key, nothing, None)


def _list(found: object, name: str) -> list[str] | None:
    if not isinstance(found, list) or not all(isinstance(rule, str) for rule in found):
        raise UsageError(f"{name} must be a list of rules; none of it counts.")
    return found
