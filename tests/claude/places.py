"""Owns the states that a session can be met in: how a person brings it there, what shows, and how it gets out again.

A place can be entered again and again in one session. `safe` says what may happen to a message there:

    asked     a dialog is up: it waits, whatever is beside the session
    held      the box is not empty, or a menu or tmux has the keys: its waiter may wake it, keys may not
    busy      a turn runs: hooks bring it, or it waits
    free      an empty box: it is woken
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import NamedTuple

from intercom.fleet.programs.claude import screen
from intercom.fleet.programs.screen import Screen
from intercom.system import tmux
from tests.claude.capture import QUESTION
from tests.claude.lab import Session
from tests.processes import patience

BASH = '%tool Bash {"command":"touch made","description":"Make a file"}'
EMPTY = ("ready", "idle", "error")


class Place(NamedTuple):
    """One state."""

    enter: Callable[[Session], object]
    shows: tuple[str, ...]  #: states that its screen may have
    safe: str
    why: str  #: words of a reason that is true here
    leave: Callable[[Session], object]
    draft: str = ""  #: what a person has typed there, and finds in the box afterwards


def seen(session: Session) -> Screen:
    """What its screen shows."""
    pane, text = tmux.look(session.lab.server, session.pane)
    return screen.read(text, title=pane.title, in_mode=pane.in_mode, dead=pane.dead)


def shows(session: Session, *states: str, seconds: float = 20.0) -> Screen:
    """Its screen once it shows one of these; fails with the screen after `seconds`."""
    end = time.monotonic() + patience(seconds)
    while (found := seen(session)).state not in states:
        assert time.monotonic() < end, f"{found.state}, not {states}\n{session.text()}"
        time.sleep(0.1)
    return found


def drawn(session: Session) -> Screen:
    """Its screen once it stays as it is for a moment."""
    end, found, since = time.monotonic() + patience(20), seen(session), time.monotonic()
    while time.monotonic() - since < 0.3:
        assert time.monotonic() < end, session.text()
        time.sleep(0.1)
        if (now := seen(session))._replace(text="") != found._replace(text=""):
            found, since = now, time.monotonic()
    return found


def asked(session: Session, subject: str) -> Screen:
    """Its screen once it asks about this."""
    end = time.monotonic() + patience(20)
    while (found := seen(session)).dialog is None or found.dialog.subject != subject:
        assert time.monotonic() < end, session.text()
        time.sleep(0.1)
    return found


def answer(session: Session, key: str) -> None:
    """Answer the dialog on its screen by a key."""
    session.act(key, lambda _: seen(session).dialog is None)


def asks(*lines: str) -> Callable[[Session], object]:
    """Send a script whose last tool asks, and wait for the dialog."""

    def enter(session: Session) -> None:
        session.prompt("\n".join(line.replace("PROJECT", str(session.project)) for line in lines))
        steady(session)

    return enter


def steady(session: Session) -> None:
    """Wait until a dialog is up and stays as it is: that of an edit comes up before its text."""
    end, last, since = time.monotonic() + patience(20), "", time.monotonic()
    while not last or time.monotonic() - since < 0.3:
        assert time.monotonic() < end, session.text()
        dialog = seen(session).dialog
        text = dialog.text if dialog else ""
        text = "" if "…" in [line.strip() for line in text.splitlines()] else text
        last, since = text, (since if text == last else time.monotonic())
        time.sleep(0.1)


def over_draft(session: Session) -> None:
    """A dialog that comes up over a draft."""
    session.prompt(f"%pause 1\n{BASH}")
    session.type("half typed")
    steady(session)


def about_to_ask(session: Session) -> None:
    """A dialog that waits for a person to stop typing."""
    session.prompt(f"%pause 0.5\n{BASH}")
    end = time.monotonic() + patience(20)
    while seen(session).state != "blocked":
        assert time.monotonic() < end, session.text()
        session.type("z")
        time.sleep(0.1)


def amending(session: Session) -> None:
    """Words being written into a dialog."""
    asks(BASH)(session)
    session.key("Tab")
    session.wait("what to do next")
    session.type("quickly")
    session.wait("Yes, quickly")


def plan(session: Session) -> None:
    """A plan that waits for its approval; claude says in the prompt where the plan's file is."""
    _mode(session, "plan")
    session.prompt("where is the plan?")
    home, path = f"{session.home}/.claude/plans/", ""
    end = time.monotonic() + patience(20)
    while not path:
        assert time.monotonic() < end, session.text()
        for body in sorted((session.lab.folder / "bodies").glob("*.json"))[::-1][:10]:
            text = body.read_text()
            at = text.rfind(home)
            path = path or (text[at : text.index(".md", at) + 3] if at >= 0 else "")
    shows(session, *EMPTY)
    content = json.dumps({"file_path": path, "content": "# Plan\n\n1. Do this\n2. Do that\n"})
    asks(f"%tool Write {content}\n%next ExitPlanMode {{}}")(session)


def planned(session: Session) -> None:
    """No plan any more."""
    refuse(session)
    _mode(session, "default")


def _mode(session: Session, wanted: str) -> None:
    """Press Shift+Tab until the footer tells this permission mode; each press is seen before the next."""
    end = time.monotonic() + patience(30)
    while (found := seen(session).mode) != wanted:
        session.key("BTab")
        while seen(session).mode in (found, ""):
            assert time.monotonic() < end, session.text()
            time.sleep(0.1)


def menu(session: Session) -> None:
    """A slash command with a menu, typed as a person does."""
    command(session, "/model")
    session.act("Enter", lambda text: "Select model" in text)


def command(session: Session, word: str) -> None:
    """Type a slash command, and wait for the list that it stands in."""
    session.type(word)
    session.wait(lambda text: f"❯\u00a0{word}" in text and seen(session).state == "menu")


def types(text: str, state: str) -> Callable[[Session], object]:
    """Type something and leave it there."""

    def enter(session: Session) -> None:
        session.type(text)
        shows(session, state)

    return enter


def search(session: Session) -> None:
    """Looking through old prompts."""
    session.key("C-r")
    shows(session, "menu", "unknown")


def shell(session: Session) -> None:
    """A command for a shell, not sent; all at once it would be a paste, and no mode."""
    session.type("!")
    shows(session, "shell_mode")
    session.type("touch x")
    session.wait("touch x")


def runs(*script: str) -> Callable[[Session], object]:
    """A turn that goes on for a while."""

    def enter(session: Session) -> None:
        session.prompt("\n".join(script))
        shows(session, "running")

    return enter


def queued(session: Session) -> None:
    """A prompt sent while a turn runs."""
    runs(SLOWLY)(session)
    session.paste("and then this")
    session.wait("❯\u00a0and then this")
    session.key("Enter")
    session.wait("edit queued messages")


def copy_mode(session: Session) -> None:
    """tmux's own copy mode."""
    session.tmux("copy-mode")


def scrolled_back(session: Session) -> None:
    """Out of copy mode."""
    session.tmux("send-keys", "-X", "cancel")


def refuse(session: Session) -> None:
    """Say no to a dialog, or close a menu. Each Esc is seen to act before the next: two at an empty box open a menu."""
    end = time.monotonic() + patience(30)
    while (found := seen(session)).dialog is not None or found.state in ("blocked", "menu", "unknown"):
        assert time.monotonic() < end, session.text()
        session.key("Escape")
        wait = time.monotonic() + patience(3)
        while seen(session) == found and time.monotonic() < wait:
            time.sleep(0.1)
        drawn(session)


def clear(session: Session) -> None:
    """Empty the box, in whatever mode it is."""
    end = time.monotonic() + patience(20)
    while (found := seen(session)).draft != "" or found.state == "shell_mode":
        assert time.monotonic() < end, session.text()
        session.key("Escape" if found.state == "menu" else "C-u")
        if drawn(session).state == "shell_mode":
            session.key("BSpace")
            drawn(session)


def nothing(_: Session) -> None:
    """There is nothing to do."""


SLOWLY = "%drip 3 one two three four five six seven eight nine ten"
_ASKED = r"is asked something|\(asked\)|shows (blocked|plan|question|elicitation)"
_MENU = "has a menu open"
_RUNS = r"is running|was not seen to go on|is asked|shows running|began to work"
PLACES = {
    "idle": Place(nothing, EMPTY, "free", r"\bnever\b", nothing),
    "bash": Place(asks(BASH), ("blocked",), "asked", _ASKED, refuse),
    "bash-over-draft": Place(over_draft, ("blocked",), "asked", _ASKED, refuse, "half typed"),
    "bash-amending": Place(amending, ("blocked",), "asked", _ASKED, refuse),
    "guard": Place(about_to_ask, ("blocked",), "asked", _ASKED, refuse, "z"),
    "edit": Place(
        asks(
            '%tool Read {"file_path":"PROJECT/a.txt"}',
            '%next Edit {"file_path":"PROJECT/a.txt","old_string":"one","new_string":"two"}',
        ),
        ("blocked",),
        "asked",
        _ASKED,
        refuse,
    ),
    "fetch": Place(
        asks('%tool WebFetch {"url":"https://example.com/x","prompt":"Sum it up"}'),
        ("blocked",),
        "asked",
        _ASKED,
        refuse,
    ),
    "plan": Place(plan, ("plan",), "asked", _ASKED, planned),
    "question": Place(
        asks('%tool AskUserQuestion {"questions":[' + QUESTION % ("Which database?", "false") + "]}"),
        ("question",),
        "asked",
        _ASKED,
        refuse,
    ),
    "elicitation": Place(asks("%tool mcp__team1__ask {}"), ("elicitation",), "asked", _ASKED, refuse),
    "menu": Place(menu, ("menu",), "held", _MENU, refuse),
    "menu-slash": Place(types("/", "menu"), ("menu",), "held", _MENU, clear, "/"),
    "search": Place(search, ("menu", "unknown"), "held", "has a menu open|shows unknown", refuse),
    "draft": Place(types("half typed", "draft"), ("draft",), "held", "half-written prompt", clear, "half typed"),
    "shell": Place(shell, ("shell_mode",), "held", "shell mode", clear, "touch x"),
    "copy-mode": Place(copy_mode, ("copy_mode",), "held", "copy mode", scrolled_back),
    "running": Place(runs(SLOWLY), ("running",), "busy", _RUNS, nothing),
    "running-tool": Place(
        runs('%tool Bash {"command":"sleep 2","description":"Wait"}'), ("running",), "busy", _RUNS, nothing
    ),
    "queued": Place(queued, ("running",), "busy", _RUNS, nothing),
}
