"""Agent programs: what one of them knows stands in its package, and another one needs nothing but a package."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from intercom.core.errors import UsageError
from intercom.fleet import observe, workers
from intercom.fleet.approve import approve
from intercom.fleet.crew import Crew
from intercom.fleet.programs import known
from intercom.fleet.programs.claude.program import Claude
from intercom.fleet.programs.program import Program
from intercom.fleet.wake import tell
from intercom.system import tmux
from intercom.system.liveness import alive
from tests.conftest import SOURCE
from tests.processes import patience, until
from tests.toy import Toy

#: What may be called so anywhere: folders of a project, an agent of the settings, an argument that InterComm named.
_NAMES = re.compile(r"\.claude\b|\bclaude[_-]cmd\b|\bclaude-code\b", re.IGNORECASE)
#: The list of programs, the default of that argument, and names as people write them.
_MAY = {
    "fleet/programs/known.py",
    "fleet/workers/plan.py",
    "server/toolbox.py",
    "fleet/verbs.py",
    "core/message.py",
    "core/root.py",  # a variable that tells the project, asked for before any program is known
    "fleet/speaker.py",  # and one that tells that an agent runs what runs here
    "fleet/clients/known.py",
    "fleet/clients/claude.py",
}


@pytest.fixture
def crew(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Crew]:
    """A fleet with a master, on a tmux server of its own, where Toy is known, too."""
    monkeypatch.setitem(known.PROGRAMS, "toy", Toy)
    environ = {**os.environ, "INTERCOM_TMUX_SOCKET": str(tmp_path / "tmux"), "PYTHONPATH": str(SOURCE)}
    with Crew.open(project, environ=environ) as opened:
        opened.bus.register("master", pid=os.getpid())
        yield opened
        workers.teardown(opened, "")


def screen(crew: Crew) -> str:
    """What worker-1's pane shows."""
    row = crew.sessions.get("worker-1")
    assert row is not None
    assert row.pane is not None
    return tmux.look(crew.server, row.pane)[1]


def test_another_program_is_a_package_and_a_row(crew: Crew) -> None:
    """Toy is spawned, woken by keys, given its message, allowed to paint, and ended; nothing else was told of it."""
    plan = workers.Plan(1, program="toy", claude_cmd=shlex.join([sys.executable, str(SOURCE / "tests" / "toy.py")]))
    (found,) = workers.spawn(crew, plan._replace(wake=False, ready_timeout=patience(20)), by="master")
    assert found.ready, found
    row = crew.sessions.get("worker-1")
    assert row is not None
    assert (row.program, row.state, observe.look(crew, "worker-1").state) == ("toy", "ready", "ready")

    woken = tell(crew, "worker-1", "please paint the wall", by="master")
    assert (woken["stored"], woken["woke"]) == (True, True), woken
    until(lambda: crew.sessions.open_requests("worker-1"))
    assert observe.look(crew, "worker-1").state == "blocked"
    done = approve(crew, "worker-1", by="master", decision="allow", expect="Paint(the wall)", timeout=patience(20))
    assert (done.answered, done.how) == (True, "hook")
    until(lambda: "it is painted" in screen(crew))
    until(lambda: observe.look(crew, "worker-1").state == "idle")

    (torn,) = workers.teardown(crew)
    assert (torn.name, torn.reason, torn.ended >= 2) == ("worker-1", None, True)
    assert row.pid is not None
    assert not alive(row.pid, row.started)
    assert not list((crew.bus.config.private / "workers").iterdir())


@pytest.mark.parametrize("program", [Claude(), Toy()], ids=lambda one: one.name)
def test_programs_are_asked_the_same(program: Program, tmp_path: Path) -> None:
    """What they cannot say, they say so: a pane that shows nothing, a process that is none, an event of another."""
    assert not program.read("").typeable
    assert program.read("", dead=True).state == "gone"
    assert program.status(2**22, {"HOME": str(tmp_path)}) is None
    assert program.heard("NoSuchEvent", {}) is None
    assert (program.session_of({}), program.project_of({})) == (None, None)
    assert not program.inherits("INTERCOM_NAME")
    assert program.connection(tmp_path, {"HOME": str(tmp_path)}).servers == ()
    assert program.add_server({"command": "intercom", "args": ["mcp"]}).startswith(program.command)


def test_a_program_that_nobody_knows() -> None:
    """Refused in words."""
    with pytest.raises(UsageError, match="'emacs' is not an agent program that Intercom knows; there are claude"):
        known.program("emacs")


def test_only_its_package_says_claude() -> None:
    """Names of its files, flags, events and words stand in one folder."""
    package = SOURCE / "intercom"
    found = []
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        if name.startswith("fleet/programs/claude/") or name in _MAY:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if "claude" in _NAMES.sub("", line).casefold():
                found.append(f"{name}:{number}: {line.strip()}")
    assert not found
