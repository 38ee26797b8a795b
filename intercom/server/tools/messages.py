"""Owns the tools for identity and messages: register, signoff, send, broadcast, read."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from intercom.core.contract import KIND
from intercom.core.errors import Refused
from intercom.core.escaping import sentence
from intercom.core.message import ALL, STATUS_CODES, TYPES_SHOWN, Message, check_type
from intercom.core.signature import Arg
from intercom.core.texts import edited
from intercom.fleet import report
from intercom.fleet.clients.habits import LATE
from intercom.server import pages
from intercom.server.carried import Filters, Hand
from intercom.server.tool import Caller

if TYPE_CHECKING:
    from intercom.bus.bus import Bus
    from intercom.server.session import Session

NOTICES = 10  # shown at once
BATCH = 200  # messages taken from the bus for one page


def register(
    session: Session,
    bus: Bus,
    *,
    role: Annotated[
        Literal["master", "worker", "agent"] | None,
        Arg("default: agent for a name that the settings list, else worker"),
    ] = None,
    name: Annotated[str | None, Arg("yours, or an agent's that the settings list (claude-code, roo …)")] = None,
) -> dict[str, Any]:
    """Bind this session to a name."""
    before = session.name
    session.register(bus, role, name)
    assert session.name
    out: dict[str, Any] = {"name": session.name, "role": session.role, "unread": bus.unread(session.name)}
    out["root"] = str(bus.config.root)
    if cautions := bus.config.cautions:
        out["warnings"] = list(cautions)
    if before and before != session.name:
        out["note"] = f"You were {before} before; that name is signed off, and its unread messages stay with it."
    out["next"] = "Call intercomm_get_protocol once for how to work here, then intercomm_read."
    return out


def signoff(session: Session, bus: Bus) -> dict[str, Any]:
    """Leave the bus."""
    name = _me(session)
    bus.signoff(name)
    session.forget()
    return {"signed_off": name}


def send(
    session: Session,
    bus: Bus,
    *,
    to: Annotated[str, Arg("a name, user or all")],
    message: str,
    type: Annotated[str, Arg(TYPES_SHOWN)] = "status",
    priority: Literal["normal", "urgent"] | None = None,
    reply_to: Annotated[str | None, Arg("id that it answers")] = None,
    thread: str | None = None,
    status: Annotated[str | None, Arg(words=STATUS_CODES)] = None,
    progress: Annotated[int | None, Arg(low=0, high=100)] = None,
    branch: str | None = None,
    commit: str | None = None,
) -> dict[str, Any]:
    """Store one message for a recipient; a done is checked."""
    answers = _answered(bus, reply_to) if reply_to else None
    more: dict[str, Any] = {"priority": priority, "thread": thread, "status": status, "progress": progress}
    more |= {"sender": _me(session), "reply_to": answers, "via": "tool"}
    if check_type(type).lower() == "done" or (type, status) == ("status", "done"):
        sent, checked = report.send(bus, to, message, branch=branch, commit=commit, type=type, **more)
        return {**_stored(sent), **checked}
    return _stored(bus.send(to, report.with_fields(message, branch, commit), type=type, **more))


def _answered(bus: Bus, ident: str) -> str:
    """The full id of the answered message, from its beginning. Refused if there is none."""
    from intercom.bus.pending import there_is, whole_id

    found = bus.ask(lambda db: whole_id(db, ident))
    if not bus.ask(lambda db: there_is(db, found)):
        raise Refused(
            f"There is no message {ident!r} to answer; nothing was sent. "
            "Give the id of a message that you read, or leave reply_to out."
        )
    return found


def broadcast(session: Session, bus: Bus, *, message: str, type: str = "announce") -> dict[str, Any]:
    """Store one message for everybody."""
    return send(session, bus, to=ALL, message=message, type=type)


def _stored(sent: Message) -> dict[str, Any]:
    return {"id": sent.id, "to": sent.to, "type": sent.type, "at": sent.at, "stored": True}


async def read(
    session: Session,
    call: Caller,
    *,
    all: Annotated[bool, Arg("history instead of news; marks nothing as read")] = False,
    thread: str | None = None,
    query: Annotated[str | None, Arg("words in it")] = None,
    from_: Annotated[str | None, Arg("only this sender")] = None,
    limit: Annotated[int | None, Arg(low=1)] = None,
    wait: Annotated[float, Arg("seconds; best 50: many clients cut at 60", low=0, high=3600)] = 0,
) -> dict[str, Any]:
    """New messages for this session, or (`all`) the history it may see."""
    filters = Filters(thread, query, from_)
    if all:
        history: dict[str, Any] = await call(functools.partial(_history, session, filters, limit))
        return history
    hand = Hand()
    job = functools.partial(look, session, hand, filters, limit, doubts=_doubts(session))
    longest = session.client.longest
    try:
        answer: dict[str, Any] = await call(job)
        if not answer["messages"] and "changed" not in answer and wait > 0:
            answer = await _wait(session, call, job, wait if longest is None else min(wait, longest))
            if not answer["messages"] and longest is not None and wait > longest:
                answer["note"] += f" Waited {longest:g} of the {wait:g} seconds, as this client cuts longer calls."
    except BaseException:  # most likely cancelled: nobody will see what was taken
        session.carried.drop(hand)
        raise
    return answer


def _doubts(session: Session) -> Callable[[], bool]:
    """A function that tells whether the client may have given up this call without saying so.

    It may if it is not known to cancel, and the call takes long or it has called again meanwhile.
    """
    begun, calls = time.monotonic(), session.calls
    return lambda: not session.client.says_so and (time.monotonic() - begun > LATE or session.calls != calls)


async def _wait(session: Session, call: Caller, job: Callable[[Bus], Any], seconds: float) -> dict[str, Any]:
    """Run `job` at each change until it finds something; other calls are answered meanwhile."""
    import asyncio

    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    folder = await call(lambda bus: bus.config.folder)
    async with session.changes(folder) as change:
        while True:
            left = end - loop.time()
            if left > 0:
                await change(left)
            answer: dict[str, Any] = await call(job)
            if answer["messages"] or "changed" in answer or left <= 0 or session.closing:
                return answer


def look(
    session: Session,
    hand: Hand,
    filters: Filters,
    limit: int | None,
    bus: Bus,
    doubts: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Put one page of new messages into `hand`; the rest stays unread. Refused if the name is lost.

    If it `doubts` that anybody still waits for the answer, they come again.
    """
    with bus.moment():
        return _look(session, hand, filters, limit, bus, doubts)


def _look(
    session: Session, hand: Hand, filters: Filters, limit: int | None, bus: Bus, doubts: Callable[[], bool]
) -> dict[str, Any]:
    session.settle(bus)  # a read may have waited for an hour
    name, carried, wanted = _me(session), session.carried, filters.given()
    page = _Page(session, bus)
    if carried.count():
        bus.pace.begun()  # what is taken from there cannot be taken again
    carried.take(hand, filters, limit, page.fits)
    if not hand.messages and not hand.dropped:
        acts = hand.fresh and not carried.count()
        carried.fill(hand, bus.read(name, limit=min(limit or BATCH, BATCH), fits=page.fits, acts=acts, **wanted))
        hand.fresh = False
    shown, left = list(hand.messages), carried.count()
    if shown or any(wanted.values()):  # otherwise the look itself showed that there is nothing
        left += bus.unread(name)
    if doubts():
        carried.doubt(hand)
    rows = page.rows(shown)
    _check(bus, shown, rows)
    answer: dict[str, Any] = {"messages": rows, "unread_left": left, **notices(bus)}
    if changed := [edited(one.id, one.sender, one.body) for one in bus.edited(name)]:
        answer["changed"] = changed
    said = [pages.note(shown)] if rows else []
    if left and not rows and any(wanted.values()):
        said.append(f"Nothing new fits the filter; {left} unread without it: call intercomm_read with no filter.")
    elif left:
        said.append(f"{left} more unread: call intercomm_read again.")
    elif not rows:
        said.append("No new messages: checked against every log just now.")
    if note := " ".join(part for part in said if part):
        answer["note"] = note
    return answer


def notices(bus: Bus) -> dict[str, Any]:
    """News for a person since the last call, as on a terminal: repairs, unreadable files."""
    told, bus.notices[:] = [sentence(text) for text in bus.notices[-NOTICES:]], []
    return {"notices": told} if told else {}


class _Page:
    """The page of one look, whose rows are made while the bus asks how much fits."""

    def __init__(self, session: Session, bus: Bus) -> None:
        self._about = session, bus
        self._rows: list[dict[str, Any]] = []
        self._used: list[Message] = []

    def fits(self, messages: list[Message]) -> int:
        """How many of the messages fit on it."""
        self._rows, self._used = _filled(*self._about, messages)
        return len(self._used)

    def rows(self, shown: list[Message]) -> list[dict[str, Any]]:
        """The rows of what is shown."""
        return self._rows if shown == self._used else _filled(*self._about, shown)[0]


def _filled(session: Session, bus: Bus, messages: list[Message]) -> tuple[list[dict[str, Any]], list[Message]]:
    if not messages:
        return [], []
    checked = _checked(bus, messages)
    return pages.fill(messages, _masters(bus, messages), worker=session.role == "worker", about=checked)


def _checked(bus: Bus, messages: list[Message]) -> dict[str, dict[str, Any]]:
    """The verification result of each `done` among the messages."""
    ids = [one.id for one in messages if "done" in (one.type, one.status)]
    if not ids:
        return {}
    from intercom.fleet.worktrees import claims

    return {ident: row.to_json() for ident, row in claims.of_messages(bus.state, ids).items() if row.worker}


def _check(bus: Bus, messages: list[Message], rows: list[dict[str, Any]]) -> None:
    """Verify each `done` that was not verified when sent, and add the result; outside any transaction, as git runs."""
    late = [one for one in messages if one.type == "done"]
    if not late:
        return
    from intercom.fleet.report import checked

    found = checked(bus, late)
    for row in rows:
        row.update(found[row["id"]].to_json() if row["id"] in found else {})


def _history(session: Session, filters: Filters, limit: int | None, bus: Bus) -> dict[str, Any]:
    """The newest messages that fit on a page, oldest first. Marks nothing as read."""
    name = _me(session)
    found = bus.read(name, all=True, limit=limit or 10 * BATCH, **filters.given())
    found.sort(key=lambda message: message.seq or 0)
    rows, used = _filled(session, bus, found[::-1])
    answer: dict[str, Any] = {"messages": rows[::-1], "unread_left": session.carried.count() + bus.unread(name)}
    said = [pages.note(used)]
    if len(used) < len(found) or (limit is None and len(found) == 10 * BATCH):
        said.append(
            f"These are the newest {len(used)}; older ones did not fit. Narrow it with thread, query or from, "
            "or run `intercom log` in a shell for all of it."
        )
    if note := " ".join(part for part in said if part):
        answer["note"] = note
    return answer


def _masters(bus: Bus, messages: list[Message]) -> set[str]:
    """The names whose contracts are orders; looked up only if a message may contain a contract."""
    if not any(KIND in message.body for message in messages):
        return set()
    from intercom.bus.names import masters

    return masters(bus.instances(), bus.config.trust.machines)


def _me(session: Session) -> str:
    if not session.name:  # only registered sessions get here, but a name can be lost meanwhile
        why = session.trouble or "This session has no name."
        raise Refused(f"{why} Nothing was done. Call intercomm_register first, then repeat this.")
    return session.name
