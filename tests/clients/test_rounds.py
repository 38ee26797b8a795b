"""Real programs as workers, round after round: what comes for an idle one begins a turn, what comes in a turn is in it.

Runs in a soak; `INTERCOM_ROUNDS` says how many rounds.
"""

from __future__ import annotations

import os
import time

import pytest

from intercom import Bus
from tests.clients.lab import Place
from tests.clients.test_spawn import WORKERS, free, lead, script, spawned, state, until
from tests.processes import patience

__all__ = ["lead"]  # the fixture

pytestmark = pytest.mark.slow
SOAK = bool(os.environ.get("INTERCOM_SOAK"))
ROUNDS = int(os.environ.get("INTERCOM_ROUNDS", "50"))
IN_TIME = 10.0  #: seconds in which an idle one begins a turn


@pytest.mark.parametrize(("place", "form"), WORKERS if SOAK else [], indirect=["place"])
def test_each_message_once_and_in_time(lead: Place, form: str) -> None:
    """Idle, it begins a turn with it in time; while a turn runs, it is in the next request; receipts say when."""
    spawned(lead, form, "--perm-mode", "bypassPermissions")
    with Bus.open(lead.project, machine="testbox") as bus:
        until(lambda: lead.heard("You are worker-1, a worker"))
        words, took = [], []
        for number in range(ROUNDS):
            until(lambda: state(lead) == "idle")
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
