"""Owns the answers of the master's tools for workers and worktrees: spawn, scan, teardown and others.

Their arguments and behaviour are in `intercom.fleet.verbs`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from intercom.core.merging import ORDER

if TYPE_CHECKING:
    from intercom.fleet.queue import Queue
    from intercom.fleet.verbs import Removed, Workers
    from intercom.fleet.workers import Spawned, Torn


def public(one: Any) -> dict[str, Any]:
    """A value in its own public form."""
    found: dict[str, Any] = one.to_json()
    return found


def spawned(found: list[Spawned]) -> dict[str, Any]:
    """How many workers are ready, and the result for each."""
    ready = sum(one.ready for one in found)
    return {"ready": ready, "asked": len(found), "workers": [one.to_json() for one in found]}


def scanned(found: Workers) -> dict[str, Any]:
    """Each worker, or a note that there is none."""
    return {"workers": found.found, **({"note": found.note} if found.note else {})}


def torn(found: tuple[list[Torn], str]) -> dict[str, Any]:
    """The result for each worker, or a note that there was none."""
    ended, note = found
    return {"workers": [one.to_json() for one in ended], **({"note": note} if note else {})}


def listed(found: Queue) -> dict[str, Any]:
    """All worktrees, and the order in which to merge those that wait."""
    out: dict[str, Any] = {"worktrees": found.rows}
    if found.order:
        out |= {"queue": list(found.order), "order": ORDER}
    return {**out, **({"note": found.note} if found.note else {})}


def removed(gone: Removed) -> dict[str, Any]:
    """Where it was, and where its unsaved work was kept."""
    out: dict[str, Any] = {"removed": str(gone.path)}
    return {**out, "kept": {"ref": gone.ref, "files": list(gone.files)}} if gone.ref else out
