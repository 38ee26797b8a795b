"""Owns assigning work: store a task contract for a worker, and wake the worker for it."""

from __future__ import annotations

from typing import Any

from intercom.core import contract
from intercom.core.errors import Refused, UsageError
from intercom.core.message import CLI, RESERVED, TOOL, USER, recipients
from intercom.fleet.crew import Crew
from intercom.fleet.wake import safely


def assign(crew: Crew, to: str, task: contract.Contract, *, by: str, wake: bool) -> dict[str, Any]:
    """Store a contract for `to` and wake it. Refused, UsageError, UnknownName: then nothing was stored."""
    worker, *others = recipients(to) or ("",)
    if others or worker == by or worker in RESERVED:
        raise Refused(f"A task cannot be assigned to {to!r}; nothing was stored. Name one worker.")
    try:
        body = contract.build(task)
    except contract.ContractError as error:
        raise UsageError(f"{error}; nothing was stored.") from error
    sent = crew.bus.send(worker, body, sender=by, type="task", via=CLI if by == USER else TOOL)
    out: dict[str, Any] = {"id": sent.id, "to": sent.to, "stored": True}
    if not wake:
        return {**out, "woke": False, "reason": "not asked for"}
    return {**out, **safely(crew, sent.to, sent.id).to_json()}


def target(kind: str | None, number: int | None, slug: str | None) -> contract.Target | None:
    """The AIMFP entity named by arguments; UsageError if they do not fit together."""
    slug = slug or None
    if kind is None and number is None and slug is None:
        return None
    if kind is None or (number is None and slug is None):
        raise UsageError(
            "An AIMFP target is target_type with target_id, target_slug or both; nothing was stored. "
            "Without AIMFP leave all three out and put the task into role_instructions."
        )
    return contract.Target(kind, number, slug)
