"""`intercom ui` in a real terminal: left for other programs and come back to, stopped, closed under it, none at all."""

from __future__ import annotations

import os
import pty
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from intercom import Bus
from intercom.system import proc, tmux
from intercom.system.liveness import started
from tests.processes import patience, until

pytestmark = pytest.mark.slow

LINE = [sys.executable, "-m", "intercom", "ui"]
SOURCE = Path(__file__).parent.parent


class Shell:
    """A shell in a terminal, in which `intercom ui` was started."""

    def __init__(self, server: tmux.Server, project: Path, **env: str) -> None:
        given = {**os.environ, "INTERCOM_ROOT": str(project), "PYTHONPATH": str(SOURCE), "PS1": "$ ", **env}
        shell = ["bash", "--norc", "-i"]
        self.server, self.pane = (
            server,
            tmux.new_session(server, "ui", shell, cwd=project, env=given, size=(100, 30)).id,
        )
        self.type(f"{shlex.join(LINE)}\n")
        self.shows("Who", "worker-1", "Waits for you", "q quit")

    def text(self) -> str:
        """What it shows."""
        return tmux.look(self.server, self.pane, colours=False)[1]

    def press(self, key: str) -> None:
        """Press a key."""
        tmux._tmux(self.server, ["send-keys", "-t", self.pane, key])

    def type(self, text: str) -> None:
        """Type this."""
        tmux._tmux(self.server, ["send-keys", "-t", self.pane, "-l", "--", text])

    def shows(self, *words: str) -> None:
        """Wait until it shows all of these."""
        end = time.monotonic() + patience(20)
        while missing := [word for word in words if word not in self.text()]:
            assert time.monotonic() < end, f"{missing} did not come:\n{self.text()}"
            time.sleep(0.05)

    def taken(self) -> str:
        """Whether the terminal is taken over: the mouse, and the other screen."""
        asked = ["display", "-p", "-t", self.pane, "#{mouse_any_flag}#{alternate_on}"]
        return tmux._tmux(self.server, asked).strip()

    def child(self) -> int:
        """The process of the screen."""
        return proc.children(tmux.pane(self.server, self.pane).pid)[0].pid


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tmux.Server]:
    """A tmux server of this test's own, gone afterwards."""
    yield tmux.Server(str(tmp_path / "tmux"), "/dev/null")
    subprocess.run(["tmux", "-S", str(tmp_path / "tmux"), "kill-server"], capture_output=True, check=False)


@pytest.fixture(autouse=True)
def bus(project: Path) -> None:
    """A worker that said something."""
    with Bus.open(project) as bus:
        bus.add_agents(["worker-1"])
        bus.send("user", "hello there", sender="worker-1")


def test_it_is_left_and_comes_back(project: Path, server: tmux.Server) -> None:
    """An editor that fails, one that is not there, Ctrl-Z: each time all is drawn again; SIGTERM leaves no trace."""
    shell = Shell(server, project, EDITOR="false")
    shell.press("e")
    shell.shows("the editor ended with status 1", "Who", "hello there", "q quit")
    shell.press("C-z")
    shell.shows("Stopped", "$ ")
    assert shell.taken() == "00"
    shell.type("fg\n")
    shell.shows("1 Talk", "Who", "hello there", "Waits for you", "q quit")
    assert shell.taken() == "11"
    os.kill(shell.child(), signal.SIGTERM)
    shell.shows("$ ")
    until(lambda: shell.taken() == "00")


def test_a_mouse_in_a_terminal(project: Path, server: tmux.Server) -> None:
    """As the terminal tells it: a click on a question opens the reply, one on a tab shows it, the wheel scrolls."""
    with Bus.open(project) as bus:
        bus.send("user", "Which colour?", sender="worker-1", type="question")
        for number in range(30):
            bus.send("user", f"line {number} of 30", sender="worker-1")
    shell = Shell(server, project)
    shell.shows("worker-1 asks", "█   line 29 of 30")

    def event(button: int, word: str) -> None:
        rows = shell.text().split("\n")
        (x, y) = next((row.index(word) + 1, number + 1) for number, row in enumerate(rows) if word in row)
        shell.type(f"\x1b[<{button};{x};{y}M" + f"\x1b[<{button};{x};{y}m" * (button == 0))

    for _ in range(60):
        event(64, "worker-1 → user")  # up
    shell.shows("hello there")
    event(0, "asks Which")
    shell.shows("Enter sends, Escape leaves", "To worker-1, who wrote:")
    shell.type("the green one\r")
    shell.shows("sent to worker-1 as user")
    event(0, "2 Queue")
    shell.shows("Nothing waits to be merged")


def test_its_terminal_is_closed(project: Path, server: tmux.Server) -> None:
    """Then it ends, by the signal or, where that is ignored, without; it does not read what is not there for ever."""
    shell = Shell(server, project)
    there = shell.child()
    tmux.kill_session(server, "ui")
    until(lambda: started(there) is None)
    ours, theirs = pty.openpty()
    env = {**os.environ, "INTERCOM_ROOT": str(project), "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    with subprocess.Popen(LINE, stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True) as process:
        os.close(theirs)
        seen = b""
        while b"1 Talk" not in seen:
            seen += os.read(ours, 65536)
        os.close(ours)
        process.wait(patience(20))


@pytest.mark.parametrize("env", [{"TERM": "dumb"}, {"TERM": "xterm", "PYTHONIOENCODING": "latin-1"}])
def test_where_it_cannot_be_shown(project: Path, env: dict[str, str]) -> None:
    """It says so, and what to call instead."""
    ours, theirs = pty.openpty()
    environ = {**os.environ, "INTERCOM_ROOT": str(project), **env}
    done = subprocess.run(LINE, stdin=theirs, stdout=theirs, stderr=theirs, check=False, env=environ)
    os.close(theirs)
    assert done.returncode == 2
    assert b"nothing was shown" in os.read(ours, 65536)
    os.close(ours)
