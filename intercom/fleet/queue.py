"""Owns the merge queue: for every worktree its progress, what is on its branch, and when to merge it.

Git is asked about the branches in parallel, and once about all conflicts: twenty worktrees take less than a second.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from intercom.core import contract, merging
from intercom.core.message import Message
from intercom.fleet import report
from intercom.fleet.worktrees import branches, claims, conflicts
from intercom.system.git import git

if TYPE_CHECKING:
    from intercom.fleet.crew import Crew

_FILES = 20  #: how many file names are shown per branch
_TASKS = 300  #: how many of the newest tasks are considered
_GLIMPSE = 100  #: characters of a task that are shown
_OVER = ("removed", "merged")
_OLD = "git here is older than 2.38 and cannot predict conflicts"


class Queue(NamedTuple):
    """All worktrees, with the waiting ones in merge order."""

    rows: list[dict[str, Any]]
    order: tuple[str, ...]  #: workers, in merge order
    note: str = ""  #: what could not be checked


class _Branch(NamedTuple):
    """The content of a branch."""

    tip: str
    base: str  #: the present hash of its base
    ahead: int
    behind: int
    files: tuple[str, ...]


def look(crew: Crew) -> Queue:
    """The present queue."""
    report.catch_up(crew.bus)
    root = crew.bus.config.root
    rows = crew.worktrees.list()
    found = _branches(root, rows)
    checked = claims.latest(crew.state)
    tasks = _tasks(crew) if found else {}
    able = conflicts.able(root) if found else True
    against, base_conflicts = _conflicts(root, found) if able else ({}, {})
    waiting = []
    for row in rows:
        name = row["worker"]
        if name is None or row["status"] in (None, *_OVER):
            continue
        branch, claim = found.get(name), checked.get(name)
        row.update(_about(claim, branch, tasks.get(name), row))
        if branch is not None:
            row.update(_on(branch, against.get(name, {}), base_conflicts.get(name, ()), able=able))
        if row["status"] in merging.WAITING:
            waiting.append(merging.Waiting(name, row["checked"]["verified"], row["since"], name in base_conflicts))
    places = merging.queue(waiting, against)
    for row in rows:
        if row["worker"] in places and row["status"] in merging.WAITING:
            place = places[row["worker"]]
            row.update(place._asdict() if able else {"number": place.number})
    rows.sort(key=lambda row: row.get("number", len(rows) + 1))
    order = sorted(places, key=lambda name: places[name].number)
    return Queue(rows, tuple(order), "" if able else _OLD)


def _about(
    claim: claims.Row | None, branch: _Branch | None, task: Message | None, row: Mapping[str, Any]
) -> dict[str, Any]:
    """Since when it is in its state, whether it was checked, and its task."""
    out: dict[str, Any] = {"since": row["changed"]}
    if claim is not None and claim.at >= row["created"]:
        moved = branch is not None and claim.commit and not branch.tip.startswith(claim.commit.lower())
        out["checked"] = claim.to_json()
        out["since"] = claim.at if claim.verified else row["changed"]
        if claim.verified and moved:
            out["checked"] = {"verified": False, "unverified": [f"its branch has moved on since, from {claim.commit}."]}
    else:
        out["checked"] = {"verified": row["status"] == "done"}  # only a check sets `done`
    if task is not None:
        out["task"] = _task(task)
    return out


def _task(message: Message) -> dict[str, Any]:
    found = contract.parse(message.body)
    assert found is not None
    out: dict[str, Any] = {"id": message.id, "begins": found.role_instructions[:_GLIMPSE]}
    if found.target is not None:
        out["target"] = {key: value for key, value in found.target._asdict().items() if value is not None}
    return out


def _tasks(crew: Crew) -> dict[str, Message]:
    """The newest contract of each worker."""
    found: dict[str, Message] = {}
    for message in crew.bus.history(type="task", limit=_TASKS):
        try:
            valid = contract.parse(message.body) is not None
        except contract.ContractError:
            continue
        if valid:
            found |= dict.fromkeys(message.recipients, message)
    return found


def _on(
    branch: _Branch, against: Mapping[str, tuple[str, ...]], base: tuple[str, ...], *, able: bool
) -> dict[str, Any]:
    """What is on the branch, and what it conflicts with."""
    out: dict[str, Any] = {"ahead": branch.ahead, "behind": branch.behind, "files_changed": len(branch.files)}
    out["files"] = list(branch.files[:_FILES])
    if able:
        out["conflicts"] = {name: list(names[:_FILES]) for name, names in against.items()}
        out["conflicts_with_base"] = list(base[:_FILES])
    return out


def _branches(root: Path, rows: list[dict[str, Any]]) -> dict[str, _Branch]:
    """The content of each branch whose worktree is not finished."""
    live = [row for row in rows if row["worker"] and row["status"] not in (None, *_OVER)]
    if not live:
        return {}
    listed = git(root, "for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads").out
    tips = dict(line.rsplit(" ", 1) for line in listed.splitlines())
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(functools.partial(_branch, root, tips), live)
        return {row["worker"]: one for row, one in zip(live, found, strict=True) if one is not None}


def _branch(root: Path, tips: Mapping[str, str], row: Mapping[str, Any]) -> _Branch | None:
    tip = tips.get(row["branch"] or "") or row.get("head")
    base = tips.get(row["base"]) or branches.commit_of(root, row["base"])
    if not tip or not base:
        return None
    if tip == base:
        return _Branch(tip, base, 0, 0, ())
    counted = git(root, "rev-list", "--left-right", "--count", f"{base}...{tip}", check=False).out.split()
    if len(counted) != 2:
        return None
    files = branches.changed_since(root, base, tip) or () if counted[1] != "0" else ()
    return _Branch(tip, base, int(counted[1]), int(counted[0]), files)


def _conflicts(
    root: Path, found: Mapping[str, _Branch]
) -> tuple[dict[str, dict[str, tuple[str, ...]]], dict[str, tuple[str, ...]]]:
    """(for each worker: conflicting workers and files; for each: files in conflict with its base)."""
    pairs = conflicts.candidates({name: one.files for name, one in found.items() if one.files})
    behind = [name for name, one in found.items() if one.behind and one.files]
    asked = [(found[one].tip, found[other].tip) for one, other in pairs]
    asked += [(found[name].base, found[name].tip) for name in behind]
    said = conflicts.predict(root, list(dict.fromkeys(asked)))
    against: dict[str, dict[str, tuple[str, ...]]] = {}
    for one, other in pairs:
        if names := said.get((found[one].tip, found[other].tip)):
            against.setdefault(one, {})[other] = names
            against.setdefault(other, {})[one] = names
    base = {name: names for name in behind if (names := said.get((found[name].base, found[name].tip)))}
    return against, base
