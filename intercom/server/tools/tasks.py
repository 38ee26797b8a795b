"""Owns the tools for work and overview: escalate, status, clear, get_protocol."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any, Literal

from intercom.core.aimfp import used
from intercom.core.errors import IntercomError, Refused
from intercom.core.message import USER, Message
from intercom.core.signature import Arg
from intercom.server import protocol
from intercom.server.tool import Caller
from intercom.server.tools.messages import notices

if TYPE_CHECKING:
    from intercom.bus.bus import Bus
    from intercom.server.session import Session

RECEIPTS = 100  # receipts per answer
GLIMPSE = 200  # characters of a latest status shown in the overview


async def _wake(session: Session, name: str, message: str) -> dict[str, Any]:
    """Wake a recipient of a stored message, outside of the bus thread."""
    from intercom.fleet.wake import safely
    from intercom.server.side_thread import on_side_thread

    try:
        woken = await on_side_thread(session, lambda crew: safely(crew, name, message))
    except (IntercomError, OSError) as error:
        return {"woke": False, "reason": f"{error} The message is stored and {name} gets it later"}
    return woken.to_json()


async def escalate(
    session: Session,
    call: Caller,
    *,
    message: str,
    kind: Literal["question", "decision"] = "question",
    needs_user: Annotated[bool, Arg("only a person can answer")] = False,
) -> dict[str, Any]:
    """Store a worker's question for the master, and for the user if no master can answer; wake the master."""
    marks = {"decision": kind == "decision", "needs user": needs_user}
    special = [word for word, on in marks.items() if on]
    body = f"[{', '.join(special)}] {message}" if special else message
    store = functools.partial(_escalate, session, body, urgent=bool(special), needs_user=needs_user)
    sent, master, live = await call(store)
    out: dict[str, Any] = {"persisted": True, "id": sent.id, "to": sent.to}
    if live:
        return {**out, **await _wake(session, master, sent.id)}
    if master:
        reason = f"{master} is not running; it gets this when it is back, and the user can see it"
    else:
        reason = "no master is registered; this is stored for the user"
    return {**out, "woke": False, "reason": reason}


def _escalate(session: Session, body: str, bus: Bus, *, urgent: bool, needs_user: bool) -> tuple[Message, str, bool]:
    """(the stored question, the master's name or "", whether it lives)."""
    from intercom.bus.names import master_of

    master = master_of(bus.instances())
    live = master is not None and (master.state != "dead" or _session_runs(bus, master.name))
    names = [master.name] if master else []
    if needs_user or not live:
        names.append(USER)
    priority = "urgent" if urgent else None
    sent = bus.send(", ".join(names), body, sender=session.name or "", type="question", priority=priority, via="tool")
    return sent, master.name if master else "", live


def _session_runs(bus: Bus, name: str) -> bool:
    """Whether the agent itself is alive although its server died: its hooks still bring it messages."""
    from contextlib import closing

    from intercom.fleet.sessions import Sessions
    from intercom.store.state.db import State

    with closing(State(bus.config.private)) as state:
        row = Sessions(state).get(name)
        return row is not None and row.running


def status(
    session: Session,
    bus: Bus,
    *,
    receipts: Annotated[bool | str, Arg("true, or an id: was what I sent shown, acted on?")] = False,
) -> dict[str, Any]:
    """Who is here, what waits, and on request the receipts of what this session sent."""
    found = bus.status()
    out: dict[str, Any] = {
        "you": {"name": session.name, "role": session.role} if session.name else None,
        "root": str(found.root),
        "log": str(found.log),
        "instances": [
            {"name": known.name, "role": known.role, "state": known.state, "last_active": known.last_active}
            for known in found.instances
        ],
        "agents": list(found.agents),
        "messages": {"live": found.live, "archived": found.archived, "total": found.total},
        "unread": found.unread,
        "latest": {name: _glimpse(message) for name, message in found.latest.items()},
    }
    work = _work(bus)
    for one in out["instances"]:
        one.update(work.get(one["name"], {}))
    if found.warnings:
        out["warnings"] = list(found.warnings)
    out.update(notices(bus))
    if not session.name:
        out["next"] = f"{session.trouble or ''} Call intercomm_register to take part.".lstrip()
    if receipts is not False:
        out.update(_receipts(session, bus, receipts))
    return out


def _work(bus: Bus) -> dict[str, dict[str, Any]]:
    """For each agent with a worktree or a reported done: where it works, and whether that was verified."""
    return bus.state.known(_work_now, bus)


def _work_now(bus: Bus) -> dict[str, dict[str, Any]]:
    from intercom.fleet.worktrees.claims import latest
    from intercom.fleet.worktrees.register import Worktrees

    out: dict[str, dict[str, Any]] = {}
    for entry in Worktrees(bus.state, bus.config.root).entries():
        if entry.status != "removed":
            out[entry.worker] = {"worktree": entry.path, "branch": entry.branch, "worktree_status": entry.status}
    for name, row in latest(bus.state).items():
        out.setdefault(name, {})["done"] = {"id": row.id, **row.to_json()}
    return out


def _glimpse(message: Message) -> dict[str, Any]:
    out: dict[str, Any] = {"id": message.id, "at": message.at, "status": message.status, "progress": message.progress}
    out["begins"] = message.body[:GLIMPSE]
    return out


def _receipts(session: Session, bus: Bus, wanted: bool | str) -> dict[str, Any]:
    if not session.name:
        raise Refused("Receipts are for what you sent; call intercomm_register first.")
    rows = bus.receipts(session.name, wanted if isinstance(wanted, str) else None)
    out: dict[str, Any] = {"receipts": [row._asdict() for row in rows[-RECEIPTS:]]}
    if len(rows) > RECEIPTS:
        out["receipts_note"] = f"the newest {RECEIPTS} of {len(rows)}; ask for one with receipts=<message id>"
    return out


def clear(_session: Session, bus: Bus, *, keep: Annotated[int, Arg(low=0)] = 100) -> dict[str, Any]:
    """Move older messages from the live log into the archive. Nothing is deleted."""
    done = bus.compact(keep)
    return {
        "archived": done.archived,
        "kept": done.kept,
        "segment": done.segment,
        "note": "Nothing was deleted: archived messages stay readable and searchable.",
    }


async def get_protocol(
    session: Session,
    call: Caller,
    *,
    role: Literal["master", "worker", "agent", "all"] | None = None,
) -> str:
    """The full protocol for the caller's role or another; with AIMFP's part in a project that uses it."""
    own = session.role if session.name or session.spawned.name else None
    meant = None if role == "all" else role or own
    text = protocol.for_role(meant)
    try:
        root = await call(lambda bus: bus.config.root)
    except (IntercomError, OSError):
        return text  # the next call reports what is wrong with the bus
    return f"{text}\n{protocol.for_aimfp(meant)}" if used(root) else text
