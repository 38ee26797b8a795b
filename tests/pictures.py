"""Owns the README's pictures: a day of three agents is played on a real bus, and the screen and the report are shown.

    python -m tests.pictures

The report's needs Chromium; without it that picture stays as it is, and that is said.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from intercom import Bus
from intercom.bus.figures import figures
from intercom.cli.report_page import page
from intercom.core.config import load
from intercom.core.message import Message
from intercom.fleet.crew import Crew

EXAMPLES = Path(__file__).parent.parent / "examples"
SIZE = (132, 38)
DRAWN = ("needs you", "The parser is done", "git push origin")  #: words of each panel, all of which are filled later
FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)  # they would be fetched
_MINUTES = (0, 1, 2, 9, 21, 22, 40, 48, 55, 61, 70, 74)  # when each was said


def contract(role: str, text: str) -> str:
    """A task as the tools send it."""
    told = {"kind": "task_contract", "v": 2, "role": role, "role_instructions": text}
    return json.dumps({**told, "reportBack": ["branch", "commit"]})


def day(bus: Bus) -> None:
    """What was said."""
    bus.add_agents(["master", "worker-1", "worker-2"])
    bus.send("master", "The importer by tonight, please.", sender="user", via="cli")
    first = bus.send(
        "worker-1", contract("parser", "Write the parser for the old format."), sender="master", type="task"
    )
    bus.send("worker-2", contract("store", "Move the store to SQLite."), sender="master", type="task")
    bus.send("master", "Reading the format.", sender="worker-1", status="working", progress=10)
    asked = bus.send("master", "Which schema version do I begin with?", sender="worker-2", type="question")
    bus.send("worker-2", "With **3**; 2 was never released.", sender="master", type="answer", reply_to=asked.id)
    bus.send("master", "The parser reads all 31 samples.\n\n- 29 whole\n- 2 with a warning", sender="worker-1")
    bus.send("master", "Tests pass.", sender="worker-2", status="working", progress=60)
    bus.send("master", "branch worker-1-parser, commit 1a2b3c4", sender="worker-1", type="done", reply_to=first.id)
    bus.send("master", "Migrating the old rows.", sender="worker-2", status="working", progress=80)
    bus.send("user", "May I drop the old table? It has 40 rows that nobody reads.", sender="worker-2", type="question")
    bus.send("user", "The parser is done; the store waits for your word.", sender="master")


def earlier(messages: list[Message]) -> list[Message]:
    """The same, over an hour and a quarter."""
    start = time.mktime((2026, 3, 2, 9, 30, 0, 0, 0, -1))
    from intercom.core.message import utc

    return [one._replace(at=utc(start + minute * 60)) for one, minute in zip(messages, _MINUTES, strict=True)]


async def screen(root: Path) -> str:
    """The picture of the screen."""
    from textual import constants

    from intercom.cli.tui.app import Ui

    setattr(constants, "COLOR_SYSTEM", "truecolor")  # noqa: B010  # whatever the terminal is that this is made in
    app, end = Ui(load(root)), time.monotonic() + 60
    async with app.run_test(size=SIZE) as pilot:
        while time.monotonic() < end:
            picture = app.export_screenshot(title="intercom ui").replace("&#160;", " ")
            if all(words in picture for words in DRAWN):
                await pilot.pause(0.5)
                return FONTS.sub("", app.export_screenshot(title="intercom ui"))
            await pilot.pause(0.1)
    raise AssertionError("the screen does not show the day; its picture stays as it is")


def report(root: Path, target: Path) -> None:
    """The picture of the report's beginning."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        print(f"{target.name} stays as it is: there is no Chromium here (Debian: apt-get install chromium)")
        return
    with Bus.open(root) as bus:
        messages = earlier(bus.history())
    now = time.mktime((2026, 3, 2, 11, 0, 0, 0, 0, -1))
    text = page(root.name, messages, figures(messages), now)
    html = root / "report.html"
    html.write_text(text, encoding="utf-8")
    line = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1100,980"]
    line += ["--disable-background-networking", f"--user-data-dir={root / 'profile'}", f"--screenshot={target}"]
    subprocess.run([*line, html.as_uri()], check=True, capture_output=True)


def main() -> None:
    """Make both."""
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen(["sleep", "600"]) as worker:
        root = Path(folder, "importer")
        root.mkdir()
        os.environ["INTERCOM_ROOT"] = str(root)
        os.environ.pop("NO_COLOR", None)
        with Bus.open(root) as bus:
            day(bus)
        with Crew.open(root) as crew:
            crew.sessions.record("worker-1", state="running", pid=worker.pid)
            command = {"tool": "Bash", "command": "git push origin worker-1-parser"}
            crew.sessions.ask("worker-1", {**command, "subject": command["command"]}, None)
        (EXAMPLES / "ui.svg").write_text(asyncio.run(screen(root)), encoding="utf-8")
        report(root, EXAMPLES / "report.png")
        worker.terminate()
    sys.stdout.flush()


if __name__ == "__main__":
    main()
