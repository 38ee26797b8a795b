"""`intercom ui` by its keys, on a real bus: what is shown, what each key does, and what no text can do."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from intercom import Bus
from intercom.cli.tui.app import Ui
from intercom.cli.tui.panels import Waits, Who, group_of
from intercom.cli.tui.talk import Card, Talk
from intercom.core.config import load
from intercom.fleet.crew import Crew
from intercom.fleet.overview import Agent
from tests.processes import patience

Play = Callable[[Ui, "Pilot[None]"], Awaitable[None]]
ASKS = {"tool": "Bash", "command": "rm -r build", "subject": "rm -r build", "input": {"command": "rm -r build"}}


def play(project: Path, what: Play, size: tuple[int, int] = (120, 36)) -> None:
    """Play a scene on the screen of a project."""

    async def run() -> None:
        app = Ui(load(project))
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: app.picture is not None)
            await what(app, pilot)

    asyncio.run(run())


async def until(pilot: Pilot[None], check: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait until something is so."""
    end = time.monotonic() + patience(seconds)
    while not check():
        assert time.monotonic() < end, check
        await pilot.pause(0.02)


def shown(app: Ui) -> str:
    """The text on the screen, without colours."""
    picture = re.sub(r"<style>.*?</style>", "", app.export_screenshot(), flags=re.DOTALL)
    text = re.sub(r"<[^>]+>", "\n", picture).replace("&#160;", " ").replace("&amp;", "&")
    return re.sub(r"\n+", "\n", text)


def bodies(app: Ui) -> list[str]:
    """What the conversation shows."""
    return [card.one.message.body for card in app.query_one(Talk).query(Card) if card.display]


@pytest.fixture
def bus(project: Path) -> Bus:
    """A master and two workers who have talked."""
    with Bus.open(project) as bus:
        bus.add_agents(["master", "worker-1", "worker-2"])
        bus.send("worker-1", "Build the importer.", sender="master", type="task")
        bus.send("master", "on it", sender="worker-1", status="working", progress=10)
        bus.send("master", "idle here", sender="worker-2")
    return bus


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (300, 80)])
def test_what_a_lead_sees(project: Path, bus: Bus, size: tuple[int, int]) -> None:
    """Who there is, what they said, what waits, at every size."""
    bus.send("user", "Which database?", sender="worker-2", type="question")

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(bodies(app)) == 4)
        await pilot.pause()
        text = shown(app)
        for word in ("worker-1", "worker-2", "Which database?", "1 wait for you", "allow", "reply"):
            assert word in text, word

    play(project, scene, size)


def test_it_follows_what_others_write(project: Path, bus: Bus) -> None:
    """Another process sends: it is there, without a key, and what became of the others is told."""

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(bodies(app)) == 3)
        line = [sys.executable, "-m", "intercom", "send", "user", "I wait for you", "--type", "question"]
        environ = {**os.environ, "INTERCOM_ROOT": str(project)}
        await asyncio.to_thread(subprocess.run, line, env=environ, check=True, capture_output=True)
        await until(pilot, lambda: "I wait for you" in bodies(app))
        with Bus.open(project) as reader:
            reader.read("worker-1")
            reader.read("worker-1")
        first = app.query_one(Talk).cards[0]
        await until(pilot, lambda: first.one.shown == 1)

    play(project, scene)


@pytest.fixture
def worker() -> Iterator[int]:
    """A process that a worker runs in: not ours, who are a person here."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process.pid
        process.terminate()


@pytest.mark.parametrize(("key", "decision"), [("a", "allow"), ("d", "deny")])
def test_a_permission_is_answered_by_a_key(project: Path, bus: Bus, worker: int, key: str, decision: str) -> None:
    """The exact command is read, then the key answers that request, and it waits no more."""
    del bus
    with Crew.open(project) as crew:
        crew.sessions.record("worker-1", state="blocked", pid=worker)
        ident = crew.sessions.ask("worker-1", ASKS, None)

        async def scene(app: Ui, pilot: Pilot[None]) -> None:
            await until(pilot, lambda: app.query_one(Waits).chosen)
            assert "rm -r build" in str(app.query_one("#told", Static).render())
            await pilot.press(key)
            await until(pilot, lambda: crew.sessions.answer_of(ident) is not None)
            await until(pilot, lambda: not app.query_one(Waits).chosen)

        play(project, scene)
        answer = crew.sessions.answer_of(ident)
        assert answer is not None
        assert answer.decision == decision


def test_a_request_that_changed_under_the_key_is_not_answered(project: Path, bus: Bus, worker: int) -> None:
    """What was read is not what is asked now: nothing is answered."""
    del bus
    with Crew.open(project) as crew:
        crew.sessions.record("worker-1", state="blocked", pid=worker)
        ident = crew.sessions.ask("worker-1", ASKS, None)

        async def scene(app: Ui, pilot: Pilot[None]) -> None:
            await until(pilot, lambda: app.query_one(Waits).chosen)
            seen = app.query_one(Waits).chosen
            assert seen is not None
            app.query_one(Waits).show([seen._replace(detail="command: ls")])
            await pilot.press("a")
            await until(pilot, lambda: app._notifications)
            assert crew.sessions.answer_of(ident) is None

        play(project, scene)


def test_reply_write_search_and_filter(project: Path, bus: Bus) -> None:
    """By keys alone: answer a question, write to an agent, find words, see one agent's messages, mark all as read."""
    asked = bus.send("user", "Which database?", sender="worker-2", type="question")

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app.query_one(Waits).chosen)
        await pilot.press("r")
        await until(pilot, lambda: app.screen.query(Input))
        await pilot.press(*"sqlite", "enter")
        await until(pilot, lambda: "sqlite" in bodies(app))
        await until(pilot, lambda: not app.query_one(Waits).chosen)
        app.query_one(Who).focus()
        app.query_one(Who).highlighted = app.query_one(Who).get_option_index("agent-worker-2")
        await pilot.press("enter")
        await until(pilot, lambda: "on it" not in bodies(app))
        assert set(bodies(app)) == {"idle here", "Which database?", "sqlite"}
        await pilot.press("w")
        await until(pilot, lambda: app.screen.query(Input))
        await pilot.press(*"go", "enter")
        await until(pilot, lambda: "go" in bodies(app))
        await pilot.press("slash")
        await until(pilot, lambda: app.screen.query(Input))
        await pilot.press(*"importer", "enter")
        await until(pilot, lambda: bodies(app) == ["Build the importer."])
        await pilot.press("escape")
        await until(pilot, lambda: len(bodies(app)) == 6)
        await pilot.press("m")
        await until(pilot, lambda: app.picture is not None and app.picture.unread == 0)

    play(project, scene)
    with Bus.open(project) as again:
        answer = next(one for one in again.history() if one.body == "sqlite")
        assert (answer.sender, answer.to, answer.reply_to, answer.type) == ("user", "worker-2", asked.id, "answer")


def test_history_without_end(project: Path, bus: Bus) -> None:
    """A window of it is held, and what came before is fetched when its top is reached."""
    for number in range(180):
        bus.send("master", f"step {number}", sender="worker-1")

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        talk = app.query_one(Talk)
        await until(pilot, lambda: len(talk.cards) == 50)
        assert bodies(app)[-1] == "step 179"
        for held in (100, 150, 183):
            talk.scroll_home(animate=False)
            await until(pilot, lambda held=held: len(talk.cards) >= held)  # type: ignore[misc]
            talk.scroll_to(y=10, animate=False)
            await pilot.pause()
        assert bodies(app)[0] == "Build the importer."
        assert [one.message.seq for one in (card.one for card in talk.cards)] == list(range(1, 184))

    play(project, scene)


def test_threads_fold(project: Path, bus: Bus) -> None:
    """Of a thread the first message stays, and tells how many more there are."""
    first = bus.send("worker-1", "how?", sender="master", type="question", thread="t1")
    for text in ("so", "and so"):
        bus.send("master", text, sender="worker-1", reply_to=first.id, thread="t1")

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(bodies(app)) == 6)
        await pilot.press("f")
        await until(pilot, lambda: "so" not in bodies(app))
        assert "2 more in this thread" in shown(app)
        await pilot.press("f")
        await until(pilot, lambda: len(bodies(app)) == 6)

    play(project, scene)


def test_no_text_acts_on_the_screen(project: Path, bus: Bus) -> None:
    """Control bytes, markup, links and a task that is none: shown, and nothing more."""
    for text in (
        "\x1b[2J\x1b]0;owned\x07",
        "[bold red]x[/] [link=http://127.0.0.1/]y[/link]",
        "[x](http://127.0.0.1/)",
        "\u202eabc",
    ):
        bus.send("user", text, sender="worker-1", type="question")
    bus.send("worker-2", '{"kind": "task_contract", "v": 2}', sender="master", type="task")

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(bodies(app)) == 8)
        await pilot.pause()
        for strip in app.screen._compositor.render_strips():
            for segment in strip:
                assert not any(sign < " " or sign in "\x7f\u202e" for sign in segment.text)
                assert segment.style is None or segment.style.link is None
        assert "not a valid contract" in shown(app)

    play(project, scene)


def test_other_tabs_and_the_keys(project: Path, bus: Bus) -> None:
    """The queue, the health, and what the keys do."""
    del bus

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        await pilot.press("2")
        await until(pilot, lambda: "Nothing waits to be merged" in shown(app))
        await pilot.press("3")
        await until(pilot, lambda: "python" in shown(app).lower(), 30.0)
        await pilot.press("1", "question_mark")
        await until(pilot, lambda: "peek at its terminal" in shown(app))
        await pilot.press("escape")

    play(project, scene)


@pytest.mark.parametrize(
    ("state", "task", "group"),
    [
        ("blocked", "", "needs you"),
        ("running", "", "working"),
        ("idle", "x", "idle"),
        ("gone", "x", "stuck"),
        ("gone", "", "done"),
        ("something new", "", "idle"),
    ],
)
def test_groups(state: str, task: str, group: str) -> None:
    """Who is gone with work to do is stuck, without it done."""
    assert group_of(Agent("a", "worker", state, None, 0, task, "", "", "", None))[0] == group


def test_as_lines(project: Path, bus: Bus) -> None:
    """For a pipe or a screen reader: the state, then each message as it comes."""
    line = [sys.executable, "-u", "-m", "intercom", "ui", "--plain", "--root", str(project)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while "messages 3" not in process.stdout.readline():
            assert process.poll() is None
        bus.send("user", "Which database?", sender="worker-2", type="question")
        while "waits for you: question from worker-2" not in process.stdout.readline():
            assert process.poll() is None
        process.terminate()


def test_it_wants_a_terminal(project: Path, bus: Bus) -> None:
    """In a pipe it says what to call instead."""
    del bus
    line = [sys.executable, "-m", "intercom", "ui", "--root", str(project)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert (done.returncode, "--plain" in done.stderr) == (2, True)
