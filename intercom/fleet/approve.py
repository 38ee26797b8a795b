"""Owns answering what a worker asks: exactly the request that was read, through its hook, else by keys.

A request that the worker's hook still holds is answered through the bus. A dialog that only stands on the
screen is answered by the key of one of its choices, after it was read twice and both times was, whole and
letter by letter, the one that is meant. First-run dialogs of workers that we started are accepted as part of
starting them; anything else needs a decision, and `expect` says about what.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from intercom.core.display import named, value
from intercom.core.errors import NotFound, Refused, UsageError
from intercom.core.message import USER, canonical
from intercom.core.texts import one_line
from intercom.fleet import observe
from intercom.fleet.crew import Crew
from intercom.fleet.observe import Observation, asked
from intercom.fleet.programs.known import program
from intercom.fleet.programs.screen import FIRST_RUN, Dialog, Screen
from intercom.fleet.sessions import DECISIONS, Request, SessionRow
from intercom.system import tmux

_STEP = 0.05
_WORDS = 200  #: characters of what is asked, as an error repeats it
_STILL = 0.15  #: seconds between the two looks at a dialog


class Approved(NamedTuple):
    """What became of it: whether it was answered and how, or what is asked."""

    answered: bool
    decision: str | None = None
    how: str | None = None  #: hook or keys
    asks: dict[str, Any] | None = None
    note: str | None = None
    worker: str = ""  #: whose request it is

    def to_json(self) -> dict[str, Any]:
        """The public form; whoever asked knows the worker."""
        return {key: value for key, value in self._asdict().items() if value is not None and key != "worker"}


def approve(
    crew: Crew, worker: str, *, by: str, decision: str | None = None, expect: str | None = None, timeout: float = 5.0
) -> Approved:
    """Answer what `worker` asks, or, without `decision`, say what that is (and accept a first-run dialog).

    `expect` is the command, path, address, call or request id that the decision is about; a request that is
    another is left alone. Waits at most `timeout` seconds for something to be asked, and for the answer to show.
    NotFound, Refused, UsageError: then nothing was answered.
    """
    if decision is not None and decision not in DECISIONS:
        raise UsageError(f"{decision!r} is not a decision; nothing was answered. Use allow or deny.")
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
            return _through_hook(crew, name, open_ones, by, decision, expect, until)._replace(worker=name)
        if seen.dialog is not None and seen.row is not None:
            return _on_screen(crew, seen, by, decision, expect, until)._replace(worker=name)
        if time.monotonic() >= until or seen.state == "gone":
            break
        time.sleep(4 * _STEP)
    return Approved(False, note=f"{seen.why()}; nothing is asked, so nothing was answered", worker=name)


# -- through the hook ---------------------------------------------------------------------------------


def describe(request: Request) -> dict[str, Any]:
    """A request that waits, for people and models."""
    out: dict[str, Any] = {"request": request.id, "asked": request.asked}
    for key in ("tool", "command", "paths", "url", "description", "cwd", "subject"):
        if request.request.get(key) and request.request[key] != out.get("command"):
            out[key] = request.request[key]
    if not any(key in out for key in ("command", "paths", "url")):
        out["input"] = request.request.get("input")
    if request.message_id:
        out["message"] = request.message_id
    return out


def _through_hook(
    crew: Crew,
    name: str,
    open_ones: list[Request],
    by: str,
    decision: str | None,
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
            f"{name} asks something else than {_short(expect or '')!r}; nothing was answered. It asks: "
            f"{'; '.join(_words(one) for one in open_ones)}."
        )
    if len(fitting) > 1:
        raise Refused(
            f"{name} asks {len(fitting)} things that fit; nothing was answered. Name one by its request id: "
            f"{', '.join(f'{one.id} ({_words(one)})' for one in fitting)}."
        )
    one = fitting[0]
    if not crew.sessions.answer(one.id, decision, by, None):
        raise Refused(f"{name} no longer waits for an answer to {_words(one)}; nothing was answered. Look again.")
    note = "its hook has the answer" if _settled(crew, name, one, until) else "the answer is stored; it is not seen yet"
    return Approved(True, decision, "hook", describe(one), note)


def matches(expect: str, request: Request) -> bool:
    """Whether `expect` names this request: by id, or by all of what is asked, but for white space at the ends."""
    asks = request.request
    texts = {request.id, *(str(asks[key]) for key in ("subject", "command", "url") if asks.get(key))}
    paths = asks.get("paths")
    texts |= {str(path) for path in paths} if isinstance(paths, list) and len(paths) == 1 else set()
    tool = str(asks.get("tool", ""))
    texts |= {f"{tool}({text})" for text in texts} | {f"{tool}: {text}" for text in texts}
    if not asks.get("subject"):
        texts.add(tool)
    return expect.strip() in {text.strip() for text in texts}


def _settled(crew: Crew, name: str, one: Request, until: float) -> bool:
    """Wait until the session goes on, which its hook notes."""
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
    return f"{one.request.get('tool')}: {_short(str(one.request.get('subject') or ''))}"


# -- on the screen ------------------------------------------------------------------------------------


def _on_screen(
    crew: Crew, seen: Observation, by: str, decision: str | None, expect: str | None, until: float
) -> Approved:
    """Answer the dialog on the screen by its keys."""
    dialog, row = seen.dialog, seen.row
    assert dialog is not None
    assert row is not None
    shown = asked(dialog)
    if decision is None and not (dialog.kind in FIRST_RUN and row.spawned_by is not None):
        return Approved(False, asks=shown, note="nothing was answered: give decision, and expect = the subject here")
    wanted = decision or "allow"
    if dialog.kind not in FIRST_RUN:
        _check(seen.name, dialog, expect)
    elif expect is not None and not _same(expect, dialog.subject):
        raise Refused(
            f"{seen.name} shows {dialog.kind} about {dialog.subject!r}, not {expect!r}; nothing was answered."
        )
    key = program(row.program).key_for(dialog, wanted)
    if key is None:
        raise Refused(
            f"the {dialog.kind} on {seen.name}'s screen has no plain {wanted}; nothing was answered. "
            f"Look at it: intercom attach {seen.name}"
        )
    what = named(value(dialog.tool or dialog.kind), dialog.subject)
    # Into the log first: nothing is approved that a person could not see afterwards.
    note(crew, by, f"{'allowed' if wanted == 'allow' else 'denied'} for {seen.name} by {by}, by keys\n{what}")
    if not press(crew, row, dialog, key, until):
        note(crew, by, f"not answered after all: {seen.name}'s screen had changed\n{what}")
        raise Refused(f"{seen.name}'s screen changed while it was looked at; nothing was answered. Look again.")
    return Approved(True, wanted, "keys", shown)


def _check(name: str, dialog: Dialog, expect: str | None) -> None:
    """Refused unless the dialog is the one that is meant, and all of it can be seen."""
    if expect is None:
        raise Refused(
            f"{name} shows {dialog.tool or dialog.kind}: {_short(dialog.subject)!r}; nothing was answered. "
            "Repeat that text as expect, so that this one is answered and no other."
        )
    if not dialog.whole:
        raise Refused(
            f"{name}'s dialog is taller than its screen; nothing was answered. intercom attach {name} shows it."
        )
    names = {dialog.subject, f"{dialog.tool}({dialog.subject})", f"{dialog.tool}: {dialog.subject}", *dialog.paths}
    if not any(_same(expect, text) for text in names if text):
        raise Refused(
            f"{name} asks something else than {_short(expect)!r}: {dialog.tool or dialog.kind} "
            f"{_short(dialog.subject)!r}; nothing was answered."
        )


def press(crew: Crew, row: SessionRow, dialog: Dialog, key: str, until: float) -> bool:
    """Press `key` if the screen shows just this dialog, twice; wait for it to go. False: it was another, no key."""
    for pause in (_STILL, 0.0):
        if not _shows(_screen(crew, row), dialog):
            return False
        time.sleep(pause)
    assert row.pane is not None
    tmux.send_key(crew.tmux_of(row.socket), row.pane, key)
    while time.monotonic() < until and _shows(_screen(crew, row), dialog):
        time.sleep(_STEP)
    return True


def _screen(crew: Crew, row: SessionRow) -> Screen:
    assert row.pane is not None
    return observe.shown(crew.tmux_of(row.socket), row.pane, program(row.program))[1]


def _shows(screen: Screen, dialog: Dialog) -> bool:
    """Whether the screen shows this dialog, and digits would answer it."""
    return screen.dialog is not None and screen.dialog.text == dialog.text and not screen.reason


def note(crew: Crew, by: str, text: str) -> None:
    """Put a decision into the log, for the people."""
    via = "cli" if by == USER else "tool"
    crew.bus.send(USER, text, sender=by, type="status", via=via)


def _same(left: str, right: str) -> bool:
    """Equal but for white space: the screen wraps what is long."""
    return "".join(left.split()) == "".join(right.split())


def _short(text: str) -> str:
    return one_line(text, _WORDS)
