"""Owns the answer to a permission request: from the project's rules, else from the master, else none.

Without an answer the hook prints nothing, and the dialog, which is on the screen all the time, stays. Nothing is
allowed before that decision is in the log; a denial is given even if it cannot be written there. The master's answer
comes only through `Sessions.answer`, called by its tool and by the command line: text in the log can never be one.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from typing import Any

from intercom.core.errors import UsageError
from intercom.core.escaping import named, sentence, value
from intercom.core.fleet_words import DECISIONS, SHOWN, PermissionDecision
from intercom.core.message import USER, epoch, new_id
from intercom.core.texts import beginning
from intercom.fleet import asking
from intercom.fleet.sessions import ENDED, Request
from intercom.hooks.call import Answer, Call
from intercom.hooks.deadline import WHOLE
from intercom.hooks.rules import refusal, setting
from intercom.system.liveness import alive

WAIT = 50.0  #: seconds that the master has to answer
LONGEST = 570.0  #: seconds; the program allows the hook 600
RAN = "it was allowed at its terminal, and ran"
_LOOK = 1.0  #: seconds between checks whether the dialog is still open


def decide(call: Call, detail: dict[str, Any]) -> Answer | None:
    """The answer to a permission request; None for no answer."""
    given = call.event.inputs
    inputs: dict[str, Any] = given if isinstance(given, dict) else {}
    if not detail["tool"] or call.event.people:
        return None
    request = {**detail, "input": inputs, "cwd": call.event.cwd or os.getcwd()}
    if call.ruling is not None:
        decision, rule = call.ruling
        return _settled(call, request, decision, f"rule {rule}", None, new_id())
    wait = _seconds(call)
    call.limit.stage(wait + WHOLE)
    return _ask_master(call, request, wait)


def waits(call: Call) -> bool:
    """Whether this project's workers ask their master at all."""
    return _seconds(call) > 0


def _seconds(call: Call) -> float:
    return setting(call.config, call.event.name, _wait, "wait", WAIT, WAIT)


def _wait(found: object, name: str) -> float:
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < float("inf"):
        raise UsageError(f"{name} must be a number of seconds.")
    return min(float(found), LONGEST)


# -- the master ---------------------------------------------------------------------------------------


def _ask_master(call: Call, request: dict[str, Any], wait: float) -> Answer | None:
    """Ask the live master and wait for the answer."""
    from intercom.bus.bus import Bus
    from intercom.bus.names import master_of

    with Bus(call.config) as bus:
        bus.confirms = False
        found = master_of(bus.instances())
        if found is None or found.state == "dead" or found.name == call.who.name or wait <= 0:
            return None
        ident = call.sessions.ask(call.who.name, request, None)
        detail = {key: value for key, value in request.items() if key != "input"}
        # First of all: a person's Esc kills this hook, and its request must be seen to be over then.
        call.record("blocked", {**detail, "dialog": "permission", "request": ident, "asked": found.name})
        try:
            sent = bus.send(
                found.name,
                question(call.who.name, request, ident, wait, alone=_alone(call)),
                sender=call.who.name,
                type="question",
                priority="urgent",
                thread=ident,
            )
            call.sessions.set_message(ident, sent.id)
            why = _await(call, ident, wait)
        finally:
            answer = call.sessions.close(ident)
        if answer is None and why:
            ended(call, Request(ident, call.who.name, request, sent.id, ""), why)
    if answer is None or answer.decision not in DECISIONS:
        return None
    return _settled(call, request, answer.decision, answer.by, answer.reason, ident)


def _alone(call: Call) -> bool:
    """Whether the session has no screen for a dialog: a keeper drives it."""
    from intercom.fleet.kept import keeper

    return keeper(call.config, call.who.name) is not None


def question(name: str, request: Mapping[str, Any], ident: str, wait: float, *, alone: bool = False) -> str:
    """The message to the master: exactly what would be done, and how to answer. `alone`: it has no terminal."""
    lines = [f"{name} asks for permission to use {value(request['tool'])}."]
    about = [*asking.parts(request), *((key, request.get(key)) for key in ("description", "cwd", "subagent"))]
    lines += [named(key, _short(text)) for key, text in about if text]
    expect = asking.in_json(request["subject"] or request["tool"])
    then = "it counts as denied" if alone else "its dialog waits on its screen"
    lines.append(
        f'Answer within {wait:g} s: intercomm_approve(worker="{name}", decision="allow" or "deny", '
        f"expect={_short(expect)}). After that {then}. Request {ident}."
    )
    return "\n".join(lines)


def _short(text: str) -> str:
    return beginning(text, SHOWN)


def ended(call: Call, request: Request, why: str) -> None:
    """Tell whoever was asked that no answer is needed any more; only the first caller does."""
    if not call.sessions.settle(request.id, ENDED, "") or request.message_id is None:
        return
    from intercom.bus.bus import Bus
    from intercom.bus.names import master_of
    from intercom.fleet.settling import gone

    with Bus(call.config) as bus:
        bus.confirms = False
        master = master_of(bus.instances())
        bus.send(
            master.name if master is not None else USER,
            gone(call.who.name, request, why),
            sender=call.who.name,
            type="status",
            thread=request.id,
            reply_to=request.message_id,
        )


def _await(call: Call, ident: str, wait: float) -> str:
    """Wait until the request is answered or its time is up (""), or its dialog closes: why no answer is needed."""
    from intercom.system.watch import Watch

    until, dialog = time.monotonic() + wait, _Dialog(call)
    with Watch(call.config.private) as watch:
        while call.sessions.answer_of(ident) is None:
            left = until - time.monotonic()
            open_ones = {request.id for request in call.sessions.open_requests(call.who.name)}
            if left <= 0 or ident not in open_ones:
                return ""
            if dialog.went() or not alive(call.who.pid, call.who.started):
                return asking.WENT
            watch.wait(min(left, _LOOK))
    return ""


class _Dialog:
    """The state of the dialog according to the program: no hook reports that a person answered no."""

    def __init__(self, call: Call) -> None:
        before = call.ran_before()
        self._call = call
        #: its turn ran then; so it was answered, maybe before this hook could ask, if the session is idle since
        self._since = epoch(before) if before else time.time()
        self._was_up = False
        self._down: float | None = None  # when it closed

    def went(self) -> bool:
        """Whether the dialog was open and has closed, or the whole turn is over."""
        said = self._call.program.status(self._call.who.pid, self._call.environ)
        if said is None or said.state == "asked":
            self._was_up, self._down = self._was_up or said is not None, None
            return False
        if not self._was_up and not (said.state == "idle" and said.since > self._since):
            return False
        self._down = self._down or time.monotonic()
        return time.monotonic() - self._down >= _LOOK / 2  # wait a moment, as one dialog may follow another


# -- what was decided ---------------------------------------------------------------------------------


def _settled(
    call: Call, request: Mapping[str, Any], decision: PermissionDecision, by: str, reason: str | None, thread: str
) -> Answer | None:
    """Record the decision in the log, then return it."""
    about = f": {sentence(reason)}" if reason else ""
    what = "\n".join(_what(request))
    verb = "allowed" if decision == "allow" else "denied"
    answer = call.program.decision(call.event, decision, refusal(by, about) if decision == "deny" else None)
    call.limit.stage(WHOLE, json.dumps(answer) if decision == "deny" else "")
    from intercom.store.log.announce import announce

    announce(call.config, f"{verb} for {call.who.name} by {value(by)}{about}\n{what}", thread=thread)
    call.record("running", {key: request[key] for key in ("tool", "subject") if key in request})
    return answer


def _what(request: Mapping[str, Any]) -> list[str]:
    return [f"tool: {value(request['tool'])}", *(named(key, _short(text)) for key, text in asking.parts(request))]
