"""The hooks in the real claude: what reaches the model, who is woken, what is asked, and that nothing stays behind."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from intercom.bus.bus import Bus
from intercom.fleet.programs.claude.hook_settings import settings
from intercom.fleet.sessions import SessionRow, Sessions
from intercom.store.state.db import State
from intercom.system import proc, tmux
from intercom.system.liveness import alive
from tests.claude.lab import ROOT, Lab, Session
from tests.claude.places import answer, asked, clear, command
from tests.claude.stage import no_waiter
from tests.conftest import agree
from tests.processes import patience, until

US = [sys.executable, "-m", "intercom"]
ALLOWED = {"permissions": {"allow": ["Bash(sleep:*)", "Bash(echo:*)"]}}


class Worker:
    """A claude called worker-1, as a spawn would start it, and the bus seen from outside."""

    def __init__(self, lab: Lab, name: str, **config: Any) -> None:
        home = lab.new_home(f"{name}/home")
        self.lab = lab
        self.before = len(lab.requests())  # other tests' sessions asked for those
        self.project = lab.new_project(home, f"{name}/project")
        self.bus = Bus.open(self.project, machine="lab")
        self.sessions = Sessions(State(self.bus.config.private))
        self.bus.register("master", pid=os.getpid())
        folder = self.project.parent
        server = {"command": US[0], "args": [*US[1:], "mcp"]}
        (folder / "hooks.json").write_text(json.dumps({**settings(US), **config}))
        (folder / "mcp.json").write_text(json.dumps({"mcpServers": {"intercomm": server}}))
        env = {
            "PYTHONPATH": str(ROOT),
            "INTERCOM_ROOT": str(self.project),
            "INTERCOM_MACHINE": "lab",
            "INTERCOM_NAME": "worker-1",
            "INTERCOM_ROLE": "worker",
        }
        options = ("--settings", str(folder / "hooks.json"), "--mcp-config", str(folder / "mcp.json"))
        self.session: Session = lab.start(name, *options, home=home, project=self.project, env=env)
        self.pid = tmux.pane(lab.server, self.session.pane).pid
        self.session.ready()
        until(lambda: self.row is not None and self.sessions.waiter("worker-1"), 30)
        until(lambda: [one for one in self.bus.instances() if one.name == "worker-1" and one.state == "alive"], 30)

    @property
    def row(self) -> SessionRow | None:
        """What the hooks said last."""
        return self.sessions.get("worker-1")

    def state(self, *wanted: str) -> SessionRow:
        """Wait for a state."""
        found: SessionRow = until(lambda: self.row if self.row and self.row.state in wanted else None)
        return found

    def send(self, text: str, *, urgent: bool = False) -> str:
        """A message from the master."""
        return self.bus.send("worker-1", text, sender="master", priority="urgent" if urgent else None).id

    def heard(self, text: str) -> list[dict[str, Any]]:
        """The requests to the model whose newest message holds a text, prompt or reminder."""
        asked = self.lab.requests()[self.before :]
        return [one for one in asked if text in json.dumps([one["prompt"], one["reminders"]])]

    def settled(self) -> bool:
        """Whether everything was given and received, and the session has stopped."""
        state = State(self.bus.config.private)
        waits = self.bus.unread("worker-1") or state.open_receipts("worker-1")
        state.close()
        return not waits and self.row is not None and self.row.state == "idle"

    def errors(self) -> str:
        """What went wrong in hooks."""
        path = self.bus.config.private / "errors.log"
        return path.read_text() if path.exists() else ""

    def end(self) -> None:
        """End it, and see that its waiter is gone too."""
        self.session.end()
        until(lambda: not self.sessions.waiter("worker-1"))
        self.bus.close()


@pytest.fixture
def worker(lab: Lab, place: str, request: pytest.FixtureRequest) -> Iterator[Worker]:
    """A ready worker; no hook of it may have failed."""
    found = Worker(lab, place, **getattr(request, "param", {}))
    yield found
    found.end()
    assert found.errors() == ""


@pytest.mark.every_version
def test_a_waiter_wakes_an_idle_session(worker: Worker) -> None:
    """First from ready, then from idle: the model gets it once, a draft stays, nothing is typed."""
    worker.session.type("half typed")
    worker.session.wait("half typed")
    first = worker.send("first-wake-text")
    until(lambda: worker.heard("first-wake-text"))
    worker.state("idle")
    until(lambda: worker.sessions.waiter("worker-1"))
    second = worker.send("second-wake-text")
    until(lambda: worker.heard("second-wake-text"))
    worker.state("idle")
    for text in ("first-wake-text", "second-wake-text"):
        (asked,) = worker.heard(text)
        assert "mcp__intercomm__intercomm_send" in asked["tools"]
    assert "❯\u00a0half typed" in worker.session.text()
    assert worker.bus.unread("worker-1") == 0
    for ident in (first, second):
        (receipt,) = worker.bus.receipts("master", ident)
        assert receipt.shown
    assert not State(worker.bus.config.private).open_receipts("worker-1")


@pytest.mark.every_version
@pytest.mark.parametrize("worker", [ALLOWED], indirect=True)
def test_urgent_at_the_next_tool_ordinary_at_the_end(worker: Worker) -> None:
    """A running session: neither stops a tool, the urgent comes with its result, the ordinary when the turn ends."""
    worker.session.prompt('%tool Bash {"command":"sleep 2"}\n%next Bash {"command":"echo two"}')
    until(lambda: worker.row and worker.row.about().get("command") == "sleep 2")
    worker.send("ordinary-text")
    worker.send("urgent-text", urgent=True)
    worker.state("idle")
    (urgent,), (ordinary,) = worker.heard("urgent-text"), worker.heard("ordinary-text")
    assert urgent["results"]
    assert not ordinary["results"]
    assert ordinary["n"] > urgent["n"]
    assert "Stop hook additional context" in ordinary["reminders"]
    assert worker.bus.unread("worker-1") == 0


def test_each_message_reaches_the_model_once(worker: Worker) -> None:
    """Sent at any moment, urgent or not, some of them starting turns; the session is cleared in between."""
    dice = random.Random(7)
    for number in range(16):
        if number == 10:
            until(worker.settled)
            command(worker.session, "/clear")
            worker.session.act("Enter", lambda _: worker.row and worker.row.state == "ready")
        script = " %drip 0.5 a b c d" if dice.random() < 0.4 else ""
        worker.send(f"one-of-{number:02d}-many{script}", urgent=dice.random() < 0.3)
        time.sleep(dice.choice([0, 0.05, 0.2, 0.5, 1]))
    until(worker.settled)
    for number in range(16):
        asked = worker.heard(f"one-of-{number:02d}-many")
        text = "".join(one["prompt"] + one["reminders"] for one in asked)
        assert text.count(f"one-of-{number:02d}-many") == 1


def test_a_prompt_brings_what_is_unread_and_proves_a_nonce(worker: Worker) -> None:
    """Keys with a nonce: UserPromptSubmit sees it; states go running, idle."""
    worker.sessions.expect_nonce("proof1234", "worker-1", "keys")
    worker.session.prompt("[intercom:proof1234] hello %drip 2 a b c")
    until(lambda: worker.sessions.nonce_seen("proof1234"))
    assert worker.row is not None
    assert (worker.row.state, worker.row.pid, worker.row.running) == ("running", worker.pid, True)
    assert worker.row.session_id
    worker.state("idle")


def test_a_turn_that_was_broken_off_leaves_a_session_that_can_be_woken(worker: Worker) -> None:
    """Esc ends a turn without a Stop hook; the waiter finds out and wakes it."""
    worker.session.prompt("%drip 30 a b c d e f g h i j k l m n o p q r s t u v w x y z")
    worker.session.wait("esc to interrupt")
    until(lambda: worker.heard("%drip 30"))  # before the model has said anything, Esc takes the prompt back
    worker.state("running")
    worker.session.act("Escape", lambda screen: "Interrupted" in screen)
    worker.send("after-the-break")
    until(lambda: worker.heard("after-the-break"))


def test_what_a_refused_tool_and_a_prompt_taken_back_took_along(worker: Worker) -> None:
    """The conversation loses what hooks put beside a tool that does not run, and beside a prompt that is undone."""
    worker.session.prompt('%pause 1\n%tool Bash {"command":"touch no","description":"Make a file"}')
    until(lambda: worker.heard("touch no"))
    worker.send("beside-a-tool", urgent=True)
    asked(worker.session, "touch no")
    answer(worker.session, "Escape")
    until(lambda: worker.heard("beside-a-tool"))
    until(worker.settled)
    no_waiter(worker.sessions, "worker-1")
    worker.send("beside-a-prompt")
    worker.session.prompt("%pause 5\n%say too late")
    until(lambda: not worker.bus.unread("worker-1"))
    worker.session.act("Escape", lambda screen: "esc to interrupt" not in screen)
    worker.session.wait("❯\u00a0%pause 5")  # it is back in the box
    before = len(worker.heard("beside-a-prompt"))
    clear(worker.session)
    worker.session.prompt("go on")
    until(lambda: len(worker.heard("beside-a-prompt")) > before)
    until(worker.settled)
    assert len(worker.heard("beside-a-tool")) == 1
    (last,) = worker.heard("beside-a-prompt")[before:]
    assert (last["prompt"], "given before" in last["reminders"]) == ("go on", True)


@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_the_master_answers_a_permission(worker: Worker, decision: str) -> None:
    """The request is an urgent question with the exact command; the answer is carried out and stands in the log."""
    worker.session.prompt(f'%tool Bash {{"command":"touch by-{decision}","description":"Make a file"}}')
    (request,) = until(worker.sessions.open_requests)
    assert (request.name, request.asks["tool"], request.asks["command"]) == (
        "worker-1",
        "Bash",
        f"touch by-{decision}",
    )
    asked = until(lambda: worker.bus.read("master"))[0]
    assert (asked.urgent, asked.type, asked.sender, asked.thread) == (True, "question", "worker-1", request.id)
    assert f"touch by-{decision}" in asked.body
    until(lambda: worker.state("blocked").about().get("request") == request.id)
    worker.bus.send("worker-1", decision, sender="master", type="answer", reply_to=asked.id, thread=request.id)
    time.sleep(0.5)
    assert worker.sessions.answer_of(request.id) is None, "a message on the bus is no decision"
    assert worker.sessions.answer(request.id, decision, "master", "because")
    worker.state("idle")
    assert (worker.project / f"by-{decision}").exists() == (decision == "allow")
    (noted,) = worker.bus.history(sender="system")
    assert f"touch by-{decision}" in noted.body
    assert ("denied" if decision == "deny" else "allowed") in noted.body
    assert not worker.sessions.answer(request.id, "allow", "master")


@pytest.mark.every_version
def test_a_dialog_that_a_person_answers_is_no_longer_asked(worker: Worker) -> None:
    """A yes on the screen withdraws the request; so does a no, of which no hook tells."""
    for name, key in (("yes", "1"), ("no", "Escape")):
        worker.session.prompt(f'%tool Bash {{"command":"touch by-{name}","description":"Make a file"}}')
        (request,) = until(worker.sessions.open_requests)
        asked(worker.session, f"touch by-{name}")
        answer(worker.session, key)
        until(lambda: not worker.sessions.open_requests())
        if name == "yes":
            worker.state("idle")
        assert not worker.sessions.answer(request.id, "allow", "master")
    assert (worker.project / "by-yes").exists()
    assert not (worker.project / "by-no").exists()


@pytest.mark.every_version
@pytest.mark.parametrize("how", ["exit", "kill"])
def test_the_waiter_ends_with_its_session(worker: Worker, how: str) -> None:
    """However it ends; after /exit the session is known to be gone."""
    waiter, server = worker.sessions.waiter("worker-1"), proc.children(worker.pid)
    assert waiter
    if how == "kill":
        os.kill(worker.pid, signal.SIGKILL)
    else:
        command(worker.session, "/exit")
        worker.session.key("Enter")
    until(lambda: not alive(worker.pid, None))
    until(lambda: not alive(*waiter), 5)
    assert not proc.wait_gone(server, patience(15))
    if how == "exit":
        worker.state("gone")


def test_rules_decide_without_asking(lab: Lab) -> None:
    """Allowed and denied by the project's settings, before any master is asked; both stand in the log."""
    worker = Worker(lab, "rules")
    folder = worker.project / ".claude"
    folder.mkdir(exist_ok=True)
    (folder / "intercom.toml").write_text('[permissions]\nallow = ["Bash(touch yes*)"]\ndeny = ["Bash(touch no*)"]\n')
    agree(worker.project, {"HOME": str(worker.project.parent / "home")})
    worker.session.prompt('%tool Bash {"command":"touch yes1"}\n%next Bash {"command":"touch no1"}')
    worker.state("idle")
    assert (worker.project / "yes1").exists()
    assert not (worker.project / "no1").exists()
    assert [one.body.split()[0] for one in worker.bus.history(sender="system")] == ["allowed", "denied"]
    assert not worker.bus.read("master")
    worker.end()
    assert worker.errors() == ""


def test_a_session_of_nobody_is_left_alone(lab: Lab, tmp_path: Path) -> None:
    """Without a name and without a bus the hooks say nothing and make nothing."""
    home = lab.new_home("nobody/home")
    project = lab.new_project(home, "nobody/project")
    (tmp_path / "hooks.json").write_text(json.dumps(settings(US)))
    env = {"PYTHONPATH": str(ROOT)}
    session = lab.start("nobody", "--settings", str(tmp_path / "hooks.json"), home=home, project=project, env=env)
    session.ready()
    session.prompt("just-a-prompt")
    session.wait("heard: just-a-prompt")
    session.wait(lambda screen: "running stop hooks" not in screen.lower())
    session.wait(lambda screen: "hook" not in screen)  # it says for a moment that it runs them
    assert not (project / ".claude").exists()
    session.end()


def test_the_plugin_is_valid_and_works(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claude Code's own check, without a warning; installed from the marketplace, hooks and commands are there."""
    home = lab.new_home("plugin/home")
    project = lab.new_project(home, "plugin/project")
    inside = str(ROOT / ".claude-plugin" / "plugin")
    checks = [["validate", "--strict", str(ROOT)], ["validate", "--strict", inside]]
    for words in (*checks, ["marketplace", "add", str(ROOT)], ["install", "intercom@intercom"]):
        rights = [] if os.geteuid() == 0 else ["--map-root-user"]
        line = ["unshare", "--net", *rights, str(lab.claude), "plugin", *words]
        done = proc.run(line, env={**os.environ, "HOME": str(home)}, check=False, timeout=60)
        assert done.code == 0, done.out + done.err
    program = home / "bin" / "intercom"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {US[0]} -m intercom "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")  # tmux takes it from its client
    with Bus.open(project, machine="lab") as bus:
        bus.register("worker", "worker-1")
        bus.send("worker-1", "through-the-plugin", sender="user", via="cli")
        env = {
            "PYTHONPATH": str(ROOT),
            "INTERCOM_ROOT": str(project),
            "INTERCOM_MACHINE": "lab",
            "INTERCOM_NAME": "worker-1",
        }
        session = lab.start("plugin", home=home, project=project, env=env)
        session.ready()
        session.prompt("what is new?")
        found = until(lambda: [one for one in lab.requests() if "through-the-plugin" in one["reminders"]])
        assert found[0]["prompt"] == "what is new?"
        session.wait("heard: what is new?")
        session.prompt("/intercom:inbox")
        until(lambda: any("until `unread_left` is 0" in json.dumps(one) for one in lab.requests()))
        session.end()
