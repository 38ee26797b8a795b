"""Waking the real claude in every state: nothing is approved, sent or lost, and the answer is true."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from intercom.fleet import workers
from intercom.fleet.approve import approve
from intercom.fleet.programs.claude.versions import OLDEST
from intercom.system import tmux
from tests.claude.lab import Lab
from tests.claude.places import PLACES, refuse, seen, shows
from tests.claude.stage import Stage
from tests.claude.target import KINDS, Target
from tests.processes import patience, until
from tests.server_client import BareClient

SOAK = bool(os.environ.get("INTERCOM_SOAK"))
ROUNDS = 30 if SOAK else 1
TURNS = 15 if SOAK else 1  # each with two sessions of each role
ROLES = tuple(KINDS)
SLOW = ("bash-amending", "edit", "queued", "search")
HERE = tuple(name for name in PLACES if SOAK or name not in SLOW)
#: dialog before the first prompt -> (what leads to it, arguments of a master, states that its screen may have)
DOORS = {
    "trust": ('exec claude "$@"', (), "trust"),
    "mcp": ('echo \'{"mcpServers":{"new":{"command":"true"}}}\' > .mcp.json\nexec claude "$@"', (), "mcp_approval"),
    "bypass": (
        'exec claude "$@" --permission-mode bypassPermissions',
        ("--permission-mode", "bypassPermissions"),
        "bypass",
    ),
}
#: what runs instead -> what it shows once it is up
NOT_CLAUDE = {"exec sh -i": "[#$]", "exec python3 -i": ">>>", "exec vi a.txt": "one", "exec cat": ""}
EARLY = r"still starting|is asked something|is not running|no master is registered|no session of an agent"


def together(*jobs: Callable[[], None]) -> None:
    """Run these side by side; the first that fails fails it all."""
    with ThreadPoolExecutor(len(jobs)) as pool:
        for done in [pool.submit(job) for job in jobs]:
            done.result()


@pytest.fixture
def stage(lab: Lab, place: str) -> Iterator[Stage]:
    """A project of this test's own."""
    with Stage(lab, place) as found:
        yield found


@pytest.mark.parametrize("turn", range(TURNS))
def test_every_state(lab: Lab, turn: int) -> None:
    """Wake, assign and escalate at a session in each state, mixed, with its waiter beside it and without.

    Dialogs, drafts and files stay as they were; each answer is true and in time; each message is stored, and
    reaches the model in one turn, no more. A quick run shares the states out among the sessions.
    """

    def play(role: str, part: int) -> None:
        dice = random.Random(f"{turn} {role} {part if SOAK else ''}")
        names = list(HERE)
        dice.shuffle(names)
        with Target(lab, f"states-{turn}-{part}", role, asks_master=part == 1) as target:
            target.up()
            for name in names if SOAK else names[part::2]:
                target.round(name, alone=dice.random() < 0.5)
            target.reckon()

    together(*(lambda role=role, part=part: play(role, part) for role in ROLES for part in (0, 1)))


@pytest.mark.parametrize("turn", range(10 if SOAK else 1))
@pytest.mark.parametrize("door", DOORS)
def test_starting_and_first_run_dialogs(lab: Lab, door: str, turn: int) -> None:
    """A session that has only begun, and one that asks before its first prompt: nothing is typed, the dialog stays."""
    script, args, state = DOORS[door]

    def play(role: str) -> None:
        dice = random.Random(f"{door} {turn} {role}")
        with Target(lab, f"{door}-{turn}", role) as target:
            if door == "trust":
                known = target.stage.home / ".claude.json"
                known.write_text(json.dumps({**json.loads(known.read_text()), "projects": {}}))
            if door == "mcp":
                (target.stage.project / ".mcp.json").write_text('{"mcpServers":{"new":{"command":"true"}}}')
                if role == "worker":
                    (target.stage.project / ".mcp.json").unlink()
            target.begin(script, *args)
            time.sleep(dice.uniform(0, 1))
            for kind in KINDS[role]:
                assert not target.speak(kind, "starting").woke, target.said
            before = shows(target.session, state)
            for kind in KINDS[role] * 3:
                assert not target.speak(kind, door).woke, target.said
            after = seen(target.session)
            assert (after.state, after.dialog) == (before.state, before.dialog)
            for said in target.said:
                assert re.search(EARLY, said.answer["reason"]), said
                assert not target.times(said.id), said
            if door == "trust" and role == "worker":
                assert approve(target.stage.crew, target.name, by="master", timeout=10).answered
                until(lambda: target.times(target.said[-1].id), 30)
                target.rest()
                target.reckon()

    together(*(lambda role=role: play(role) for role in ROLES))


def test_dead(lab: Lab) -> None:
    """Killed: said at once, and stored for whoever comes next."""

    def play(role: str) -> None:
        with Target(lab, "dead", role) as target:
            target.up()
            row = target.stage.crew.sessions.get(target.name)
            assert row is not None
            assert row.pid is not None
            os.kill(row.pid, signal.SIGKILL)
            target.stage.wait_state(target.name, "gone")
            instances = target.stage.crew.bus.instances
            until(lambda: all(one.state == "dead" for one in instances() if one.name == target.name))
            for _ in range(ROUNDS):
                for kind in KINDS[role]:
                    said = target.speak(kind, "dead")
                    assert "is not running" in said.answer["reason"], said
                    assert said.answer.get("seconds", 0) < patience(4), said
            assert target.stage.crew.bus.unread(target.name) == len(target.said)

    together(*(lambda role=role: play(role) for role in ROLES))


@pytest.mark.parametrize("what", NOT_CLAUDE if SOAK else [*NOT_CLAUDE][:1])
def test_not_claude_at_all(lab: Lab, what: str) -> None:
    """A worker that turns out to be something else, and a pane of nobody's: no key reaches either."""
    with Target(lab, re.sub(r"\W", "-", what)) as target:
        target.begin(what)
        target.session.wait(re.compile(NOT_CLAUDE[what]).search)
        crew, server = target.stage.crew, lab.server
        before = target.session.text()
        for number in range(max(1, ROUNDS // 4)):
            for kind in KINDS["worker"]:
                assert not target.speak(kind, what, "touch made").woke
            row = crew.sessions.get(target.name)
            assert row is not None
            crew.sessions.put(row._replace(since="2026-01-01T00:00:00.000Z"))  # from now on it is not starting
            told = target.speaker.call("intercomm_wake", worker=target.session.pane, message=f"touch made {number}")
            assert not told["woke"], told
        for said in target.said[2:]:
            assert re.search("is not known|shows unknown", said.answer["reason"]), said
        pane = tmux.new_session(server, f"nobody-{what[5:7]}", ["sh", "-c", what], cwd=target.stage.project)
        until(lambda: re.search(NOT_CLAUDE[what], tmux.look(server, pane.id, colours=False)[1]))
        for number in range(max(1, ROUNDS // 4)):
            told = target.speaker.call("intercomm_wake", worker=pane.id, message=f"touch made {number}")
            assert (told["woke"], told["stored"]) == (False, False)
            assert "not Claude Code at an empty box" in told["reason"]
        assert "touch" not in tmux.look(server, pane.id)[1]
        assert target.session.text() == before
        target.unharmed()
        tmux.kill_session(server, pane.session)


def test_a_master_that_is_no_session(stage: Stage) -> None:
    """Whoever is master without a session of an agent has the message when it reads."""
    with BareClient(stage.project, INTERCOM_MACHINE="stage") as worker:
        worker.call("intercomm_register", name="asker-1")
        for _ in range(ROUNDS):
            told = worker.call("intercomm_escalate", message="touch made")
            assert (told["persisted"], told["woke"]) == (True, False)
            assert "no session of an agent" in told["reason"]
    assert stage.crew.bus.unread("master") == ROUNDS


def test_idle_wakes(lab: Lab) -> None:
    """Idle, with its waiter: under a second, nothing typed over a draft, once in the model's log. Without: by keys."""

    def play(role: str) -> None:
        with Target(lab, "idle", role) as target:
            target.up()
            target.session.type("half typed")
            took: list[float] = []
            for _ in range(50 if SOAK else 4):
                for kind in KINDS[role]:
                    until(lambda: target.stage.crew.sessions.waiter(target.name))
                    target.stage.wait_state(target.name, "ready", "idle")
                    said = target.speak(kind, "idle")
                    assert (said.woke, said.answer["how"]) == (True, "waiter"), said
                    took.append(said.answer["seconds"])
            assert min(took) < patience(), took
            assert not SOAK or max(took) < patience(), took
            shown = seen(target.session)
            assert shown.draft == "half typed", shown
            target.rest()
            for _ in range(ROUNDS):
                for kind in KINDS[role]:
                    target.alone()
                    said = target.speak(kind, "idle")
                    assert (said.woke, said.answer["how"]) == (True, "keys"), said
                    target.rest()
            target.reckon()

    together(*(lambda role=role: play(role) for role in ROLES))


@pytest.mark.parametrize("turn", range(5 if SOAK else 1))
def test_a_dialog_that_comes_up_meanwhile(lab: Lab, turn: int) -> None:
    """A tool asks just while a line is being typed, or just before: nothing is approved, nothing given twice."""

    def play(role: str) -> None:
        dice = random.Random(f"{turn} {role}")
        with Target(lab, f"race-{turn}", role) as target:
            target.up()
            for number in range(6 if SOAK else 2):
                for kind in KINDS[role] if SOAK else KINDS[role][number % len(KINDS[role]) :][:1]:
                    _race(target, kind, dice, by_hand=number % 2 == 0)
            target.reckon()

    together(*(lambda role=role: play(role) for role in ROLES))


def _race(target: Target, kind: str, dice: random.Random, *, by_hand: bool) -> None:
    """A person sends a prompt at any moment of a wake by keys; or the model takes its time before it asks."""
    target.alone()
    session, ask = target.session, '%tool Bash {"command":"touch made","description":"Make it"}'

    def person() -> None:
        time.sleep(dice.uniform(0.0, 0.6))
        session.type(ask)
        time.sleep(dice.uniform(0.0, 0.1))
        session.key("Enter")

    if by_hand:
        thread = threading.Thread(target=person)
        thread.start()
    else:
        session.prompt(f"%pause {dice.uniform(0, 2):.2f}\n{ask}")
        thread = threading.Thread(target=time.sleep, args=(0,))
        thread.start()
        target.alone()
    said = target.speak(kind, "race")
    thread.join()
    end, quiet = time.monotonic() + patience(20), time.monotonic()
    while seen(session).dialog is None and time.monotonic() - quiet < patience(2):
        assert time.monotonic() < end, session.text()
        quiet = quiet if target.stage.state(target.name) == "idle" else time.monotonic()
        time.sleep(0.05)
    target.unharmed()
    assert target.times(said.id) <= 1, (said, target.turns_with(said.id))
    refuse(session)
    target.rest(tidy=True)
    target.unharmed()


def test_left_at_an_empty_box(lab: Lab, place: str) -> None:
    """A worker stays where it is. A person's session goes to the background: it is followed there, or said to be."""
    with Stage(lab, f"{place}-worker") as stage:
        stage.spawn()
        stage.keys("worker-1", "Left")
        _, woken = stage.send("worker-1", "after Left")
        assert woken.woke, woken
        until(lambda: stage.asked("after Left"))
    with Target(lab, place, "master") as target:
        target.up()
        target.session.key("Left")
        shows(target.session, "away")
        row = target.stage.crew.sessions.get
        if lab.version == str(OLDEST):
            seen = target.stage.look("master")
            assert (seen.state, "background" in seen.disagreement) == ("unknown", True)
            return
        before = row("master")
        until(lambda: row("master") != before, 30)
        until(lambda: target.stage.crew.sessions.waiter("master"), 30)
        until(target.connected, 30)
        assert target.speak("escalate", "away").woke, target.said
        until(lambda: target.times(target.said[-1].id) == 1)


def test_spawn_accepts_the_trust_of_its_own_folder(stage: Stage) -> None:
    """In a project that nobody has trusted yet: read, found to be this folder, accepted, and said."""
    state = json.loads((stage.home / ".claude.json").read_text())
    state["projects"] = {}
    (stage.home / ".claude.json").write_text(json.dumps(state))
    (stage.project / ".mcp.json").write_text(json.dumps({"mcpServers": {"other": {"command": "true"}}}))
    found = stage.spawn()[0]
    assert found.about["accepted"] == [f"accepted trust {stage.project}"]
    assert "other" in found.about["left_out"]
    assert workers.scan(stage.crew)[0]["state"] == "ready"
