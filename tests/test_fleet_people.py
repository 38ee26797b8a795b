"""The fleet's commands as a person types them: where there is nothing, too much, or something else than was meant."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from intercom.cli.fleet import spawned
from intercom.cli.session import Asked
from intercom.core.errors import UsageError
from intercom.core.message import utc
from intercom.fleet.approve import approve
from intercom.fleet.crew import Crew
from intercom.fleet.sessions import SessionRow
from intercom.fleet.wake import of_pane
from intercom.fleet.workers import Spawned
from intercom.fleet.workers.plan import begins
from intercom.system import tmux
from intercom.system.liveness import started
from tests.conftest import SOURCE, Command
from tests.processes import until

pytestmark = pytest.mark.slow


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[tmux.Server, tmux.Server]]:
    """Two tmux servers; the first pane of each has the same id."""
    found = (tmux.Server(str(tmp_path / "one")), tmux.Server(str(tmp_path / "two")))
    yield found
    for server in found:
        for pane in tmux.panes(server):
            tmux.kill_session(server, pane.session)


def worker(crew: Crew, server: tmux.Server, pane: tmux.Pane, name: str = "worker-1") -> None:
    """Note a worker that runs in a pane."""
    row = SessionRow(name, "s", pane.pid, started(pane.pid), "idle", "{}", utc(), pane=pane.id, socket=server.socket)
    crew.sessions.put(row._replace(spawned_by="user", heard=utc()))


SLEEP = ["sleep", "600"]


def test_a_pane_of_another_server_is_nobody_of_ours(
    project: Path, tmp_path: Path, servers: tuple[tmux.Server, tmux.Server]
) -> None:
    """Ids are a server's own: %0 here is not the worker that sits in %0 there."""
    here, there = servers
    mine = tmux.new_session(there, "worker-1", SLEEP, cwd=tmp_path)
    other = tmux.new_session(here, "editor", SLEEP, cwd=tmp_path)
    assert mine.id == other.id
    environ = {**os.environ, "INTERCOM_TMUX_SOCKET": here.socket}
    with Crew.open(project, environ=environ) as crew, Crew.open(project, environ=environ) as crew_there:
        worker(crew, there, mine)
        assert of_pane(crew, other.id) is None
        crew_there.server = there
        assert of_pane(crew_there, mine.id) == of_pane(crew_there, "worker-1") == "worker-1"


def test_attach_shows_no_terminal_of_somebody_else(
    command: Command, project: Path, tmp_path: Path, servers: tuple[tmux.Server, tmux.Server]
) -> None:
    """A new tmux server counts its panes anew: what sits in the worker's old one is not the worker."""
    server = servers[0]
    with Crew.open(project, environ={**os.environ, "INTERCOM_TMUX_SOCKET": server.socket}) as crew:
        pane = tmux.new_session(server, "worker-1", SLEEP, cwd=tmp_path)
        worker(crew, server, pane)
        done = command("attach", "worker-1")
        assert (done.returncode, "needs a terminal" in done.stderr) == (1, True), done
        tmux.kill_session(server, "worker-1")
        again = tmux.new_session(server, "private", SLEEP, cwd=tmp_path)
        assert again.id == pane.id, "the server ended with its last session"
        done = command("attach", "worker-1")
        assert (done.returncode, "'worker-1' has no terminal to show" in done.stderr) == (1, True), done


def test_attach_from_inside_another_tmux(
    project: Path, tmp_path: Path, servers: tuple[tmux.Server, tmux.Server]
) -> None:
    """Whoever sits in a tmux of their own is no client of the workers' server, which cannot switch them."""
    here, there = servers
    pane = tmux.new_session(there, "worker-1", SLEEP, cwd=tmp_path)
    with Crew.open(project, environ={**os.environ, "INTERCOM_TMUX_SOCKET": there.socket}) as crew:
        worker(crew, there, pane)
    line = [sys.executable, "-m", "intercom", "attach", "worker-1"]
    env = {"PYTHONPATH": str(SOURCE), "INTERCOM_ROOT": str(project)}
    mine = tmux.new_session(here, "mine", line, cwd=tmp_path, env=env)

    def attached() -> bool:
        seen, text = tmux.look(here, mine.id, colours=False)
        assert not seen.dead, text
        words = ["tmux", "-S", there.socket, "list-clients", "-F", "#{session_name}"]
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip() == "worker-1"

    until(attached, 30)


@pytest.mark.parametrize("seconds", [-1.0, float("inf"), float("nan")])
def test_a_wait_without_an_end_is_refused(project: Path, seconds: float) -> None:
    """No comparison with NaN is ever true: it would be waited for for ever."""
    with Crew.open(project) as crew:
        crew.sessions.put(SessionRow("worker-1", "s", os.getpid(), started(os.getpid()), "idle", "{}", utc()))
        with pytest.raises(UsageError, match="nothing was answered"):
            approve(crew, "worker-1", by="user", timeout=seconds)


def test_worktree_takes_no_word_that_it_does_not_use(repository: Path, command: Command) -> None:
    """A word too many is wrong usage, and nothing is done; where there is nothing to list, that is said."""
    assert command("init").returncode == 0
    assert command("worktree", "list").stdout == "No worktrees.\n"
    assert command("worktree", "list", "--json").stdout == ""
    for words in (("list", "worker-1"), ("add", "worker-1", "done"), ("remove", "worker-1", "done")):
        done = command("worktree", *words)
        assert (done.returncode, done.stdout) == (2, ""), done
        assert words[-1] in done.stderr
    assert not (repository.parent / ".intercomm-worktrees").exists()


def test_a_path_is_seen_from_where_it_is_typed(repository: Path, command: Command, tmp_path: Path) -> None:
    """As any path on a command line; the bus may lie elsewhere."""
    (tmp_path / "elsewhere").mkdir()
    line = [sys.executable, "-m", "intercom", "worktree", "add", "worker-1", "--path", "tree"]
    env = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(line, cwd=tmp_path / "elsewhere", env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, (tmp_path / "elsewhere" / "tree" / ".git").exists()) == (0, True), done


def test_details_stand_below_what_they_are_about(repository: Path, command: Command) -> None:
    """Indented, so that a line that begins at the margin is a worktree's or a worker's own."""
    assert command("worktree", "add", "worker-1").returncode == 0
    subprocess.run(["git", "branch", "work"], cwd=repository, check=True)
    assert command("worktree", "set-status", "worker-1", "queued", "--branch", "work").returncode == 0
    first, second = command("worktree", "list").stdout.splitlines()
    assert first.startswith("worker-1  queued  ")
    assert second == "    branch: work"


def test_a_plan_names_the_option_that_a_person_types(repository: Path, command: Command) -> None:
    """What a tool's argument is called helps nobody at a shell."""
    done = command("spawn", "1", "--bootstrap", "make", "--claude-cmd", sys.executable)
    assert (done.returncode, "--worktrees" in done.stderr) == (2, True), done


def test_a_spawn_says_what_its_mode_allows(capsys: pytest.CaptureFixture[str]) -> None:
    """On the terminal as in the tool's answer."""
    spawned(Asked(None, False), [Spawned("worker-1", True, 1.0, None, {"mode": "auto: edits and runs, unasked"})])
    assert "auto: edits and runs, unasked" in capsys.readouterr().out


def test_a_prefix_cuts_no_number_in_two() -> None:
    """A teardown of `worker-1` does not end `worker-10`."""
    names = ["worker", "worker-1", "worker-1-2", "worker-10", "web-1"]
    assert [name for name in names if begins(name, " Worker-1")] == ["worker-1", "worker-1-2"]
    assert [name for name in names if begins(name, "work")] == names[:4]
    assert [name for name in names if begins(name, "")] == names
