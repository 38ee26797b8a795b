"""Kill -9 of a server, a claude, a tmux: the truth at once, names that stay, and each message once."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from intercom.core.message import utc
from intercom.fleet import workers
from intercom.fleet.programs.claude.hook_settings import settings
from intercom.fleet.programs.known import SPAWN
from intercom.system import proc, tmux
from intercom.system.invocation import own_command
from tests.claude.lab import Lab, Session
from tests.claude.places import shows
from tests.claude.stage import Stage, bus_call, call
from tests.processes import patience, until
from tests.server_client import BareClient

SOAK = bool(os.environ.get("INTERCOM_SOAK"))
AGAIN = "given before to a session that ended without acting"
TEN_MINUTES = 600.0


@pytest.fixture
def stage(lab: Lab, place: str) -> Iterator[Stage]:
    """A project of this test's own."""
    with Stage(lab, place) as found:
        yield found


class Master:
    """A real claude that a person starts in the project, with our hooks and server, and no name given to it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        stage.crew.bus.signoff("master")  # this process was
        stage.crew.sessions.drop("master")
        self.env = {"INTERCOM_ROOT": str(stage.project), "INTERCOM_MACHINE": "stage"}
        command = own_command()
        server = {"command": command[0], "args": [*command[1:], "mcp"], "env": self.env}
        given = {**settings(command), "permissions": {"allow": ["mcp__intercomm"]}}
        (stage.project / "s.json").write_text(json.dumps(given))
        (stage.project / "m.json").write_text(json.dumps({"mcpServers": {"intercomm": server}}))
        self.turn = 0

    def start(self, *args: str) -> Session:
        """Begin a session in a shell; `args` as a person would give them."""
        self.turn += 1
        stage = self.stage
        words = [
            str(stage.lab.claude),
            "--permission-mode",
            "default",
            "--settings",
            "s.json",
            "--mcp-config",
            "m.json",
            *args,
        ]
        pane = tmux.new_session(
            stage.lab.server,
            f"master-{self.turn}",
            ["sh", "-c", '"$@"; exit', "sh", *words],
            cwd=stage.project,
            env=stage.lab.environment(stage.home, **self.env),
        )
        found = Session(stage.lab, pane.id, stage.home, stage.project)
        found.ready()
        return found

    def register(self, session: Session) -> None:
        """Have its model register it, as soon as the model has the tools: those come after the prompt does."""
        tool = "mcp__intercomm__intercomm_register"
        for number in range(20):
            question = f"tools-{number}-there?"  # its beginning is new on the screen, so that it is seen to arrive
            session.prompt(question)
            asked = until(lambda: self.stage.asked(question))  # noqa: B023  # called here
            session.wait(f"heard: {question}")
            shows(session, "ready", "idle")  # a prompt sent as a turn ends may stay in the box as well
            if tool in asked[-1]["tools"]:
                session.prompt(call(tool, role="master"))
                until(lambda: self.instance() == "alive")
                return
        raise AssertionError("its model never got our tools")

    def instance(self) -> str:
        """The state of the name on the bus."""
        return next((one.state for one in self.stage.crew.bus.instances() if one.name == "master"), "nobody")

    def kill_server(self) -> None:
        """Kill -9 of its MCP server."""
        row = self.stage.crew.state.instance("master")
        assert row is not None
        assert row.pid is not None
        os.kill(row.pid, signal.SIGKILL)

    def reconnect(self, session: Session) -> None:
        """Have it start its server again, as a person does: /mcp, the server, Reconnect."""
        session.type("/mcp")
        session.wait("❯\u00a0/mcp")
        for then in (r"(?i)mcp servers\n", r"❯ (1\. )?Reconnect", "econnected to intercomm"):
            session.act("Enter", re.compile(then).search)  # again where it was lost: nothing else there takes it
        until(lambda: self.instance() == "alive")

    def back_by(self, seconds: float) -> None:
        """Let it have been idle for so long: all times at which it did something are put back, its heartbeat is not."""
        then = utc(time.time() - seconds)
        with self.stage.crew.state.transaction() as db:
            db.execute("UPDATE instances SET registered = ?1, active = ?1 WHERE name = 'master'", (then,))
            db.execute("UPDATE sessions SET since = ?1, heard = ?1 WHERE name = 'master'", (then,))


def asker(stage: Stage) -> BareClient:
    """A worker's server, without a claude."""
    return BareClient(stage.project, INTERCOM_MACHINE="stage", HOME=str(stage.home))


def shown(stage: Stage, text: str) -> list[str]:
    """Each time that the model was shown a text, with what was said about it."""
    found = [one["prompt"] + one["reminders"] for one in stage.asked(text)]
    return [words for words in found if text in words]


def stopped(stage: Stage, name: str) -> None:
    """Stop its process once its turn is over by its hooks' own word: one that still runs would take what comes."""
    row = stage.crew.sessions.get
    until(lambda: (found := row(name)) is not None and found.state == "idle")
    found = row(name)
    assert found is not None
    assert found.pid is not None
    os.kill(found.pid, signal.SIGSTOP)


def again_marked(stage: Stage, text: str) -> bool:
    """Whether the model was told, of the one message with this text, that it had been given before."""
    words, *_ = shown(stage, text)  # a request that broke off is made anew
    return AGAIN in words.partition(text)[0].rpartition("* message")[2]


def test_a_master_that_sits_idle_and_one_that_comes_back(stage: Stage) -> None:
    """Woken after ten minutes without a call; its server is killed, then itself; it is resumed under its name."""
    crew, master = stage.crew, Master(stage)
    session = master.start()
    master.register(session)
    stage.wait_state("master", "idle")
    until(lambda: crew.sessions.waiter("master"))
    master.back_by(TEN_MINUTES)
    with asker(stage) as worker:
        worker.call("intercomm_register", name="asker")
        answer = worker.call("intercomm_escalate", message="the first question")
        assert (answer["woke"], answer["how"]) == (True, "waiter"), answer
        until(lambda: shown(stage, "the first question"))
        stage.wait_state("master", "idle")
        until(lambda: crew.sessions.waiter("master"))

        master.kill_server()
        until(lambda: master.instance() == "dead", 5)
        answer = worker.call("intercomm_escalate", message="the second question")
        assert (answer["woke"], answer["how"]) == (True, "waiter"), answer
        until(lambda: shown(stage, "the second question"))
        stage.wait_state("master", "idle")
        master.reconnect(session)
        before = len(stage.requests())
        session.prompt(f"again {bus_call('intercomm_status', 'tool')}".replace(" %", "\n%"))
        until(lambda: '"name":"master","role":"master"' in str([one["results"] for one in stage.requests()[before:]]))
        stage.wait_state("master", "idle")

        row = crew.sessions.get("master")
        assert row is not None
        assert row.pid is not None
        stopped(stage, "master")  # what it is given now it cannot take
        until(lambda: crew.sessions.waiter("master"))
        answer = worker.call("intercomm_escalate", message="the third question")
        assert not answer["woke"], answer
        os.kill(row.pid, signal.SIGKILL)
        until(lambda: stage.state("master") == "gone", 5)
        answer = worker.call("intercomm_escalate", message="the fourth question")
        assert (answer["persisted"], answer["woke"], "not running" in answer["reason"]) == (True, False, True), answer
        assert answer.get("seconds", 0) < patience(4), answer

        master.start("--resume", str(row.session_id))
        until(lambda: master.instance() == "alive", 20)
        until(lambda: shown(stage, "the fourth question"))
        stage.wait_state("master", "idle")
        for text in ("the first", "the second", "the third", "the fourth"):
            assert again_marked(stage, f"{text} question") == (text == "the third"), text
        assert worker.call("intercomm_status")["unread"].get("master", 0) == 0
    assert not stage.faults()


def test_a_worker_killed_with_a_message_in_hand(stage: Stage) -> None:
    """What its waiter took and it never saw comes again, marked; what waited comes too; what it had does not."""
    wrapper = stage.project.parent / "claude in a shell"
    wrapper.write_text('#!/bin/sh\nclaude "$@"\nexit $?\n')  # no exec: tmux would wake what is stopped below it
    wrapper.chmod(0o755)
    stage.spawn(claude_cmd=f"'{wrapper}'")
    had, _ = stage.send("worker-1", "what it had")
    until(lambda: shown(stage, "what it had"))
    stage.wait_state("worker-1", "idle")
    until(lambda: stage.crew.sessions.waiter("worker-1"))
    row = stage.crew.sessions.get("worker-1")
    assert row is not None
    assert row.pid is not None
    stopped(stage, "worker-1")
    taken, woken = stage.send("worker-1", "what it took")
    assert not woken.woke, woken
    assert not stage.asked(taken)
    waits = stage.crew.bus.send("worker-1", "what waits", sender="master").id
    server = [one for one in proc.children(row.pid) if one.pid != row.pid]
    os.kill(row.pid, signal.SIGKILL)
    until(lambda: workers.scan(stage.crew)[0]["state"] == "gone", 5)
    assert not proc.wait_gone(server, patience(15))
    assert workers.scan(stage.crew)[0]["unread"] == 2
    both = stage.crew.state.receipt("worker-1", waits) is not None  # a second waiter may have taken that one
    again = stage.spawn()[0]
    assert again.name == "worker-1"
    until(lambda: shown(stage, "what it took") and shown(stage, "what waits"))
    stage.wait_state("worker-1", "idle")
    for ident, count in ((had, 1), (taken, 1), (waits, 1)):
        assert len(stage.asked(ident)) == count
    assert again_marked(stage, "what it took")
    assert again_marked(stage, "what waits") == both
    assert workers.scan(stage.crew)[0]["unread"] == 0
    assert workers.teardown(stage.crew)[0].reason is None
    assert {pane.session for pane in tmux.panes(stage.lab.server)} & {"worker-1"} == set()
    assert not stage.faults()


def server_of(stage: Stage, prelude: str = "") -> BareClient:
    """The master's server, as Claude Code starts it for a master that has been given its name."""
    own = {"INTERCOM_NAME": "master", "INTERCOM_ROLE": "master", "INTERCOM_MACHINE": "stage"}
    return BareClient(stage.project, prelude=prelude, **{**stage.env, **own})


def test_the_masters_server_is_killed(stage: Stage) -> None:
    """The next one has its name, its unread once more, its workers, and what they ask."""
    stage.crew.bus.signoff("master")
    with server_of(stage) as first:
        assert first.call("intercomm_status")["you"]["name"] == "master"
        first.call("intercomm_spawn", count=1, wake=False, perm_mode="default", ready_timeout=60)
        command = "touch made"
        task = call("Bash", command=command, description="Make it")
        first.call("intercomm_assign", worker="worker-1", role_instructions=task)
        stage.wait_state("worker-1", "blocked")
        until(lambda: [one for one in stage.crew.sessions.open_requests("worker-1") if one.message_id])
        stage.crew.bus.send("master", "read, not confirmed", sender="worker-1")
        assert "read, not confirmed" in [one["body"] for one in first.call("intercomm_read")["messages"]]
        stage.crew.bus.send("master", "never read", sender="worker-1")
        first.process.kill()
        first.process.wait(30)
    assert {one.name: one.state for one in stage.crew.bus.instances()} == {"master": "dead", "worker-1": "alive"}
    with server_of(stage) as second:
        assert second.call("intercomm_status")["you"]["name"] == "master"
        (seen,) = second.call("intercomm_scan")["workers"]
        assert (seen["state"], seen["asks"][0]["command"]) == ("blocked", command)
        read = second.call("intercomm_read")["messages"]
        told = {one["body"].split("\n")[0]: one.get("redelivered", False) for one in read if one["from"] == "worker-1"}
        assert told.pop("never read") is False
        assert told.pop("read, not confirmed") is True
        assert list(told.values()) == [True], "what asks for permission came with it"
        assert second.call("intercomm_approve", worker="worker-1", decision="allow", expect=command)["answered"]
        stage.wait_state("worker-1", "idle")
        assert (stage.project / "made").exists()
        assert second.call("intercomm_read")["messages"] == []
        (done,) = second.call("intercomm_teardown")["workers"]
        assert "reason" not in done


def marked(stage: Stage) -> list[int]:
    """Every process of this project's workers, whoever their parent is now."""
    needle = f"INTERCOM_ROOT={stage.project}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                words = (folder / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if needle in words and any(word.startswith(f"{SPAWN}=".encode()) for word in words):
                found.append(int(folder.name))
    return found


KILLED_THERE = """
import os
import intercom.system.tmux as tmux
start = tmux.new_session
tmux.new_session = lambda *given, **more: (start(*given, **more), os.kill(os.getpid(), 9))
"""


@pytest.mark.parametrize("turn", range(20 if SOAK else 1))
def test_the_masters_server_is_killed_while_it_spawns(stage: Stage, turn: int) -> None:
    """At any moment, first when tmux has just started one: the next sees what was begun, and its teardown ends it."""
    stage.crew.bus.signoff("master")
    with server_of(stage, "" if turn else KILLED_THERE) as first:
        first.begin("intercomm_spawn", count=2, worktrees=True, wake=False, ready_timeout=60)
        if turn:
            time.sleep(random.Random(turn).uniform(0.2, 5.0))
            first.process.kill()
        first.process.wait(30)
    with server_of(stage) as second:
        assert second.call("intercomm_status")["you"]["name"] == "master"
        began = marked(stage)
        assert turn or began
        seen = second.call("intercomm_scan")["workers"]
        assert all(one["spawned_by"] == "master" for one in seen), seen
        assert seen or not began, began
        done = second.call("intercomm_teardown", worktrees=True)["workers"]
        assert not [one for one in done if "reason" in one], done
        assert marked(stage) == []
        assert not stage.worktrees.exists() or not list(stage.worktrees.iterdir())
        assert not {pane.session for pane in tmux.panes(stage.lab.server)} & {"worker-1", "worker-2"}
        again = second.call("intercomm_spawn", count=2, worktrees=True, wake=False, ready_timeout=60)
        assert [(one["name"], one["ready"]) for one in again["workers"]] == [("worker-1", True), ("worker-2", True)]


def test_a_tmux_server_that_dies_and_the_next(tmp_path: Path) -> None:
    """All its workers are gone, and said so; a new start has their names and what they had not read, once."""
    with Lab(tmp_path / "lab") as lab, Stage(lab, "dies") as stage:
        stage.spawn(2)
        had, _ = stage.send("worker-1", "what it had")
        until(lambda: shown(stage, "what it had"))
        stage.wait_state("worker-1", "idle")
        rows = stage.crew.sessions.all()
        os.kill(server_pid(lab), signal.SIGKILL)
        until(lambda: {one["state"] for one in workers.scan(stage.crew)} == {"gone"}, 10)
        assert not proc.wait_gone([proc.Process(row.pid or 0, row.started) for row in rows], patience(15))
        idents = [stage.send(f"worker-{number}", f"for heir {number}")[0] for number in (1, 2)]
        new_tmux(lab)
        assert [one.name for one in stage.spawn(2)] == ["worker-1", "worker-2"]
        for number in (1, 2):
            until(lambda number=number: shown(stage, f"for heir {number}"))  # type: ignore[misc]
            stage.wait_state(f"worker-{number}", "idle")
        assert [len(stage.asked(ident)) for ident in (had, *idents)] == [1, 1, 1]
        assert all(one.reason is None for one in workers.teardown(stage.crew))


def server_pid(lab: Lab) -> int:
    """The tmux server's process."""
    return int(tmux._tmux(lab.server, ["display-message", "-p", "#{pid}"]))


def new_tmux(lab: Lab) -> None:
    """A tmux server on the same socket, again inside the network namespace."""
    assert lab._inside is not None
    rights = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
    enter = ["nsenter", "--target", str(lab._inside.pid), "--net", *rights]
    start = ["tmux", "-u", "-S", lab.server.socket, "-f", "/dev/null", "new-session", "-d", "-s", "keeper"]
    subprocess.run([*enter, *start, "sleep", "infinity"], check=True, env={**os.environ, "LANG": "C.UTF-8"})
