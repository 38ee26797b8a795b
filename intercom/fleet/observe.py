"""Owns what can be said of a worker now: its hooks' word, its program's own word, its screen, and their verdict.

Three sources, in this order: the hooks, the file in which the program tells its state, the screen. `judge` is
pure and has the rules; where the sources do not agree, the answer says so.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from intercom.core.errors import IntercomError
from intercom.core.message import age
from intercom.core.texts import one_line
from intercom.fleet import kept
from intercom.fleet.crew import Crew
from intercom.fleet.programs.known import program
from intercom.fleet.programs.program import Program
from intercom.fleet.programs.screen import AWAY, FIRST_RUN, Dialog, Screen
from intercom.fleet.sessions import DECISIONS, SessionRow
from intercom.system import proc, tmux

#: What a state comes to. States of one kind do not contradict each other.
KIND_OF = {
    **dict.fromkeys(("ready", "idle", "error", "draft", "menu", "shell_mode"), "idle"),
    "running": "running",
    **dict.fromkeys(
        ("trust", "mcp_approval", "bypass", "login", "blocked", "plan", "question", "elicitation"), "asked"
    ),
    "asked": "asked",
    "gone": "gone",
}
_STATE_OF = {"idle": "idle", "running": "running", "asked": "blocked", "gone": "gone"}
_MOVED = "it went to the background for the view of all sessions, and messages wait until it acts"
_WORDS = 120  #: characters of what a worker is about, in one line
FRESH = 2.0  #: seconds in which what the hooks said is newer than what file and screen show
STARTING = 15.0  #: seconds in which a session whose hooks are silent counts as starting, whatever its screen shows


class Verdict(NamedTuple):
    """A state, one of `sessions.STATES`, and what contradicts it ("" if nothing does)."""

    state: str
    disagreement: str


class Observation(NamedTuple):
    """One worker at one moment."""

    name: str
    state: str
    row: SessionRow | None
    told: str | None  #: idle, running or asked
    pane: tmux.Pane | None
    screen: Screen | None
    disagreement: str = ""

    @property
    def dialog(self) -> Dialog | None:
        """What its screen asks."""
        return self.screen.dialog if self.screen else None

    @property
    def answerable(self) -> bool:
        """Whether what its screen asks has a plain yes or no; where it has neither, only a person can choose there."""
        dialog, row = self.dialog, self.row
        if dialog is None or row is None:
            return False
        return any(program(row.program).choice_for(dialog, one) is not None for one in DECISIONS)

    def why(self) -> str:
        """The state in a few words, with what it is about."""
        about = self.row.about() if self.row else {}
        what = " ".join(str(about[key]) for key in ("tool", "subject") if about.get(key))
        if self.state in ("blocked", *FIRST_RUN):
            shown = self.dialog
            if shown is not None:
                what = " ".join(word for word in (shown.tool or shown.kind, shown.subject) if word)
            return f"{self.name} is asked something ({one_line(what, _WORDS) or self.state})"
        return f"{self.name} is {self.state}" + (f" ({one_line(what, _WORDS)})" if what else "")


def look(crew: Crew, name: str, *, screen: bool = True) -> Observation:
    """What can be said of `name` now. `screen` False leaves the screen out. Never raises for a worker that is gone."""
    return of(crew, name, crew.sessions.get(name), screen=screen)


def of(crew: Crew, name: str, row: SessionRow | None, *, screen: bool = True) -> Observation:
    """As `look`, for a row that is known."""
    if row is None:
        return Observation(name, "unknown", None, None, None, None)
    pane, seen = see(crew, row) if screen else (None, None)
    living = row.running if row.pid is not None else bool(pane and not pane.dead)
    living = living or (row.pane is None and kept.keeper(crew.bus.config, name) is not None)  # it is started again
    said = program(row.program).status(row.pid, crew.environ) if row.pid is not None and living else None
    told = (said.state or None) if said else None
    if said is not None and said.apart and seen is not None and seen.state == AWAY:
        seen = None  # in the background, and that terminal shows all sessions
    state = (seen.under or seen.state) if seen else None  # copy mode hides what goes on from a person, not from us
    verdict = judge(row.state, told, state, living=living, age=age(row.since))
    if living and ((said is not None and said.moved) or state == AWAY):
        verdict = Verdict("unknown", _MOVED)
    but = verdict.disagreement or (seen.reason if seen is not None and seen.state == "menu" else "")
    return Observation(name, verdict.state, row, told, pane, seen, but)


def see(crew: Crew, row: SessionRow) -> tuple[tmux.Pane | None, Screen | None]:
    """The pane of a session and its screen; None where it has none, or another process sits in that pane by now."""
    if row.pane is None:
        return None, None
    try:
        pane, screen = shown(crew.tmux_of(row.socket), row.pane, program(row.program))
    except IntercomError:
        return None, None
    return (pane, screen) if _sits_in(row, pane) else (None, None)


def shown(server: tmux.Server, pane: str, runs: Program) -> tuple[tmux.Pane, Screen]:
    """A pane, and what it shows if that program runs in it. NotFound, CommandFailed."""
    found, text = tmux.look(server, pane)
    return found, runs.read(text, title=found.title, in_mode=found.in_mode, dead=found.dead)


def _sits_in(row: SessionRow, pane: tmux.Pane) -> bool:
    """Whether the session still is what runs in that pane: a new tmux server starts its ids again from 0."""
    if pane.pid == row.pid:
        return True
    if row.pid is None or not row.running:
        return pane.session == tmux.session_name(row.name)
    return any(one.pid == row.pid for one in proc.children(pane.pid))


def judge(hooks: str, told: str | None, shown: str | None, *, living: bool, age: float) -> Verdict:
    """The state by `hooks` (a state), `told` (idle, running, asked) and `shown` (a screen's state).

    - A process that is not there is gone, whatever else is said.
    - A dialog on the screen is there: plans, questions and first-run dialogs have no hook of their own.
    - A dialog that only the file knows of is there, too, where the screen shows nothing that is known, or in a turn
      a menu: people open those before one.
    - Else the hooks' word holds, unless file and screen both say something else and have had the time to: a turn
      that was interrupted by a person ends without a hook, and one that begins shows only after its hooks.
    - A session whose hooks have said nothing yet is starting, for a while.
    `age` is how many seconds ago the hooks' state began.
    """
    if not living:
        said = f"hooks say {hooks}, but its process is gone" if hooks not in ("gone", "starting") else ""
        return Verdict("gone", said)
    kinds = {"hooks": KIND_OF.get(hooks), "file": told, "screen": KIND_OF.get(shown or "")}
    if hooks == "gone":
        kinds["hooks"] = None  # its session ended and its program did not: another session, or on its way out
    said = _disagreement(hooks, told, shown, kinds)
    if kinds["screen"] == "asked":
        kind = kinds["hooks"]
        return Verdict(shown if shown in FIRST_RUN and shown else "blocked", said if kind == "idle" else "")
    if hooks == "starting" and age < STARTING:
        return Verdict("starting", "")
    unread = kinds["screen"] is None or (shown == "menu" and hooks == "running")
    if kinds["file"] == "asked" and unread and shown is not None and age >= FRESH:
        return Verdict("blocked", said)  # a dialog that nobody here can read
    if kinds["hooks"] is None:
        kind = kinds["screen"] or kinds["file"]
        return Verdict(_STATE_OF.get(kind or "", "unknown"), said)
    if kinds["file"] and kinds["file"] == kinds["screen"] != kinds["hooks"] and age >= FRESH:
        return Verdict(_STATE_OF[kinds["file"]], said)
    return Verdict(hooks, said)


def _disagreement(hooks: str, told: str | None, shown: str | None, kinds: dict[str, str | None]) -> str:
    """The sources side by side, if they contradict each other."""
    if len({kind for kind in kinds.values() if kind}) < 2:
        return ""
    words = {"hooks": hooks, "file": told, "screen": shown}
    return "; ".join(f"{source}: {words[source]}" for source, kind in kinds.items() if kind)


def asked(dialog: Dialog) -> dict[str, Any]:
    """A dialog on a screen, for people and models: enough to decide, and to name it when answering."""
    out: dict[str, Any] = {"kind": dialog.kind, "tool": dialog.tool, "subject": dialog.subject, "detail": dialog.detail}
    out["paths"] = list(dialog.paths)
    out = {key: value for key, value in out.items() if value}
    out["choices"] = [choice.label for choice in dialog.choices]
    if dialog.default is not None and dialog.default < len(dialog.choices):
        out["default"] = dialog.choices[dialog.default].label
    if not dialog.whole:
        out["note"] = "not all of it can be seen: it is taller than the screen, or still being drawn"
    return out
