"""What hooks, file and screen say together: the rules of `decide`, each by an example, and what holds for all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intercom.core.fleet_words import SESSION_STATES, SessionState
from intercom.core.message import utc
from intercom.fleet import observe, workers
from intercom.fleet.asking import in_short
from intercom.fleet.crew import Crew
from intercom.fleet.observe import Observation, asked, decide
from intercom.fleet.overview import attention, overview
from intercom.fleet.programs.claude.screen import read
from intercom.fleet.programs.claude.versions import OLDEST
from intercom.fleet.programs.screen import Choice, Dialog, Screen
from intercom.fleet.sessions import SessionRow
from intercom.system.liveness import started

SCREENS = Path(__file__).parent / "screens" / f"claude-{OLDEST}"
SHOWN = (
    "ready",
    "idle",
    "running",
    "blocked",
    "plan",
    "question",
    "trust",
    "bypass",
    "draft",
    "menu",
    "copy_mode",
    "unknown",
)


@pytest.mark.parametrize(
    ("hooks", "told", "shown", "state", "disagrees"),
    [
        ("idle", "idle", "idle", "idle", False),
        ("idle", "idle", "draft", "idle", False),
        ("running", "running", "running", "running", False),
        ("running", None, "unknown", "running", False),
        ("running", "asked", "question", "blocked", False),  # a question has no hook of its own
        ("idle", "idle", "plan", "blocked", True),
        ("running", "idle", "idle", "idle", True),  # a person broke the turn off: no hook says so
        ("running", "running", "idle", "running", True),
        ("idle", "running", "idle", "idle", True),
        ("starting", None, "trust", "trust", False),
        ("starting", "idle", "ready", "starting", False),
        ("unknown", "idle", "idle", "idle", False),
        ("gone", "idle", "idle", "idle", False),
        ("running", "asked", "unknown", "blocked", True),  # a dialog of a version that draws it in another way
        ("idle", "asked", "menu", "idle", True),
        ("running", "asked", "menu", "blocked", True),  # a dialog that looks like a menu: a person opens none in a turn
        ("unknown", None, "unknown", "unknown", False),
    ],
)
def test_judgement(hooks: SessionState, told: str | None, shown: str, state: str, *, disagrees: bool) -> None:
    """Each rule of the docstring."""
    found = decide(hooks, told, shown, living=True, age=3.0)
    assert (found.state, bool(found.disagreement)) == (state, disagrees)


def test_what_hooks_have_just_said_is_newer_than_the_screen() -> None:
    """While the hooks of a prompt run, file and screen still show the time before it."""
    assert decide("running", "idle", "idle", living=True, age=0.5).state == "running"
    assert decide("running", "idle", "idle", living=True, age=2.5).state == "idle"


def test_hooks_that_stay_silent_stop_counting_as_starting() -> None:
    """After a while the screen is believed: a session without our hooks."""
    assert decide("starting", "idle", "ready", living=True, age=60).state == "idle"


@given(
    st.sampled_from(SESSION_STATES),
    st.sampled_from([None, "idle", "running", "asked"]),
    st.sampled_from([None, *SHOWN]),
    st.booleans(),
    st.floats(0, 100),
)
def test_always_a_state_and_never_idle_under_a_dialog(
    hooks: SessionState, told: str | None, shown: str | None, living: bool, age: float
) -> None:
    """Whatever the sources say: a dead process is gone, and a dialog on the screen is never overlooked."""
    state, _ = decide(hooks, told, shown, living=living, age=age)
    assert state in SESSION_STATES
    assert (state == "gone") == (not living)
    if living and shown in ("blocked", "plan", "question", "trust", "bypass"):
        assert state in ("blocked", "trust", "bypass")


@pytest.mark.parametrize(("tool", "told"), [("Bash", True), ("Write", False)])
def test_a_dialog_that_is_taller_than_its_screen_asks_what_its_hook_told(
    project: Path, tool: str, *, told: bool
) -> None:
    """The command is known though its beginning is out of sight; a person is sent to the terminal, not to approve."""
    screen = read((SCREENS / "bash-tall-80x24.txt").read_text("utf-8"))
    with Crew.open(project, environ={}) as crew:
        about = {"tool": tool, "subject": "echo step 1 > f1\nand so on", "dialog": "permission"}
        row = crew.sessions.record("worker-1", state="blocked", detail=about, pid=os.getpid())
        seen = Observation("worker-1", "blocked", row, None, None, screen)
        assert (seen.asks["subject"] == about["subject"]) is told
        assert (asked(seen).get("subject") == about["subject"]) is told
        assert "can be seen" in asked(seen)["note"]
        line = attention("worker-1", "blocked", row.since, None, in_short(seen.asks, 200), seen)
        assert line.endswith("intercom attach worker-1")


def test_a_row_whose_process_is_gone(project: Path) -> None:
    """By pid and start mark, whatever its last hook said."""
    with Crew.open(project, environ={}) as crew:
        child = subprocess.Popen([sys.executable, "-c", ""])
        child.wait()
        pid = child.pid
        crew.sessions.put(
            SessionRow("worker-1", None, pid, "1", "running", "{}", "2026-01-01T00:00:00.000Z", heard="x")
        )
        seen = observe.look(crew, "worker-1")
        assert seen.state == "gone"
        assert "running" in seen.disagreement
        assert observe.look(crew, "worker-2").state == "unknown"
        assert seen.since is None, "when it ended is not known: its time is that of its last state"
        crew.bus.add_agents(["worker-1"])
        (agent,) = [one for one in overview(crew.bus, crew.bus.status()).agents if one.name == "worker-1"]
        assert agent.since is None
        assert agent.note.startswith("dead; a spawn gives its name"), "not for as long as it was running before"
        (row,) = workers.scan(crew)  # notes its death
        assert utc(time.time() - 60) < row["since"] <= utc()
        assert row["note"].startswith("dead; a spawn")
        assert observe.look(crew, "worker-1").since is not None


@pytest.mark.parametrize("said", [{"parkedJobId": "0e17aed6"}, {}])
def test_a_session_that_left_for_the_background_is_not_called_ready(
    project: Path, tmp_path: Path, said: dict[str, str]
) -> None:
    """Until the one that goes on for it has spoken, nobody knows what it does."""
    pid = os.getpid()
    (tmp_path / "sessions").mkdir()
    path = tmp_path / "sessions" / f"{pid}.json"
    path.write_text(json.dumps({"status": "idle", "procStart": started(pid), **said}))
    with Crew.open(project, environ={"CLAUDE_CONFIG_DIR": str(tmp_path)}) as crew:
        crew.sessions.put(SessionRow("worker-1", None, pid, started(pid), "ready", "{}", utc(), heard="x"))
        seen = observe.look(crew, "worker-1")
        assert (seen.state, "background" in seen.disagreement) == (("unknown", True) if said else ("ready", False))
        (row,) = workers.scan(crew)
        assert (row["state"], "background" in row.get("note", "")) == (seen.state, bool(said))


@pytest.mark.parametrize(
    ("kind", "labels", "command"), [("permission", ("Yes", "No"), "approve"), ("question", ("SQLite",), "attach")]
)
def test_a_lead_is_told_where_to_answer(kind: str, labels: tuple[str, ...], command: str) -> None:
    """With a plain yes or no from anywhere; what has neither only at its terminal."""
    choices = tuple(Choice(str(number), label) for number, label in enumerate(labels, 1))
    screen = Screen("blocked", Dialog(kind, "", "", choices, 0, True, "text"))
    row = SessionRow("worker-1", None, os.getpid(), None, "blocked", "{}", utc())
    seen = observe.Observation("worker-1", "blocked", row, None, None, screen)
    told = attention("worker-1", "blocked", utc(), None, "it", seen)
    assert told == f"waits for you: it; intercom {command} worker-1"
