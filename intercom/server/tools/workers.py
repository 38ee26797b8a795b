"""Owns the master's tools for workers: spawn, wake, scan, approve, teardown, and the four for worktrees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from intercom.server.side_thread import apart
from intercom.server.tool import Arguments, Caller

if TYPE_CHECKING:
    from intercom.fleet.crew import Crew
    from intercom.server.session import Session


async def spawn(session: Session, _call: Caller, args: Arguments) -> dict[str, Any]:
    """Start workers side by side."""
    from intercom.fleet.workers import Plan
    from intercom.fleet.workers import spawn as bring_up

    given = {key: args[key] for key in ("prefix", "perm_mode", "claude_cmd", "worktrees", "worktree_base", "wake")}
    plan = Plan(int(args["count"]), bootstrap=args.get("bootstrap"), ready_timeout=args["ready_timeout"], **given)
    found = await apart(session, lambda crew: bring_up(crew, plan, by=_me(session)))
    return {"ready": sum(one.ready for one in found), "asked": plan.number, "workers": [one.to_json() for one in found]}


async def wake(session: Session, _call: Caller, args: Arguments) -> dict[str, Any]:
    """Store a message for a worker and wake it."""
    from intercom.fleet.wake import tell

    return await apart(session, lambda crew: tell(crew, args["worker"], args["message"], by=_me(session)))


async def scan(session: Session, _call: Caller, args: Arguments) -> dict[str, Any]:
    """What each worker does and asks."""
    from intercom.fleet.workers import scan as see

    found = await apart(session, lambda crew: see(crew, args["prefix"]))
    return {"workers": found} if found else {"workers": [], "note": f"no worker's name begins with {args['prefix']}"}


async def approve(session: Session, _call: Caller, args: Arguments) -> dict[str, Any]:
    """Answer what a worker asks."""
    from intercom.fleet.approve import approve as answer

    def job(crew: Crew) -> dict[str, Any]:
        done = answer(
            crew,
            args["worker"],
            by=_me(session),
            decision=args.get("decision"),
            expect=args.get("expect"),
            timeout=args["timeout"],
        )
        return done.to_json()

    return await apart(session, job)


async def teardown(session: Session, _call: Caller, args: Arguments) -> dict[str, Any]:
    """End the workers that a spawn started."""
    from intercom.fleet.workers import teardown as end

    found = await apart(
        session, lambda crew: end(crew, args["prefix"], worktrees=args["worktrees"], force=args["force"])
    )
    note = f"no worker that a spawn started begins with {args['prefix']}"
    return {"workers": [one.to_json() for one in found], **({} if found else {"note": note})}


async def worktree_add(session: Session, _call: Caller, args: Arguments) -> dict[str, Any]:
    """Create a worktree and register it."""
    made = await apart(session, lambda crew: crew.worktrees.add(args["worker_id"], args["base"], args.get("path")))
    return made.to_json()


async def worktree_list(session: Session, _call: Caller, _args: Arguments) -> dict[str, Any]:
    """All worktrees, with what git says about each."""
    return {"worktrees": await apart(session, lambda crew: crew.worktrees.list())}


async def worktree_set_status(session: Session, _call: Caller, args: Arguments) -> dict[str, Any]:
    """Note how far the work in a worktree is."""
    noted = await apart(
        session, lambda crew: crew.worktrees.set_status(args["worker_id"], args["status"], args.get("branch"))
    )
    return noted.to_json()


async def worktree_remove(session: Session, _call: Caller, args: Arguments) -> dict[str, Any]:
    """Remove a worktree."""
    gone = await apart(session, lambda crew: crew.worktrees.remove(args["worker_id"], force=args["force"]))
    out: dict[str, Any] = {"removed": str(gone.path)}
    return {**out, "kept": {"ref": gone.ref, "files": list(gone.kept)}} if gone.ref else out


def _me(session: Session) -> str:
    assert session.name, "the server lets only registered sessions through"
    return session.name
