"""A day of a fleet on the screen, by keys alone: the real claude asks, is allowed, asks again, is answered, is done."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from intercom.system import tmux
from tests.claude.lab import ROOT, Lab
from tests.claude.stage import Stage, bus_call, call
from tests.processes import patience, until

COMMIT = "git switch -qc health && echo 200 > health.txt && git add health.txt && git commit -qm 'Add health'"


@pytest.fixture
def stage(lab: Lab, place: str) -> Iterator[Stage]:
    """A project of this test's own."""
    with Stage(lab, place) as found:
        yield found


class Screen:
    """`intercom ui` in a terminal of its own: nothing is known of it but what it shows."""

    def __init__(self, stage: Stage) -> None:
        env = {**stage.env, "INTERCOM_ROOT": str(stage.project), "INTERCOM_MACHINE": "stage", "PYTHONPATH": str(ROOT)}
        line = [sys.executable, "-m", "intercom", "ui"]
        env["LESS"] = "R"
        self._server = stage.lab.server
        self._pane = tmux.new_session(self._server, "ui", line, cwd=stage.project, env=env, size=(130, 40)).id

    def text(self) -> str:
        """What it shows."""
        return tmux.look(self._server, self._pane, colours=False)[1]

    def press(self, *keys: str) -> None:
        """Press these keys."""
        tmux._tmux(self._server, ["send-keys", "-t", self._pane, *keys])

    def type(self, text: str) -> None:
        """Type this."""
        tmux._tmux(self._server, ["send-keys", "-t", self._pane, "-l", "--", text])

    def shows(self, *words: str, seconds: float = 20.0) -> None:
        """Wait until it shows all of these."""
        end = time.monotonic() + patience(seconds)
        while missing := [word for word in words if word not in self.text()]:
            if time.monotonic() > end:
                pytest.fail(f"{missing} did not come:\n{self.text()}")
            time.sleep(0.05)

    def press_until(self, key: str, look: Callable[[], object]) -> None:
        """Press a key, again where it came before what it answers had been there to be read."""

        def pressed() -> bool:
            self.press(key)
            end = time.monotonic() + 2
            while time.monotonic() < end:
                if look():
                    return True
                time.sleep(0.05)
            return False

        last = time.monotonic() + patience(15)
        while not pressed():
            if time.monotonic() > last:
                pytest.fail(f"{key} did nothing:\n{self.text()}")


def test_a_day_by_keys_alone(stage: Stage) -> None:
    """Needs input, allow, question, reply, done, queue, diff; and what it used, from its own transcript."""
    screen = Screen(stage)
    screen.shows("nothing waits")
    stage.spawn(perm_mode="default", worktrees=True)
    screen.shows("worker-1", "idle")
    question = bus_call("intercomm_send", to="user", type="question", message="Which port, 8080 or 9090?")
    stage.assign("worker-1", "\n".join([call("Bash", command=COMMIT, description="Commit it"), question]))
    screen.shows("worker-1 may I Bash", "git switch", "needs you", "1 waits for you")
    assert stage.crew.sessions.open_requests("worker-1")
    screen.press("p")
    screen.shows("Claude Code v", "git switch -qc health")
    screen.press("q")  # Escape and a key behind it would be one to a terminal
    until(lambda: "Claude Code v" not in screen.text(), 5)
    screen.press_until("a", lambda: not stage.crew.sessions.open_requests("worker-1"))
    screen.shows("worker-1 asks Which port")
    screen.press("r")
    screen.shows("Enter sends", "To worker-1, who wrote")
    screen.type(bus_call("intercomm_send", "tool", to="master", type="done", message="It is on the branch health."))
    screen.press("Enter")
    screen.shows("worker-1 → master done", "worker-1 not verified", "it does not name commit")
    answer = next(one for one in stage.crew.bus.history(to="worker-1") if one.type == "answer")
    assert (answer.sender, answer.via) == ("user", "cli")
    stage.wait_state("worker-1", "idle")
    stage.crew.worktrees.set_status("worker-1", "done", "health")
    screen.shows("done: health", "tokens, $")
    screen.press("2")
    screen.shows("1  worker-1  done  health", "1 ahead of main, 0 behind, 1 file, not checked")
    screen.press("Enter")
    screen.shows("+200", "health.txt")
    screen.press("q")
    screen.shows("2 Queue", "worker-1  done")
    used = stage.crew.sessions.transcripts()
    assert [os.path.exists(one.path) for one in used] == [True]
    screen.press("q")
    until(lambda: tmux.look(screen._server, screen._pane, colours=False)[0].dead, 10)
    assert not stage.faults()
