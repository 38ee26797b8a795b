"""Owns what waits for a person: permissions, dialogs on a screen, questions, contradicted `done`s, branches.

Each is shown in full: nobody answers what they have not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from intercom.core.contract import gist
from intercom.core.escaping import named, value
from intercom.core.fleet_words import SHOWN

if TYPE_CHECKING:
    from intercom.fleet.crew import Crew
    from intercom.fleet.overview import Overview
    from intercom.fleet.sessions import Request

PERMISSION, QUESTION, UNVERIFIED, CONFLICT, MERGE = "permission", "question", "unverified", "conflict", "merge"
_TITLE = 200  #: characters
_BROKEN = ("conflict", "failed")
_SCREEN = "screen:"  #: key prefix of a dialog that no hook holds


class Item(NamedTuple):
    """Something that waits for a person. `key` identifies it, whatever else of it changes."""

    kind: str
    key: str  #: the id of the request or message; the worker of a dialog or worktree
    who: str
    since: str
    title: str
    detail: str
    expect: str = ""  #: what identifies it in a decision


def waits(crew: Crew, found: Overview) -> tuple[Item, ...]:
    """What waits now: permissions first, because they block a worker; then questions, then finished branches."""
    items = [*_permissions(crew, found)]
    items += [Item(QUESTION, one.id, one.sender, one.at, gist(one.body), one.body) for one in found.questions]
    items += [
        Item(UNVERIFIED, one.id, one.worker, one.at, " ".join(one.reasons), "\n".join(one.reasons))
        for one in found.unverified
    ]
    trees = sorted(found.unmerged, key=lambda one: one.status not in _BROKEN)
    items += [
        Item(
            CONFLICT if one.status in _BROKEN else MERGE,
            one.worker,
            one.worker,
            one.changed,
            f"{one.status}: {one.branch or one.path}",
            _entry(one),
        )
        for one in trees
    ]
    return tuple(items)


def still(crew: Crew, item: Item) -> Item | None:
    """A permission as it is at this moment; None if it is gone."""
    if item.key.startswith(_SCREEN):
        return _on_screen(crew, item.who, item.since, item.title)
    return next((_asked(one) for one in crew.sessions.open_requests(item.who) if one.id == item.key), None)


def _permissions(crew: Crew, found: Overview) -> Iterator[Item]:
    requests = {one.id: one for one in crew.sessions.open_requests()}
    for one in found.permissions:
        if one.request in requests:
            yield _asked(requests[one.request])
        elif not one.request and (item := _on_screen(crew, one.worker, one.at, one.what)) is not None:
            yield item


def _asked(request: Request) -> Item:
    from intercom.fleet.approve import describe
    from intercom.fleet.asking import in_short

    detail = _told(describe(request))
    return Item(
        PERMISSION, request.id, request.name, request.asked, in_short(request.asks, _TITLE), detail, _expect(request)
    )


def _on_screen(crew: Crew, worker: str, since: str, title: str) -> Item | None:
    """A dialog that is only on a screen."""
    from intercom.fleet import observe

    seen = observe.look(crew, worker)
    if seen.dialog is None:
        return None
    asked = {key: said for key, said in observe.asked(seen).items() if key != "default"}
    subject = seen.asks["subject"] or next(iter(seen.dialog.paths), "")
    return Item(PERMISSION, f"{_SCREEN}{worker}", worker, since, title, _told(asked), subject)


def _expect(request: Request) -> str:
    """What identifies it: its id, or its whole text if others were shown less of that."""
    asks = request.asks
    long = any(len(str(asks.get(key) or "")) > SHOWN for key in ("subject", "command", "url", "paths", "input"))
    whole = next((str(asks[key]) for key in ("subject", "command", "url") if asks.get(key)), "")
    return whole if long and whole else request.id


def _told(request: dict[str, Any]) -> str:
    """A request in full."""
    lines = []
    for key, said in request.items():
        if key not in {"request", "asked", "message"} and said:
            words = ", ".join(map(str, said)) if isinstance(said, list) else str(said)
            lines.append(named(key, words))
    return "\n".join(lines)


def _entry(one: Any) -> str:
    return "\n".join(f"{key}: {value(str(said))}" for key, said in one.to_json().items() if said)
