"""Owns telling the master of a dialog without a request to answer: one that is only on a screen.

Auto mode shows one where its own check does not decide: the hook learns that a person is needed, but not why. So the
screen is read, as `approve` will read it, and its content is put to the master. A question that only a person can
answer is reported too, because nobody sits at a worker's screen.
"""

from __future__ import annotations

import json
import time
from typing import Any

from intercom.bus.bus import Bus
from intercom.bus.names import master_of
from intercom.core.errors import IntercomError
from intercom.core.escaping import escaped, named, value
from intercom.core.fleet_words import SHOWN
from intercom.core.texts import beginning
from intercom.fleet import observe
from intercom.fleet.asking import WENT
from intercom.fleet.crew import Crew
from intercom.fleet.observe import Observation
from intercom.fleet.programs.screen import Dialog
from intercom.fleet.settling import GOES
from intercom.hooks.call import Call
from intercom.hooks.faults import note_fault
from intercom.hooks.permission import ended, waits


def tell(call: Call) -> None:
    """Put the dialog on the session's screen to the live master, unless it was asked before or needs no telling."""
    before = call.sessions.unsettled(call.who.name)
    if any("input" in one.asks for one in before) or not waits(call):
        return  # reported by its own event
    with Bus(call.config) as bus:
        crew = Crew(bus, call.environ)
        try:
            master, seen = master_of(bus.instances()), _seen(call, crew)
            if master is None or master.state == "dead" or master.name == call.who.name:
                return
            if seen.dialog is None or not (seen.answerable or (seen.row and seen.row.spawned_by)):
                return
            for one in before:
                if seen.dialog.is_about(str(one.asks.get("subject") or "")):
                    return
                ended(call, one, WENT)  # answered at its terminal, and the turn went on to another
            _ask(call, bus, master.name, seen.dialog, answerable=seen.answerable)
        except IntercomError as error:
            note_fault(call.config, call.event.name, error)
        finally:
            crew.state.close()


def _seen(call: Call, crew: Crew) -> Observation:
    """What the session's screen shows, after allowing time for an answered dialog to close."""
    until = time.monotonic() + GOES
    while True:
        seen = observe.look(crew, call.who.name)
        decided = call.sessions.decided(call.who.name, younger=2 * GOES) if seen.dialog is not None else []
        texts = [str(one.asks.get("subject") or "") for one in decided]
        if seen.dialog is None or not any(seen.dialog.is_about(text) for text in texts):
            return seen
        if time.monotonic() >= until:
            return seen
        time.sleep(0.1)


def _ask(call: Call, bus: Bus, master: str, dialog: Dialog, *, answerable: bool) -> None:
    about: dict[str, Any] = {"tool": dialog.tool or dialog.kind, "subject": dialog.subject}
    about |= {"description": dialog.detail, "columns": dialog.columns}
    ident = call.sessions.ask(call.who.name, about, None)
    call.sessions.close(ident)  # no hook waits for the answer: it is given on the screen
    text = question(call.who.name, dialog, ident, answerable=answerable)
    sent = bus.send(master, text, sender=call.who.name, type="question", priority="urgent", thread=ident)
    call.sessions.set_message(ident, sent.id)


def question(name: str, dialog: Dialog, ident: str, *, answerable: bool) -> str:
    """The message to the master: what is on the screen, and how to answer it, or who can."""
    lines = [f"{name} shows a dialog ({value(dialog.tool or dialog.kind)}), and waits."]
    lines += [named(key, beginning(text, SHOWN)) for key, text in _facts(dialog).items() if text]
    if not dialog.whole:
        lines.append("Not all of it can be seen on its screen.")
    if not answerable:
        lines.append(f"Only a person can answer it, at its terminal: intercom attach {name}. Request {ident}.")
        return "\n".join(lines)
    expect = beginning(escaped(json.dumps(dialog.subject, ensure_ascii=False)), SHOWN)
    lines.append(
        f'It stays until it is answered: intercomm_approve(worker="{name}", decision="allow" or "deny", '
        f"expect={expect}). Request {ident}."
    )
    return "\n".join(lines)


def _facts(dialog: Dialog) -> dict[str, str]:
    choices = "; ".join(choice.label for choice in dialog.choices)
    subject = "command" if dialog.tool == "Bash" else "about"
    return {subject: dialog.subject, "description": dialog.detail, "choices": choices}
