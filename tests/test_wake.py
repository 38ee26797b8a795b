"""What counts as proof that a session was told; the rest of the ladder is climbed with the real claude."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from intercom.core.message import utc
from intercom.fleet import wake as waking
from intercom.fleet.crew import Crew
from intercom.fleet.programs.claude.program import Claude
from intercom.fleet.programs.screen import Screen
from intercom.fleet.sessions import SessionRow
from intercom.fleet.wake import wake
from intercom.system import tmux
from intercom.system.liveness import started
from tests.processes import until


@pytest.fixture
def crew(project: Path) -> Iterator[Crew]:
    """A master, and worker-1 as a process that runs a turn."""
    with (
        Crew.open(project) as crew,
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as agent,
    ):
        crew.bus.register("master", pid=os.getpid())
        crew.bus.register("worker", "worker-1", pid=agent.pid)
        since = started(agent.pid)
        crew.sessions.put(SessionRow("worker-1", "s", agent.pid, since, "running", "{}", utc(), heard=utc()))
        yield crew
        agent.kill()


def test_a_hook_that_holds_a_message_has_not_given_it(crew: Crew) -> None:
    """Between taking it from the bus and saying it, the hook may die: then it is given again, so nothing is proven."""
    ident = crew.bus.send("worker-1", "hello", sender="master").id
    assert [one.id for one in crew.bus.read("worker-1")] == [ident]  # this process stands for the hook
    early = wake(crew, "worker-1", ident, timeout=0.5)
    assert (early.woke, early.seconds < 10) == (False, True)
    row = crew.sessions.get("worker-1")
    assert row is not None
    assert row.mark is not None
    crew.sessions.adopt("worker-1", row.mark)
    assert wake(crew, "worker-1", ident, timeout=30).how == "hook"


def test_what_its_own_server_gave_is_proof(crew: Crew) -> None:
    """The session asked for it by itself."""
    ident = crew.bus.send("worker-1", "hello", sender="master").id
    crew.bus.signoff("worker-1")
    crew.bus.register("worker", "worker-1", pid=os.getpid())
    assert crew.bus.read("worker-1")
    assert wake(crew, "worker-1", ident, timeout=30).how == "read"


def test_what_a_waiter_gave_is_proven_by_a_later_hook(crew: Crew) -> None:
    """Its state says running as long as no hook says otherwise: of a turn that a person broke off, or a stopped one."""
    row = crew.sessions.get("worker-1")
    assert row is not None
    ident = crew.bus.send("worker-1", "hello", sender="master").id
    assert crew.bus.read("worker-1")  # this process stands for the waiter
    until(lambda: utc() != row.heard)
    crew.sessions.expect_nonce("nonce123", "worker-1", "waiter")
    crew.sessions.adopt("worker-1", f"{row.mark}.nonce123.w")
    assert not wake(crew, "worker-1", ident, timeout=0.5).woke
    crew.sessions.record("worker-1", state="running")
    assert wake(crew, "worker-1", ident, timeout=30).how == "waiter"


@pytest.mark.parametrize(
    ("shown", "pressed", "said"),
    [
        ([Screen("idle", draft="")] * 4 + [Screen("draft", draft="a line")], ["Enter"], ""),
        ([Screen("idle", draft="")] * 4 + [Screen("blocked", draft=None)], [], "not sent), so Enter was not pressed"),
        ([Screen("draft", draft="a line, and mine")], [], "it shows draft), so Enter was not pressed"),
        ([Screen("idle", draft="")], [], "may stand in its box, not sent), so Enter was not pressed"),
    ],
)
def test_a_line_that_is_drawn_late_is_sent_all_the_same(
    crew: Crew, monkeypatch: pytest.MonkeyPatch, shown: list[Screen], pressed: list[str], said: str
) -> None:
    """A busy machine has not drawn what was pasted: given up at once, the line stood in the box and held all others."""
    screens, sent = list(shown), list[str]()

    def look(*_: object) -> Screen:
        if sent:
            return Screen("running", draft="")
        return screens.pop(0) if len(screens) > 1 else screens[0]

    monkeypatch.setattr(waking, "_screen", look)
    monkeypatch.setattr(waking, "_DRAWN", 60.0 if len(shown) > 1 else 0.0)
    monkeypatch.setattr(tmux, "paste", lambda *_: None)
    monkeypatch.setattr(tmux, "send_key", lambda *given: sent.append(given[2]))
    climb = waking._Climb(crew, "worker-1", "", time.monotonic(), time.monotonic() + 60)
    trouble = waking._type(climb, crew.server, "%1", Claude(), "a line")
    assert (sent, trouble is not None and trouble.endswith(said)) == (pressed, True), trouble
