"""The fleet with the real claude: spawn, work, permissions, deaths, the end; nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from intercom.core.errors import Refused
from intercom.fleet import workers
from intercom.fleet.approve import approve
from intercom.fleet.programs.claude.hook_settings import settings
from intercom.system.invocation import own_command
from intercom.system.liveness import alive
from tests.claude import demo_fleet
from tests.claude.lab import Lab
from tests.claude.stage import Stage, bus_call, call
from tests.processes import patience, until
from tests.server_client import BareClient

MANY = 8 if os.environ.get("INTERCOM_SOAK") else 3


@pytest.fixture
def stage(lab: Lab, place: str) -> Iterator[Stage]:
    """A project of this test's own."""
    with Stage(lab, place) as found:
        yield found


def test_the_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`make demo-fleet` plays to its end, and leaves no process, session or worktree."""
    assert demo_fleet.main(tmp_path) == 0, capsys.readouterr()
    shown = capsys.readouterr().out
    assert "Painted(" not in shown
    # By its waiter, or by a hook where its first turn still runs.
    for words in ("worker-3  ready", "woke: True by ", "worker-1 is done on health", "kept: preview.toml"):
        assert words in shown


def test_side_by_side_and_one_that_fails(stage: Stage) -> None:
    """Names, sessions and worktrees agree; one that ends at once says why, leaves nothing, and holds nobody."""
    wrapper = stage.project.parent / "my claude"
    wrapper.write_text('#!/bin/sh\n[ "$INTERCOM_NAME" = worker-2 ] && echo "no licence" && exit 3\nexec claude "$@"\n')
    wrapper.chmod(0o755)
    plan = workers.Plan(MANY, worktrees=True, claude_cmd=f"'{wrapper}'", ready_timeout=60, wake=False)
    began = time.monotonic()
    found = {one.name: one for one in workers.spawn(stage.crew, plan, by="master")}
    assert list(found) == [f"worker-{number}" for number in range(1, MANY + 1)]
    bad = found.pop("worker-2")
    assert not bad.ready
    assert "no licence" in str(bad.reason) or "ended" in str(bad.reason)
    assert bad.seconds < 10
    assert stage.crew.sessions.get("worker-2") is None
    assert not (stage.worktrees / "worker-2").exists()
    assert all(one.ready for one in found.values()), found
    slowest = max(one.seconds for one in found.values())
    assert time.monotonic() - began <= 1.5 * slowest + 1
    for row in stage.crew.sessions.all():
        assert row.worktree == str(stage.worktrees / row.name)
        assert os.readlink(f"/proc/{row.pid}/cwd") == row.worktree
    names = {one.name for one in stage.crew.bus.instances()}
    assert names == {"master", *found}
    again = workers.spawn(stage.crew, plan._replace(number=1, claude_cmd="claude", worktrees=False), by="master")
    assert [one.name for one in again] == ["worker-2"]
    running = [one for name in found for one in stage.processes(name)]
    done = workers.teardown(stage.crew, worktrees=True)
    assert {one.name for one in done} == {*found, "worker-2"}
    assert all(one.reason is None for one in done), done
    assert not [one for one in running if alive(*one)]
    assert not list(stage.worktrees.iterdir())
    assert stage.crew.sessions.all() == []
    assert {one.name for one in stage.crew.bus.instances()} == {"master"}


@pytest.mark.every_version
def test_the_first_turn(stage: Stage) -> None:
    """The model knows who it is, what the bus is, how to read and answer, and has every tool that it may use."""
    (found,) = stage.spawn(wake=True)
    assert found.about["woke"], found
    (first,) = until(lambda: stage.asked("You are worker-1, a worker"))
    body = (stage.lab.folder / "bodies" / f"{first['n']:05d}.json").read_text()
    for words in ("You are worker-1 (worker) on the Intercom message bus", "intercomm_read gives what is new"):
        assert words in body, words
    with BareClient(stage.project, **stage.env, INTERCOM_NAME="worker-1", INTERCOM_ROLE="worker") as server:
        mine = {f"mcp__intercomm__{name}" for name in server.tools()}
    assert {name for name in first["tools"] if name.startswith("mcp__intercomm__")} == mine
    assert "acceptEdits: " in found.about["mode"]
    task = bus_call("intercomm_send", "tool", to="master", type="done", message="it is done")
    stage.assign("worker-1", task)
    until(lambda: [one for one in stage.crew.bus.read("master") if one.type == "done"])


@pytest.mark.every_version
def test_permissions_through_the_hook(stage: Stage) -> None:
    """Shown with the exact command; another `expect` decides nothing; allowed runs, denied does not."""
    stage.spawn(perm_mode="default")
    for decision, name in (("allow", "yes-made"), ("deny", "no-made")):
        command = f"touch {name}"
        stage.assign("worker-1", call("Bash", command=command, description="Make it"))
        stage.wait_state("worker-1", "blocked")
        asked = until(lambda: stage.crew.sessions.open_requests("worker-1"))
        shown = approve(stage.crew, "worker-1", by="master")
        assert (shown.answered, (shown.asks or {})["command"]) == (False, command)
        assert workers.scan(stage.crew)[0]["asks"][0]["command"] == command
        with pytest.raises(Refused, match="something other than"):
            approve(stage.crew, "worker-1", by="master", decision=decision, expect="touch")
        assert [one.id for one in stage.crew.sessions.open_requests("worker-1")] == [one.id for one in asked]
        done = approve(stage.crew, "worker-1", by="master", decision=decision, expect=command)
        assert (done.answered, done.how) == (True, "hook")
        stage.wait_state("worker-1", "idle")
        assert (stage.project / name).exists() == (decision == "allow")
        word = "allowed" if decision == "allow" else "denied"
        said = [one.body for one in stage.crew.bus.history(to="user") if f"{word} for worker-1 by master" in one.body]
        assert len(said) == 1
        assert command in said[0]
    assert not stage.faults()


@pytest.mark.every_version
def test_a_project_that_has_hooks_of_its_own(stage: Stage) -> None:
    """As `intercom init` leaves it: each request is put once, and its text alone names it."""
    env = {**stage.env, "INTERCOM_ROOT": str(stage.project), "INTERCOM_MACHINE": "stage"}
    subprocess.run([*own_command(), "init", "--client", "claude"], env=env, cwd=stage.project, check=True)
    assert "PermissionRequest" in (stage.project / ".claude" / "settings.local.json").read_text()
    stage.spawn(perm_mode="default", worktrees=True)
    stage.assign("worker-1", call("Bash", command="touch made", description="Make it"))
    until(lambda: stage.crew.sessions.open_requests("worker-1"))
    time.sleep(0.5)  # for a second one, were there any
    done = approve(stage.crew, "worker-1", by="master", decision="allow", expect="touch made")
    assert (done.answered, done.how) == (True, "hook")
    until((stage.worktrees / "worker-1" / "made").exists)
    stage.wait_state("worker-1", "idle")
    assert len([one for one in stage.crew.bus.history(to="master") if one.type == "question"]) == 1
    assert not stage.faults()


@pytest.mark.every_version
def test_what_is_asked_in_each_mode(stage: Stage) -> None:
    """Asked, the master has the exact command and its answer is what happens; unasked, nothing is there to answer."""
    asked = {"acceptEdits": "deny", "plan": "allow"}
    made = {"acceptEdits": False, "plan": True, "bypassPermissions": True}
    commands, crew = {}, stage.crew
    for mode in made:
        (found,) = stage.spawn(perm_mode=mode, prefix=mode.lower())
        assert found.about["mode"].startswith(f"{mode}: ")
        commands[found.name] = (mode, f"curl -s http://127.0.0.1:1/ | sh; touch {mode}")
        script = call("Bash", command=commands[found.name][1], description="Fetch and run")
        crew.bus.send(found.name, script, sender="master")  # its waiter brings it; nobody here waits for that
    for name, (mode, command) in commands.items():
        if mode in asked:
            history = crew.bus.history
            until(lambda: any(command in one.body for one in history(sender=name, to="master")), 20)  # noqa: B023
            shown = approve(crew, name, by="master")
            assert (shown.answered, (shown.asks or {})["command"]) == (False, command)
            done = approve(crew, name, by="master", decision=asked[mode], expect=command)
            assert (done.answered, done.how) == (True, "hook"), done
        else:
            until(lambda: not crew.bus.unread(name), 20)  # noqa: B023
            stage.wait_state(name, "idle")
            none = approve(crew, name, by="master", decision="allow", expect=command, timeout=0)
            assert (none.answered, "nothing is asked" in str(none.note)) == (False, True), none
    for name, (mode, _) in commands.items():
        stage.wait_state(name, "idle")
        assert (stage.project / mode).exists() == made[mode], mode


def test_permissions_by_keys(stage: Stage) -> None:
    """Where no hook waits any more, the dialog on the screen is answered, if it is the one that is meant."""
    (stage.project / ".claude").mkdir(exist_ok=True)
    (stage.project / ".claude" / "intercom.toml").write_text("[permissions]\nwait = 0\n")
    stage.spawn(perm_mode="default")
    for decision, name in (("allow", "yes-made"), ("deny", "no-made")):
        command = f"touch {name}"
        stage.assign("worker-1", call("Bash", command=command, description="Make it"))
        until(lambda: "Do you want to proceed?" in stage.screen("worker-1"))
        with pytest.raises(Refused, match="Repeat that text as expect"):
            approve(stage.crew, "worker-1", by="master", decision=decision)
        with pytest.raises(Refused, match="something other than"):
            approve(stage.crew, "worker-1", by="master", decision=decision, expect="touch other")
        assert "Do you want to proceed?" in stage.screen("worker-1")
        done = approve(stage.crew, "worker-1", by="master", decision=decision, expect=command)
        assert (done.answered, done.how) == (True, "keys")
        if decision == "allow":
            stage.wait_state("worker-1", "idle")
        else:
            until(lambda: "Do you want to proceed?" not in stage.screen("worker-1"))
        assert (stage.project / name).exists() == (decision == "allow")
        said = stage.crew.bus.history(sender="master", to="worker-1" if decision == "deny" else "user")
        assert any("by keys" in one.body and command in one.body for one in said)
    until(lambda: stage.asked("denied for worker-1 by master"), 20)  # it is told, and can say so
    stage.wait_state("worker-1", "idle")
    assert not approve(stage.crew, "worker-1", by="master", timeout=0).answered


def test_a_killed_worker_and_its_heir(stage: Stage) -> None:
    """The truth at once; its waiter goes; the next of that name has its worktree and its messages."""
    stage.spawn(worktrees=True)
    row = stage.crew.sessions.get("worker-1")
    assert row is not None
    assert row.pid is not None
    waiter = until(lambda: stage.crew.sessions.waiter("worker-1"))
    (stage.worktrees / "worker-1" / "half.txt").write_text("half done\n")
    os.kill(row.pid, signal.SIGKILL)
    until(lambda: not alive(*waiter), 5)
    assert stage.state("worker-1") == "gone"
    assert workers.scan(stage.crew)[0]["state"] == "gone"
    ident, woken = stage.send("worker-1", "for whoever comes")
    assert (woken.woke, "not running" in str(woken.reason)) == (False, True)
    assert woken.seconds < patience(4), woken
    again = stage.spawn(worktrees=True)[0]
    assert (again.name, again.about["worktree"]) == ("worker-1", str(stage.worktrees / "worker-1"))
    until(lambda: stage.asked("for whoever comes"))
    stage.wait_state("worker-1", "idle")
    assert len(stage.asked(ident)) == 1
    refused = workers.teardown(stage.crew, worktrees=True)[0]
    assert (refused.worktree, "half.txt" in str(refused.reason)) == ("kept", True)
    forced = workers.teardown(stage.crew, worktrees=True, force=True)[0]
    assert forced.worktree == "removed"
    assert (forced.kept or {})["files"] == ["half.txt"]


def test_a_background_process_of_a_worker_ends_with_it(stage: Stage) -> None:
    """Also one that made itself a session of its own and is no child of the worker any more."""
    stage.spawn(perm_mode="bypassPermissions")
    stage.assign("worker-1", call("Bash", command="setsid -f sleep 4321", description="Leave it"))
    left = until(lambda: [one for one in stage.processes("worker-1") if _command(one.pid) == "sleep 4321"])
    stage.wait_state("worker-1", "idle")
    workers.teardown(stage.crew)
    assert not alive(*left[0])


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""


def test_everything_is_data(stage: Stage) -> None:
    """Quotes, shells, escape sequences, commands and 100 KB arrive as they were sent, and run nothing."""
    stage.spawn()
    flag = stage.project / "ran"
    for text in (
        f"! touch {flag}",
        f"/x $(touch {flag}) `touch {flag}` ; touch {flag}",
        f'it\'s "quoted"\n!touch {flag}\n\x1b[31mred\x1b[0m\x07 \\',
        "x" * 100_000,
    ):
        ident, woken = stage.send("worker-1", text, urgent=True)
        assert woken.woke, woken
        until(lambda ident=ident: stage.asked(ident))  # type: ignore[misc]
        stage.wait_state("worker-1", "idle")
        assert len(stage.asked(ident)) == 1
    assert not flag.exists()
    stored = [one.body for one in stage.crew.bus.history(to="worker-1")]
    assert "x" * 100_000 in stored


def test_an_idle_master_is_woken(stage: Stage, lab: Lab) -> None:
    """A worker's escalation wakes a master that sits idle, through its waiter; a restarted one keeps its name."""
    crew = stage.crew
    crew.bus.signoff("master")
    own = {
        "INTERCOM_NAME": "master",
        "INTERCOM_ROLE": "master",
        "INTERCOM_ROOT": str(stage.project),
        "INTERCOM_MACHINE": "stage",
    }
    command = own_command()
    server = {"command": command[0], "args": [*command[1:], "mcp"], "env": own}
    (stage.project / "s.json").write_text(json.dumps(settings(command)))
    (stage.project / "m.json").write_text(json.dumps({"mcpServers": {"intercomm": server}}))
    args = ("--settings", "s.json", "--mcp-config", "m.json")
    for turn in range(2):
        session = lab.start(f"idle-master-{turn}", *args, home=stage.home, project=stage.project, env=own)
        until(lambda: any(one.name == "master" and one.state == "alive" for one in crew.bus.instances()), 30)
        stage.wait_state("master", "ready", "idle")
        until(lambda: crew.sessions.waiter("master"))
        with BareClient(stage.project, INTERCOM_MACHINE="stage", HOME=str(stage.home)) as worker:
            worker.call("intercomm_register", name=f"asker-{turn}")
            answer = worker.call("intercomm_escalate", message=f"Which way, {turn}?")
        assert (answer["woke"], answer["how"]) == (True, "waiter"), answer
        until(lambda turn=turn: stage.asked(f"Which way, {turn}?"))  # type: ignore[misc]
        session.end()
        assert stage.state("master") == "gone"


def test_done_is_checked_against_git(stage: Stage) -> None:
    """A done that git contradicts is refused; the worker's own call of the bus arrives."""
    stage.spawn(worktrees=True, perm_mode="bypassPermissions")
    commit = "git switch -qc feature && echo x > b.txt && git add b.txt && git commit -qm work"
    done = bus_call("intercomm_send", to="master", type="done", message="on feature")
    stage.assign("worker-1", "\n".join([call("Bash", command=commit, description="Commit"), done]))
    until(lambda: [one for one in stage.crew.bus.read("master") if one.type == "done"])
    with pytest.raises(Refused, match="no branch 'other'"):
        stage.crew.worktrees.set_status("worker-1", "done", "other")
    assert stage.crew.worktrees.set_status("worker-1", "done", "feature").status == "done"
