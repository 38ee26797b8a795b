"""Real clients with the hooks of `intercom init`: a message comes by itself, once, into the turn that runs."""

from __future__ import annotations

import threading

import pytest

from intercom import Bus
from tests.clients.lab import Place
from tests.clients.test_init_clients import calls
from tests.clients.versions import DRIVEN
from tests.processes import until

pytestmark = pytest.mark.slow

HOOKED = [name for name in DRIVEN if name in ("codex", "gemini", "qwen", "cline", "opencode", "kilo")]
#: What a person has done by hand: in Codex, trusted the hooks.
MORE = {"codex": ("--dangerously-bypass-hook-trust",)}


@pytest.mark.parametrize("place", HOOKED, indirect=True)
def test_a_message_comes_into_the_turn_that_runs(place: Place) -> None:
    """Urgent, with the next tool; it counts as received; the session is known by its hooks, and nothing is doubled."""
    place.set_up("ana", "ben")
    name, hold = f"ana-of-{place.name}", place.lab.folder / f"hold-{place.name}"
    first = calls(place, ("intercomm_register", {"name": name}), ("intercomm_send", {"to": "ben", "message": "begun"}))
    then = calls(place, ("intercomm_status", {}), ("intercomm_send", {"to": "ben", "message": "ended"}))
    steps = "\n".join([*first.splitlines()[:-1], f"%hold {hold.name}", then])
    hold.touch()

    def send() -> None:
        try:
            with Bus.open(place.project, machine="testbox") as bus:
                until(lambda: any(message.body == "begun" for message in bus.history()), 40)
                bus.send(name, f"urgent-for-{name}", sender="ben", priority="urgent")
        finally:
            hold.unlink()

    sender = threading.Thread(target=send)
    sender.start()
    place.prompt(steps, *MORE.get(place.name, ()))
    sender.join()
    requests = place.heard(f"urgent-for-{name}")
    assert requests, "no request to the model ever held it"
    said = [text for _, text in requests[-1]["said"] if f"urgent-for-{name}" in text] + [requests[-1]["system"]]
    assert sum(text.count(f"urgent-for-{name}") for text in said) == 1
    assert len(requests) > 1, "it came before the turn was over"
    with Bus.open(place.project, machine="testbox") as bus:
        assert bus.unread(name) == 0
        (receipt,) = [one for one in bus.receipts("ben") if one.to == name]
        assert receipt.shown
        log = bus.config.private / "errors.log"
        assert not log.exists(), log.read_text()


#: How a client goes on with the session before, given a prompt as its last word or on its standard input.
RESUMES = {
    "codex": ["codex", "exec", *MORE["codex"], "resume", "--last"],
    "gemini": ["gemini", "-m", "gemini-2.5-pro", "--resume", "latest", "-p"],
    "qwen": ["qwen", "-c", "-p"],
    "opencode": ["opencode", "run", "-c"],
    "kilo": ["kilo", "run", "-c"],
}


@pytest.mark.parametrize("place", [name for name in DRIVEN if name in RESUMES], indirect=True)
def test_a_resumed_session_has_its_name_again(place: Place) -> None:
    """Another process, another server: by its id or by its hooks it is known, before it registers."""
    place.set_up("ana")
    place.prompt(calls(place, ("intercomm_register", {"name": "zoe"})), *MORE.get(place.name, ()))
    again = calls(place, ("intercomm_status", {}), ("intercomm_send", {"to": "ana", "message": "it is me"}))
    words, stdin = RESUMES[place.name], ""
    if place.name in ("opencode", "kilo"):
        stdin = again
    else:
        words = [*words, again]
    done = place.lab.run(words, cwd=place.project, env=place.env, stdin=stdin)
    assert done.status == 0, done.out[-2000:]
    with Bus.open(place.project, machine="testbox") as bus:
        assert [(one.sender, one.body) for one in bus.history() if one.to == "ana"] == [("zoe", "it is me")]
        assert [one.name for one in bus.instances()] == ["zoe"]
