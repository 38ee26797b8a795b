"""Owns the operations on the fleet, one typed function each, from which MCP tools and commands are made.

Each takes the crew, the caller (`by`), and its arguments. Imports happen when they run, so that listing tools, or
showing a command's help, does not import the fleet.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from intercom.core.contract import REPORT_BACK, TARGET_TYPES
from intercom.core.fleet_words import MOST_WORKERS, PERMISSION_MODES, WORKTREE_STATUSES
from intercom.core.signature import Arg
from intercom.fleet.programs.known import DEFAULT, WORKERS

if TYPE_CHECKING:
    from intercom.fleet.approve import Approved
    from intercom.fleet.crew import Crew
    from intercom.fleet.queue import Queue
    from intercom.fleet.workers import Spawned, Torn
    from intercom.fleet.worktrees.register import Entry

Prefix = Annotated[str, Arg(help="only names that begin with this")]
Worker = Annotated[str, Arg(metavar="WORKER")]
Seconds = Annotated[float, Arg(help="how long to wait", low=0, high=60, metavar="SECONDS")]
FORCE = "also with unsaved work, which is kept under a git ref"


class Workers(NamedTuple):
    """A result about several workers and, if there are none, which were looked for."""

    found: list[dict[str, Any]]
    note: str = ""


class Removed(NamedTuple):
    """A removed worktree, and the ref that keeps its unsaved work, if any."""

    path: Path
    ref: str | None
    files: tuple[str, ...]


def spawn(
    crew: Crew,
    by: str,
    count: Annotated[int, Arg(help="how many workers", low=1, high=MOST_WORKERS, metavar="COUNT")],
    *,
    prefix: Annotated[str, Arg(help="their names are PREFIX-1, PREFIX-2 …")] = "worker",
    perm_mode: Annotated[str, Arg(help="permission mode", words=PERMISSION_MODES)] = "acceptEdits",
    claude_cmd: Annotated[str | None, Arg(help="the command that starts the program", metavar="CMD")] = None,
    program: Annotated[str, Arg(help="the agent program", words=WORKERS)] = DEFAULT,
    headless: Annotated[bool, Arg("without a terminal", "without a terminal: its output is kept for attach")] = False,
    worktrees: Annotated[bool, Arg("a git worktree for each")] = False,
    worktree_base: Annotated[
        str, Arg(help="where they start; what is checked out, if there is no branch main", metavar="BASE")
    ] = "main",
    bootstrap: Annotated[str | None, Arg("shell line to run in each new worktree", metavar="LINE")] = None,
    ready_timeout: Annotated[float, Arg(help="how long each may take", low=1, high=600, metavar="SECONDS")] = 20,
    wake: Annotated[
        bool, Arg("let each begin with the protocol", "do not let them read the protocol first", option="--no-wake")
    ] = True,
    wait: Annotated[
        bool, Arg("false: answer at once", "answer at once; scan says what became of them", option="--no-wait")
    ] = True,
) -> list[Spawned]:
    """Start workers side by side. UsageError, ProgramMissing, Refused: then nothing was started."""
    from intercom.fleet.workers import Plan
    from intercom.fleet.workers import spawn as bring_up

    plan = Plan(
        count,
        prefix=prefix,
        perm_mode=perm_mode,
        claude_cmd=claude_cmd,
        worktrees=worktrees,
        worktree_base=worktree_base,
        bootstrap=bootstrap,
        ready_timeout=ready_timeout,
        wake=wake,
        wait=wait,
        program=program,
        headless=headless,
    )
    return bring_up(crew, plan, by=by)


def scan(crew: Crew, by: str, *, prefix: Prefix = "worker") -> Workers:  # noqa: ARG001  # as the others
    """What each worker does and asks."""
    from intercom.fleet.workers import scan as see

    found = see(crew, prefix)
    return Workers(found, "" if found else f"No worker's name begins with {prefix!r}.")


def wake(
    crew: Crew,
    by: str,
    worker: Annotated[str, Arg(help="a name on the bus, or a tmux session or pane (%%3)", metavar="WORKER")],
    message: Annotated[
        str, Arg(help="the text; - reads it from standard input", metavar="MESSAGE", stdin=True, rest=True)
    ],
) -> dict[str, Any]:
    """Store a message for a worker and wake it. UnknownName, NotFound, StorageError."""
    from intercom.fleet.wake import tell

    return tell(crew, worker, message, by=by)


def assign(
    crew: Crew,
    by: str,
    worker: Annotated[str, Arg(help="who does it", metavar="WORKER")],
    role_instructions: Annotated[
        str,
        Arg(
            "what to do, how, and when it is done",
            "what to do, how, and when it is done; - reads it from standard input",
            metavar="TASK",
            stdin=True,
            rest=True,
        ),
    ],
    *,
    role: Annotated[str, Arg(help="the role in the contract")] = "worker",
    target_type: Annotated[str | None, Arg(help="what in an AIMFP project it is about", words=TARGET_TYPES)] = None,
    target_id: Annotated[int | None, Arg(help="which, by number", metavar="N")] = None,
    target_slug: Annotated[str | None, Arg(help="which, by name", metavar="SLUG")] = None,
    report_back: Annotated[
        Sequence[str],
        Arg("what the done message must name", "what it must name when it is done; repeatable", metavar="WHAT"),
    ] = REPORT_BACK,
    wake: Annotated[bool, Arg(help="do not wake it", option="--no-wake")] = True,
) -> dict[str, Any]:
    """Store a task contract for a worker, then wake it. Refused, UsageError, UnknownName: then nothing was stored."""
    from intercom.core.contract import Contract
    from intercom.fleet.assign import assign as hand_out
    from intercom.fleet.assign import target

    task = Contract(role, role_instructions, target(target_type, target_id, target_slug), tuple(report_back))
    return hand_out(crew, worker, task, by=by, wake=wake)


def approve(
    crew: Crew,
    by: str,
    worker: Worker,
    decision: Annotated[Literal["allow", "deny"] | None, Arg(help="without it, show what is asked")] = None,
    *,
    timeout: Seconds = 5,
    expect: Annotated[
        str | None,
        Arg(
            "the command, path, call or request id that you read; anything else is left alone",
            "the command, path, call or request id that is meant",
            metavar="TEXT",
        ),
    ] = None,
) -> Approved:
    """Answer what a worker asks, or say what that is. NotFound, Refused, UsageError: then nothing was answered."""
    from intercom.fleet.approve import approve as answer

    return answer(crew, worker, by=by, decision=decision, expect=expect, timeout=timeout)


def teardown(
    crew: Crew,
    by: str,
    *,
    prefix: Prefix = "worker",
    worktrees: Annotated[bool, Arg("remove theirs too", "remove their worktrees too")] = False,
    force: Annotated[bool, Arg(help=FORCE)] = False,
) -> tuple[list[Torn], str]:
    """End workers that a spawn started: what became of each, and, where there are none, which were looked for."""
    from intercom.fleet.workers import teardown as end

    found = end(crew, prefix, worktrees=worktrees, force=force)
    if found:
        _tell(crew, f"teardown by {by}", [one.told() for one in found])
    return found, "" if found else f"No spawned worker's name begins with {prefix!r}."


def worktree_add(
    crew: Crew,
    by: str,  # noqa: ARG001  # as the others
    *,
    worker_id: str,
    base: str = "main",
    path: str | None = None,
) -> Entry:
    """Create a worktree and register it. Refused, NotFound, UsageError: then nothing was created."""
    return crew.worktrees.add(worker_id, base, path)


def worktree_list(crew: Crew, by: str) -> Queue:  # noqa: ARG001  # as the others
    """All worktrees, with what git says about each, and the order in which to merge those that wait."""
    from intercom.fleet.queue import look

    return look(crew)


def worktree_set_status(
    crew: Crew,
    by: str,  # noqa: ARG001  # as the others
    *,
    worker_id: Annotated[str | None, Arg("may be left out where branch says which")] = None,
    status: Annotated[str, Arg(words=WORKTREE_STATUSES)],
    branch: str | None = None,
) -> Entry:
    """Note how far the work in a worktree is; `done` is checked. Refused, NotFound, UsageError."""
    from intercom.fleet.worktrees import branches, claims

    if status != "done":
        return crew.worktrees.set_status(worker_id, status, branch)
    entry = crew.worktrees.set_status(worker_id, status, branch, claims.reported(crew.state, crew.worktrees.entries()))
    tip = branches.commit_of(crew.bus.config.root, f"refs/heads/{entry.branch}")
    claims.note_checked(crew.state, entry.worker, entry.branch or "", tip or "")
    return entry


def _tell(crew: Crew, what: str, lines: list[str]) -> None:
    """Say in the log what ended, and what was kept of it."""
    from intercom.core.escaping import named
    from intercom.store.log.announce import announce

    announce(crew.bus.config, "\n".join([f"{what}:", *(named("-", line).replace("-:", "-", 1) for line in lines)]))


def worktree_remove(crew: Crew, by: str, *, worker_id: str, force: bool = False) -> Removed:
    """Remove a worktree. Refused while work in it is unsaved, unless forced; NotFound."""
    gone = crew.worktrees.remove(worker_id, force=force)
    if gone.ref:
        _tell(
            crew, f"worktree removed by {by}", [f"{worker_id}: unsaved work under {gone.ref}: {', '.join(gone.kept)}"]
        )
    return Removed(gone.path, gone.ref, gone.kept)
