"""What a key of `intercom ui` must not answer: what is not on the screen at that moment, or was not long enough."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from textual.containers import VerticalScroll
from textual.pilot import Pilot
from textual.widgets import Input, Static

from intercom import Bus
from intercom.cli.tui import dialogs
from intercom.cli.tui.app import Ui
from intercom.cli.tui.dialogs import Decide, Show
from intercom.cli.tui.panels import Waits
from intercom.cli.tui.source import Source
from intercom.core.message import utc
from intercom.fleet.crew import Crew
from tests.test_ui import bodies, play, said, until, wrote

JUST_NOW = "that came just now"


def asks(command: str) -> dict[str, object]:
    """A request to run this."""
    return {"tool": "Bash", "command": command, "subject": command, "input": {"command": command}}


@pytest.fixture
def crew(project: Path) -> Iterator[Crew]:
    """Two workers that wait for somebody."""
    with Bus.open(project) as bus:
        bus.add_agents(["master", "worker-1", "worker-2"])
    with (
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process,
        Crew.open(project) as crew,
    ):
        for name in ("worker-1", "worker-2"):
            crew.sessions.record(name, state="blocked", pid=process.pid)
        yield crew
        process.terminate()


def ask_later(crew: Crew, who: str, command: str) -> str:
    """Ask, in another millisecond than whatever was asked before: what is asked in the same stands in any order."""
    before = utc()
    while utc() == before:
        pass
    return crew.sessions.ask(who, asks(command), None)


def told(app: Ui) -> str:
    """What is told in full."""
    return str(app.query_one("#told", Static).render())


async def read(app: Ui, pilot: Pilot[None], words: str) -> None:
    """Wait until this can be answered."""
    await until(pilot, lambda: words in told(app) and app.since_told() > dialogs.READ)


@pytest.mark.slow
def test_what_came_behind_something_else(project: Path, crew: Crew) -> None:
    """While something lay over it, or another tab was shown, nobody read it: its time begins once it is seen."""
    ident = crew.sessions.ask("worker-1", asks("make"), None)

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        nonlocal ident
        await read(app, pilot, "make")
        for cover, back in (("p", "escape"), ("question_mark", "escape"), ("2", "1")):
            await pilot.press(cover)
            await until(pilot, lambda: isinstance(app.screen, Show) or not app._talks)
            crew.sessions.settle(ident, "deny", "master")
            ident = crew.sessions.ask("worker-1", asks(f"rm -rf {cover}"), None)
            await until(pilot, lambda: f"rm -rf {cover}" in told(app))  # noqa: B023  # awaited here
            await pilot.pause(0.1)
            seen = time.monotonic()
            await pilot.press(back)
            await until(pilot, lambda: app._talks and len(app.screen_stack) == 1)
            assert app.since_told() <= time.monotonic() - seen
        await read(app, pilot, "rm -rf 2")
        await pilot.press("a")
        await until(pilot, lambda: not crew.sessions.open_requests("worker-1"))

    play(project, scene)


def test_the_next_one_is_not_answered_by_the_same_hand(
    project: Path, crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two requests of one worker: to go to the other and answer at once answers neither, and then that one alone."""
    first, second = (ask_later(crew, "worker-1", what) for what in ("make", "rm -rf src"))

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        await read(app, pilot, "make")
        waits = app.query_one(Waits)
        waits.highlighted = 1  # no event of it has been heard yet
        app.action_answer("allow")
        await until(pilot, lambda: said(app, JUST_NOW))
        assert len(crew.sessions.open_requests("worker-1")) == 2
        await read(app, pilot, "rm -rf src")
        await pilot.press("d")
        await until(pilot, lambda: crew.sessions.answer_of(second) is not None)
        monkeypatch.setattr(dialogs, "READ", 3600)  # however long this machine takes between two keys
        await until(pilot, lambda: "make" in told(app))
        await pilot.press("d", "d")
        assert crew.sessions.answer_of(first) is None

    play(project, scene)


def test_what_somebody_else_answered(project: Path, crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked no more, and that is said; whoever was first stays it."""
    monkeypatch.setattr(Source, "watch", lambda *_: None)  # the screen has not seen it yet
    ident = ask_later(crew, "worker-1", "make")
    ask_later(crew, "worker-2", "make")

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        await read(app, pilot, "make")
        crew.sessions.answer(ident, "deny", "master", None)
        await pilot.press("a")
        await until(pilot, lambda: said(app, "worker-1 does not ask that any more; nothing was answered"))
        await until(pilot, lambda: "worker-2" in told(app))

    play(project, scene)
    answer = crew.sessions.answer_of(ident)
    assert answer is not None
    assert (answer.decision, answer.by) == ("deny", "master")
    assert len(crew.sessions.open_requests("worker-2")) == 1


def test_what_is_typed_without_a_line_for_it(project: Path, crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text behind a key that opened nothing is no answer, whatever letters are in it."""
    ident = crew.sessions.ask("worker-1", asks("make"), None)

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        await read(app, pilot, "make")
        monkeypatch.setattr(Ui, "since_told", lambda _: 3600.0)
        monkeypatch.setattr(dialogs, "READ", 1800.0)  # however long this machine takes between two keys
        await pilot.press(*"rxaxd")
        await until(pilot, lambda: said(app, "highlight a question") and said(app, JUST_NOW))
        assert crew.sessions.answer_of(ident) is None

    play(project, scene)


def test_where_there_is_no_room_to_show_it(project: Path, crew: Crew) -> None:
    """A window of a few lines tells nothing in full: nothing is answered there; once it is larger, it is."""
    crew.sessions.ask("worker-1", asks("make"), None)

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "make" in told(app))
        await pilot.pause(dialogs.READ + 0.1)
        await pilot.press("a")
        await until(pilot, lambda: said(app, "no room to show it"))
        assert crew.sessions.open_requests("worker-1")
        await pilot.resize_terminal(80, 24)
        await read(app, pilot, "make")
        await pilot.press("a")
        await until(pilot, lambda: not crew.sessions.open_requests("worker-1"))

    play(project, scene, (80, 8))


@pytest.mark.slow
def test_a_key_that_is_held_down(project: Path, crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads nothing: a long request stays at its first page, and what comes next is left alone."""
    long = crew.sessions.ask("worker-1", asks("\n".join(f"echo {number}" for number in range(60))), None)
    monkeypatch.setattr(dialogs, "READ", 30.0)

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "echo 0" in told(app) and app.in_sight() and app.since_told() > 0)
        monkeypatch.setattr(Ui, "since_told", lambda _: 60.0)
        await pilot.press(*["a"] * 15)
        await until(pilot, lambda: isinstance(app.screen, Decide))
        box = app.screen.query_one(VerticalScroll)
        assert box.scroll_y == 0
        await pilot.press("end", *["a"] * 5)
        await until(pilot, lambda: box.scroll_y >= box.max_scroll_y)
        await pilot.press("a")
        assert crew.sessions.answer_of(long) is None
        monkeypatch.setattr(dialogs, "READ", 0.0)
        await pilot.press("a")
        await until(pilot, lambda: crew.sessions.answer_of(long) is not None)
        monkeypatch.setattr(dialogs, "READ", 30.0)
        for _ in range(2):
            crew.sessions.ask("worker-1", asks("rm -rf src"), None)
        await until(pilot, lambda: "rm -rf src" in told(app))
        await pilot.press(*"dddaaaddd")
        await until(pilot, lambda: said(app, JUST_NOW))
        assert len(crew.sessions.open_requests("worker-1")) == 2

    play(project, scene, (80, 24))


def test_a_question_that_is_changed_while_it_is_answered(project: Path, crew: Crew) -> None:
    """What was written stays, the question is shown as it is now, and only then it is sent."""
    page = project / ".claude" / "local" / "INTERCOM-testbox.md"
    crew.bus.send("user", "May I delete the draft?", sender="worker-1", type="question")

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "draft" in told(app))
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.focused, Input))
        await pilot.press(*"yes")
        page.write_text(page.read_text().replace("delete the draft", "delete the database"))
        await until(pilot, lambda: any("database" in one for one in bodies(app)))
        before = app.screen
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is not before and isinstance(app.focused, Input))
        assert "database" in str(app.screen.query_one(Static).render())
        assert app.screen.query_one(Input).value == "yes"
        assert "yes" not in bodies(app)
        await pilot.press("enter")
        await until(pilot, lambda: "yes" in bodies(app))

    play(project, scene)


def test_a_question_that_somebody_answers_while_it_is_answered(project: Path, crew: Crew) -> None:
    """Two screens, or two people: the second is told, keeps the text, and may send it as well."""
    asked = crew.bus.send("user", "Which colour?", sender="worker-1", type="question")

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "colour" in told(app))
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.focused, Input))
        await pilot.press(*"red")
        crew.bus.send("worker-1", "green", sender="user", via="cli", type="answer", reply_to=asked.id)
        before = app.screen
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is not before and isinstance(app.focused, Input))
        assert app.screen.query_one(Input).value == "red"
        assert [one.body for one in crew.bus.history(to="worker-1")] == ["green"]
        await pilot.press("enter")
        await until(pilot, lambda: "red" in bodies(app))

    play(project, scene)


def test_what_cannot_be_sent_is_not_lost(project: Path, crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line comes back with what was written."""
    from intercom.cli.tui import acts
    from intercom.core.errors import StorageError

    send: Callable[..., str] = acts.say
    failed: list[str] = []

    def broken(crew: Crew, to: str, text: str) -> str:
        if not failed:
            failed.append(text)
            raise StorageError("the disk is full; nothing was sent.")
        return send(crew, to, text)

    monkeypatch.setattr(acts, "say", broken)
    crew.sessions.ask("worker-1", asks("make"), None)

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "make" in told(app))
        await pilot.press("w")
        await wrote(app, pilot, "go")
        await until(pilot, lambda: said(app, "the disk is full"))
        await until(pilot, lambda: isinstance(app.focused, Input) and app.focused.value == "go")
        await pilot.press("enter")
        await until(pilot, lambda: "go" in bodies(app))

    play(project, scene)


def test_a_long_question_leaves_room_for_the_answer(project: Path, crew: Crew) -> None:
    """All of it can be read, page by page, while the line stays where it is."""
    crew.bus.send("user", "\n".join(f"point {number}" for number in range(200)), sender="worker-1", type="question")

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "point 0" in told(app))
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.focused, Input))
        box, line = app.screen.query_one(VerticalScroll), app.screen.query_one(Input)
        await until(pilot, lambda: box.max_scroll_y > 0 and line.region.height)
        assert app.size.region.contains_region(line.region)
        assert "point 199" in str(app.screen.query_one(Static).render())
        while box.scroll_y < box.max_scroll_y:
            before = box.scroll_y
            await pilot.press("pagedown")
            await until(pilot, lambda before=before: box.scroll_y > before)  # type: ignore[misc]
        await wrote(app, pilot, "all")
        await until(pilot, lambda: "all" in bodies(app))

    play(project, scene, (80, 24))


def test_the_same_request_in_other_words(project: Path, crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is told of it changed, as its folder, it is asked again: the command is not all there is."""
    monkeypatch.setattr(Source, "watch", lambda *_: None)
    ident = crew.sessions.ask("worker-1", {**asks("make clean"), "cwd": "/tmp/a"}, None)

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        await read(app, pilot, "make clean")
        other = json.dumps({**asks("make clean"), "cwd": "/home"})
        crew.state.db.execute("UPDATE requests SET request = ? WHERE id = ?", (other, ident))
        await pilot.press("a")
        await until(pilot, lambda: said(app, "has changed; nothing was answered"))
        assert crew.sessions.answer_of(ident) is None

    play(project, scene)
