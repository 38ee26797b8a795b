"""`[agents.NAME] wake = "command"`: run with a message's id, once a person trusts it; proven by what comes of it."""

from __future__ import annotations

import itertools
import json
import os
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from intercom.cli import main
from intercom.core import config, consent
from intercom.core.message import utc
from intercom.fleet import commands, sessions
from intercom.fleet.crew import Crew
from intercom.fleet.wake import tell, wake
from intercom.system import proc
from tests.conftest import SOURCE
from tests.processes import until
from tests.server_client import INITIALIZE, BareClient

READER = (
    "import json, os, subprocess, sys\n"
    "here = {key: os.environ.get(key) for key in ('INTERCOM_TO', 'INTERCOM_MESSAGE', 'INTERCOM_NAME')}\n"
    "open('woken.json', 'w').write(json.dumps([sys.argv[1:], here]))\n"
    "sys.exit(subprocess.run([sys.executable, '-m', 'intercom', 'read', '--id', 'roo']).returncode)\n"
)


@pytest.fixture
def crew(project: Path, monkeypatch: pytest.MonkeyPatch) -> Crew:
    """A fleet whose settings wake roo by a command."""
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
    (project / "reader.py").write_text(READER)
    (project / ".claude").mkdir()
    wake = json.dumps(f'"{sys.executable}" reader.py --now')
    (project / ".claude/intercom.toml").write_text(f"[agents.roo]\nwake = {wake}\n[agents.ana]\n")
    return Crew.open(project, environ={**os.environ, "INTERCOM_NAME": "somebody"})


def test_a_command_of_the_settings_wakes_an_agent(
    crew: Crew, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not before a person trusts it; then with the id and never the text, and not as whoever wakes."""
    with crew:
        assert crew.bus.agents() == ["roo", "ana"]
        assert tell(crew, "roo", "first", by="user")["woke"] is False
        assert not (project / "woken.json").exists()
    assert main(["trust", "settings"]) == 0
    assert "reader.py" in capsys.readouterr().out
    with Crew.open(project, environ=crew.environ) as trusted:
        assert trusted.bus.agents() == ["roo", "ana"]
        woken = tell(trusted, "roo", "second; rm -rf /", by="user")
        assert (woken["woke"], woken["how"]) == (True, "command"), woken
        words, told = json.loads((project / "woken.json").read_text())
        assert words == ["--now", woken["id"]]
        assert told == {"INTERCOM_TO": "roo", "INTERCOM_MESSAGE": woken["id"], "INTERCOM_NAME": None}
        assert trusted.bus.unread("roo") == 0


@pytest.mark.parametrize("value", ['"\'open"', "3", "[]"])
def test_a_command_that_is_none(project: Path, value: str) -> None:
    """It is a reason, not an error: the message is stored."""
    (project / ".claude").mkdir()
    (project / ".claude/intercom.toml").write_text(f"[agents.roo]\nwake = {value}\n")
    assert config.load(project).agents == ("roo",)
    assert main(["trust", "settings"]) == 0
    with Crew.open(project) as crew:
        woken = tell(crew, "roo", "x", by="user")
        assert woken["stored"] is True
        assert woken["woke"] is False


def test_names_are_free_and_commands_are_powers() -> None:
    """A table of agents names them without consent; what it would run waits for it."""
    settings = {"agents": {"roo": {"wake": "x"}, "ana": {}}}
    assert consent.powers(settings) == {"agents": {"roo": {"wake": "x"}}}
    assert consent.without(settings) == {"agents": {"roo": {}, "ana": {}}}
    assert consent.powers({"agents": ["roo"]}) == {}
    assert list(consent.lines(consent.powers(settings))) == ['[agents.roo] wake = "x"']


def test_one_line_waits_at_a_time(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a program's own command put before a session, and nobody saw yet, is not put there twice."""
    with crew:
        crew.bus.register("worker", "ana", pid=os.getpid())
        row = crew.sessions.record("ana", state="idle", session_id="t-1", pid=os.getpid(), program="codex")
        ran: list[list[str]] = []
        monkeypatch.setattr(proc, "run", lambda words, **_: ran.append(list(words)))
        crew.bus.send("ana", "one", sender="roo")
        commands.usher(crew, "ana")
        commands.usher(crew, "ana")
        (line,) = ran
        assert line[:4] == ["codex", "queue", "--thread", "t-1"]
        nonce = crew.sessions.queued(row)
        assert nonce is not None
        assert nonce in line[-1]
        assert commands.prompt(crew, row, "x") == nonce
        crew.sessions.saw_nonce(nonce)
        assert crew.sessions.queued(row) is None
        crew.sessions.record("ana", state="running")
        commands.usher(crew, "ana")
        assert len(ran) == 1


def test_a_line_that_was_lost_keeps_no_other_back(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn has come and gone since it was put there, and no hook saw it; before the first turn it still waits."""
    ticks = itertools.count()
    with crew:
        crew.bus.register("worker", "ana", pid=os.getpid())
        monkeypatch.setattr(sessions, "utc", lambda *_: f"2026-01-01T00:00:{next(ticks):02}.000Z")
        row = crew.sessions.record("ana", state="idle", session_id="t-1", pid=os.getpid(), program="codex")
        monkeypatch.setattr(proc, "run", lambda *_, **__: None)
        lost = commands.prompt(crew, row, "x")
        assert crew.sessions.queued(row) == lost
        crew.sessions.record("ana", state="running")
        row = crew.sessions.record("ana", state="idle")
        assert crew.sessions.queued(row) is None
        again = commands.prompt(crew, row, "x")
        assert again not in (None, lost)
        assert crew.sessions.queued(row) == again


def _is_past(time: str) -> bool:
    return utc() > time


def test_a_lost_line_delays_one_turn_and_no_other(crew: Crew) -> None:
    """A later line was seen, so the earlier one will not come: the next is put there at once."""
    with crew:
        crew.bus.register("worker", "ana", pid=os.getpid())
        row = crew.sessions.record("ana", state="idle", session_id="t-1", pid=os.getpid(), program="codex")
        for nonce in ("lost", "seen"):
            crew.sessions.expect_nonce(nonce, "ana", "command")
            until(partial(_is_past, utc()))  # times have milliseconds
        assert crew.sessions.queued(row) == "seen"
        crew.sessions.saw_nonce("seen")
        assert crew.sessions.queued(row) is None
        crew.sessions.expect_nonce("next", "ana", "command")
        assert crew.sessions.queued(row) == "next"


def test_a_worker_that_begins_by_itself_is_given_no_line(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was started with a prompt: a second line at that moment is lost. Without a turn of its own it gets one."""
    with crew:
        crew.bus.register("worker", "ana", pid=os.getpid())
        ran: list[list[str]] = []
        monkeypatch.setattr(proc, "run", lambda words, **_: ran.append(list(words)))
        row = crew.sessions.record("ana", state="ready", session_id="t-1", pid=os.getpid(), program="codex")
        crew.sessions.put(row._replace(spawned_by="user"))
        id_ = crew.bus.send("ana", "one", sender="roo").id
        commands.usher(crew, "ana")
        assert wake(crew, "ana", id_, timeout=0.5).woke is False
        assert ran == []
        monkeypatch.setattr(commands, "QUEUED", 0.0)
        commands.usher(crew, "ana")
        assert len(ran) == 1


@pytest.mark.parametrize("able", [{}, {"elicitation": {"form": {}, "url": {}}, "x": 1}])
def test_a_worker_that_never_called_a_tool_is_told(project: Path, tmp_path: Path, able: dict[str, object]) -> None:
    """Hooks give it all that is for it, so its server has only the first word of its program to know that by."""
    program, ran = tmp_path / "codex", tmp_path / "ran"
    program.write_text(f'#!/bin/sh\necho "$@" >> {ran}\n')
    program.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    client = BareClient(project, INTERCOM_NAME="ana", INTERCOM_ROLE="worker", PATH=path)
    with closing(client), Crew.open(project) as crew:
        client.request(
            "initialize",
            {**INITIALIZE, "capabilities": able, "clientInfo": {"name": "codex-mcp-client", "version": "1"}},
        )
        client.write({"jsonrpc": "2.0", "method": "notifications/initialized"})
        client.request("tools/list")
        crew.sessions.record("ana", state="idle", session_id="t-1", pid=os.getpid(), program="codex")
        until(lambda: any(one.name == "ana" and one.pid == client.process.pid for one in crew.bus.instances()))
        crew.bus.send("ana", "one", sender="user", via="cli")
        until(ran.exists)
        assert ran.read_text().startswith("queue --thread t-1 --message [intercom] ")
