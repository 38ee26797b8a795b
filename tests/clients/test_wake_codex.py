"""The real Codex in a terminal: idle, it is told of a message by its own queue; a draft in its box is left alone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from tests.clients.lab import Place
from tests.clients.versions import DRIVEN
from tests.processes import patience

pytestmark = pytest.mark.slow


class Terminal:
    """It on a screen of its own."""

    def __init__(self, place: Place, *words: str) -> None:
        self.place = place
        self._socket = str(place.lab.folder / "tmux-codex")
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "40", *words)

    def tmux(self, *words: str) -> str:
        """Run tmux there."""
        return self.place.lab.run(
            ["tmux", "-u", "-S", self._socket, *words], cwd=self.place.project, env=self.place.env
        ).out

    def screen(self) -> str:
        """What it shows."""
        return self.tmux("capture-pane", "-p")

    def type(self, text: str) -> None:
        """Type, and see it arrive."""
        for number, line in enumerate(text.splitlines()):
            if number:
                self.tmux("send-keys", "C-j")
            self.tmux("send-keys", "-l", "--", line)
        self.until(lambda: text.splitlines()[-1] in self.screen())

    def until(self, what: Callable[[], object], seconds: float = 30.0) -> float:
        """Wait for it; how long that took."""
        began = time.monotonic()
        while not what():
            assert time.monotonic() < began + patience(seconds), self.screen()
            time.sleep(0.2)
        return time.monotonic() - began


def idle(place: Place) -> bool:
    """Whether its turn is over, so that its hooks bring nothing more into it."""
    team = json.loads(place.intercom("status", "--json"))["team"]
    return bool({one["name"]: one["state"] for one in team}["ana"] == "idle")


@pytest.mark.parametrize("place", [name for name in DRIVEN if name == "codex"], indirect=True)
def test_an_idle_codex_begins_a_turn_with_what_came(place: Place) -> None:
    """Once for each message, proven by its hooks, whatever stands half-written in the box."""
    place.set_up("ana")
    terminal = Terminal(place, "codex", "--dangerously-bypass-hook-trust")
    try:
        terminal.until(lambda: "Ask Codex" in terminal.screen())
        terminal.type('%call intercomm_register {"name":"ana"}\n%say registered-now')
        terminal.tmux("send-keys", "Enter")
        terminal.until(lambda: "• registered-now" in terminal.screen())
        place.intercom("send", "--from", "user", "ana", "words-for-an-idle-one")
        took = terminal.until(lambda: place.heard("words-for-an-idle-one"))
        assert took < 10 + patience(5)  # it looks at its queue every ten seconds
        terminal.until(lambda: place.intercom("receipts", "--from", "user").count("shown") == 1)
        terminal.until(lambda: idle(place))
        terminal.type("half a draft")
        place.intercom("send", "--from", "user", "ana", "words-beside-a-draft")
        terminal.until(lambda: place.heard("words-beside-a-draft") or "half a draft" not in terminal.screen())
        assert "half a draft" in terminal.screen()
        terminal.until(lambda: place.intercom("receipts", "--from", "user").count("shown") == 2)
        assert terminal.screen().count("There is a new message for you") == 2
        last = place.heard("words-beside-a-draft")[-1]
        for words in ("words-for-an-idle-one", "words-beside-a-draft"):
            assert sum(text.count(words) for _, text in last["said"]) + last["system"].count(words) == 1
    finally:
        terminal.tmux("kill-server")
