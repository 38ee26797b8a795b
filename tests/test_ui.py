"""`intercom ui` by its keys, on a real bus: what is shown, what each key does, and what no text can do."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from intercom import Bus
from intercom.cli.tui import dialogs
from intercom.cli.tui import talk as talk_module
from intercom.cli.tui.app import Ui
from intercom.cli.tui.dialogs import Choose, Decide, Show
from intercom.cli.tui.panels import Queue, Waits, Who
from intercom.cli.tui.source import Source
from intercom.cli.tui.talk import Card, Talk
from intercom.core.config import load
from intercom.fleet.crew import Crew
from intercom.fleet.overview import Agent
from tests import pictures
from tests.processes import patience
from tests.test_machines import said as from_afar
from tests.test_spending import reply

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


async def see(app: Ui, pilot: Pilot[None], *words: str) -> None:
    """Wait until all of these are on the screen: what a key does is drawn some time after it."""
    await until(pilot, lambda: all(word in shown(app) for word in words))


async def wrote(app: Ui, pilot: Pilot[None], words: str) -> None:
    """Type into the line that came up, once it takes keys, and end it."""
    await until(pilot, lambda: isinstance(app.focused, Input))
    await pilot.press(*words, "enter")


def said(app: Ui, words: str) -> bool:
    """Whether it told so in a corner."""
    return any(words in one.message for one in app._notifications)


def numbers(talk: Talk) -> list[int]:
    """Which messages it holds."""
    return [card.one.message.seq or 0 for card in talk.cards]


def bodies(app: Ui) -> list[str]:
    """What the conversation shows."""
    return [card.one.message.body for card in app.query_one(Talk).query(Card) if card.display]


@pytest.fixture
def bus(project: Path) -> Iterator[Bus]:
    """A master and two workers who have talked."""
    with Bus.open(project) as bus:
        bus.add_agents(["master", "worker-1", "worker-2"])
        bus.send("worker-1", "Build the importer.", sender="master", type="task")
        bus.send("master", "on it", sender="worker-1", status="working", progress=10)
        bus.send("master", "idle here", sender="worker-2")
        bus.close()  # a test may delete or replace what is there; the bus opens it again when it is used
        yield bus


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (300, 80)])
def test_what_a_lead_sees(project: Path, bus: Bus, size: tuple[int, int]) -> None:
    """Who there is, what they said, what waits, at every size."""
    bus.send("user", "Which database?", sender="worker-2", type="question")

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(bodies(app)) == 4)
        await see(app, pilot, "worker-1", "worker-2", "Which database?", "1 waits for you", "allow", "reply")

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
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
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
            await until(pilot, lambda: "rm -r build" in str(app.query_one("#told", Static).render()))
            await until(pilot, lambda: app.since_told() > dialogs.READ)
            await pilot.press(key)
            await until(pilot, lambda: crew.sessions.answer_of(ident) is not None)
            await until(pilot, lambda: not app.query_one(Waits).chosen)

        play(project, scene)
        answer = crew.sessions.answer_of(ident)
        assert answer is not None
        assert answer.decision == decision


def test_a_request_that_changed_under_the_key_is_asked_again(
    project: Path, bus: Bus, worker: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read is not what is asked now: nothing is answered, the new one is shown, and the next key is for it."""
    del bus
    monkeypatch.setattr(Source, "watch", lambda *_: None)  # the screen has not seen the change yet
    with Crew.open(project) as crew:
        crew.sessions.record("worker-1", state="blocked", pid=worker)
        ident = crew.sessions.ask("worker-1", ASKS, None)

        async def scene(app: Ui, pilot: Pilot[None]) -> None:
            await until(pilot, lambda: app.query_one(Waits).chosen and app.since_told() > dialogs.READ)
            other = json.dumps({**ASKS, "command": "rm -r src", "subject": "rm -r src"})
            crew.state.db.execute("UPDATE requests SET request = ? WHERE id = ?", (other, ident))
            await pilot.press("a")
            await until(pilot, lambda: said(app, "has changed; nothing was answered"))
            assert crew.sessions.answer_of(ident) is None
            await until(pilot, lambda: "rm -r src" in str(app.query_one("#told", Static).render()))
            await until(pilot, lambda: app.since_told() > dialogs.READ)
            await pilot.press("a")
            await until(pilot, lambda: crew.sessions.answer_of(ident) is not None)

        play(project, scene)


def test_reply_write_search_and_filter(project: Path, bus: Bus) -> None:
    """By keys alone: answer a question, write to an agent, find words, see one agent's messages, mark all as read."""
    asked = bus.send("user", "Which database?", sender="worker-2", type="question")

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app.query_one(Waits).chosen)
        await pilot.press("r")
        await wrote(app, pilot, "sqlite")
        await until(pilot, lambda: "sqlite" in bodies(app))
        await until(pilot, lambda: not app.query_one(Waits).chosen)
        app.query_one(Who).focus()
        app.query_one(Who).highlighted = app.query_one(Who).get_option_index("agent-worker-2")
        await pilot.press("enter")
        await until(pilot, lambda: set(bodies(app)) == {"idle here", "Which database?", "sqlite"})
        await pilot.press("w")
        await wrote(app, pilot, "go")
        await until(pilot, lambda: "go" in bodies(app))
        await pilot.press("slash")
        await until(pilot, lambda: isinstance(app.focused, Input))
        await pilot.press(*"importer")
        await until(pilot, lambda: bodies(app) == ["Build the importer."])
        await pilot.press("enter")
        await until(pilot, lambda: not app.screen.query(Input) and bodies(app) == ["Build the importer."])
        await pilot.press("escape")
        await until(pilot, lambda: len(bodies(app)) == 6)
        await pilot.press("m")
        await until(pilot, lambda: app.picture is not None and app.picture.unread == 0)

    play(project, scene)
    with Bus.open(project) as again:
        answer = next(one for one in again.history() if one.body == "sqlite")
        assert (answer.sender, answer.to, answer.reply_to, answer.type) == ("user", "worker-2", asked.id, "answer")


def up(talk: Talk) -> bool:
    """To the beginning of what is held."""
    talk.scroll_home(animate=False)
    return False


def down(talk: Talk) -> bool:
    """To the end of it, from elsewhere."""
    talk.scroll_to(y=10, animate=False)
    talk.scroll_end(animate=False)
    return False


def test_history_without_end(project: Path, bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """A window of it is held; what came before and what came next is fetched at its ends, without a gap."""
    monkeypatch.setattr(talk_module, "_MOST", 150)
    for number in range(180):
        bus.send("master", f"step {number}", sender="worker-1")

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        talk = app.query_one(Talk)
        await until(pilot, lambda: len(talk.cards) == 50 and talk.scroll_y)
        assert bodies(app)[-1] == "step 179"
        while bodies(app)[0] != "Build the importer.":
            before = bodies(app)[0]
            # Again each time: what is put above moves the place a moment later.
            await until(pilot, lambda before=before: bodies(app)[0] != before or up(talk))  # type: ignore[misc]
        await until(pilot, lambda: numbers(talk) == list(range(1, 151)))
        with Bus.open(project) as other:
            other.send("master", "the newest", sender="worker-1")
        await app.redraw()
        assert numbers(talk) == list(range(1, 151))
        while "the newest" not in bodies(app):
            end = numbers(talk)[-1]
            await until(pilot, lambda end=end: numbers(talk)[-1] > end or down(talk))  # type: ignore[misc]
        await until(pilot, lambda: numbers(talk) == list(range(185 - len(talk.cards), 185)))

    play(project, scene)


def test_to_both_ends(project: Path, bus: Bus) -> None:
    """Home shows the very first message, whatever is between; End the newest, and then it follows again."""
    for number in range(130):
        bus.send("master", f"step {number}", sender="worker-1")

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        talk = app.query_one(Talk)
        await until(pilot, lambda: len(talk.cards) == 50)
        talk.focus()
        await pilot.press("home")
        await until(pilot, lambda: numbers(talk) == list(range(1, 51)) and talk.scroll_y == 0)
        await pilot.press("end")
        await until(pilot, lambda: bodies(app)[-1:] == ["step 129"] and talk.at_end)
        bus.send("master", "the newest", sender="worker-1")
        await until(pilot, lambda: bodies(app)[-1:] == ["the newest"] and talk.at_end)

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
        await see(app, pilot, "2 more in this thread")
        await pilot.press("f")
        await until(pilot, lambda: len(bodies(app)) == 6)

    play(project, scene)


def test_a_request_longer_than_its_place(project: Path, bus: Bus, worker: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is allowed only once its end was on the screen; what takes its place is not answered by the same key."""
    del bus
    monkeypatch.setattr(dialogs, "READ", 0.02)
    command = "\n".join(f"echo {number}" for number in range(200))
    with Crew.open(project) as crew:
        crew.sessions.record("worker-1", state="blocked", pid=worker)
        long = crew.sessions.ask("worker-1", {"tool": "Bash", "command": command, "subject": command}, None)

        async def scene(app: Ui, pilot: Pilot[None]) -> None:
            await until(pilot, lambda: app.query_one(Waits).chosen)
            await until(pilot, lambda: app.since_told() > dialogs.READ)
            await pilot.press("a")
            await until(pilot, lambda: isinstance(app.screen, Decide))
            await pilot.press("a")
            assert crew.sessions.answer_of(long) is None
            short = crew.sessions.ask("worker-1", ASKS, None)
            while isinstance(app.screen, Decide):
                await pilot.press("a")
                await pilot.pause(0.05)
            await until(pilot, lambda: crew.sessions.answer_of(long) is not None)
            monkeypatch.setattr(dialogs, "READ", 3600)
            await until(pilot, lambda: "rm -r build" in str(app.query_one("#told", Static).render()))
            await pilot.press("a")
            await until(pilot, lambda: said(app, "that came just now"))
            assert crew.sessions.answer_of(short) is None

        play(project, scene, (80, 24))


def test_nothing_is_answered_from_another_tab(project: Path, bus: Bus, worker: int) -> None:
    """What is not on the screen at that moment is not answered."""
    del bus
    with Crew.open(project) as crew:
        crew.sessions.record("worker-1", state="blocked", pid=worker)
        ident = crew.sessions.ask("worker-1", ASKS, None)

        async def scene(app: Ui, pilot: Pilot[None]) -> None:
            await until(pilot, lambda: app.query_one(Waits).chosen and app.since_told() > dialogs.READ)
            await pilot.press("2", "a", "d", "1", "question_mark", "a", "d", "escape", "slash", "a", "escape")
            assert crew.sessions.answer_of(ident) is None

        play(project, scene)


def test_one_thread_one_type_and_all_again(project: Path, bus: Bus) -> None:
    """By keys: filters add up, are named above the conversation, and Escape takes them off."""
    for thread in ("t1", "t2"):
        bus.send("master", f"about {thread}", sender="worker-1", thread=thread)
        bus.send("worker-1", f"what of {thread}?", sender="master", thread=thread, type="question")

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        talk = app.query_one(Talk)
        await until(pilot, lambda: len(bodies(app)) == 7)
        talk.cards[-1].focus()
        await until(pilot, lambda: app.focused is talk.cards[-1])
        await pilot.press("t")
        await until(pilot, lambda: bodies(app) == ["about t2", "what of t2?"])
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, Choose))
        kinds = app.screen.query_one(OptionList)
        kinds.highlighted = [str(one.prompt) for one in kinds.options].index("question")
        await pilot.press("enter")
        await until(pilot, lambda: bodies(app) == ["what of t2?"])
        assert "thread t2, only question" in str(talk.border_title)
        await pilot.press("escape")
        await until(pilot, lambda: len(bodies(app)) == 7)

    play(project, scene)


def test_the_queue_and_what_a_branch_changes(project: Path, bus: Bus) -> None:
    """Order, checks, how far behind; Enter shows the diff, in which nothing acts on the terminal."""
    del bus

    def git(*words: str) -> None:
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", *words], cwd=project, check=True)

    git("init", "-q", "-b", "main")
    git("commit", "-q", "--allow-empty", "-m", "first")
    with Crew.open(project) as crew:
        where = crew.worktrees.add("worker-1").path
        (Path(where) / "new.txt").write_text("fresh \x1b[31mred\n")
        subprocess.run(["git", "add", "."], cwd=where, check=True)
        subprocess.run(
            ["git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x"], cwd=where, check=True
        )

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        await pilot.press("2")
        await until(pilot, lambda: app.query_one(Queue).chosen)
        await see(app, pilot, "1 ahead of main, 0 behind, 1 file, not checked")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Show))
        await until(pilot, lambda: "+fresh ␛[31mred" in str(app.screen.query_one("#shown", Static).render()))
        await pilot.press("escape")

    play(project, scene)


def test_a_machine_elsewhere_and_what_each_used(project: Path, bus: Bus, worker: int, tmp_path: Path) -> None:
    """Agents of other machines are there with what they said; a worker with its tokens and price."""
    other = project / ".claude" / "local" / "INTERCOM-laptop.md"
    other.write_bytes(from_afar("master", "user", "hello from afar", tag="INFO"))
    path = tmp_path / "s.jsonl"
    path.write_text(reply("m1", input_tokens=1_000_000))
    with Crew.open(project) as crew:
        crew.sessions.record("worker-1", state="running", pid=worker, transcript=str(path))
    (project / ".claude" / "intercom.toml").write_text("[budget]\ntokens = 1000\n")

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        await see(
            app, pilot, "1.0M tokens, $4.00", "master@laptop", "hello from afar", "elsewhere", "over budget", "10 %"
        )

    play(project, scene, (160, 50))


def test_it_tells_a_person_elsewhere(project: Path, bus: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where their settings say so, once; without them nothing is sent."""
    sent: list[tuple[str, str]] = []

    def told_of(title: str, text: str) -> str:
        sent.append((title, text))
        return ""

    monkeypatch.setattr("intercom.fleet.notifiers.desktop", told_of)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    config = tmp_path / "config" / "intercom" / "config.toml"
    bus.send("user", "Which?", sender="worker-2", type="question")

    async def quiet(app: Ui, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(bodies(app)) == 4)

    async def loud(app: Ui, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: sent)

    play(project, quiet)
    assert sent == []
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("[notify]\ndesktop = true\n")
    play(project, loud)
    play(project, quiet)
    assert sent == [("project: worker-2 writes to you (question)", "Which?")]


def test_no_text_acts_on_the_screen(project: Path, bus: Bus) -> None:
    """Control bytes, markup, links and a task that is none: shown, and nothing more."""
    for text in (
        "\x1b[2J\x1b]0;owned\x07",
        "[bold red]x[/] [link=http://127.0.0.1/]y[/link]",
        "[x](http://127.0.0.1/)",
        "\u202eabc",
        "&#8238;abc &rlm;&#x200b;&ZeroWidthSpace; `&#8238;` [a&lrm;b](c&rlm;d)",
        "a" + "\u0301" * 10_000,
    ):
        bus.send("user", text, sender="worker-1", type="question")
    bus.send("worker-2", '{"kind": "task_contract", "v": 2}', sender="master", type="task")

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(bodies(app)) == 10)
        await see(app, pilot, "not a valid contract")
        for strip in app.screen._compositor.render_strips():
            for segment in strip:
                assert not any(sign < " " or sign in "\x7f\u202e\u200b\u200e\u200f" for sign in segment.text)
                assert "\u0301" * 7 not in segment.text
                assert segment.style is None or segment.style.link is None

    play(project, scene)


def test_no_name_acts_on_the_screen(project: Path, bus: Bus) -> None:
    """Threads, branches and words that look like the library's markup: shown as they are, wherever they stand."""
    bus.send("user", "Which one?", sender="worker-1", type="question", thread="[/]")
    bus.send("user", "Which other?", sender="worker-1", type="question", thread="[@click=app.exit]q[/]")

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        waits = app.query_one(Waits)
        await until(pilot, lambda: len(waits.options) == 2)
        for place, thread in enumerate(("[/]", "[@click=app.exit]q[/]")):
            waits.focus()
            waits.highlighted = place
            await until(pilot, lambda place=place: waits.highlighted == place)  # type: ignore[misc]
            await pilot.press("t")
            await see(app, pilot, f"thread {thread}")
            await pilot.press("escape")
        for screen in (Show("[/]", "[/b]"), Choose("[/]", ["[/]"]), Decide("[/]", "[/b]")):
            await app.push_screen(screen)
            await see(app, pilot, "[/]")
            await pilot.press("escape")
            await until(pilot, lambda: len(app.screen_stack) == 1)
        await pilot.press("/")
        await wrote(app, pilot, "[/]")
        await see(app, pilot, "search: [/]")

    play(project, scene)


def test_from_the_first_message_on(project: Path) -> None:
    """A screen on a bus without messages shows the first that comes."""
    with Bus.open(project) as bus:
        bus.add_agents(["master"])

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "No messages yet." in shown(app))
        with Bus.open(project) as other:
            other.send("user", "hello", sender="master")
        await until(pilot, lambda: bodies(app) == ["hello"])

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
    assert Agent("a", "worker", state, None, 0, task, "", "", "", None).group == group


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


SNAPSHOTS = Path(__file__).parent / "snapshots"


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (300, 80)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_it_looks_as_it_did(
    project: Path, worker: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    """The pictures in `snapshots/`, which somebody looked at; UPDATE_SNAPSHOTS=1 makes them anew."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("textual.constants.COLOR_SYSTEM", "truecolor")
    monkeypatch.setattr("intercom.cli.tui.talk.local_stamp", lambda _: "2026-03-02 10:15:00")
    monkeypatch.setattr("intercom.cli.tui.panels.since", lambda _: "5 min")
    with Bus.open(project) as bus:
        pictures.day(bus)
        bus.send("worker-1", "Thanks; merge it.", sender="user", via="cli")
    path = tmp_path / "s.jsonl"
    path.write_text(reply("m1", input_tokens=1_200_000))
    with Crew.open(project) as crew:
        crew.sessions.record("worker-1", state="blocked", pid=worker, transcript=str(path))
        crew.sessions.ask("worker-1", ASKS, None)

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "1.2M tokens" in shown(app) and len(bodies(app)) == 13)
        kept = SNAPSHOTS / f"ui-{size[0]}x{size[1]}.svg"

        def now() -> str:
            return pictures.FONTS.sub("", app.export_screenshot(title="intercom ui", simplify=True))

        if os.environ.get("UPDATE_SNAPSHOTS"):
            await pilot.pause(1.0)
            kept.write_text(now(), encoding="utf-8")
        with suppress(AssertionError):  # what differs is told below
            await until(pilot, lambda: words_of(now()) == words_of(kept.read_text(encoding="utf-8")))
        assert words_of(now()) == words_of(kept.read_text(encoding="utf-8"))

    play(project, scene, size)


def words_of(picture: str) -> list[str]:
    """The texts of a picture in their order; colours and places may differ with a version of Textual."""
    return re.findall(r"<text [^>]*>([^<]*)</text>", picture)
