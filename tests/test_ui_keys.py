"""Each key of `intercom ui` where there is little or nothing for it, by mouse, and without colours."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.color import ColorType
from textual.events import Key
from textual.pilot import Pilot
from textual.widgets import Footer, Input, OptionList, TabbedContent

from intercom import Bus
from intercom.cli.tui.app import HELP, Ui
from intercom.cli.tui.dialogs import Ask, Choose, Search, Show
from intercom.cli.tui.panels import Waits, Who
from intercom.core.config import load
from intercom.core.errors import Refused
from intercom.fleet.crew import Crew
from intercom.system import tmux
from tests.test_ui import bodies, play, said, see, shown, until

#: Each key, and what it does or says on a bus with nobody and nothing on it.
NOTHING = {
    "a": "no permission is highlighted",
    "d": "no permission is highlighted",
    "r": "highlight a question",
    "w": "highlight an agent",
    "n": "highlight an agent",
    "p": "highlight an agent",
    "o": "highlight an agent",
    "t": "go to a message",
    "m": "0 marked as read",
    "y": Choose,
    "slash": Search,
    "question_mark": Show,
    "f": None,
    "v": None,
    "e": None,
    "escape": None,
    "2": "queue-tab",
    "3": "health-tab",
    "1": "talk-tab",
    "q": None,
}


def test_every_key_where_there_is_nothing(project: Path) -> None:
    """It says what it would need, opens what it opens, or does nothing; each key is tried, and told by `?`."""
    (project / ".claude").mkdir()
    (project / ".claude" / "intercom.toml").write_text("agents = []\n")
    assert {one.key for one in Ui.BINDINGS} == NOTHING.keys()  # type: ignore[union-attr]
    for key in NOTHING:
        assert {"slash": "/", "escape": "Escape", "question_mark": "Tab"}.get(key, key) in HELP

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        for key, does in NOTHING.items():
            app._notifications.clear()
            await pilot.press(key)
            if isinstance(does, str) and does.endswith("-tab"):
                await until(pilot, lambda does=does: app.query_one(TabbedContent).active == does)  # type: ignore[misc]
            elif isinstance(does, str):
                await until(pilot, lambda does=does: said(app, does))  # type: ignore[misc]
            elif does is not None:
                await until(pilot, lambda does=does: isinstance(app.screen, does))  # type: ignore[misc]
                await pilot.press("escape")
            await until(pilot, lambda: len(app.screen_stack) == 1)
        await until(pilot, lambda: app._exit)

    play(project, scene, (80, 24))


def test_an_agent_without_a_terminal(project: Path) -> None:
    """Peek and open say so, nudge says what came of it, and the screen stays."""
    with Bus.open(project) as bus, Crew.open(project) as crew:
        bus.add_agents(["worker-1"])
        crew.sessions.record("worker-1", state="idle", pid=os.getpid())

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        who = app.query_one(Who)
        who.focus()
        who.highlighted = who.get_option_index("agent-worker-1")
        await pilot.press("p")
        await until(pilot, lambda: isinstance(app.screen, Show))
        await see(app, pilot, "worker-1 has no terminal to look at")
        await pilot.press("escape")
        await until(pilot, lambda: len(app.screen_stack) == 1)
        await pilot.press("o")
        await until(pilot, lambda: said(app, "worker-1 has no terminal to look at"))
        app._notifications.clear()
        await pilot.press("n")
        await until(pilot, lambda: said(app, "worker-1: "))

    play(project, scene)


def test_by_mouse(project: Path) -> None:
    """A click on a question opens the reply, one on a key's name does what the key does, one on a tab shows it."""
    with Bus.open(project) as bus:
        bus.add_agents(["worker-1", "worker-2"])
        for name in ("worker-1", "worker-2"):
            bus.send("user", f"{name} wants to know", sender=name, type="question")

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(bodies(app)) == 2 and app.query_one(Waits).chosen)
        await pilot.click(OptionList, offset=(5, 1))  # of the first list: who
        await pilot.click("#waits", offset=(5, 1))
        await until(pilot, lambda: isinstance(app.screen, Ask))
        await see(app, pilot, "worker-2 wants to know")
        await pilot.press("escape")
        await until(pilot, lambda: len(app.screen_stack) == 1)
        keys = app.query_one(Footer).query("FooterKey")
        await pilot.click(next(one for one in keys if getattr(one, "key", "") == "question_mark"))
        await until(pilot, lambda: isinstance(app.screen, Show))
        await pilot.press("escape")
        await until(pilot, lambda: len(app.screen_stack) == 1)
        await pilot.click("#--content-tab-queue-tab")
        await see(app, pilot, "Nothing waits to be merged")

    play(project, scene)


@pytest.mark.parametrize(("system", "none"), [("truecolor", True), ("standard", True), ("standard", False)])
def test_few_colours_or_none(project: Path, monkeypatch: pytest.MonkeyPatch, *, system: str, none: bool) -> None:
    """With NO_COLOR there is none, and what is highlighted is underlined; with 16 there is no other."""
    if none:
        monkeypatch.setenv("NO_COLOR", "1")
    else:
        monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("textual.constants.COLOR_SYSTEM", system)
    with Bus.open(project) as bus, Crew.open(project) as crew:
        bus.add_agents(["worker-1", "worker-2"])
        crew.sessions.record("worker-1", state="blocked", pid=os.getpid())
        bus.send("user", "What now?", sender="worker-1", type="question")

    def colours(app: Ui) -> set[ColorType]:
        parts = [part for strip in app.screen._compositor.render_strips() for part in strip if part.style]
        both = [colour for part in parts if part.style for colour in (part.style.color, part.style.bgcolor)]
        return {colour.type for colour in both if colour is not None}

    def underlined(app: Ui) -> str:
        parts = [part for strip in app.screen._compositor.render_strips() for part in strip if part.style]
        return "".join(part.text for part in parts if part.style and part.style.underline)

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(bodies(app)) == 1 and app.query_one(Waits).chosen)
        await see(app, pilot, "needs you", "worker-1", "1 waits for you")
        if none:
            await until(pilot, lambda: colours(app) == {ColorType.DEFAULT})
            await until(pilot, lambda: "What now?" in underlined(app))
        else:
            await until(pilot, lambda: colours(app) == {ColorType.DEFAULT, ColorType.STANDARD})

    play(project, scene)


def test_typed_at_once(project: Path) -> None:
    """What follows a key that opens a line, before it is there, is typed into that line, and is not keys."""
    with Bus.open(project) as bus:
        bus.add_agents(["worker-1"])
        bus.send("user", "What now?", sender="worker-1", type="question")

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app.query_one(Waits).chosen)
        for opens, words in (("slash", "made"), ("r", "made"), ("w", "made")):
            for key in (opens, *words):
                app.post_message(Key(key, None if key == "slash" else key))
            await until(pilot, lambda: isinstance(app.focused, Input) and app.focused.value == "made")
            await pilot.press("escape")
            await until(pilot, lambda: len(app.screen_stack) == 1)
        assert app.picture is not None
        assert app.picture.unread == 1

    play(project, scene)


def test_a_bus_that_cannot_be_opened(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The screen, which is drawn before the bus is opened, ends with the reason, which the command then tells."""

    def refused(root: object) -> Crew:
        raise Refused(f"{root} is not yours; nothing was opened.")

    monkeypatch.setattr(Crew, "open", refused)

    async def run() -> Ui:
        app = Ui(load(project))
        async with app.run_test() as pilot:
            await until(pilot, lambda: app._exit)
        return app

    assert "is not yours" in str(asyncio.run(run()).failed)


def test_the_frame_does_not_wait_for_the_bus() -> None:
    """What is on the screen first needs none of what reads the log, nor of the fleet."""
    code = "import sys, intercom.cli.tui.app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    late = ("intercom.bus", "intercom.fleet", "intercom.repair", "intercom.format", "intercom.store", "rich.markdown")
    assert [one for one in done.stdout.split() if one.startswith(late)] == []


@pytest.mark.slow
def test_a_worker_that_dies_while_its_terminal_is_looked_at(project: Path, tmp_path: Path) -> None:
    """The dialog says so and is left as ever, also while a look is under way."""
    server = tmux.Server(str(tmp_path / "tmux"), "/dev/null")
    pane = tmux.new_session(server, "w", ["sh", "-c", "echo at work; sleep 600"], cwd=tmp_path, keep_dead=False)
    with Bus.open(project) as bus, Crew.open(project) as crew:
        bus.add_agents(["worker-1"])
        crew.sessions.record("worker-1", state="running", pid=pane.pid, pane=pane.id, socket=str(tmp_path / "tmux"))

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        who = app.query_one(Who)
        who.focus()
        who.highlighted = who.get_option_index("agent-worker-1")
        await pilot.press("p")
        await see(app, pilot, "at work")
        os.kill(pane.pid, signal.SIGKILL)
        await until(pilot, lambda: "at work" not in shown(app))
        shows = app.screen
        assert isinstance(shows, Show)
        gone = asyncio.Event()

        async def late() -> str:
            await gone.wait()
            return "late"

        shows._again = late
        await pilot.pause(1.5)
        await pilot.press("escape")
        gone.set()
        await until(pilot, lambda: len(app.screen_stack) == 1)
        await pilot.pause(0.3)
        assert not app._exit

    play(project, scene)
