"""Owns waking a session for a message, by a ladder of methods, and the proof that it worked.

    running   its hooks give it the message, at its next tool call or when it stops
    waiter    idle: the hook that waits beside it wakes it; nothing is typed
    command   idle without a waiter: its program's own command puts a prompt before it, or the settings name one
    keys      the same, with neither: a line pasted into its empty box, looked at again, then Enter

The message is in the log before any of this starts. `woke` is only reported with proof: the session continued with
the message (a later hook saw it), read it by itself, or its hook saw the nonce of the typed line. Nothing is typed
if the screen shows anything but an empty box, or another source says that the session is busy.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from intercom.bus.names import server_there
from intercom.core.errors import IntercomError, NotFound, ProgramMissing
from intercom.core.escaping import framed
from intercom.core.message import USER, age, canonical, new_id
from intercom.fleet import commands, kept, observe
from intercom.fleet.crew import Crew
from intercom.fleet.observe import Observation
from intercom.fleet.programs import known
from intercom.fleet.programs.program import Program
from intercom.fleet.programs.screen import Screen
from intercom.fleet.sessions import SessionRow
from intercom.system import tmux

TIMEOUT = 5.0  #: total seconds
PREFIX = "[intercom] "  #: because a text that begins with `!` or `/` would be a command
_STEP = 0.05  #: seconds between checks for proof
_SECOND_LOOK = 0.25  #: seconds between pasting and looking again; a dialog needs 1.45 s without keys to come up
_WAITER = 2.5  #: seconds for a waiter before keys are tried
_DRAWN = 1.5  #: further seconds within which a busy machine must show what was pasted
_TAKEN = 1.0  #: seconds within which a typed line must leave the box
_LAST = 0.2  #: seconds reserved for the last check
_HELD = {
    "draft": "has a half-written prompt in its box",
    "copy_mode": "is being scrolled back by somebody (tmux copy mode)",
    "menu": "has a menu open",
    "shell_mode": "has its box in shell mode",
}


class Woken(NamedTuple):
    """Whether the session was woken, by which rung, how long that took (seconds), or why not."""

    woke: bool
    how: str | None = None
    seconds: float = 0.0
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The public form."""
        out: dict[str, Any] = {"woke": self.woke}
        if self.how:
            out["how"] = self.how
        if self.reason:
            out["reason"] = self.reason
        out["seconds"] = round(self.seconds, 2)
        return out


class _Climb(NamedTuple):
    """One wake under way: who, for which message, its start and its deadline (monotonic seconds)."""

    crew: Crew
    name: str
    message: str
    began: float
    until: float

    def done(self, how: str) -> Woken:
        return Woken(True, how, time.monotonic() - self.began)

    def failed(self, reason: str) -> Woken:
        later = "; the message is stored and it gets it later" if self.message else ""
        return Woken(False, None, time.monotonic() - self.began, f"{reason}{later}")


def wake(crew: Crew, name: str, message: str, *, timeout: float = TIMEOUT) -> Woken:
    """Wake `name` for the stored message with this id. Takes at most `timeout` seconds."""
    began = time.monotonic()
    climb = _Climb(crew, name, message, began, began + max(timeout - _LAST, 0.0))
    while True:
        seen = observe.look(crew, name)
        woken = _rung(climb, seen)
        if woken is not None:
            return woken
        if time.monotonic() >= climb.until:
            return climb.failed(_why_not(climb, seen))


def _rung(climb: _Climb, seen: Observation) -> Woken | None:
    """Try the rung that fits the state; None: look again."""
    if how := _proof(climb):
        return climb.done(how)
    if (seen.row is None or seen.state == "gone") and (
        words := commands.of_settings(climb.crew, seen.name, climb.message)
    ):
        return _command(climb, words)
    if seen.row is None:
        return _by_itself(climb, "no session of an agent is known under that name; it reads when it next acts")
    if seen.state == "gone":
        return climb.failed(f"{seen.name} is not running")
    if seen.state in ("running", "starting"):
        _pause(climb, 0.2)
        return None
    if seen.state in ("ready", "idle"):
        return _at_prompt(climb, seen.row)
    how = _await(climb, 0.3)  # it may still be reading: a subagent's dialog, or a screen of another version
    return climb.done(how) if how else climb.failed(_why_not(climb, seen))


def _at_prompt(climb: _Climb, row: SessionRow) -> Woken | None:
    """For an idle session: its waiter first, then keys; None: look again."""
    waits = climb.crew.sessions.waiter(climb.name) is not None
    if waits and (how := _await(climb, _WAITER)):
        return climb.done(how)
    if commands.begins_itself(row):
        _pause(climb, 0.2)
        return None
    if not waits and not _given(climb):
        if nonce := commands.prompt(climb.crew, row, commands.LINE):
            return _confirmed(climb, nonce, "its program")
        if words := commands.of_settings(climb.crew, climb.name, climb.message):
            return _command(climb, words)
    if row.pane is None and kept.keeper(climb.crew.bus.config, climb.name) is not None:
        _pause(climb, 0.2)  # its waiter is starting
        return None
    there = server_there(climb.crew.state.instance(climb.name), row.pid)
    # Its waiter starts in parallel to the hook that says "ready".
    begins = waits or not there or age(row.since) < _WAITER
    if (row.state == "ready" and begins) or _given(climb):  # a turn that starts before its server has no tools
        _pause(climb, 0.2)
        return None
    return _keys(climb)


def _why_not(climb: _Climb, seen: Observation) -> str:
    """The state as a reason for failure."""
    if seen.state == "running":
        return f"{seen.why()}; its hooks give it the message at its next tool call or when it stops"
    if seen.state == "starting":
        return f"{seen.name} is still starting"
    if seen.state in ("ready", "idle"):
        if _given(climb):
            held = _HELD.get(seen.screen.state, "") if seen.screen else ""
            held = f" {held} and" if held else ""
            return f"its waiter has the message, but {seen.name}{held} was not seen to go on with it"
        if seen.disagreement:
            return f"what {seen.name} does is not certain ({seen.disagreement}), so nothing was typed"
        if seen.screen is not None and seen.screen.state == "unknown":
            return _not_typeable(seen.name, seen.screen)
        return f"{seen.name} is idle, and nothing confirmed in time that it goes on"
    if seen.state == "unknown":
        return f"what {seen.name} does is not known ({seen.disagreement or _shown(seen.screen)})"
    return f"{seen.why()}; answer that first"


def _shown(screen: Screen | None) -> str:
    return (screen.reason or screen.state) if screen else "it has no screen to look at"


# -- proof --------------------------------------------------------------------------------------------


def _proof(climb: _Climb) -> str | None:
    """How the message provably reached the session; None if that is not proven yet.

    Received: the session acted after it was given the message. Given while running: a hook put it before the model
    in a turn that continues, or the session itself read it.
    """
    found = climb.crew.state.receipt(climb.name, climb.message) if climb.message else None
    if found is None:
        return None
    session, received = found
    row = climb.crew.sessions.get(climb.name)
    if received is None and row is not None and row.heard is not None:
        since = climb.crew.sessions.given_at(session)
        if row.state != "running" or row.heard < since:
            return None  # its waiter has it; its next hook tells whether the session got it
    if session.endswith(".w"):
        return "waiter"
    if row is not None and session == row.mark:
        return "hook"
    if row is None or received is not None or session == _server_mark(climb):
        return "read"
    return None  # a hook has it, but has not output it yet


def _server_mark(climb: _Climb) -> str | None:
    """The session's own server, in the form used in receipts."""
    found = climb.crew.state.instance(climb.name)
    return f"{found.pid}.{found.started}" if found is not None and found.pid is not None else None


def _given(climb: _Climb) -> bool:
    return bool(climb.message) and climb.crew.state.receipt(climb.name, climb.message) is not None


def _await(climb: _Climb, seconds: float) -> str | None:
    """Wait for proof, at most `seconds`, and not beyond the deadline."""
    until = min(time.monotonic() + seconds, climb.until)
    while True:
        if how := _proof(climb):
            return how
        if time.monotonic() >= until:
            return None
        time.sleep(_STEP)


def _by_itself(climb: _Climb, reason: str) -> Woken:
    """For a session without hooks, which may be waiting in a read."""
    how = _await(climb, 1.0)
    return climb.done("read") if how else climb.failed(reason)


def _pause(climb: _Climb, seconds: float) -> None:
    time.sleep(max(0.0, min(seconds, climb.until - time.monotonic())))


def _command(climb: _Climb, words: list[str]) -> Woken:
    """Run the command from the settings, and wait until the session continues."""
    commands.run(climb.crew, climb.name, climb.message, words)
    return _confirmed(climb, "", words[0])


def _confirmed(climb: _Climb, nonce: str, what: str) -> Woken:
    """After a command was run: wait until the session continues."""
    while time.monotonic() < climb.until:
        if (nonce and climb.crew.sessions.nonce_seen(nonce)) or _proof(climb):
            return climb.done("command")
        time.sleep(_STEP)
    return climb.failed(f"{what} was asked to wake {climb.name}, and nothing confirmed in time that it goes on")


# -- keys ---------------------------------------------------------------------------------------------


def _keys(climb: _Climb) -> Woken | None:
    """Type a line into the session's box; None: its state changed meanwhile, look again."""
    seen = observe.look(climb.crew, climb.name)
    row, screen = seen.row, seen.screen
    if how := _proof(climb):
        return climb.done(how)
    if row is None or seen.state not in ("ready", "idle"):
        return None
    if seen.pane is None or screen is None:
        return climb.failed(f"{seen.name} is idle, nothing waits beside it, and it has no tmux pane to type into")
    turns = row.state == "running" or seen.told in ("running", "asked")
    if screen.state == "unknown" or (screen.typeable and turns):
        _pause(climb, 0.2)  # it may be redrawing; a turn that just ended will report that, and has its waiter
        return None
    if not screen.typeable:
        return climb.failed(_not_typeable(seen.name, screen))
    nonce = new_id()
    text = f"{commands.LINE} [intercom:{nonce}]"
    climb.crew.sessions.expect_nonce(nonce, climb.name, "keys")
    server = climb.crew.tmux_of(row.socket)
    trouble = _type(climb, server, seen.pane.id, known.program(row.program), text)
    if trouble is None:
        return None
    if trouble:
        return climb.failed(trouble)
    while time.monotonic() < climb.until:
        if climb.crew.sessions.nonce_seen(nonce) or _proof(climb):
            return climb.done("keys")
        time.sleep(_STEP)
    return climb.failed(f"a line was typed to {seen.name}, and no hook confirmed it in time")


def _type(climb: _Climb, server: tmux.Server, pane: str, program: Program, text: str) -> str | None:
    """Paste, look again, press Enter. Returns "", or what went wrong; None: withdrawn, because a turn had begun."""
    tmux.paste(server, pane, text)
    time.sleep(_SECOND_LOOK)
    until = min(time.monotonic() + _DRAWN, climb.until)
    while (now := _screen(server, pane, program)).typeable and time.monotonic() < until:
        time.sleep(_STEP)  # not drawn yet; given up now, the line would stand there unsent
    if not _is_ours(now, text):
        return _taken_back(server, pane, program, text, now)
    tmux.send_key(server, pane, program.submit)
    until = min(time.monotonic() + _TAKEN, climb.until)
    while _is_ours(_screen(server, pane, program), text):
        if time.monotonic() >= until:
            tmux.send_key(server, pane, program.submit)  # an Enter can be lost; the box still has only our line
            break
        time.sleep(2 * _STEP)
    return ""


def _taken_back(server: tmux.Server, pane: str, program: Program, text: str, now: Screen) -> str | None:
    """Handle a box that does not hold just our line: remove the line if it is alone there."""
    time.sleep(0.1)
    again = _screen(server, pane, program)
    if again.state == "running" and again.draft is not None and _same(again.draft, text):
        tmux.send_key(server, pane, program.clear)
        return None
    left = "" if again.draft else " (our line may stand in its box, not sent)"
    return f"its screen changed while a line was typed (it shows {now.state}){left}, so Enter was not pressed"


def _screen(server: tmux.Server, pane: str, program: Program) -> Screen:
    return observe.shown(server, pane, program)[1]


def _is_ours(screen: Screen, text: str) -> bool:
    """Whether the box holds only our line and nothing else is going on."""
    return screen.state == "draft" and screen.draft is not None and _same(screen.draft, text)


def _same(draft: str, text: str) -> bool:
    """Whether a draft is our text, although the box wraps and indents, and abbreviates a long text."""
    return "".join(draft.split()) == "".join(text.split())


def _not_typeable(name: str, screen: Screen) -> str:
    said = _HELD.get(screen.state, f"shows {screen.state}" + (f" ({screen.reason})" if screen.reason else ""))
    return f"{name} is idle but {said}, so nothing was typed"


# -- panes that are not a session of ours ---------------------------------------------------------------


def wake_pane(crew: Crew, target: str, text: str, *, timeout: float = TIMEOUT) -> Woken:
    """Type `text` into a tmux pane, if a known program is there at an empty box. NotFound.

    Without our hooks nothing can confirm it: then `woke` is False even if it was typed.
    """
    began = time.monotonic()
    climb = _Climb(crew, target, "", began, began + max(timeout - _LAST, 0.0))
    pane = tmux.pane(crew.server, target)
    screens = {one.name: _screen(crew.server, pane.id, one) for one in known.programs()}
    sits = next((one for one in known.programs() if screens[one.name].typeable), None)
    if sits is None:
        titles = " or ".join(one.title for one in known.programs())
        return climb.failed(
            f"{target} shows {screens[known.DEFAULT].state}, not {titles} at an empty box, so nothing was typed"
        )
    nonce = new_id()
    first, *more = framed(text, "")
    line = f"{PREFIX}{first} [intercom:{nonce}]"
    if more or len(line) > 700:
        return climb.failed("the text is too long to type; send it as a message to a name on the bus")
    crew.sessions.expect_nonce(nonce, target, "keys")
    trouble = _type(climb, crew.server, pane.id, sits, line)
    if trouble != "":
        return climb.failed(trouble or f"{target} began to work while a line was typed; it was taken out again")
    while time.monotonic() < climb.until:
        if crew.sessions.nonce_seen(nonce):
            return climb.done("keys")
        time.sleep(_STEP)
    return climb.failed(f"the text was typed to {target} and sent; no hook of ours runs there to confirm it")


def of_pane(crew: Crew, target: str) -> str | None:
    """The name on the bus of the session in a tmux pane; None if it is not ours."""
    try:
        pane = tmux.pane(crew.server, target)
    except (NotFound, IntercomError):
        return None
    for row in crew.sessions.all():
        if row.pane == pane.id and row.pid is not None and row.running:
            own, _ = observe.see(crew, row)
            if own is not None and own.pid == pane.pid:  # ids are per tmux server: this pane may be another server's
                return row.name
    return None


# -- for the edges ------------------------------------------------------------------------------------


def tell(crew: Crew, target: str, text: str, *, by: str) -> dict[str, Any]:
    """Store `text` for `target` (a name on the bus, or its tmux pane) and wake it; returns the public form.

    If the pane's owner is not on the bus, the text is typed there and nothing is stored. UnknownName, NotFound,
    StorageError.
    """
    name = canonical(target)
    known = crew.sessions.get(name) is not None or any(one.name == name for one in crew.bus.instances())
    found = name if known else of_pane(crew, target)
    if found is None:
        try:
            return {"to": target, "stored": False, **wake_pane(crew, target, text).to_json()}
        except (NotFound, ProgramMissing):
            pass  # not a pane either: the bus's error lists the names
    found = found or name
    via = "cli" if by == USER else "tool"
    sent = crew.bus.send(found, text, sender=by, type="status", priority="urgent", via=via)
    return {"id": sent.id, "to": found, "stored": True, **safely(crew, found, sent.id).to_json()}


def safely(crew: Crew, name: str, message: str) -> Woken:
    """As `wake`, for a stored message: any error becomes a reason instead of being raised."""
    try:
        return wake(crew, name, message)
    except (IntercomError, OSError) as error:
        return Woken(False, reason=f"{error} The message is stored and {name} gets it later")
