"""Owns answering a worker's request: exactly the request that was read, through its hook, otherwise by keys.

A request that the worker's hook still holds is answered through the bus. A dialog that is only on the screen is
answered by one of its choices (`intercom.fleet.keys`), after it was read twice and both times was completely the one
that is meant. First-run dialogs of workers that we started are accepted as part of starting them; anything else
needs a decision, and `expect` says about what.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from intercom.core.errors import NotFound, Refused, UsageError
from intercom.core.escaping import named, value
from intercom.core.fleet_words import PermissionDecision
from intercom.core.message import canonical
from intercom.core.texts import one_line
from intercom.fleet import asking, keys, observe, settling
from intercom.fleet.crew import Crew
from intercom.fleet.observe import Observation, asked
from intercom.fleet.programs.known import program
from intercom.fleet.programs.screen import FIRST_RUN, FOREIGN, Dialog
from intercom.fleet.programs.wrapped import same
from intercom.fleet.sessions import Request, decision_of

_STEP = 0.05
_WORDS = 200  #: characters of a request quoted in an error
_PRESS = 3.0  #: minimum seconds for answering by keys


class Approved(NamedTuple):
    """The result: whether it was answered and how, or what is being asked."""

    answered: bool
    decision: PermissionDecision | None = None
    how: str | None = None  #: how it was answered: hook or keys
    asks: dict[str, Any] | None = None
    note: str | None = None
    worker: str = ""  #: whose request it is

    def to_json(self) -> dict[str, Any]:
        """The public form; whoever asked knows the worker."""
        return {key: value for key, value in self._asdict().items() if value is not None and key != "worker"}


def approve(
    crew: Crew,
    worker: str,
    *,
    by: str,
    decision: str | None = None,
    expect: str | None = None,
    timeout: float = 5.0,
) -> Approved:
    """Answer `worker`'s request or, without `decision`, describe it (and accept a first-run dialog).

    `expect` is the command, path, address, call or request id that the decision is about; any other request is left
    alone. Waits at most `timeout` seconds for a request, and for the answer to take effect. NotFound, Refused,
    UsageError: then nothing was answered.
    """
    wanted = decision_of(decision) if decision is not None else None
    if not 0 <= timeout < float("inf"):
        raise UsageError(f"timeout must be a number of seconds from 0 up, not {timeout}; nothing was answered.")
    name = canonical(worker)
    if crew.sessions.get(name) is None:
        raise NotFound(
            f"{worker!r} is not a session that Intercom knows of; nothing was answered. "
            "`intercom scan`, or intercomm_scan, lists those there are."
        )
    until = time.monotonic() + timeout
    while True:
        seen = observe.look(crew, name)
        open_ones = crew.sessions.open_requests(name)
        if open_ones:
            return _through_hook(crew, name, open_ones, by, wanted, expect, until)._replace(worker=name)
        late = time.monotonic() >= until
        if seen.dialog is not None and seen.row is not None and (seen.dialog.whole or wanted is None or late):
            if wanted is None or not (was := settling.closing(crew, name, seen.dialog)):
                return _on_screen(crew, seen, by, wanted, expect, until)._replace(worker=name)
            if late:
                raise _answered(name, was)
        if late or seen.state == "gone":
            break
        time.sleep(4 * _STEP)
    settling.ended(crew, seen)
    return Approved(False, asks=_shown(seen), note=f"{_no_dialog(seen)}, so nothing was answered", worker=name)


def _answered(name: str, was: str) -> Refused:
    return Refused(f"what {name}'s screen shows was answered a moment ago ({was}); nothing was answered. Look again.")


def _no_dialog(seen: Observation) -> str:
    """Why nothing could be answered, as far as anybody can see."""
    if seen.state == "unknown" or (seen.state == "blocked" and seen.screen is not None):
        return f"what {seen.name} shows was not recognised; intercom attach {seen.name} shows it"
    return f"{seen.name} is {seen.state}; nothing is asked"


def _shown(seen: Observation) -> dict[str, Any] | None:
    """An unrecognised screen as it is, for a person to answer by hand."""
    return {"screen": seen.screen.text} if seen.screen is not None and seen.screen.text else None


# -- through the hook ---------------------------------------------------------------------------------


def describe(request: Request) -> dict[str, Any]:
    """A pending request, for people and models."""
    out: dict[str, Any] = {"request": request.id, "asked": request.asked}
    for key in ("tool", "command", "paths", "url", "description", "cwd", "subject"):
        if request.asks.get(key) and request.asks[key] != out.get("command"):
            out[key] = request.asks[key]
    out |= {key: text for key, text in asking.parts(request.asks) if key == "also"}
    if not any(key in out for key in ("command", "paths", "url")):
        out["input"] = request.asks.get("input")
    if request.message_id:
        out["message"] = request.message_id
    return out


def _through_hook(
    crew: Crew,
    name: str,
    open_ones: list[Request],
    by: str,
    decision: PermissionDecision | None,
    expect: str | None,
    until: float,
) -> Approved:
    """Decide the one request that is meant."""
    if decision is None:
        note = "nothing was answered: give decision allow or deny, and expect = what is asked here"
        return Approved(False, asks=_several(open_ones), note=note)
    fitting = [one for one in open_ones if expect is None or matches(expect, one)]
    if not fitting:
        raise Refused(
            f"{name} asks for something other than {_short(expect or '')!r}; nothing was answered. It asks: "
            f"{'; '.join(_words(one) for one in open_ones)}."
        )
    if len(fitting) > 1:
        raise Refused(
            f"{len(fitting)} requests of {name} fit; nothing was answered. Name one by its request id: "
            f"{', '.join(f'{one.id} ({_words(one)})' for one in fitting)}."
        )
    one = fitting[0]
    if decision == "allow" and (expect is None or expect.strip() == one.id) and not asking.seen_whole(one.asks):
        raise Refused(
            f"what {name} asks is longer than what was shown of it; nothing was answered. Repeat the whole of it as "
            f"expect, or look at it (intercom attach {name}) and answer there."
        )
    if not crew.sessions.answer(one.id, decision, by, None):
        raise Refused(f"{name} no longer waits for an answer to {_words(one)}; nothing was answered. Look again.")
    note = "its hook has the answer" if _settled(crew, name, one, until) else "the answer is stored; it is not seen yet"
    return Approved(True, decision, "hook", describe(one), note)


def matches(expect: str, request: Request) -> bool:
    """Whether `expect` names this request: by id, or by its whole text, ignoring white space at the ends."""
    asks = request.asks
    texts = {request.id, *(str(asks[key]) for key in ("subject", "command", "url") if asks.get(key))}
    paths = asks.get("paths")
    texts |= {str(path) for path in paths} if isinstance(paths, list) and len(paths) == 1 else set()
    tool = str(asks.get("tool", ""))
    texts |= {f"{tool}({text})" for text in texts} | {f"{tool}: {text}" for text in texts}
    if not asks.get("subject"):
        texts.add(tool)
    return expect.strip() in {text.strip() for text in texts}


def _settled(crew: Crew, name: str, one: Request, until: float) -> bool:
    """Wait until the session continues, which its hook records."""
    while time.monotonic() < until:
        row = crew.sessions.get(name)
        if row is None or row.state != "blocked" or row.about().get("request") not in (one.id, None):
            return True
        time.sleep(_STEP)
    return False


def _several(open_ones: list[Request]) -> dict[str, Any]:
    described = [describe(one) for one in open_ones]
    return described[0] if len(described) == 1 else {"requests": described}


def _words(one: Request) -> str:
    return asking.in_short(one.asks, _WORDS)


# -- on the screen ------------------------------------------------------------------------------------


def _on_screen(
    crew: Crew, seen: Observation, by: str, decision: PermissionDecision | None, expect: str | None, until: float
) -> Approved:
    """Answer the dialog on the screen by keys."""
    dialog, row = seen.dialog, seen.row
    assert dialog is not None
    assert row is not None
    shown = asked(seen)
    if decision is None and not (dialog.kind in FIRST_RUN and row.spawned_by is not None):
        note = "nothing was answered: give decision, and expect = the subject here"
        if not (seen.answerable and dialog.whole):
            why = "only a person can choose" if dialog.whole else "not all of it can be seen on its screen"
            note = f"nothing was answered: {why}; intercom attach {seen.name}"
        return Approved(False, asks=shown, note=note)
    wanted = decision or "allow"
    _is_whole(seen.name, dialog)
    if dialog.kind not in FIRST_RUN:
        _check(crew, seen.name, dialog, expect)
    elif expect is not None and not dialog.is_about(expect):
        raise Refused(
            f"{seen.name} shows {dialog.kind} about {dialog.subject!r}, not {expect!r}; nothing was answered."
        )
    if seen.screen is not None and seen.screen.reason:
        raise Refused(f"{seen.name}: {seen.screen.reason}; nothing was answered. intercom attach {seen.name} shows it.")
    place = program(row.program).choice_for(dialog, wanted)
    if place is None:
        said = "; ".join(choice.label for choice in dialog.choices)
        raise Refused(
            f"the {dialog.kind} on {seen.name}'s screen has no choice that is a plain {wanted} "
            f"({one_line(said, _WORDS)}); nothing was answered. A person can: intercom attach {seen.name}"
        )
    with keys.alone(crew, seen.name, max(until, time.monotonic() + _PRESS)):
        return _by_keys(crew, seen, place, by, wanted, until)._replace(asks=shown)


def _by_keys(
    crew: Crew, seen: Observation, place: int, by: str, decision: PermissionDecision, until: float
) -> Approved:
    """Take this choice; it is recorded in the log first, so that a person can see it afterwards."""
    dialog, row = seen.dialog, seen.row
    assert dialog is not None
    assert row is not None
    what = named(value(dialog.tool or dialog.kind), dialog.subject)
    if not keys.stands(crew, row, dialog):
        raise Refused(f"{seen.name}'s screen changed while it was looked at; nothing was answered. Look again.")
    if was := settling.closing(crew, seen.name, dialog):
        raise _answered(seen.name, was)
    request = settling.asked_on(crew, seen.name, dialog) if dialog.kind not in FIRST_RUN else None
    verb = "denied" if decision == "deny" else "allowed"
    denied = decision == "deny" and dialog.kind not in FOREIGN  # the session must be told
    settling.note(
        crew, seen.name, f"{verb} for {seen.name} by {by}, by keys\n{what}", by=by, denied=denied, request=request
    )
    # Before the key: a session's own hooks know then who answered, and of two who answer at once only one presses.
    ours = request is None or crew.sessions.settle(request.id, decision, by)
    came = keys.take(crew, row, dialog, place, max(until, time.monotonic() + _PRESS)) if ours else keys.CHANGED
    if came == keys.CHANGED:
        if request is not None and ours:
            crew.sessions.reopen(request.id)
        text = f"not answered after all: {seen.name}'s screen had changed\n{what}"
        settling.note(crew, seen.name, text, by=by, denied=denied, request=request)
        raise Refused(f"{seen.name}'s screen changed while it was looked at; nothing was answered. Look again.")
    if came == keys.STAYS:
        note = "the key was pressed, but the same dialog is still there, or there again: look at it"
        return Approved(True, decision, "keys", note=note)
    if not crew.sessions.open_requests(seen.name):
        crew.sessions.unblock(seen.name, "running" if decision == "allow" else "idle")
    return Approved(True, decision, "keys")


def _check(crew: Crew, name: str, dialog: Dialog, expect: str | None) -> None:
    """Raise Refused unless this is the dialog that is meant, and all of it is visible."""
    if expect is None:
        raise Refused(
            f"{name} shows {dialog.tool or dialog.kind}: {_short(dialog.subject)!r}; nothing was answered. "
            "Repeat that text as expect, so that this one is answered and no other."
        )
    if not dialog.subject and not any(dialog.paths):
        raise Refused(
            f"what {name}'s dialog is about could not be read; nothing was answered. intercom attach {name} shows it."
        )
    if not settling.agrees(crew, name, dialog):
        raise Refused(
            f"{name}'s screen does not show the command as its hook reported it: it may hold characters "
            f"that cannot be seen; nothing was answered. intercom attach {name} shows it."
        )
    names = {dialog.subject, f"{dialog.tool}({dialog.subject})", f"{dialog.tool}: {dialog.subject}", *dialog.paths}
    if not any(same(expect, text, dialog.columns) for text in names if text):
        raise Refused(
            f"{name} asks for something other than {_short(expect)!r}: {dialog.tool or dialog.kind} "
            f"{_short(dialog.subject)!r}; nothing was answered."
        )


def _is_whole(name: str, dialog: Dialog) -> None:
    """Raise Refused unless all of the dialog is visible."""
    if not dialog.whole:
        raise Refused(
            f"{name}'s dialog cannot be seen whole: it is taller than its screen, or still being drawn; "
            f"nothing was answered. intercom attach {name} shows it."
        )


def _short(text: str) -> str:
    return one_line(text, _WORDS)
