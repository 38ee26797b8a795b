"""Each key of `intercom ui` where there is little or nothing for it, by mouse, and without colours."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Footer, OptionList, TabbedContent

from intercom import Bus
from intercom.cli.tui.app import HELP, Ui
from intercom.cli.tui.dialogs import Ask, Choose, Search, Show
from intercom.cli.tui.panels import Waits, Who
from intercom.core.config import load
from intercom.core.errors import Refused
from intercom.fleet.crew import Crew
from tests.test_ui import bodies, play, said, see, until

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


def test_without_colours(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR a colour is no shade of grey that cannot be read: each word stands out from what is behind it."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("textual.constants.COLOR_SYSTEM", "truecolor")
    with Bus.open(project) as bus, Crew.open(project) as crew:
        bus.add_agents(["worker-1", "worker-2"])
        crew.sessions.record("worker-1", state="blocked", pid=os.getpid())
        bus.send("user", "What now?", sender="worker-1", type="question")

    async def scene(app: Ui, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(bodies(app)) == 1 and app.query_one(Waits).chosen)
        await see(app, pilot, "needs you", "worker-1", "1 waits for you")
        found = set()
        for strip in app.screen._compositor.render_strips():
            for text, style, _ in strip:
                word = text.strip()
                if word in {"needs you", "!", "worker-1", "1 unread", "1 waits for you"} and style:
                    found.add(word)
                    assert style.color is not None
                    assert style.bgcolor is not None
                    front, back = (one.get_truecolor() for one in (style.color, style.bgcolor))
                    assert abs(sum(front) - sum(back)) > 200, (word, front, back)
        assert {"needs you", "!", "worker-1", "1 waits for you"} <= found

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
