"""Owns a worker's current state, from three sources: its hooks, its program's own report, and its screen.

They rank in this order: the hooks, the file in which the program reports its state, the screen. `decide` is pure and
has the rules; if the sources contradict each other, the result says so.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from intercom.core.errors import IntercomError
from intercom.core.fleet_words import DECISIONS, SessionState
from intercom.core.message import age
from intercom.fleet import kept
from intercom.fleet.asking import in_short
from intercom.fleet.crew import Crew
from intercom.fleet.programs.known import program
from intercom.fleet.programs.program import Program
from intercom.fleet.programs.screen import AWAY, FIRST_RUN, Dialog, Screen
from intercom.fleet.sessions import SessionRow
from intercom.system import proc, tmux

#: The kind of each state. States of one kind do not contradict each other.
KIND_OF = {
    **dict.fromkeys(("ready", "idle", "error", "draft", "menu", "shell_mode"), "idle"),
    "running": "running",
    **dict.fromkeys(
        ("trust", "mcp_approval", "bypass", "login", "blocked", "plan", "question", "elicitation"), "asked"
    ),
    "asked": "asked",
    "gone": "gone",
}
_STATE_OF: dict[str, SessionState] = {"idle": "idle", "running": "running", "asked": "blocked", "gone": "gone"}
_MOVED = "it went to the background for the view of all sessions, and messages wait until it acts"
_WORDS = 120  #: characters of a worker's activity, on one line
FRESH = 2.0  #: seconds for which a hook's report is newer than file and screen
STARTING = 15.0  #: seconds for which a session with silent hooks counts as starting, whatever its screen shows


class Verdict(NamedTuple):
    """A state and what contradicts it ("" if nothing does)."""

    state: SessionState
    disagreement: str


class Observation(NamedTuple):
    """The state of one worker at one moment."""

    name: str
    state: SessionState
    row: SessionRow | None
    told: str | None  #: idle, running or asked
    pane: tmux.Pane | None
    screen: Screen | None
    disagreement: str = ""

    @property
    def dialog(self) -> Dialog | None:
        """The dialog on its screen."""
        return self.screen.dialog if self.screen else None

    @property
    def since(self) -> str | None:
        """Since when it is in this state (UTC). None if unknown, as when nobody has noted yet that it is gone."""
        if self.row is None or (self.state == "gone" and self.row.state != "gone"):
            return None
        return self.row.since

    @property
    def asks(self) -> dict[str, str]:
        """The tool and the subject of that dialog; those its hook reported, if not all of it is visible."""
        dialog = self.dialog
        if dialog is None:
            return {}
        about = self.row.about() if self.row is not None and self.row.state == "blocked" and not dialog.whole else {}
        tool, subject = str(about.get("tool") or ""), str(about.get("subject") or "")
        if subject and dialog.tool in ("", tool):
            return {"tool": tool, "subject": subject}
        return {"tool": dialog.tool or dialog.kind, "subject": dialog.subject}

    @property
    def answerable(self) -> bool:
        """Whether the dialog on its screen has a plain yes or no; otherwise only a person can answer it."""
        dialog, row = self.dialog, self.row
        if dialog is None or row is None:
            return False
        return any(program(row.program).choice_for(dialog, one) is not None for one in DECISIONS)

    def why(self) -> str:
        """The state in a few words, with what it is about."""
        what = in_short(self.row.about() if self.row else {}, _WORDS)
        if self.state in ("blocked", *FIRST_RUN):
            if self.dialog is not None:
                what = in_short(self.asks, _WORDS)
            return f"{self.name} is asked something ({what or self.state})"
        return f"{self.name} is {self.state}" + (f" ({what})" if what else "")


def look(crew: Crew, name: str, *, screen: bool = True) -> Observation:
    """Observe `name` now. With `screen` False the screen is not read. Never raises for a worker that is gone."""
    return of(crew, name, crew.sessions.get(name), screen=screen)


def of(crew: Crew, name: str, row: SessionRow | None, *, screen: bool = True) -> Observation:
    """As `look`, for a known row."""
    if row is None:
        return Observation(name, "unknown", None, None, None, None)
    pane, seen = see(crew, row) if screen else (None, None)
    living = row.running if row.pid is not None else bool(pane and not pane.dead)
    living = living or (row.pane is None and kept.keeper(crew.bus.config, name) is not None)  # its keeper restarts it
    said = program(row.program).status(row.pid, crew.environ) if row.pid is not None and living else None
    told = (said.state or None) if said else None
    if said is not None and said.apart and seen is not None and seen.state == AWAY:
        seen = None  # it runs in the background, and its terminal shows all sessions
    state = (seen.under or seen.state) if seen else None  # copy mode hides the live screen only from people
    verdict = decide(row.state, told, state, living=living, age=age(row.since))
    if living and ((said is not None and said.moved) or state == AWAY):
        verdict = Verdict("unknown", _MOVED)
    but = verdict.disagreement or (seen.reason if seen is not None and seen.state == "menu" else "")
    return Observation(name, verdict.state, row, told, pane, seen, but)


def see(crew: Crew, row: SessionRow) -> tuple[tmux.Pane | None, Screen | None]:
    """A session's pane and screen; None if it has none, or another process is in that pane by now."""
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
    """Whether the session still runs in that pane: a new tmux server numbers its panes from 0 again."""
    if pane.pid == row.pid:
        return True
    if row.pid is None or not row.running:
        return pane.session == tmux.session_name(row.name)
    return any(one.pid == row.pid for one in proc.children(pane.pid))


def decide(hooks: SessionState, told: str | None, shown: str | None, *, living: bool, age: float) -> Verdict:
    """Decide on a state from `hooks`, `told` (idle, running, asked) and `shown` (a screen's state).

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
        kinds["hooks"] = None  # its session ended but its program did not: another session, or it is exiting
    said = _disagreement(hooks, told, shown, kinds)
    if kinds["screen"] == "asked":
        kind = kinds["hooks"]
        door = next((one for one in FIRST_RUN if one == shown), None)
        return Verdict(door or "blocked", said if kind == "idle" else "")
    if hooks == "starting" and age < STARTING:
        return Verdict("starting", "")
    unread = kinds["screen"] is None or (shown == "menu" and hooks == "running")
    if kinds["file"] == "asked" and unread and shown is not None and age >= FRESH:
        return Verdict("blocked", said)  # a dialog of unknown form
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


def asked(seen: Observation) -> dict[str, Any]:
    """The dialog on a session's screen, for people and models: enough to decide, and to identify it when answering."""
    dialog = seen.dialog
    assert dialog is not None
    tool, subject = seen.asks["tool"], seen.asks["subject"]
    out: dict[str, Any] = {"kind": dialog.kind, "tool": tool if tool != dialog.kind else "", "subject": subject}
    out["detail"] = dialog.detail
    out["paths"] = list(dialog.paths)
    out = {key: value for key, value in out.items() if value}
    out["choices"] = [choice.label for choice in dialog.choices]
    if dialog.default is not None and dialog.default < len(dialog.choices):
        out["default"] = dialog.choices[dialog.default].label
    if not dialog.whole:
        out["note"] = "not all of it can be seen on its screen: it is taller, or still being drawn"
    return out
