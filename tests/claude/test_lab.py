"""The harness itself, with the real claude: offline, scripted, and nothing left behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from intercom.fleet.programs.claude.screen import read
from intercom.fleet.programs.screen import Screen
from intercom.system import proc, tmux
from intercom.system.liveness import alive
from tests.claude import lab as harness
from tests.claude.api import plan
from tests.claude.lab import Lab, Session
from tests.claude.places import answer, asked


@pytest.fixture
def session(lab: Lab, place: str) -> Iterator[Session]:
    """A fresh claude in a project of its own."""
    home = lab.new_home(f"{place}/home")
    found = lab.start(place, home=home, project=lab.new_project(home, f"{place}/project"))
    found.ready()
    yield found
    found.end()


def seen(session: Session) -> Screen:
    """The session's screen, as the fleet will read it."""
    pane, text = tmux.look(session.lab.server, session.pane)
    return read(text, title=pane.title, in_mode=pane.in_mode, dead=pane.dead)


def test_a_turn_with_a_permission(session: Session) -> None:
    """Ready, blocked with the exact command, idle; the request log holds the prompt once, the file is there."""
    assert seen(session).state == "ready"
    session.prompt('%tool Bash {"command":"touch made-by-test","description":"Make a file"}')
    screen = asked(session, "touch made-by-test")
    assert screen.state == "blocked"
    assert screen.dialog is not None
    assert (screen.dialog.tool, screen.dialog.subject) == ("Bash", "touch made-by-test")
    answer(session, "1")
    session.wait("result:")
    session.wait(lambda _: seen(session).state == "idle")
    assert (session.project / "made-by-test").exists()
    requests = [one for one in session.lab.requests() if "made-by-test" in one["prompt"]]
    assert len([one for one in requests if not one["results"]]) == 1


def test_copy_mode_draft_and_running(session: Session) -> None:
    """States that tmux and the box tell, live."""
    session.type("half typed")
    session.wait("half typed")
    assert (seen(session).state, seen(session).draft) == ("draft", "half typed")
    session.tmux("copy-mode")
    assert seen(session).state == "copy_mode"
    session.tmux("send-keys", "-X", "cancel")
    session.key("C-u")
    session.wait(lambda _: seen(session).draft == "")
    session.prompt("%drip 4 one two three four five six seven eight")
    session.wait(lambda _: seen(session).state == "running")
    session.wait(lambda _: seen(session).state == "idle")


def test_offline(session: Session) -> None:
    """Only loopback is there, and claude runs in that world, not in ours."""
    pane = tmux.pane(session.lab.server, session.pane)
    links = Path(f"/proc/{pane.pid}/net/dev").read_text().splitlines()[2:]
    assert [line.split(":")[0].strip() for line in links] == ["lo"]


def test_ended_sessions_leave_nothing(lab: Lab) -> None:
    """The process and its children are gone when `end` returns."""
    home = lab.new_home("ends/home")
    session = lab.start("ends", home=home, project=lab.new_project(home, "ends/project"))
    session.ready()
    pane = tmux.pane(lab.server, session.pane)
    below = [proc.Process(pane.pid, None), *proc.children(pane.pid)]
    session.end()
    assert not [one for one in below if alive(*one)]
    assert "ends" not in [one.session for one in tmux.panes(lab.server)]


def test_a_missing_claude_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No skip: the message says how to install it."""
    monkeypatch.setenv("INTERCOM_CLAUDE_HOME", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"python -m tests\.claude\.lab install"):
        Lab(tmp_path)
    program = tmp_path / "1.2.3" / "node_modules" / ".bin" / "claude"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho 1.0.0\n")
    program.chmod(0o755)
    with pytest.raises(RuntimeError, match=r"is '1\.0\.0', not"):
        harness.binary("1.2.3")


def test_the_script_of_a_prompt() -> None:
    """Calls now, calls after each result, then an answer; text without a script is echoed."""

    def user(text: str = "", *results: str) -> dict[str, object]:
        blocks = [{"type": "tool_result", "content": one} for one in results]
        return {"role": "user", "content": [*blocks, {"type": "text", "text": text}]}

    def told(*messages: dict[str, object]) -> list[str]:
        return [" ".join(call) for call in plan({"messages": list(messages)})]

    first = user('%tool A {"x":1}\n%next B {}\n%next C {}')
    reply: dict[str, object] = {"role": "assistant", "content": []}
    assert told(user("hi <system-reminder>x</system-reminder>")) == ["say heard: hi"]
    assert told(first) == ["tool A " + json.dumps({"x": 1}, separators=(",", ":"))]
    assert told(first, reply, user("", "r")) == ["tool B {}"]
    assert told(first, reply, user("", "r"), reply, user("", "r")) == ["tool C {}"]
    assert told(first, reply, user("", "r"), reply, user("", "r"), reply, user("", "z")) == ["say result: z"]
