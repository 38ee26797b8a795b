"""What an answer is about, and which key gives it: anything doubtful is no key."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from intercom.core.errors import NotFound, Refused, UsageError
from intercom.fleet import keys, observe, settling
from intercom.fleet.approve import approve, describe, matches
from intercom.fleet.crew import Crew
from intercom.fleet.observe import Observation
from intercom.fleet.programs.claude.choices import choice_for
from intercom.fleet.programs.claude.screen import read
from intercom.fleet.programs.claude.versions import NEWEST
from intercom.fleet.programs.payload import tool
from intercom.fleet.programs.screen import Choice, Dialog
from intercom.fleet.programs.wrapped import same
from intercom.fleet.sessions import Request
from intercom.hooks.permission import question

SCREENS = Path(__file__).parent / "screens" / f"claude-{NEWEST}"
ASKS = {"tool": "Bash", "command": "touch a b", "subject": "touch a b", "input": {"command": "touch a b"}}


def dialog(kind: str, *labels: str) -> Dialog:
    """A dialog with these choices."""
    choices = tuple(Choice(str(number), label) for number, label in enumerate(labels, 1))
    return Dialog(kind, "", "", choices, 0, True, "text")


@pytest.mark.parametrize(
    ("expect", "fits"),
    [
        ("touch a b", True),
        ("  touch a b\n", True),
        ("Bash(touch a b)", True),
        ("Bash: touch a b", True),
        ("request1", True),
        ("touch a", False),
        ("touch a  b", False),
        ("touch", False),
        ("Bash", False),
        ("", False),
    ],
)
def test_expect_is_all_of_it(expect: str, *, fits: bool) -> None:
    """Never a part: a command that goes on differently is another command."""
    assert matches(expect, Request("request1", "worker-1", ASKS, None, "")) is fits


def test_expect_of_files_and_of_tools_without_a_subject() -> None:
    """A path stands for itself; a tool that is called with nothing to tell it by, for its name."""
    write = {"tool": "Write", "paths": ["/p/a"], "subject": "/p/a"}
    assert matches("/p/a", Request("r", "w", write, None, ""))
    assert not matches("/p/b", Request("r", "w", write, None, ""))
    bare = {"tool": "mcp__x__go", "subject": ""}
    assert matches("mcp__x__go", Request("r", "w", bare, None, ""))


@pytest.mark.parametrize(
    ("asked", "allow", "deny"),
    [
        (dialog("permission", "Yes", "Yes, and don't ask again", "No"), 0, 2),
        (dialog("permission", "Yes", "Yes, and always", "Yes, and switch to auto mode", "No"), 0, 3),
        (dialog("permission", "No", "Yes"), 1, 0),
        (dialog("permission", "Yes, quickly", "No"), None, 1),
        (dialog("permission", "Yes", "Yes", "No"), None, 2),
        (dialog("trust", "No, exit", "Yes, I trust this folder"), 1, 0),
        (dialog("bypass", "No, exit", "Yes, I accept"), 1, 0),
        (dialog("mcp_approval", "Use this MCP server", "Use this and all future", "Continue without"), 0, 2),
        (dialog("plan", "Yes, and use auto mode", "Yes, manually approve edits", "No"), 1, None),
        (dialog("question", "Postgres", "SQLite"), None, None),
        (dialog("held", "Deny", "Deliver this message"), None, 0),
        (dialog("menu"), None, None),
    ],
)
def test_choices(asked: Dialog, allow: int | None, deny: int | None) -> None:
    """Only a plain yes, once, and only where there is one; a plan's first choice means more than yes."""
    assert (choice_for(asked, "allow"), choice_for(asked, "deny")) == (allow, deny)


@pytest.mark.parametrize(
    ("expect", "shown", "columns", "fits"),
    [
        ("rm -rf /tmp/x", "rm -rf /tmp/x", 0, True),
        (" rm -rf /tmp/x\n", "rm -rf /tmp/x", 0, True),
        ("rm -rf /tmp/x", "rm -rf / tmp/x", 0, False),
        ("rm -rf / tmp/x", "rm -rf /tmp/x", 0, False),
        ("rm -rf /tmp", "rm -rf /\ntmp", 0, False),
        ("touch a\n  touch b", "touch a\n touch b", 0, True),
        ("echo " + "x" * 90, "echo " + "x" * 80 + "\n" + "x" * 10, 0, True),
        ("echo " + "x" * 70 + " y", "echo " + "x" * 70 + "\ny", 0, True),
        ("", "touch a", 0, False),
        ("touch a rm b", "touch a\nrm b", 80, False),  # the line ends there by itself: there was room
        ("touch a\nrm b", "touch a\nrm b", 80, True),
        ("echo " + "x" * 31 + "y z", "echo " + "x" * 31 + "\ny z", 40, True),
        ("echo " + "x" * 31 + "y z", "echo " + "x" * 31 + "\ny z", 80, False),
        ("touch " + "x" * 60 + " " + "y" * 20, "touch " + "x" * 60 + "\n" + "y" * 20, 80, True),
        ("echo " + "漢字" * 40, "echo " + "漢字" * 17 + "漢\n字" + "漢字" * 22, 80, True),
        ("echo " + "漢字" * 40, "echo " + "漢字" * 17 + "漢\n字" + "漢字" * 22, 220, False),
        ("touch a" + " " * 200 + "; rm b", "touch a\n\n          ; rm b", 80, True),
        ("touch a" + " " * 100 + "; rm -rf b", "touch a\n\n" + " " * 28 + "; rm -rf\nb", 40, True),
        ("touch\ta\t\tb", "touch   a               b", 80, True),
        ("touch a\tb", "touch a  c", 80, False),
        ("echo ⚠\ufe0f it", "echo ⚠ it", 80, True),
        ("a" + " \n" * 500 + "b", "a\n" + " \n" * 400 + "c", 80, False),  # and at once
    ],
)
def test_a_text_is_what_the_screen_shows(expect: str, shown: str, columns: int, *, fits: bool) -> None:
    """But for where the screen breaks a line; white space within one counts."""
    assert same(expect, shown, columns) is fits


def test_what_was_not_shown_whole_is_not_allowed_unseen(project: Path) -> None:
    """A command longer than what whoever is asked was shown needs all of it as expect; denying it does not."""
    command = "true " * 10_000
    with Crew.open(project, environ={}) as crew:
        crew.sessions.record("worker-1", state="blocked", pid=os.getpid())
        ident = crew.sessions.ask("worker-1", {"tool": "Bash", "command": command, "subject": command}, None)
        for expect in (None, ident):
            with pytest.raises(Refused, match="longer than what was shown"):
                approve(crew, "worker-1", by="master", decision="allow", expect=expect, timeout=0)
        assert approve(crew, "worker-1", by="master", decision="allow", expect=command, timeout=0).answered
        crew.sessions.ask("worker-1", {"tool": "Bash", "command": command, "subject": command}, None)
        assert approve(crew, "worker-1", by="master", decision="deny", timeout=0).answered


@pytest.mark.parametrize(
    "inputs",
    [
        {"command": "ls", "dangerouslyDisableSandbox": True, "then": '"' * 15_000},
        {"path": "a", "query": "drop " * 5_000},
        {"query": '"' * 15_000},  # as it is shown each sign is two
    ],
)
def test_all_that_a_tool_is_given_is_shown(project: Path, inputs: dict[str, Any]) -> None:
    """Not only its command or path; and what was cut there is not allowed by an id alone."""
    payload = {"tool_name": "mcp__db__run", "tool_input": inputs}
    request = {**tool(payload), "input": inputs, "cwd": "/w"}
    asked = question("worker-1", request, "id", 50)
    assert all(key in asked for key in inputs)
    assert "characters in all" in asked
    with Crew.open(project, environ={}) as crew:
        crew.sessions.record("worker-1", state="blocked", pid=os.getpid())
        ident = crew.sessions.ask("worker-1", request, None)
        with pytest.raises(Refused, match="longer than what was shown"):
            approve(crew, "worker-1", by="master", decision="allow", expect=ident, timeout=0)
        shown = approve(crew, "worker-1", by="master", timeout=0).asks or {}
        assert all(key in str(shown) for key in inputs)


def test_answers_through_the_bus(project: Path) -> None:
    """One request by its text, several by their ids; what is decided is decided once."""
    with Crew.open(project, environ={}) as crew:
        crew.sessions.record("worker-1", state="blocked", pid=os.getpid())
        first = crew.sessions.ask("worker-1", ASKS, "m1")
        shown = approve(crew, "worker-1", by="master", timeout=0)
        assert (shown.answered, (shown.asks or {})["command"]) == (False, "touch a b")
        second = crew.sessions.ask("worker-1", ASKS, "m2")
        with pytest.raises(Refused, match=f"{first} .*{second} |{second} .*{first} "):
            approve(crew, "worker-1", by="master", decision="allow", expect="touch a b", timeout=0)
        assert approve(crew, "worker-1", by="master", decision="deny", expect=first, timeout=0).answered
        assert approve(crew, "worker-1", by="user", decision="allow", timeout=0).answered
        answers = [crew.sessions.answer_of(ident) for ident in (first, second)]
        assert [(one.decision, one.by) for one in answers if one] == [("deny", "master"), ("allow", "user")]
        assert not approve(crew, "worker-1", by="master", decision="allow", timeout=0).answered


def test_what_others_said_to_a_session_is_not_repeated_to_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message from outside the log that is denied stays outside; the refusal of what it asked itself is told."""
    with Crew.open(project, environ={}) as crew:
        crew.bus.register("worker", "worker-1", pid=os.getpid())
        crew.sessions.record("worker-1", state="blocked", pid=os.getpid())
        monkeypatch.setattr(keys, "stands", lambda *_: True)
        monkeypatch.setattr(keys, "take", lambda *_: keys.GONE)
        for name, told in (("held", 0), ("bash", 1)):
            screen = read((SCREENS / f"{name}-120x40.txt").read_text("utf-8"))
            assert screen.dialog is not None
            seen = Observation("worker-1", "blocked", crew.sessions.get("worker-1"), None, None, screen)
            monkeypatch.setattr(observe, "look", lambda *_, seen=seen: seen)
            subject = screen.dialog.subject
            assert approve(crew, "worker-1", by="user", decision="deny", expect=subject, timeout=0).answered
            assert sum(subject in one.body for one in crew.bus.history(to="worker-1")) == told
            assert [one for one in crew.bus.history(sender="user") if subject in one.body]


@pytest.mark.parametrize(("told", "answered"), [("touch made", True), ("touch ma\u200bde", False)])
def test_a_screen_that_shows_another_command_than_the_hook_told(
    project: Path, monkeypatch: pytest.MonkeyPatch, told: str, *, answered: bool
) -> None:
    """What a screen cannot show is not answered there: the hook of that very request said what it is."""
    with Crew.open(project, environ={}) as crew:
        crew.sessions.record("worker-1", state="blocked", pid=os.getpid())
        asks = {"tool": "Bash", "command": told, "subject": told, "input": {"command": told}}
        crew.sessions.close(crew.sessions.ask("worker-1", asks, None))
        monkeypatch.setattr(keys, "stands", lambda *_: True)
        monkeypatch.setattr(keys, "take", lambda *_: keys.GONE)
        screen = read((SCREENS / "bash-120x40.txt").read_text("utf-8"))
        seen = Observation("worker-1", "blocked", crew.sessions.get("worker-1"), None, None, screen)
        monkeypatch.setattr(observe, "look", lambda *_: seen)
        if not answered:
            with pytest.raises(Refused, match="as its hook reported it"):
                approve(crew, "worker-1", by="user", decision="allow", expect="touch made", timeout=0)
            return
        assert approve(crew, "worker-1", by="user", decision="allow", expect="touch made", timeout=0).answered


@pytest.mark.parametrize("moment", ["before", "taken", "looked at", "noted"])
def test_a_dialog_that_its_hook_has_just_answered_gets_no_key(
    project: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """It stands for a moment longer, and a key would reach whatever comes next; only one answer is given."""
    pressed: list[object] = []

    def press(*given: object) -> str:
        pressed.append(given)
        return keys.GONE

    with Crew.open(project, environ={}) as crew:
        crew.sessions.record("worker-1", state="blocked", pid=os.getpid())
        asks = {"tool": "Bash", "command": "touch made", "subject": "touch made", "input": {"command": "touch made"}}
        ident = crew.sessions.ask("worker-1", asks, None)

        def other(*_: object, **__: object) -> bool:
            if moment == "noted":
                return crew.sessions.settle(ident, "deny", "user")
            return crew.sessions.answer(ident, "deny", "user")

        open_ones = crew.sessions.open_requests
        if moment in ("looked at", "noted"):  # as it is where the dialog is up before its hook has asked
            monkeypatch.setattr(crew.sessions, "open_requests", lambda *_: [])
        monkeypatch.setattr(keys, "stands", other if moment == "looked at" else lambda *_: True)
        if moment == "noted":
            monkeypatch.setattr(settling, "note", other)
        monkeypatch.setattr(keys, "take", press)
        screen = read((SCREENS / "bash-120x40.txt").read_text("utf-8"))
        seen = Observation("worker-1", "blocked", crew.sessions.get("worker-1"), None, None, screen)
        monkeypatch.setattr(observe, "look", lambda *_: seen)
        if moment in ("before", "taken"):
            other()
        if moment == "taken":
            crew.sessions.close(ident)
        words = "changed" if moment == "noted" else r"answered a moment ago \(deny by user\); nothing was answered"
        with pytest.raises(Refused, match=words):
            approve(crew, "worker-1", by="master", decision="allow", expect="touch made", timeout=0)
        found = crew.sessions.answer_of(ident)
        assert (pressed, found and (found.decision, found.by)) == ([], ("deny", "user"))
        assert not [one for one in crew.bus.history() if "allowed" in one.body]
        if moment != "taken":
            return
        monkeypatch.setattr(settling, "GOES", -1.0)  # it is there still: it was asked again
        assert approve(crew, "worker-1", by="master", decision="allow", expect="touch made", timeout=0).answered
        monkeypatch.setattr(settling, "GOES", 3.0)
        crew.sessions.close(crew.sessions.ask("worker-1", asks, None))  # or by a hook, so that it is known to be
        assert not open_ones("worker-1")
        assert approve(crew, "worker-1", by="master", decision="allow", expect="touch made", timeout=0).answered


def test_what_cannot_be_answered(project: Path) -> None:
    """Nobody of that name, no such decision."""
    with Crew.open(project, environ={}) as crew:
        with pytest.raises(NotFound, match="worker-9"):
            approve(crew, "worker-9", by="master", decision="allow", timeout=0)
        with pytest.raises(UsageError, match="perhaps"):
            approve(crew, "worker-9", by="master", decision="perhaps", timeout=0)


def test_a_request_without_a_command_shows_its_input() -> None:
    """Whoever decides sees what would be done, whatever the tool."""
    request = Request("r", "w", {"tool": "mcp__x__go", "input": {"deep": [1]}, "subject": ""}, None, "now")
    assert describe(request)["input"] == {"deep": [1]}


@pytest.mark.parametrize(("typed", "decided"), [("y", "allow"), ("n", "deny"), ("", None)])
def test_a_person_at_a_terminal_says_y_or_n(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str, decided: str | None
) -> None:
    """The exact request is shown; the answer is about that one; nobody retypes a command."""
    from intercom.cli import consent, main

    monkeypatch.setattr(consent, "at_terminal", lambda: True)
    monkeypatch.setattr("intercom.cli.fleet.at_terminal", lambda: True)
    monkeypatch.setattr("builtins.input", lambda question: typed if "allow this?" in question else "")
    monkeypatch.chdir(project)
    for name in ("INTERCOM_NAME", "CLAUDECODE", "CLAUDE_CODE_SESSION_ID"):
        monkeypatch.delenv(name, raising=False)
    with Crew.open(project, environ={}) as crew, subprocess.Popen(["sleep", "60"]) as worker:
        crew.sessions.record("worker-1", state="blocked", pid=worker.pid)  # not this process: it would be the worker
        request = crew.sessions.ask("worker-1", ASKS, None)
        main(["approve", "worker-1", "--timeout", "0"])
        worker.kill()
        said = capsys.readouterr().out
        assert "command: touch a b" in said
        answer = crew.sessions.answer_of(request)
        assert (answer.decision if answer else None) == decided
        assert ("nothing was answered" in said) == (decided is None)


@pytest.mark.parametrize("master", [True, False])
def test_the_dead_are_said_once(project: Path, *, master: bool) -> None:
    """A line in the log for a process that ended without a word, to the master too: it waits for that worker's done."""
    from intercom.fleet import workers

    child = subprocess.Popen(["sleep", "60"])
    with Crew.open(project, environ={}) as crew:
        if master:
            crew.bus.register("master", pid=os.getpid())
        crew.bus.register("worker", "worker-1", pid=child.pid)
        crew.sessions.record("worker-1", state="running", detail={"tool": "Bash", "subject": "make"}, pid=child.pid)
        child.kill()
        child.wait()
        for _ in range(2):
            assert workers.scan(crew)[0]["state"] == "gone"
        assert "dead" in workers.scan(crew)[0]["note"]
        (said,) = [one.body for one in crew.bus.history(sender="system") if "is dead" in one.body]
        assert "running, Bash: make" in said
        assert [one.body for one in crew.bus.read("user")] == [said]
        if master:
            assert [one.body for one in crew.bus.read("master")] == [said]
