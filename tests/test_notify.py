"""`intercom notify`: what counts, when, once; and that it arrives, on a desktop and through apprise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from intercom import Bus
from intercom.core.errors import UsageError
from intercom.fleet.alerts import Alert, Settings, digested, is_quiet, settings
from intercom.fleet.crew import Crew
from intercom.fleet.notebook import Claimed, Notebook
from intercom.fleet.notifiers import desktop
from intercom.fleet.telling import look
from tests.conftest import Command
from tests.processes import until
from tests.server_client import BareClient
from tests.test_spending import reply


class Desk:
    """A person's own settings, a desktop that writes down what it shows, and a service on loopback."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.config, self.shown = folder / "config" / "intercom" / "config.toml", folder / "shown"
        self.config.parent.mkdir(parents=True)
        fake = folder / "bin" / "notify-send"
        fake.parent.mkdir()
        fake.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" >> '{self.shown}'\n")
        fake.chmod(0o755)
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        patch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")

    def says(self, text: str) -> None:
        """Write `[notify]`."""
        self.config.write_text(f"[notify]\n{text}\n")

    def told(self) -> list[str]:
        """What the desktop showed: titles and texts."""
        lines = self.shown.read_text().splitlines() if self.shown.exists() else []
        return [line for line in lines if line not in {"--app-name=Intercom", "--"}]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """One person's."""
    return Desk(tmp_path / "person", monkeypatch)


@pytest.fixture
def bus(project: Path) -> Iterator[Bus]:
    """A bus of two agents."""
    with Bus.open(project) as bus:
        bus.add_agents(["ann", "roo"])
        yield bus


@pytest.fixture
def service() -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """A web service on loopback that takes what apprise posts: its port, and what came."""
    came: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1], came
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_message_is_told_once(bus: Bus, desk: Desk, command: Command) -> None:
    """To the desktop, with whose it is; what it holds is no option, no markup and no second line."""
    assert command("notify").returncode == 0
    assert desk.told() == []
    bus.send("user", "--urgency=critical\nWhich \x1b[31mdatabase?", sender="ann", type="question")
    bus.send("roo", "not for a person", sender="ann")
    for _ in range(2):
        assert command("notify").returncode == 0
        title, text = desk.told()
        assert title == "project: ann writes to you (question)"
        assert text == "--urgency=critical Which ␛[31mdatabase?"


def test_what_was_read_is_not_told(bus: Bus, desk: Desk, command: Command) -> None:
    """A person who has seen it need not be told."""
    bus.send("user", "hello", sender="ann")
    bus.read("user")
    bus.read("user")
    command("notify")
    assert desk.told() == []


def test_a_permission_counts_after_a_while(bus: Bus, desk: Desk, command: Command) -> None:
    """At once with `after = 0`, not yet with an hour."""
    with subprocess.Popen(["sleep", "600"]) as process, Crew.open(bus.config.root) as crew:
        crew.sessions.record("ann", state="blocked", pid=process.pid)
        crew.sessions.ask("ann", {"tool": "Bash", "command": "rm -r build", "subject": "rm -r build"}, None)
        desk.says("after = 3600")
        command("notify")
        assert desk.told() == []
        desk.says("after = 0")
        command("notify")
        assert desk.told()[0] == "project: ann asks permission"
        assert "rm -r build" in desk.told()[1]
        process.terminate()


def test_through_apprise(bus: Bus, desk: Desk, command: Command, service: tuple[int, list[dict[str, Any]]]) -> None:
    """An address whose secret comes from the environment; where it does not answer, it is told later."""
    port, came = service
    desk.says('desktop = false\nurls = ["json://127.0.0.1:$THE_PORT/"]')
    bus.send("user", "hello", sender="ann")
    refused = command("notify")
    assert (refused.returncode, "$THE_PORT, which is not set" in refused.stderr) == (2, True)
    assert command("notify", THE_PORT="9").returncode == 1
    assert command("notify", THE_PORT=str(port)).returncode == 0
    assert command("notify", THE_PORT=str(port)).returncode == 0
    assert [(one["title"], one["message"]) for one in came] == [("project: ann writes to you (status)", "hello")]
    assert command("notify", "--test", THE_PORT=str(port)).returncode == 0
    assert came[-1]["message"].startswith("This is a test")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of apprise's own imports
def test_each_way_by_itself(bus: Bus, desk: Desk, command: Command, service: tuple[int, list[dict[str, Any]]]) -> None:
    """What one address did not take is tried there again, and nowhere else told twice; others do not wait for it."""
    port, came = service
    desk.says(f'urls = ["nonsense://x", "json://127.0.0.1:$THE_PORT/", "json://127.0.0.1:{port}/"]')
    bus.send("user", "hello", sender="ann")
    for _ in range(2):
        with Crew.open(bus.config.root, environ={**os.environ, "THE_PORT": "9"}) as crew:
            troubles = look(crew).troubles
        assert "address 1 of [notify] is not one that apprise knows" in troubles[0]
        assert troubles[1:] == ["address 2 did not take it"]
    assert desk.told() == ["project: ann writes to you (status)", "hello"]
    assert len(came) == 1
    with Crew.open(bus.config.root, environ={**os.environ, "THE_PORT": str(port)}) as crew:
        assert len(look(crew).troubles) == 1
    assert len(came) == 2


def test_a_flood(bus: Bus, desk: Desk, command: Command) -> None:
    """One text that says how many, with the first of them; then nothing more, whatever the clock does."""
    for number in range(120):
        bus.send("user", f"flood {number}", sender="ann")
    for _ in range(2):
        command("notify")
    title, *lines = desk.told()
    assert title == "project: 120 things"
    assert (len(lines), lines[-1]) == (13, "and 108 more: intercom inbox")
    with Crew.open(bus.config.root) as crew, pytest.MonkeyPatch.context() as patch:
        for years in (-10, 10):
            later = time.time() + years * 365 * 86_400
            patch.setattr(time, "time", lambda later=later: later)
            assert look(crew).sent == ()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "<b>x</b> <img src='http://127.0.0.1/'> &amp;",
            "&lt;b&gt;x&lt;/b&gt; &lt;img src='http://127.0.0.1/'&gt; &amp;amp;",
        ),
        (r"C:\new \033[31m", r"C:\\new \\033[31m"),
        ("--help", "--help"),
        ("$(id) `id` %s", "$(id) `id` %s"),
    ],
)
def test_no_text_is_markup_or_an_escape(desk: Desk, text: str, shown: str) -> None:
    """notify-send reads backslashes in a text, and the desktop markup: what was written is what is read."""
    assert desktop("title", text) == ""
    assert desk.told() == ["title", shown]


def test_many_are_told_as_one() -> None:
    """Above `digest` they come together."""
    some = [Alert("message", str(number), f"title {number}", "text") for number in range(4)]
    assert len(digested(some[:3], Settings(), "p")) == 3
    assert digested(some, Settings(), "p")[0][0] == "p: 4 things"
    assert digested(some, Settings(), "p")[0][1].count("\n") == 3


@pytest.mark.parametrize(
    ("quiet", "hour", "is_it"),
    [((22 * 60, 7 * 60), 23, True), ((22 * 60, 7 * 60), 6, True), ((22 * 60, 7 * 60), 12, False), ((60, 120), 1, True)],
)
def test_quiet_hours(quiet: tuple[int, int], hour: int, *, is_it: bool) -> None:
    """Also over midnight."""
    moment = time.mktime((2026, 1, 10, hour, 30, 0, 0, 0, -1))
    assert is_quiet(Settings(quiet=quiet), moment) is is_it


def test_quiet_hours_hold_back(bus: Bus, desk: Desk, command: Command) -> None:
    """What comes in them is told afterwards."""
    bus.send("user", "hello", sender="ann")
    hour = time.localtime().tm_hour
    desk.says(f'quiet = "{hour:02d}:00-{(hour + 2) % 24:02d}:00"')
    command("notify")
    assert desk.told() == []
    desk.says("")
    command("notify")
    assert "hello" in desk.told()


@pytest.mark.parametrize(
    "text",
    ["urls = 1", "urls = [1]", 'events = ["x"]', "after = -1", "digest = 0", 'quiet = "9-5"', "desktop = 1", "zzz = 1"],
)
def test_wrong_settings_are_named(desk: Desk, text: str) -> None:
    """One line that says which, and that nothing was told."""
    desk.says(text)
    with pytest.raises(UsageError, match=r"config\.toml.*othing was told"):
        settings(os.environ)


def test_a_project_cannot_set_where_it_is_told(bus: Bus, desk: Desk, command: Command) -> None:
    """`[notify]` in a project's settings counts for nothing."""
    (bus.config.root / ".claude" / "intercom.toml").write_text('[notify]\nurls = ["json://127.0.0.1:9/"]\n')
    bus.send("user", "hello", sender="ann")
    assert command("notify").returncode == 0
    assert "hello" in desk.told()


def test_it_follows(bus: Bus, desk: Desk) -> None:
    """With `--follow` it goes on."""
    line = [sys.executable, "-u", "-m", "intercom", "notify", "--follow", "--root", str(bus.config.root)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        for text in ("first", "second"):
            bus.send("user", text, sender="ann")
            assert process.stdout is not None
            assert text in process.stdout.readline()
        process.terminate()
    assert desk.told()[1::2] == ["first", "second"]


@pytest.mark.slow
def test_in_the_master_s_server(bus: Bus, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A master's server tells it, where the settings have `[notify]`; whoever looks next tells it no more."""
    bus.send("user", "hello", sender="ann")
    desk.says("desktop = true")
    with BareClient(bus.config.root, **os.environ) as master:
        master.call("intercomm_register", role="master")
        until(desk.told)
    with Crew.open(bus.config.root) as crew:
        assert look(crew).sent == ()
    assert desk.told() == ["project: ann writes to you (status)", "hello"]


def test_two_at_a_time_tell_it_once(bus: Bus, desk: Desk) -> None:
    """Whoever claims it first; what could not be sent is anybody's again."""
    notebooks = [Notebook(bus.config.root, os.environ) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda one: one.claim([f"k{number}" for number in range(50)]), notebooks))
    assert sorted(len(one.new) for one in found) == [0, 50]
    notebooks[0].told(["k3"])
    notebooks[0].give_back(["k1", "k2"])
    assert notebooks[1].claim(["k1", "k2", "k3", "k4"]) == Claimed(frozenset({"k1", "k2"}), frozenset(), frozenset())


@pytest.mark.parametrize("sent", [False, True], ids=["before it was sent", "after it was sent"])
def test_killed_while_it_tells(bus: Bus, desk: Desk, command: Command, sent: bool) -> None:
    """What was being told is told once more, and says that it may be a repeat; never lost without a word."""
    bus.send("user", "hello", sender="ann")
    fake = desk.config.parent.parent.parent / "bin" / "notify-send"
    shows = fake.read_text()
    fake.write_text(f"{shows if sent else '#!/bin/sh'}\nkill -9 $PPID\n")
    assert command("notify").returncode == -9
    title = "project: ann writes to you (status)"
    before = [title, "hello"] if sent else []
    assert desk.told() == before
    fake.write_text(shows)
    command("notify")
    command("notify")
    assert desk.told() == [*before, f"{title} (perhaps for the second time)", "hello"]


def test_killed_twice_while_it_tells(bus: Bus, desk: Desk, command: Command) -> None:
    """It is not told for ever: that it was not is said, once; and what comes next is told."""
    bus.send("user", "hello", sender="ann")
    fake = desk.config.parent.parent.parent / "bin" / "notify-send"
    shows = fake.read_text()
    fake.write_text("#!/bin/sh\nkill -9 $PPID\n")
    assert [command("notify").returncode for _ in range(2)] == [-9, -9]
    fake.write_text(shows)
    said = command("notify")
    assert "twice killed while it was told, so not told again: ann writes to you (status)" in said.stderr
    assert command("notify").returncode == 0
    bus.send("user", "more", sender="ann")
    command("notify")
    assert desk.told() == ["project: ann writes to you (status)", "more"]


def test_a_way_that_breaks_gives_it_back(bus: Bus, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it raises: this process lives on, and would count as telling it."""
    from intercom.fleet import notifiers

    bus.send("user", "hello", sender="ann")
    with monkeypatch.context() as patch, Crew.open(bus.config.root) as crew:
        patch.setattr(notifiers, "desktop", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            look(crew)
    with Crew.open(bus.config.root) as crew:
        assert look(crew).sent == (("project: ann writes to you (status)", "hello"),)


def test_a_budget_is_told_once(bus: Bus, desk: Desk, command: Command, tmp_path: Path) -> None:
    """However much more is used; and again where it was raised and exceeded."""
    path, settings_file = tmp_path / "s.jsonl", bus.config.root / ".claude" / "intercom.toml"
    path.write_text(reply("m1", input_tokens=1_000_000))
    with Crew.open(bus.config.root) as crew:
        crew.sessions.record("ann", state="idle", pid=os.getpid(), transcript=str(path))
    settings_file.write_text("[budget]\ndollars = 2\n")
    command("notify")
    with path.open("a") as file:
        file.write(reply("m2", input_tokens=1_000_000))
    command("notify")
    assert desk.told() == ["project: ann: budget", "over budget: $4.00 of $2.00"]
    settings_file.write_text("[budget]\ndollars = 5\n")
    command("notify")
    assert desk.told()[2:] == ["project: ann: budget", "over budget: $8.00 of $5.00"]


def test_a_few_characters_for_a_status_line(bus: Bus, command: Command) -> None:
    """Nothing where nothing waits."""
    assert command("status", "--short").stdout == ""
    bus.send("user", "Which?", sender="ann", type="question")
    bus.send("user", "by the way", sender="ann")
    assert command("status", "--short").stdout == "1 waiting, 2 unread\n"
