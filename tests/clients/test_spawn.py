"""Workers of another program than Claude Code: the real one in a terminal, spawned, woken, led and ended."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from intercom.fleet.programs import known
from tests.clients.lab import Place
from tests.clients.versions import DRIVEN
from tests.processes import patience
from tests.server_client import BareClient

pytestmark = pytest.mark.slow
SOAK = bool(os.environ.get("INTERCOM_SOAK"))  # a minute each on a busy machine
WORKERS = [name for name in DRIVEN if name in known.WORKERS and SOAK]
COMMIT = "git switch -qc topic; touch made.txt; git add .; git commit -qm Made"
_ASKS = {"sandbox_permissions": "require_escalated", "justification": "git's own folder is kept from it"}
SHELL: dict[str, Callable[[str], list[tuple[str, Any]]]] = {
    "codex": lambda line: [("exec_command", {"cmd": line, **_ASKS})],
    "opencode": lambda line: [("bash", {"command": line, "description": "what is to be done"})],
}
DONE = ("intercomm_send", {"to": "master", "message": "It is made.", "type": "done", "branch": "topic"})


def until(what: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Wait for it; what it then is."""
    end = time.monotonic() + patience(seconds)
    while not (found := what()):
        assert time.monotonic() < end
        time.sleep(0.2)
    return found


def script(*calls: tuple[str, Any]) -> str:
    """What the model does when it reads this."""
    return "\n".join([*(f"%call {name} {json.dumps(given)}" for name, given in calls), "%say I am through"])


@pytest.fixture
def lead(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A project with a commit, whose workers end with the test."""
    place.env["INTERCOM_TMUX_SOCKET"] = str(place.lab.folder / f"tmux-{place.name}")
    for name in ("INTERCOM_TMUX_SOCKET", "HOME", "PATH"):
        monkeypatch.setenv(name, place.env[name])
    for words in (["commit", "-qm", "First", "--allow-empty"], ["branch", "-qM", "main"]):
        subprocess.run(["git", *words], cwd=place.project, check=True, env=place.env)
    place.intercom("init")
    yield place
    place.intercom("teardown", "--force")
    words = ["tmux", "-S", place.env["INTERCOM_TMUX_SOCKET"], "kill-server"]
    place.lab.run(words, cwd=place.project, env=place.env)


def spawned(lead: Place, *words: str) -> Any:
    """A worker, ready."""
    line = ["spawn", "1", "--program", lead.name, "--worktrees", "--ready-timeout", "60", "--json", *words]
    one = json.loads(lead.intercom(*line))
    assert (one["ready"], one.get("woke")) == (True, None if words else True), one
    return one


@pytest.mark.parametrize("place", WORKERS, indirect=True)
def test_a_worker(lead: Place) -> None:
    """It begins by itself, knows who it is, does its task, asks the master what it may not do, and reports it."""
    with BareClient(lead.project, **lead.env) as master:
        master.call("intercomm_register", role="master")
        one = spawned(lead)
        assert one["mode"].startswith("acceptEdits: ")
        begun = until(lambda: lead.heard("You are worker-1, a worker"))[0]
        tools = {re.sub("(?<=intercomm_)intercomm_", "", name) for name in begun["tools"]}
        assert {"intercomm_read", "intercomm_send", "intercomm_get_protocol"} <= tools
        asked = master.call("intercomm_assign", worker="worker-1", role_instructions="Make it.", report_back=["branch"])
        calls = [*SHELL[lead.name](COMMIT), *SHELL[lead.name]("touch ../never"), DONE]
        told = master.call("intercomm_send", to="worker-1", message=script(*calls), reply_to=asked["id"])
        for subject, decision in ((COMMIT, "allow"), ("touch ../never", "deny")):
            until(lambda: _asked(master, subject))  # noqa: B023  # at once
            answered = master.call("intercomm_approve", worker="worker-1", decision=decision, expect=subject)
            assert answered["answered"] is True, answered
        report = until(lambda: [m for m in master.call("intercomm_read")["messages"] if m["type"] == "done"])[0]
        assert report["verified"], report["unverified"]
        assert [path.name for path in Path(one["worktree"]).parent.iterdir()] == ["worker-1"]
        (row,) = master.call("intercomm_worktree_list")["worktrees"]
        assert (row["status"], row["branch"]) == ("done", "topic")
        said = until(lambda: lead.heard("I am through"))[-1]
        assert json.dumps(said["said"]).count(told["id"]) == 1
        until(lambda: master.call("intercomm_scan")["workers"][0]["state"] == "idle")
        torn = master.call("intercomm_teardown")["workers"]
        assert [one["name"] for one in torn] == ["worker-1"]


def _asked(master: BareClient, subject: str) -> Any:
    """The question of the worker about this command."""
    return next((one for one in master.call("intercomm_read")["messages"] if subject in one["body"]), None)
