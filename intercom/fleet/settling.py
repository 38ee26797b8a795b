"""Owns the end of a session's request: it is closed for everybody, however it was answered, and the log says so.

A request whose hook still waits is answered through that hook. After that its dialog remains on the screen, and is
answered by keys, by a person at the terminal, or not at all. The first process to see it gone says so in the
request's thread.
"""

from __future__ import annotations

from intercom.bus.bus import Bus
from intercom.bus.names import master_of
from intercom.core.config import Config
from intercom.core.errors import UnknownName
from intercom.core.escaping import named, value
from intercom.core.fleet_words import DECISIONS
from intercom.core.message import USER
from intercom.fleet import kept
from intercom.fleet.asking import WENT, in_short
from intercom.fleet.crew import Crew
from intercom.fleet.observe import Observation
from intercom.fleet.programs.screen import Dialog
from intercom.fleet.sessions import ENDED, Request, SessionRow, Sessions
from intercom.store.log.announce import announce

GOES = 3.0  #: seconds for which an answered dialog may remain on the screen


def asked_on(crew: Crew, name: str, dialog: Dialog) -> Request | None:
    """The request that a dialog on the screen is about; None if it was never put to anybody."""
    known = crew.sessions.unsettled(name)
    found = _about(dialog, known, by_text=True) or _about(dialog, known, by_text=False)
    return found[0] if len(found) == 1 else None


def closing(crew: Crew, name: str, dialog: Dialog) -> str:
    """Who decided what a moment ago about a dialog that is still on the screen; "" if it waits for an answer."""
    waits, decided = crew.sessions.unsettled(name), crew.sessions.decided(name, younger=GOES)
    for by_text in (True, False):
        if _about(dialog, waits, by_text=by_text):
            return ""
        answers = [crew.sessions.answer_of(one.id) for one in _about(dialog, decided, by_text=by_text)]
        if said := [f"{one.decision} by {one.by}" for one in answers if one and one.decision in DECISIONS]:
            return said[-1]
    return ""


def _about(dialog: Dialog, requests: list[Request], *, by_text: bool) -> list[Request]:
    """Those of the requests that a dialog may be about, by its text, or by its tool alone."""
    # A title with blanks is not a tool's name.
    tools = {dialog.tool or dialog.kind} if " " not in dialog.tool else set()
    known = [one for one in requests if not tools or one.asks.get("tool") in tools]
    return [one for one in known if not by_text or dialog.is_about(str(one.asks.get("subject") or ""))]


def agrees(crew: Crew, name: str, dialog: Dialog) -> bool:
    """Whether a command on the screen is one that a hook told of, where one did: a hook's word is exact."""
    told = [one.asks for one in crew.sessions.unsettled(name) if "input" in one.asks]
    commands = [str(one["command"]) for one in told if one.get("command") and one.get("tool") == dialog.tool]
    return not commands or any(dialog.is_about(command) for command in commands)


def note(crew: Crew, name: str, text: str, *, by: str, denied: bool, request: Request | None) -> None:
    """Record a decision about a request of `name` in the log, in the request's thread, for whoever was asked.

    A refusal also goes to `name`, which is left without a turn by it; it sees by itself what was allowed.
    """
    master = master_of(crew.bus.instances())
    asked = request is not None and master is not None and master.name != by
    readers = [*([name] if denied else []), *([master.name] if asked and master is not None else [])] or [USER]
    thread, reply = (request.id, request.message_id) if request is not None else (None, None)
    via = "cli" if by == USER else "tool"
    for to in (", ".join(readers), USER):
        try:
            crew.bus.send(to, text, sender=by, type="status", via=via, thread=thread, reply_to=reply)
        except UnknownName:
            continue  # signed off, or never registered
        return


def ended(crew: Crew, seen: Observation) -> None:
    """Close a session's request if its dialog is gone although no hook reported that."""
    row = seen.row
    if row is not None and seen.state == "gone":
        died(crew.bus.config, crew.sessions, row)
    if row is None or row.state != "blocked" or seen.state not in ("idle", "running", "gone"):
        return
    waited_for = {one.id for one in crew.sessions.open_requests(seen.name)}
    for request in crew.sessions.unsettled(seen.name):
        if request.id not in waited_for and crew.sessions.settle(request.id, ENDED, ""):
            why = "its process is gone" if seen.state == "gone" else WENT
            announce(crew.bus.config, gone(seen.name, request, why), thread=request.id)
    if seen.state != "gone":
        crew.sessions.unblock(seen.name, seen.state)


def died(config: Config, sessions: Sessions, row: SessionRow) -> None:
    """Tell people and the master that a session's process is gone without notice; only the first to see it does."""
    if kept.keeper(config, row.name) is not None:
        return  # its keeper restarts it, and reports that
    if row.pid is None or row.state == "gone" or not sessions.died(row):
        return
    what = in_short(row.about(), _WORDS)
    was = f"{row.state}, {what}" if what else row.state
    text = f"{value(row.name)} is dead: its process ended without a word. It was {value(was)}."
    with Bus(config) as bus:
        master = master_of(bus.instances())
    told = master is not None and master.state != "dead" and master.name != row.name
    announce(config, text, to=f"{USER}, {master.name}" if master is not None and told else USER)


def gone(name: str, request: Request, why: str) -> str:
    """The text for a request that needs no answer any more."""
    asks = request.asks
    what = named(value(str(asks.get("tool") or "")), str(asks.get("subject") or ""))
    return f"{value(name)} no longer asks this; {why}. No answer is needed.\n{what}"


_WORDS = 200  #: characters of its last activity
