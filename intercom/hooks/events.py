"""Owns what each event means: the session's state, which messages it delivers, what it proves.

    begins   ready; who this is. Messages wait for the waiter: text here starts no turn.
    prompt   running; proves a wake by its nonce; all that is unread
    calls    running with this tool; nothing is delivered: it would be lost with a tool that is refused
    asks     blocked; see `permission`
    called   running; what was given before was seen; what is urgent
    asked    blocked
    idle     idle
    stops    all that is unread, and the turn goes on with it; else idle
    fails    idle
    ends     gone

Beside them there is `wait`, which is not an event: see `waiter`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from intercom.core.escaping import value
from intercom.core.patterns import lazy
from intercom.fleet.programs import event as events
from intercom.fleet.sessions import Sessions
from intercom.hooks.call import Answer, Call, Json
from intercom.hooks.deadline import Limit
from intercom.hooks.deliver import context
from intercom.hooks.identity import identify
from intercom.store.private import vet
from intercom.store.state.db import State

if TYPE_CHECKING:
    from intercom.core.config import Config
    from intercom.fleet.programs.event import Event
    from intercom.fleet.programs.program import Program

WAIT = "wait"
NONCE = lazy(r"\[intercom:([0-9a-z]{4,40})\]")
_HEAD = 200  #: characters of a prompt or text that are recorded as detail


def serve(
    config: Config, event: str, program: Program, payload: Json, environ: Mapping[str, str], limit: Limit | None = None
) -> tuple[Answer | None, int]:
    """Handle one event: returns the JSON for standard output, and the exit status."""
    limit = limit or Limit()
    heard = program.heard(event, payload)
    if heard is None:
        return None, 0
    ruling = None
    if heard.kind == events.ASKS and event != WAIT:
        from intercom.hooks.rules import asked as asked_rules

        ruling = asked_rules(config, program, heard, environ, limit)
    vet(config)
    state = State(config.private)
    try:
        sessions = Sessions(state)
        who = identify(state, sessions, program, heard.session, environ)
        if who is None:
            greets = heard.kind == events.BEGINS and event != WAIT and not environ.get("INTERCOM_NAME")
            return (_greeting(config, heard, program) if greets else None), 0
        call = Call(config, state, sessions, who, heard, environ, program, limit, ruling)
        if event == WAIT:
            from intercom.hooks.waiter import wait

            return None, wait(call)
        handler = HANDLERS.get(heard.kind)
        return handler(call) if handler else None, 0
    finally:
        state.close()


def _greeting(config: Config, heard: Event, program: Program) -> Answer | None:
    """A greeting for a session without a name: who is here, what waits, how to join; only if somebody is here."""
    from intercom.hooks.greeting import greeting

    text = greeting(config)
    return program.context(heard, text) if text else None


# -- the events ---------------------------------------------------------------------------------------


def begins(call: Call) -> Answer | None:
    """Handle the start of a session, or its restart after the conversation was cleared or compacted."""
    row = call.who.row
    moved = row is not None and row.running and (row.pid, row.started) != (call.who.pid, call.who.started)
    if row is not None and row.heard is not None and moved and row.session_id != call.who.session_id:
        call.sessions.follow(row, call.who.session_id)
    if call.event.source == "compact" and call.who.row is not None:
        call.record(call.who.row.state, call.who.row.about())
    else:
        known = row is not None and row.pane and (row.pid, row.started) == (call.who.pid, call.who.started)
        pane = None if known else call.environ.get("TMUX_PANE")
        call.record("ready", {"source": call.event.source}, pane=pane)
    _withdraw(call)
    held = call.state.instance(call.who.name)
    role = call.environ.get("INTERCOM_ROLE") or (held.role if held else "worker")
    from intercom.hooks.greeting import around
    from intercom.hooks.wording import welcome

    said = around(call.config, call.who.name)
    text = f"{welcome(call.who.name, role)}{f' {said}' if said else ''}{_unused(call)}"
    return call.program.context(call.event, text)


def _unused(call: Call) -> str:
    unused = call.config.unused
    return f"\n[intercom] {value(unused)}" if unused else ""


def prompt(call: Call) -> Answer | None:
    """Handle the start of a turn: by a person, by keys, or by the waiter."""
    call.record("running", {"prompt": call.event.text[:_HEAD]})
    nonces = NONCE.findall(call.event.text)
    for nonce in nonces:
        call.sessions.saw_nonce(nonce)
    _withdraw(call)
    call.confirm(nonces, begins=True)
    context(call)
    return None


def calls(call: Call) -> Answer | None:
    """Handle a tool call that is about to run."""
    _running(call, call.event.tool)
    call.confirm()
    return None


def called(call: Call) -> Answer | None:
    """Handle a finished tool call: the model has seen the results of earlier ones."""
    _withdraw(call, call.event.tool)
    _running(call, {**call.event.tool, "finished": True})
    call.confirm()
    context(call, urgent_only=True)
    return None


def _running(call: Call, detail: Json) -> None:
    """Record that tools run, unless a request for permission is open beside them."""
    row = call.who.row
    if row is None or row.state != "blocked" or not call.sessions.open_requests(call.who.name):
        call.record("running", detail)


def asks(call: Call) -> Answer | None:
    """Handle a permission dialog that rules or the master may answer."""
    detail: dict[str, Any] = {**call.event.tool}
    call.record("blocked", {**detail, "dialog": "question" if call.event.people else "permission"})
    from intercom.hooks.permission import decide

    return decide(call, detail)


def asked(call: Call) -> Answer | None:
    """Handle a dialog, whoever is to answer it."""
    row = call.who.row
    before = row.about() if row is not None and row.state == "blocked" else {}
    call.record("blocked", {**before, "message": call.event.text[:_HEAD]})
    from intercom.hooks.shown import tell

    tell(call)
    return None


def idle(call: Call) -> Answer | None:
    """Handle a notice that the session has been idle for a while."""
    call.record("idle", {"message": call.event.text[:_HEAD]})
    return None


def stops(call: Call) -> Answer | None:
    """Handle the end of a turn, which continues if there is something to read."""
    call.confirm(stopped=True)
    _withdraw(call)
    if not context(call):
        call.record("idle", {"said": call.event.text[:_HEAD]})
    return None


def fails(call: Call) -> Answer | None:
    """Handle a turn that broke off with an error of the model's server; nothing printed here is heard."""
    call.record("idle", {"error": call.event.text[:_HEAD]})
    _withdraw(call)
    return None


def ends(call: Call) -> Answer | None:
    """Handle the end of the session."""
    if not call.event.goes_on:
        call.record("gone", {"reason": call.event.source})
        _withdraw(call)
    return None


def _withdraw(call: Call, detail: Json | None = None) -> None:
    """Close requests that the session no longer waits for: all, or the one about this tool call."""
    for request in call.sessions.unsettled(call.who.name):
        if detail is None or _is_about(request.asks, detail, call.event.inputs):
            from intercom.fleet.asking import WENT
            from intercom.hooks.permission import RAN, ended

            ended(call, request, WENT if detail is None else RAN)


def _is_about(asks: Json, detail: Json, inputs: object) -> bool:
    """Whether a request is about this tool call; for one that was only on a screen, what it showed is compared."""
    if asks.get("tool") != detail.get("tool"):
        return False
    if "input" in asks:
        return bool(asks["input"] == inputs)
    from intercom.fleet.programs.wrapped import same

    return same(str(detail.get("subject") or ""), str(asks.get("subject") or ""), int(asks.get("columns") or 0))


Handler = Callable[[Call], Answer | None]
HANDLERS: dict[str, Handler] = {
    events.BEGINS: begins,
    events.PROMPT: prompt,
    events.CALLS: calls,
    events.ASKS: asks,
    events.CALLED: called,
    events.ASKED: asked,
    events.IDLE: idle,
    events.STOPS: stops,
    events.FAILS: fails,
    events.ENDS: ends,
}
