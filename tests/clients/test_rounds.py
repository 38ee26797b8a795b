"""Real programs as workers, round after round: what comes for an idle one begins a turn, what comes in a turn is in it.

Runs in a soak; `INTERCOM_ROUNDS` says how many rounds.
"""

from __future__ import annotations

import os
import re
import time

import pytest

from intercom import Bus
from intercom.fleet.programs.program import TERMINAL
from tests.clients.lab import Place
from tests.clients.test_spawn import WORKERS, free, lead, script, spawned, state, until
from tests.processes import patience

__all__ = ["lead"]  # the fixture

pytestmark = pytest.mark.slow
SOAK = bool(os.environ.get("INTERCOM_SOAK"))
ROUNDS = int(os.environ.get("INTERCOM_ROUNDS", "50"))
IN_TIME = 5.0  #: seconds in which an idle one begins a turn


@pytest.mark.parametrize(("place", "form"), WORKERS if SOAK else [], indirect=["place"])
def test_each_message_once_and_in_time(lead: Place, form: str) -> None:
    """Idle, it begins a turn with it in time; while a turn runs, it is in the next request; receipts say when."""
    spawned(lead, form, "--perm-mode", "bypassPermissions")
    with Bus.open(lead.project, machine="testbox") as bus:
        until(lambda: lead.heard("You are worker-1, a worker"))
        words, took = [], []
        for number in range(ROUNDS):
            until(lambda: state(lead) == "idle")
            time.sleep(number * 0.382 % 1)  # at any moment of whoever looks at intervals
            idle, busy, at_work = (f"{kind}-{number:03}-words" for kind in ("idle", "busy", "work"))
            line = f"touch {at_work}; while [ ! -e go-{number:03} ]; do sleep 0.05; done; echo went-on"
            began = time.monotonic()
            lead.intercom("send", "--from", "user", "worker-1", f"{free(script(lead, [line]))}\n{idle}")
            until(lambda: lead.heard(idle))  # noqa: B023
            took.append(time.monotonic() - began)
            folder = lead.project.parent / ".intercomm-worktrees/project/worker-1"
            until((folder / at_work).exists)
            lead.intercom("send", "--from", "user", "--priority", "urgent", "worker-1", busy)
            (folder / f"go-{number:03}").touch()
            request = until(lambda: lead.heard("went-on") and lead.heard(busy))[0]  # noqa: B023
            assert request["said"][-1][0] != "model"  # the same turn
            words += [idle, busy]
        until(lambda: state(lead) == "idle")
        last = lead.lab.requests()[-1]
        text = "\n".join([last["system"], *(said for _, said in last["said"])])
        assert {word: text.count(word) for word in words} == dict.fromkeys(words, 1)
        assert max(took) < patience(IN_TIME), sorted(took)[-5:]
        found = [one for one in bus.receipts("user") if one.to == "worker-1"]
        assert all(one.shown for one in found)
    middle = sorted(took)[len(took) // 2]
    print(f"{lead.name}, {form}: {ROUNDS} rounds, a turn begins after {middle:.1f} s, at most {max(took):.1f} s")


#: Those that a person sees in a terminal, and that are woken there without a key being typed.
SEEN = [pair for pair in WORKERS if SOAK and pair[1] == TERMINAL]
FRAME = re.compile(r"[\s│┃╹▀▄█]+")


@pytest.mark.parametrize(("place", "form"), SEEN, indirect=["place"])
def test_a_draft_stays_as_it_is(lead: Place, form: str) -> None:
    """Somebody has begun to type: each message is heard all the same, and not a letter of the draft is lost or sent."""
    spawned(lead, form, "--perm-mode", "bypassPermissions")
    until(lambda: lead.heard("You are worker-1, a worker"))

    def tmux(*words: str) -> str:
        line = ["tmux", "-u", "-S", lead.env["INTERCOM_TMUX_SOCKET"], *words]
        return lead.lab.run(line, cwd=lead.project, env=lead.env).out

    def shown() -> str:
        return FRAME.sub("", tmux("capture-pane", "-p", "-t", "worker-1"))

    typed = ""
    for number in range(ROUNDS):
        until(lambda: state(lead) == "idle")
        typed += f"d{number:02}"
        tmux("send-keys", "-t", "worker-1", "-l", "--", typed[-3:])
        until(lambda: typed in shown())  # noqa: B023  # at once
        words = f"words-{number:03}"
        lead.intercom("send", "--from", "user", "worker-1", f"{words}\n%say heard-{number:03}")
        until(lambda: lead.heard(words))  # noqa: B023
        until(lambda: f"heard-{number:03}" in shown() and typed in shown())  # noqa: B023
    until(lambda: state(lead) == "idle")
    assert not lead.heard("d00")
    last = lead.lab.requests()[-1]
    text = "\n".join([last["system"], *(said for _, said in last["said"])])
    assert [text.count(f"words-{number:03}") for number in range(ROUNDS)] == [1] * ROUNDS
    with Bus.open(lead.project, machine="testbox") as bus:  # the command would list the newest fifty
        until(lambda: all(one.shown for one in bus.receipts("user") if one.to == "worker-1"))
