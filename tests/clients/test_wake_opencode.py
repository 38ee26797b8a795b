"""The real opencode as a server: an idle session begins a turn with what came, by our plugin's waiter."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import pytest

from tests import processes
from tests.clients.lab import Place
from tests.clients.versions import DRIVEN
from tests.processes import patience

pytestmark = pytest.mark.slow

PORT = 4599
#: Asks for one path of the server, with a body, and prints what it says.
ASK = (
    "import sys, urllib.request\n"
    "body = sys.argv[2].encode() if len(sys.argv) > 2 else None\n"
    "about = {'content-type': 'application/json'}\n"
    f"asked = urllib.request.Request('http://127.0.0.1:{PORT}' + sys.argv[1], body, about)\n"
    "print(urllib.request.urlopen(asked, timeout=100 if body else 8).read().decode())\n"  # an early one may hang
)


def until(what: Callable[[], object]) -> float:
    """Wait for it; how long that took."""
    began = time.monotonic()
    processes.until(what, 40)
    return time.monotonic() - began


@pytest.mark.parametrize("place", [name for name in DRIVEN if name in ("opencode", "kilo")], indirect=True)
def test_an_idle_session_begins_a_turn_with_what_came(place: Place) -> None:
    """Twice: the waiter stands again after a turn. Each message is in the conversation once, with a true receipt."""
    place.set_up("ana")
    socket = str(place.lab.folder / f"tmux-{place.name}")

    def run(*words: str, fails: bool = False) -> str:
        done = place.lab.run([*words], cwd=place.project, env=place.env, seconds=110)
        assert fails or done.status == 0, done
        return done.out if done.status == 0 else ""

    def ask(path: str, **body: object) -> str:
        return run(sys.executable, "-c", ASK, path, *([json.dumps(body)] if body else []), fails=not body)

    serve = [place.name, "serve", "--port", str(PORT)]
    run("tmux", "-S", socket, "-f", "/dev/null", "new-session", "-d", *serve)
    try:
        until(lambda: ask("/session/status"))
        session = json.loads(ask("/session", title="t"))["id"]
        text = '%call intercomm_register {"name":"ana"}\n%say registered'
        ask(f"/session/{session}/message", parts=[{"type": "text", "text": text}])
        for number, words in enumerate(("first-words-for-idle", "second-words-for-idle"), 1):
            place.intercom("send", "--from", "user", "ana", words)
            assert until(lambda words=words: place.heard(words)) < patience(5)  # type: ignore[misc]
            until(lambda number=number: place.intercom("receipts", "--from", "user").count("shown") == number)  # type: ignore[misc]
        last = place.heard("second-words-for-idle")[-1]
        for words in ("first-words-for-idle", "second-words-for-idle"):
            assert sum(said.count(words) for _, said in last["said"]) == 1
    finally:
        run("tmux", "-S", socket, "kill-server", fails=True)
