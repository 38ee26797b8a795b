"""Waking the real claude in every state: nothing is approved, sent or lost, and the answer is true."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from intercom import fleet, proc, screen, tmux
from intercom.fleet.launch import launch
from intercom.fleet.plan import tickets
from intercom.wake import tell
from tests.claude.capture import SCENES, SERVER, Scene, says
from tests.claude.lab import Lab, Session
from tests.claude.stage import Stage, until

SOAK = bool(os.environ.get("INTERCOM_SOAK"))
ROUNDS = int(os.environ.get("INTERCOM_ROUNDS") or (30 if SOAK else 1))
RUNNING = Scene(says("%drip 5 one two three four five", until="esc to interrupt"))
#: scene -> states that its screen may have; those with a box could be typed into by somebody less careful
STATES = {
    "bash": {"blocked"},
    "bash-over-draft": {"blocked"},
    "bash-amending": {"blocked"},
    "edit": {"blocked"},
    "fetch": {"blocked"},
    "elicitation": {"elicitation"},
    "question": {"question"},
    "plan": {"plan"},
    "menu-model": {"menu"},
    "menu-slash": {"menu"},
    "menu-search": {"menu", "unknown"},
    "draft": {"draft"},
    "shell": {"shell_mode"},
    "copy-mode": {"copy_mode"},
    "running": {"running"},
    "running-queued": {"running"},
}
SLOW = ("bash-amending", "menu-search", "edit", "running-queued")
QUICK = tuple(STATES) if SOAK else tuple(name for name in STATES if name not in SLOW)


@pytest.fixture
def stage(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A project of this test's own, in which no permission waits for the master."""
    name = str(request.node.name).replace("[", "-").strip("]")
    with Stage(lab, name) as found:
        (found.project / ".claude").mkdir(exist_ok=True)
        (found.project / ".claude" / "intercom.toml").write_text("[permissions]\nwait = 0\n")
        yield found


def worker(stage: Stage, *args: str, servers: int = 0, mode: str = "default") -> Session:
    """A worker with these arguments, ready, and a person's look at it."""
    if servers:
        named = {f"team{n}": {"command": sys.executable, "args": [str(SERVER)]} for n in range(1, servers + 1)}
        (stage.project / ".mcp.json").write_text(json.dumps({"mcpServers": named}))
        (stage.project / ".claude" / "settings.local.json").write_text('{"enableAllProjectMcpServers":true}')
    command = " ".join(["claude", *(f"'{word}'" for word in args)])
    stage.spawn(claude_cmd=command, perm_mode=mode)
    row = stage.crew.sessions.get("worker-1")
    assert row is not None
    assert row.pane is not None
    time.sleep(1.0 if servers else 0.3)
    return Session(stage.lab, row.pane, stage.home, stage.project)


def seen(session: Session) -> screen.Screen:
    """What its screen shows."""
    pane, text = tmux.look(session.lab.server, session.pane)
    return screen.read(text, title=pane.title, in_mode=pane.in_mode, dead=pane.dead)


def settled(stage: Stage) -> None:
    """Wait until it has been idle for a while: what one turn brought may begin another."""
    still = time.monotonic()
    while time.monotonic() - still < 0.8:
        if stage.state("worker-1") != "idle":
            still = time.monotonic()
        time.sleep(0.1)


def no_waiter(stage: Stage) -> None:
    """Leave only the keys to wake it with: end its waiter, and the one that may stand behind it."""
    waiter: tuple[int, str | None] | None = until(lambda: stage.crew.sessions.waiter("worker-1"))
    still = time.monotonic()
    while time.monotonic() - still < 0.8:
        if waiter is not None:
            proc.end(*waiter)
            still = time.monotonic()
        time.sleep(0.05)
        waiter = stage.crew.sessions.waiter("worker-1")


@pytest.mark.parametrize("turn", range(ROUNDS))
@pytest.mark.parametrize("name", QUICK)
def test_nothing_is_touched(stage: Stage, name: str, turn: int) -> None:
    """In each state but an empty box, dialog, draft and files stay as they were; the message waits or was delivered."""
    scene = RUNNING if name == "running" else SCENES[name]
    mode = "plan" if name == "plan" else "default"
    args = () if name == "plan" else scene.args
    session = worker(stage, *args, servers=scene.servers, mode=mode)
    scene.act(session)
    time.sleep(0.4)
    before = seen(session)
    assert before.state in STATES[name], (before, session.text())
    no_waiter(stage)
    asked = len(stage.lab.requests())
    ident, woken = stage.send("worker-1", "are you there?")
    after = seen(session)
    assert woken.seconds < 5.5
    if before.state == "running":
        session.wait(lambda _: seen(session).state == "idle", 30)
        assert len(stage.asked(ident)) == 1
        return
    assert not woken.woke, woken
    assert woken.reason
    assert after.state == before.state, (before, after)
    assert after.draft == before.draft
    if before.dialog is not None:
        assert after.dialog is not None
        assert after.dialog.text == before.dialog.text
    assert len(stage.lab.requests()) == asked
    assert stage.crew.bus.unread("worker-1") == 1
    assert not [name for name in ("made", "x") if (stage.project / name).exists()]
    assert (stage.project / "a.txt").read_text() == "one\n"


@pytest.mark.skipif(not SOAK, reason="all rounds are for `make soak`")
@pytest.mark.parametrize("turn", range(ROUNDS))
@pytest.mark.parametrize("name", QUICK)
def test_with_a_waiter_nothing_is_touched_either(stage: Stage, name: str, turn: int) -> None:
    """Beside an open menu, a draft or copy mode the waiter wakes it; a dialog it leaves alone."""
    scene = RUNNING if name == "running" else SCENES[name]
    args = () if name == "plan" else scene.args
    session = worker(stage, *args, servers=scene.servers, mode="plan" if name == "plan" else "default")
    scene.act(session)
    time.sleep(0.4)
    before = seen(session)
    assert before.state in STATES[name], (before, session.text())
    ident, woken = stage.send("worker-1", "are you there?")
    assert woken.seconds < 5.5
    if woken.woke:
        assert woken.how in ("waiter", "hook")
        until(lambda: stage.asked(ident), 20)
    else:
        assert woken.reason
    after = seen(session)
    if before.state != "running":
        assert (after.draft or "") == (before.draft or "")
    if before.dialog is not None and before.state != "menu":
        assert not woken.woke
        assert after.dialog is not None
        assert after.dialog.text == before.dialog.text
    assert not [name for name in ("made", "x") if (stage.project / name).exists()]
    assert (stage.project / "a.txt").read_text() == "one\n"


def test_an_idle_one_without_a_waiter_is_typed_to(stage: Stage) -> None:
    """Proven by its hook: in well under five seconds, once in the model's log; the message comes with it."""
    worker(stage)
    for number in range(3 * ROUNDS):
        no_waiter(stage)
        ident, woken = stage.send("worker-1", f"typed {number}")
        assert (woken.woke, woken.how) == (True, "keys"), woken
        until(lambda ident=ident: stage.asked(ident))  # type: ignore[misc]
        settled(stage)
        assert len(stage.asked(ident)) == 1
    lines = [one for one in stage.lab.requests() if "There is a new message" in one["prompt"] and not one["results"]]
    assert len(lines) >= 3 * ROUNDS


def test_wakes_are_proven(stage: Stage) -> None:
    """Every wake of an idle session: under a second, by its waiter, typed nothing, once in the model's log."""
    session = worker(stage)
    session.type("half typed")
    for number in range(100 if SOAK else 6):
        until(lambda: stage.crew.sessions.waiter("worker-1"))
        ident, woken = stage.send("worker-1", f"number {number}")
        assert (woken.woke, woken.how) == (True, "waiter"), woken
        assert woken.seconds < 1
        until(lambda ident=ident: stage.asked(ident))  # type: ignore[misc]
        stage.wait_state("worker-1", "idle")
        assert len(stage.asked(ident)) == 1
    assert seen(session).draft == "half typed"


@pytest.mark.parametrize("turn", range(ROUNDS * 3))
def test_a_dialog_that_comes_up_meanwhile(stage: Stage, turn: int) -> None:
    """A person sends a prompt whose tool asks, just while a line is being typed: nothing is approved."""
    session = worker(stage)
    no_waiter(stage)
    dice = random.Random(turn)
    delay = dice.uniform(0.0, 0.6)
    text = '%tool Bash {"command":"touch made","description":"Make it"}'

    def person() -> None:
        time.sleep(delay)
        session.tmux("send-keys", "-l", "--", text)
        time.sleep(0.05)
        session.key("Enter")

    thread = threading.Thread(target=person)
    thread.start()
    ident, woken = stage.send("worker-1", "meanwhile")
    thread.join()
    time.sleep(2.5)
    assert not (stage.project / "made").exists()
    assert stage.crew.bus.history(to="worker-1")[-1].id == ident
    assert len(stage.asked(ident)) <= 1
    if woken.woke:
        until(lambda: len(stage.asked(ident)) == 1 or woken.how == "keys")


def test_starting_trust_dead_and_not_claude(stage: Stage) -> None:
    """A session that has only begun, one that asks for trust, one that was killed, and what is no claude at all."""
    state = json.loads((stage.home / ".claude.json").read_text())
    state["projects"] = {}
    (stage.home / ".claude.json").write_text(json.dumps(state))
    crew = stage.crew
    plan = fleet.Plan(1, wake=False)
    ticket = tickets(crew, plan)[0]
    row = launch(crew, plan, ticket, stage.project, by="master").row
    _, woken = stage.send("worker-1", "early", urgent=True)
    assert not woken.woke
    stage.wait_state("worker-1", "trust")
    _, woken = stage.send("worker-1", "still early")
    assert (woken.woke, "trust" in str(woken.reason) or "asked" in str(woken.reason)) == (False, True)
    assert stage.state("worker-1") == "trust"
    assert row.pid is not None
    os.kill(row.pid, signal.SIGKILL)
    stage.wait_state("worker-1", "gone")
    _, woken = stage.send("worker-1", "too late")
    assert (woken.woke, "not running" in str(woken.reason)) == (False, True)
    pane = tmux.new_session(stage.lab.server, f"shell-{os.getpid()}", ["sh", "-i"], cwd=stage.project)
    time.sleep(0.3)
    told = tell(crew, pane.id, "touch made", by="master")
    assert (told["woke"], told["stored"]) == (False, False)
    assert "touch made" not in tmux.look(stage.lab.server, pane.id)[1]
    tmux.kill_session(stage.lab.server, pane.session)


def test_spawn_accepts_the_trust_of_its_own_folder(stage: Stage) -> None:
    """In a project that nobody has trusted yet: read, found to be this folder, accepted, and said."""
    state = json.loads((stage.home / ".claude.json").read_text())
    state["projects"] = {}
    (stage.home / ".claude.json").write_text(json.dumps(state))
    (stage.project / ".mcp.json").write_text(json.dumps({"mcpServers": {"other": {"command": "true"}}}))
    found = stage.spawn()[0]
    assert found.about["accepted"] == [f"accepted trust {stage.project}"]
    assert "other" in found.about["left_out"]
