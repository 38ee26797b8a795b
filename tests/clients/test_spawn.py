"""Workers of other programs than Claude Code: the real ones, in a terminal and without one, spawned, led and ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from intercom.fleet.programs import known
from intercom.fleet.programs.program import HEADLESS, TERMINAL
from intercom.system import proc
from intercom.system.ancestry import words_of
from intercom.system.liveness import alive
from tests import processes
from tests.clients.lab import Place
from tests.clients.test_init_clients import calls
from tests.clients.versions import DRIVEN, FEW
from tests.server_client import BareClient

pytestmark = pytest.mark.slow
SOAK = bool(os.environ.get("INTERCOM_SOAK"))  # in a terminal they take a minute on a busy machine
#: Each program that is driven, in each of its forms.
WORKERS = [
    (name, form)
    for name in DRIVEN
    if name in known.WORKERS
    for form in known.program(name).forms
    if SOAK or (name in FEW and form == HEADLESS)
]
KEPT = [(name, form) for name, form in WORKERS if form == HEADLESS and SOAK]
COMMIT = "git switch -qc topic; touch made.txt; git add .; git commit -qm Made"
_ASKS = {"sandbox_permissions": "require_escalated", "justification": "git's own folder is kept from it"}
_SAID = {"description": "what is to be done"}
SHELL: dict[str, Callable[[str], tuple[str, dict[str, object]]]] = {
    "codex": lambda line: ("exec_command", {"cmd": line, **_ASKS}),
    "opencode": lambda line: ("bash", {"command": line, **_SAID}),
    "kilo": lambda line: ("bash", {"command": line, **_SAID}),
    "gemini": lambda line: ("run_shell_command", {"command": line, **_SAID}),
    "cline": lambda line: ("run_commands", {"commands": [line]}),
    "qwen": lambda line: ("run_shell_command", {"command": line, "is_background": False, **_SAID}),
}
DONE: dict[str, object] = {"to": "master", "message": "It is made.", "type": "done", "branch": "topic"}


until: Callable[..., Any] = partial(processes.until, seconds=30.0)


def script(lead: Place, lines: list[str], *steps: tuple[str, dict[str, object]]) -> str:
    """What the model does when it reads this: these commands, then these calls of our tools."""
    ours = calls(lead, *steps).splitlines()[:-1]
    first = [f"%call {name} {json.dumps(given)}" for name, given in map(SHELL[lead.name], lines)]
    return "\n".join([*first, *ours, "%say I am through"])


def free(text: str) -> str:
    """The same for a worker that may do everything: Codex then refuses to run what asks for more than it has."""
    return text.replace(", " + json.dumps(_ASKS)[1:-1], "")


@pytest.fixture
def lead(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A project with a commit, whose workers end with the test."""
    place.env["INTERCOM_TMUX_SOCKET"] = str(place.lab.folder / f"tmux-{place.name}")
    place.env["GEMINI_MODEL"] = "gemini-2.5-pro"
    for name in ("INTERCOM_TMUX_SOCKET", "HOME", "PATH"):
        monkeypatch.setenv(name, place.env[name])
    who = [["config", "user.name", "T"], ["config", "user.email", "t@localhost"]]  # Gemini hides the user's own
    for words in (*who, ["commit", "-qm", "First", "--allow-empty"], ["branch", "-qM", "main"]):
        subprocess.run(["git", *words], cwd=place.project, check=True, env=place.env)
    place.intercom("init")
    yield place
    place.intercom("teardown", "--force")
    words = ["tmux", "-S", place.env["INTERCOM_TMUX_SOCKET"], "kill-server"]
    place.lab.run(words, cwd=place.project, env=place.env)


def spawned(lead: Place, form: str, *words: str) -> Any:
    """A worker, ready."""
    line = ["spawn", "1", "--program", lead.name, "--worktrees", "--ready-timeout", "60", "--json", *words]
    line += ["--headless"] if form == HEADLESS else []
    one = json.loads(lead.intercom(*line))
    assert (one["ready"], one.get("woke")) == (True, None if "--no-wake" in words else True), one
    return one


@pytest.mark.parametrize(("place", "form"), WORKERS, indirect=["place"])
def test_a_worker(lead: Place, form: str) -> None:
    """It begins by itself, knows who it is, does its task, asks the master what it may not do, and reports it."""
    with BareClient(lead.project, **lead.env) as master:
        master.call("intercomm_register", role="master")
        one = spawned(lead, form)
        assert one["mode"].startswith("acceptEdits: ")
        begun = until(lambda: lead.heard("You are worker-1, a worker"))[0]
        if lead.name != "qwen":  # which hides them behind a search
            tools = {name[name.rfind("intercomm_") :] for name in begun["tools"]}
            assert {"intercomm_read", "intercomm_send", "intercomm_get_protocol"} <= tools
        asked = master.call("intercomm_assign", worker="worker-1", role_instructions="Make it.", report_back=["branch"])
        text = script(lead, [COMMIT, "touch ../never"], ("intercomm_send", DONE))
        told = master.call("intercomm_send", to="worker-1", message=text, reply_to=asked["id"])
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
        assert ("pane" in master.call("intercomm_scan")["workers"][0]) == (form == TERMINAL)
        team = {one["name"]: one for one in json.loads(lead.intercom("status", "--json"))["team"]}
        if lead.name != "cline":  # which tells nobody
            used = team["worker-1"]["used"]
            assert used["calls"] >= 3, team["worker-1"]
            assert used["tokens"] == used["calls"] * 1010  # as the scripted model has it
        torn = master.call("intercomm_teardown")["workers"]
        assert [one["name"] for one in torn] == ["worker-1"]


def _asked(master: BareClient, subject: str) -> Any:
    """The question of the worker about this command."""
    return next((one for one in master.call("intercomm_read")["messages"] if subject in one["body"]), None)


@pytest.mark.parametrize(("place", "form"), KEPT, indirect=["place"])
def test_killed_it_goes_on_under_its_name(lead: Place, form: str) -> None:
    """In the middle of a turn, and idle: it is started again, in the same session; nothing is lost or doubled."""
    spawned(lead, form)
    until(lambda: lead.heard("You are worker-1, a worker") and state(lead) == "idle")
    hold = lead.lab.folder / "hold"
    hold.touch()
    lead.intercom("send", "--from", "user", "worker-1", "first-words\n%hold hold\n%say answered")
    until(lambda: lead.heard("first-words"))
    session = _killed(lead, 1, whole=False, meanwhile=hold.unlink)
    lead.intercom("send", "--from", "user", "worker-1", "second-words\n%say answered")
    last = until(lambda: state(lead) == "idle" and lead.heard("second-words"))[-1]
    assert "first-words" in json.dumps(last["said"])
    again = _killed(lead, 2, whole=True)
    keeps = lead.name != "gemini"  # which takes up a session once, then deletes it
    assert not keeps or again == session
    lead.intercom("send", "--from", "user", "worker-1", "third-words\n%say answered")
    last = until(lambda: state(lead) == "idle" and lead.heard("third-words"))[-1]
    for words in ("second-words", "third-words")[not keeps :]:
        assert sum(text.count(words) for _, text in last["said"]) + last["system"].count(words) == 1
    until(lambda: lead.intercom("receipts", "--from", "user").count("shown") == 4)


def state(lead: Place) -> str:
    """What the worker does, by scan."""
    return str(json.loads(lead.intercom("scan", "--json").splitlines()[0])["state"])


def _killed(lead: Place, times: int, *, whole: bool, meanwhile: Callable[[], object] = str) -> str:
    """Kill what was started, `whole` with all that it started, and wait until it is there again; its session's id.

    It may be told again what it did not keep of its turn; `meanwhile` comes before that.
    """
    kept = lead.project / ".claude/local/.intercom/workers"
    log = lead.project / ".claude/local/INTERCOM-testbox.md"
    keeper = int((kept / "worker-1.keeper").read_text().split()[0])
    before = json.loads((kept / "worker-1.keep").read_text())["session"]
    tree = [one for one in proc.children(keeper) if "hook" not in words_of(one.pid)]
    assert tree
    for one in tree if whole else tree[:1]:
        with suppress(ProcessLookupError):
            os.kill(one.pid, signal.SIGKILL)
    meanwhile()
    until(lambda: log.read_text().count("it was started again, with ") == times, seconds=90)  # Gemini waits
    assert not [one for one in tree if alive(*one)]
    until(lambda: state(lead) == "idle")
    return str(before)
