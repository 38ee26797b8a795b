"""The real claude as a worker without a terminal: it begins, asks, reports, is woken, killed and goes on."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from intercom.fleet import kept, workers
from intercom.fleet.approve import approve
from intercom.system import proc, tmux
from intercom.system.liveness import alive
from tests.claude.lab import ROOT, Lab
from tests.claude.stage import Stage, bus_call, call
from tests.processes import until

SOAK = bool(os.environ.get("INTERCOM_SOAK"))
ROUNDS = int(os.environ.get("INTERCOM_ROUNDS", "50")) if SOAK else 1
COMMIT = "git switch -qc topic; touch made.txt; git add .; git commit -qm Made"


pytestmark = pytest.mark.slow


@pytest.fixture
def stage(lab: Lab, place: str) -> Iterator[Stage]:
    """A project of this test's own."""
    with Stage(lab, place, PYTHONPATH=str(ROOT)) as found:
        yield found


def spawned(stage: Stage, *words: str) -> None:
    """A worker, spawned within the lab's network, that has done its first turn."""
    path = f"PATH={stage.env['PATH']}"  # a pane of tmux has its own
    line = ["env", path, sys.executable, "-m", "intercom", "spawn", "1", "--headless", "--worktrees", *words]
    env = {**stage.env, "INTERCOM_MACHINE": "stage"}
    tmux.new_session(stage.lab.server, f"spawn-{stage.project.parent.name}"[:60], line, cwd=stage.project, env=env)
    until(lambda: stage.asked("You are worker-1, a worker"), 60)
    stage.wait_state("worker-1", "idle")
    row = stage.crew.sessions.get("worker-1")
    assert row is not None
    assert (row.pane, row.session_id, stage.faults()) == (None, _session(stage), "")


def _session(stage: Stage) -> str:
    found = kept.kept(stage.crew.bus.config, "worker-1")
    assert found is not None
    return str(found.session)


def _told(stage: Stage, text: str) -> list[dict[str, Any]]:
    """The requests in whose newest turn this stands; in none of them more than once."""
    found = stage.asked(text)
    assert all(_body(stage, one).count(text) == 1 for one in found), text
    return found


def _body(stage: Stage, request: dict[str, Any]) -> str:
    return (stage.lab.folder / "bodies" / f"{request['n']:05d}.json").read_text()


def test_a_worker_without_a_terminal(stage: Stage) -> None:
    """It asks the master for what it may not do, reports what it did, and is woken with what comes."""
    spawned(stage, "--perm-mode", "default")
    lines = [
        call("Bash", command=COMMIT, description="Commit"),
        call("Bash", "next", command="touch ../never", description="More"),
        bus_call("intercomm_send", to="master", type="done", message="It is made.", branch="topic"),
    ]
    stage.assign("worker-1", "\n".join(lines))
    for command, decision in ((COMMIT, "allow"), ("touch ../never", "deny")):
        until(lambda: any(one.asks.get("command") == command for one in _open(stage)))  # noqa: B023  # at once
        assert approve(stage.crew, "worker-1", by="master", decision=decision, expect=command).answered
    (report,) = until(lambda: [one for one in stage.crew.bus.read("master") if one.type == "done"])
    assert report.body.startswith("It is made.")
    assert (stage.worktrees / "worker-1" / "made.txt").exists()
    assert not (stage.worktrees / "never").exists()
    stage.wait_state("worker-1", "idle")
    for number in range(ROUNDS):
        idle, busy, go = (f"{kind}-{number:03}-words" for kind in ("idle", "busy", "go"))
        hold = f"touch at-{go}; while [ ! -e {go} ]; do sleep 0.05; done"
        task = call("Bash", command=hold, description="Work")
        ident, _ = stage.send("worker-1", f"{idle}\n{task}")
        until(lambda: _open(stage), 30)
        approve(stage.crew, "worker-1", by="master", decision="allow", expect=hold)
        folder = stage.worktrees / "worker-1"
        until((folder / f"at-{go}").exists)
        stage.send("worker-1", busy, urgent=True)
        (folder / go).touch()
        until(lambda: _told(stage, busy))  # noqa: B023
        stage.wait_state("worker-1", "idle")
        assert len({one["prompt"] for one in _told(stage, idle)}) == 1
        assert stage.crew.state.receipt("worker-1", ident)
    running = stage.crew.sessions.get("worker-1")
    assert running is not None
    assert [one.name for one in workers.teardown(stage.crew, worktrees=True, force=True)] == ["worker-1"]
    assert running.pid is not None
    assert not alive(running.pid, running.started)
    assert kept.keeper(stage.crew.bus.config, "worker-1") is None
    assert not stage.faults()


def _open(stage: Stage) -> list[Any]:
    return stage.crew.sessions.open_requests("worker-1")


@pytest.mark.parametrize("words", ["first-words"][:SOAK], ids=["soak"][:SOAK])  # half a minute
def test_killed_it_goes_on_with_its_session(stage: Stage, words: str) -> None:
    """In its turn and between two: started again under its name, told everything, and nothing twice."""
    spawned(stage)
    session = _session(stage)
    stage.send("worker-1", f"{words}\n%pause 20\n%say answered")
    until(lambda: stage.asked(words))
    _kill(stage, 1)
    (again,) = until(lambda: _told(stage, "Your program ended in the middle of its work"))
    assert _body(stage, again).count(words) == 1  # kept, or told again
    stage.wait_state("worker-1", "idle")
    stage.send("worker-1", "second-words")
    until(lambda: _told(stage, "second-words"))
    stage.wait_state("worker-1", "idle")
    _kill(stage, 2)
    stage.wait_state("worker-1", "idle")
    stage.send("worker-1", "third-words")
    text = _body(stage, until(lambda: _told(stage, "third-words"))[-1])
    stage.wait_state("worker-1", "idle")
    assert [text.count(f"{one}-words") for one in ("second", "third")] == [1, 1]
    assert words in text
    assert _session(stage) == session
    assert not stage.faults()


def _kill(stage: Stage, times: int) -> None:
    row = stage.crew.sessions.get("worker-1")
    assert row is not None
    assert row.pid is not None
    tree = [row.pid, *(one.pid for one in proc.children(row.pid))] if times > 1 else [row.pid]
    for pid in tree:
        os.kill(pid, signal.SIGKILL)
    log = Path(stage.crew.bus.config.log)
    until(lambda: log.read_text().count("it was started again, with its session") == times, 40)
    stage.wait_state("worker-1", "ready", "running", "idle")
