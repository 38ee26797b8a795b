"""Owns checking a `done` when it is sent: which contract it answers, what git says, and recording the result.

The rules are in `intercom.core.done`; here the facts are collected, and the result is stored in a table inside
`state.db`, by message id. The reasons are also added to the message itself, so the log has them too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from intercom.bus.names import masters
from intercom.core import contract, done
from intercom.core.errors import IntercomError
from intercom.core.message import ALL, Message, canonical, recipients, utc
from intercom.fleet.worktrees import branches
from intercom.fleet.worktrees.register import Entry, Worktrees
from intercom.fleet.worktrees.worktree import DEFAULT_BASE, base_of
from intercom.store.state.db import State

if TYPE_CHECKING:
    from intercom.bus.bus import Bus

_RECENT = 50  #: how many tasks of one worker are considered


class Found(NamedTuple):
    """The check of a `done` that answers a contract: its claim, and every reason why that is not proven."""

    task: Message
    claim: done.Claim
    reasons: tuple[str, ...]

    @property
    def mark(self) -> str:
        """The note below the text of an unverified `done`; "" if it is verified."""
        return f"\n\n[not verified: {' '.join(self.reasons)}]" if self.reasons else ""

    def to_json(self) -> dict[str, Any]:
        """The public form, for the sender."""
        if not self.reasons:
            return {"verified": True}
        return {
            "verified": False,
            "unverified": list(self.reasons),
            "next": "It is stored, marked as not verified. Put right what is said here, then send done once more.",
        }


class Row(NamedTuple):
    """A stored check of a `done`."""

    id: str
    worker: str
    task: str
    branch: str | None
    commit: str | None
    reasons: tuple[str, ...]
    at: str

    @property
    def verified(self) -> bool:
        """Whether nothing contradicted it."""
        return not self.reasons

    def to_json(self) -> dict[str, Any]:
        """The public form."""
        return {"verified": self.verified, **({"unverified": list(self.reasons)} if self.reasons else {})}


def task_of(bus: Bus, worker: str, to: str, reply_to: str | None, before: int | None = None) -> Message | None:
    """The contract that a `done` of `worker` answers: the one it replies to, else the newest; None if there is none.

    A reply to something else, or to others than the author of the newest contract, answers none. `before`: the
    number of a stored `done`, which cannot answer anything later.
    """
    heads = masters(bus.instances(), bus.config.trust.machines)
    found = [one for one in bus.history(to=worker, type="task", limit=_RECENT) if _valid(one)]
    found = [one for one in found if before is None or (one.seq or 0) < before]
    orders = [one for one in found if contract.is_order(one, heads)]
    if not orders:
        return None
    meant = next((one for one in orders if one.id == reply_to), None)
    others = {ALL, canonical(orders[-1].sender)}.isdisjoint(recipients(to))
    return meant or (None if reply_to and others else orders[-1])


def _valid(message: Message) -> bool:
    try:
        return contract.parse(message.body) is not None
    except contract.ContractError:
        return False


def check(
    bus: Bus,
    state: State,
    sender: str,
    to: str,
    body: str,
    *,
    reply_to: str | None,
    branch: str | None,
    commit: str | None,
    before: int | None = None,
) -> Found | None:
    """Check a `done` that `sender` is about to send; None if it answers no contract. Parameters as `task_of`.

    Whatever keeps git from being asked is itself a reason: nothing is verified without a check.
    """
    worker = canonical(sender)
    task = task_of(bus, worker, to, reply_to, before)
    if task is None:
        return None
    asked = contract.parse(task.body)
    wanted = asked.report_back if asked is not None else contract.REPORT_BACK
    root = bus.config.root
    register = Worktrees(state, root, bus.config.section("worktrees"))
    entry = register.get(worker)
    entry = None if entry is None or entry.status == "removed" else entry
    try:
        claim = done.claim(body, branches.names(root), branch, commit)
        path = Path(entry.path) if entry is not None else _checkout(root, claim.branch)
        base = entry.base if entry is not None else base_of(root, DEFAULT_BASE)
        facts = branches.facts(root, path, claim, base, register.declared())
    except (IntercomError, OSError) as error:
        claim = done.claim(body, (), branch, commit)
        if not any(field in done.BOTH for field in wanted) and not claim.branch and not claim.commit:
            return Found(task, claim, done.problems(wanted, claim, done.Facts()))
        return Found(task, claim, (f"it could not be checked: {error}",))
    return Found(task, claim, done.problems(wanted, claim, facts))


def _checkout(root: Path, branch: str | None) -> Path | None:
    """Where the branch is checked out, if anywhere: the place that a `done` without a registered worktree is about."""
    if branch is None:
        return None
    from intercom.fleet.worktrees import worktree
    from intercom.system.git import git

    if git(root, "symbolic-ref", "--quiet", "--short", "HEAD", check=False).out.strip() == branch:
        return root
    return next((one.path for one in worktree.worktrees(root, facts=False) if one.branch == branch), None)


def note(bus: Bus, state: State, sent: Message, found: Found) -> None:
    """Record the check of a stored `done`; a verified one moves its worktree on.

    Unless its sender is unproven: that moves nothing.
    """
    claim = found.claim
    _insert(state, sent.id, canonical(sent.sender), found.task.id, claim.branch, claim.commit, found.reasons)
    if sent.proven and not found.reasons and claim.branch:
        Worktrees(state, bus.config.root).note_done(canonical(sent.sender), claim.branch)


def note_none(state: State, sent: Message) -> None:
    """Record that a stored `done` was checked and answers no contract."""
    _insert(state, sent.id, "", "", None, None, ())


def note_checked(state: State, worker: str, branch: str, commit: str) -> None:
    """Record that whoever set the work of `worker` done has checked it, in addition to the worker's own report."""
    _insert(state, f"set:{worker}", worker, "", branch, commit, ())


def _insert(state: State, *row: str | tuple[str, ...] | None) -> None:
    *given, reasons = row
    values = (*given, json.dumps(reasons), utc())
    with state.guarded():
        state.db.execute("INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?, ?, ?, ?)", values)


def of_messages(state: State, ids: Iterable[str]) -> dict[str, Row]:
    """The stored checks of these messages; without a worker if one answers no contract."""
    wanted = list(ids)
    if not wanted or not os.path.exists(state.path):
        return {}
    marks = ",".join("?" * len(wanted))
    return {row.id: row for row in _rows(state, f"WHERE id IN ({marks})", wanted)}


def latest(state: State) -> dict[str, Row]:
    """The newest checked `done` of each worker."""
    return {row.worker: row for row in _rows(state, "WHERE worker != '' ORDER BY at", [])}


def reported(state: State, entries: Iterable[Entry]) -> dict[str, done.Claim]:
    """Each worker's latest claim about the worktree that it has now, of these."""
    since = {entry.worker: entry.created for entry in entries}
    rows = [row for row in latest(state).values() if row.at >= since.get(row.worker, row.at)]
    return {row.worker: done.Claim(row.branch, row.commit) for row in rows if not row.id.startswith("set:")}


def _rows(state: State, condition: str, values: list[str]) -> list[Row]:
    sql = f"SELECT id, worker, task, branch, hash, reasons, at FROM claims {condition}"  # noqa: S608  # our own words
    with state.guarded():
        found = state.db.execute(sql, values).fetchall()
    return [
        Row(one, who, task, branch, commit, tuple(json.loads(why)), at)
        for one, who, task, branch, commit, why, at in found
    ]
