"""Owns the order of the merge queue, and the expected result of each branch in it. Pure.

Verified branches come first; among those, branches that conflict neither with their base nor with another in the
queue; among those, the longest waiting. So as much as possible is merged before anybody has to resolve a conflict,
and no branch starves.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from intercom.core.texts import some

ORDER = (
    "Take them in this order: verified ones first; of these, those that conflict neither with the base nor with "
    "another that waits; of these, the one that has waited longest. `expected` is what becomes of each once all those "
    "before it are merged."
)
_SHOWN = 3  #: how many names a reason lists
WAITING = ("done", "queued")  #: statuses of branches that wait to be merged


class Waiting(NamedTuple):
    """A branch that waits to be merged."""

    worker: str
    verified: bool
    since: str  #: UTC
    base_conflict: bool = False  #: whether it conflicts with the current state of its base


class Place(NamedTuple):
    """A branch's position in the queue, and the merge result expected there."""

    number: int  #: from 1
    expected: str  #: merged or conflict
    why: str


def queue(waiting: Sequence[Waiting], conflicts: Mapping[str, Collection[str]]) -> dict[str, Place]:
    """The place of each branch, by worker. `conflicts` maps a worker to those whose branches conflict with its own."""
    names = {one.worker for one in waiting}
    against = {one.worker: sorted(names.intersection(conflicts.get(one.worker, ()))) for one in waiting}

    def key(one: Waiting) -> tuple[bool, bool, str, str]:
        return not one.verified, one.base_conflict or bool(against[one.worker]), one.since, one.worker

    found: dict[str, Place] = {}
    for number, one in enumerate(sorted(waiting, key=key), 1):
        before = [name for name in against[one.worker] if name in found]
        why = [
            "verified" if one.verified else "not verified",
            "conflicts with its base" if one.base_conflict else "",
            f"conflicts with {some(against[one.worker], _SHOWN)}" if against[one.worker] else "",
        ]
        if not one.base_conflict and not against[one.worker]:
            why.append("conflicts with nobody")
        expected = "conflict" if one.base_conflict or before else "merged"
        found[one.worker] = Place(number, expected, ", ".join(part for part in why if part))
    return found
