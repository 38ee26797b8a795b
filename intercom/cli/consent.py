"""Owns asking a person at a terminal: `intercom approve` shows exactly what a worker asks, and takes y or n.

Nobody retypes a command: the answer is about the request that was shown, identified by its id or its whole text.
Scripts and models identify it with --expect.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from intercom.cli import show
from intercom.core.escaping import named

if TYPE_CHECKING:
    from collections.abc import Callable

    from intercom.fleet.approve import Approved

_YES, _NO = {"y", "yes"}, {"n", "no"}


def at_terminal() -> bool:
    """Whether a person can be asked."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


def consent(given: Mapping[str, Any], answer: Callable[[Mapping[str, Any]], Approved]) -> Approved:
    """Show the request, ask, and answer exactly that. `answer` is the verb, called with the person's arguments."""
    shown = answer({**given, "decision": None})
    asks = shown.asks or {}
    requests = asks.get("requests", [asks] if asks else [])
    if shown.answered or not requests or "screen" in asks:
        return shown
    done = shown._replace(asks=None, note="nothing was answered")
    for one in requests:
        for line in lines(one):
            show.block(line)
        decision = _ask(given.get("decision"))
        if decision is not None:
            expect = one.get("request") or one.get("subject") or None
            done = answer({**given, "decision": decision, "expect": expect})._replace(asks=None)
    return done


def _ask(wanted: str | None) -> str | None:
    """The person's answer: allow, deny, or None for neither."""
    question = f"{wanted} this? [y/N] " if wanted else "allow this? [y]es, [n]o, Enter for neither: "
    try:
        said = input(question).strip().lower()
    except EOFError:
        return None
    if wanted:
        return wanted if said in _YES else None
    return "allow" if said in _YES else "deny" if said in _NO else None


def lines(one: Mapping[str, Any]) -> list[str]:
    """A request for people, one line per known fact."""
    return [named(key, ", ".join(value) if isinstance(value, list) else str(value)) for key, value in one.items()]
