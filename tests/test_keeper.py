"""Workers without a terminal: what keeps them, against a program that speaks their API and does as it is told."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from intercom.cli import main
from intercom.fleet import kept, workers
from intercom.fleet.approve import approve
from intercom.fleet.crew import Crew
from intercom.fleet.observe import look
from intercom.system import proc
from tests.processes import patience, until

pytestmark = pytest.mark.slow

#: An agent program: each prompt is a line of `seen`; one with `ask` in it asks for that command.
PROGRAM = """#!{python}
import json, os, subprocess, sys
if "--version" in sys.argv:
    sys.exit(print("0.61.0"))
folder = {folder!r}
def note(*words):
    with open(folder + "/seen", "a") as file:
        file.write(json.dumps(words) + "\\n")
def say(**what):
    print(json.dumps({{"jsonrpc": "2.0", **what}}), flush=True)
if os.path.exists(folder + "/broken"):
    sys.exit("it is broken")
server = None
for line in sys.stdin:
    asked = json.loads(line)
    method, given, result = asked.get("method"), asked.get("params") or {{}}, {{}}
    if method in ("session/new", "session/load"):
        (one,) = given["mcpServers"]
        env = {{**os.environ, **{{part["name"]: part["value"] for part in one["env"]}}}}
        pipes = {{"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL}}
        server = subprocess.Popen([one["command"], *one["args"]], env=env, **pipes)
        note(method, given.get("sessionId"))
        result = {{"sessionId": "s-1"}}
    elif method == "session/prompt":
        text = given["prompt"][0]["text"]
        note("prompt", text)
        if "please-ask" in text:
            call = {{"title": "rm -rf out", "kind": "execute", "rawInput": {{}}}}
            options = [{{"optionId": "yes", "kind": "allow_once"}}, {{"optionId": "no", "kind": "reject_once"}}]
            say(id="p", method="session/request_permission", params={{"toolCall": call, "options": options}})
            note("answer", json.loads(sys.stdin.readline())["result"]["outcome"])
        if "stay-here" in text:
            sys.stdin.readline()
        update = {{"sessionUpdate": "agent_message_chunk", "content": {{"text": "I \\x1b[31mam through\\n"}}}}
        say(method="session/update", params={{"update": update}})
    if "id" in asked and method:
        say(id=asked["id"], result=result)
"""


class Worker:
    """One worker of that program."""

    def __init__(self, crew: Crew, folder: Path) -> None:
        self.crew, self.folder, self.config = crew, folder, crew.bus.config

    def seen(self, kind: str = "") -> list[Any]:
        """What came to it."""
        path = self.folder / "seen"
        lines = path.read_text().splitlines() if path.exists() else []
        return [one for one in map(json.loads, lines) if not kind or one[0] == kind]

    def told(self, words: str) -> Any:
        """Say something to it, and wait for the prompt that holds it."""
        self.crew.bus.send("worker-1", words, sender="user", via="cli")
        return until(lambda: [text for _, text in self.seen("prompt") if words in text])

    def state(self) -> str:
        """What it does."""
        return look(self.crew, "worker-1").state

    def kill(self) -> None:
        """Kill -9."""
        row = self.crew.sessions.get("worker-1")
        assert row is not None
        assert row.pid is not None
        os.kill(row.pid, signal.SIGKILL)


@pytest.fixture
def worker(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """It is up, and has had its first turn."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "gemini"
    program.write_text(PROGRAM.format(python=sys.executable, folder=str(folder)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    with Crew.open(project) as crew:
        crew.bus.register("master", pid=os.getpid())
        (one,) = workers.spawn(
            crew, workers.Plan(1, program="gemini", ready_timeout=min(patience(30), 600.0)), by="master"
        )
        try:
            assert one.ready, one
            assert one.about["headless"] is True
            found = Worker(crew, folder)
            until(lambda: found.state() == "idle")
            yield found
        finally:
            workers.teardown(crew, "worker", worktrees=False, force=True)
        assert not list((crew.bus.config.private / kept.FOLDER).iterdir())


def test_it_is_prompted_asks_and_says(worker: Worker, capsys: pytest.CaptureFixture[str]) -> None:
    """By what comes for it; what it asks is answered by the master's word; what it said can be looked at."""
    assert worker.seen()[0] == ["session/new", None]
    (first,) = [text for _, text in worker.seen("prompt")]
    assert "You are worker-1" in first
    worker.crew.bus.send("worker-1", "please-ask", sender="user", via="cli")
    for count, (decision, chosen) in enumerate((("deny", "no"), ("allow", "yes")), 1):
        until(lambda: worker.crew.sessions.open_requests("worker-1"))
        assert worker.state() == "blocked"
        done = approve(worker.crew, "worker-1", by="master", decision=decision, expect="rm -rf out")
        assert done.answered
        until(lambda: len(worker.seen("answer")) == count)  # noqa: B023
        assert worker.seen("answer")[-1][1] == {"outcome": "selected", "optionId": chosen}
        until(lambda: worker.state() == "idle")
        if decision == "deny":
            worker.told("again: please-ask")
    assert main(["attach", "worker-1"]) == 0
    shown = capsys.readouterr().out
    assert '? shell: {"command": "rm -rf out"}: denied' in shown
    assert "am through" in shown
    assert "\x1b" not in shown


def test_killed_it_goes_on(worker: Worker) -> None:
    """Idle, and in the middle of a turn: with the same session; what it was given and did not finish comes again."""
    worker.kill()
    until(lambda: ["session/load", "s-1"] in worker.seen())
    worker.told("first-words")
    until(lambda: worker.state() == "idle")
    worker.crew.bus.send("worker-1", "stay-here", sender="user", via="cli")
    until(lambda: "stay-here" in worker.seen()[-1][-1])
    worker.kill()
    again = until(lambda: [text for _, text in worker.seen("prompt") if "ended in the middle of its work" in text])
    assert again
    until(lambda: sum("stay-here" in text for _, text in worker.seen("prompt")) == 2)
    assert sum("first-words" in text for _, text in worker.seen("prompt")) == 1
    said = [one.body for one in worker.crew.bus.history(sender="system")]
    assert sum("was started again, with its session" in one for one in said) == 2


def test_what_does_not_come_up_is_given_up(worker: Worker) -> None:
    """Thrice at once; people and the master are told why, and scan knows."""
    (worker.folder / "broken").touch()
    keeper = kept.keeper(worker.config, "worker-1")
    assert keeper is not None
    worker.kill()
    proc.wait_gone([keeper], patience(30))
    assert kept.keeper(worker.config, "worker-1") is None
    assert worker.state() == "gone"
    told = [one.body for one in worker.crew.bus.history(sender="system")]
    assert any("is not started again" in one and "it is broken" in one for one in told), told
