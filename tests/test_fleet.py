"""The fleet without Claude Code: names, plans, environments, worktrees, and what is said where something is missing."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intercom.core.errors import IntercomError, NotFound, ProgramMissing, Refused, UsageError
from intercom.fleet import workers
from intercom.fleet.crew import Crew
from intercom.fleet.programs.claude import launch
from intercom.fleet.programs.claude.program import Claude
from intercom.fleet.sessions import SessionRow
from intercom.fleet.wake import safely, tell
from intercom.fleet.workers import background
from intercom.fleet.workers.environment import as_shell, worker_environment
from intercom.fleet.workers.plan import Ticket, check, tickets
from intercom.system import tmux
from intercom.system.invocation import own_command
from tests.conftest import Command, agree
from tests.processes import until
from tests.server_client import BareClient

pytestmark = pytest.mark.slow


def program(folder: Path, name: str, body: str) -> Path:
    """An executable shell script."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def crew(project: Path, tmp_path: Path) -> Crew:
    """A crew on a tmux server that nobody has started."""
    return Crew.open(project, environ={**os.environ, "INTERCOM_TMUX_SOCKET": str(tmp_path / "tmux")})


@pytest.mark.parametrize(
    "plan",
    [
        workers.Plan(0),
        workers.Plan(33),
        workers.Plan(1, prefix="a b"),
        workers.Plan(1, prefix="a;b"),
        workers.Plan(1, prefix="master"),
        workers.Plan(1, prefix="$(id)"),
        workers.Plan(1, perm_mode="yolo"),
        workers.Plan(1, bootstrap="make"),
        workers.Plan(1, ready_timeout=0),
        workers.Plan(1, claude_cmd="'open"),
        workers.Plan(1, claude_cmd=" "),
    ],
)
def test_plans_that_cannot_be(crew: Crew, plan: workers.Plan) -> None:
    """Refused in words, before anything is started."""
    with pytest.raises(UsageError, match="nothing was started"):
        workers.spawn(crew, plan, by="master")


def test_names_are_given_once(crew: Crew) -> None:
    """Two spawns side by side never take the same name; names of others are left alone."""
    crew.bus.register("worker", "worker-2", pid=os.getpid())
    found: list[str] = []

    def take() -> None:
        with crew.again() as own:
            found.extend(one.name for one in tickets(own, check(workers.Plan(4))))

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == len(found) == 12
    assert "worker-2" not in found
    assert "worker-1" in found


def test_a_session_that_comes_up_meanwhile_costs_only_the_name(repository: Path, tmp_path: Path) -> None:
    """Another project on the same tmux server takes the name after we looked: the worker gets the next one."""
    program(tmp_path / "bin", "claude", 'case "$1" in --version) echo "2.1.197 (Claude Code)";; *) exit 3;; esac')
    socket = tmp_path / "tmux"
    environ = {"INTERCOM_TMUX_SOCKET": str(socket), "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    theirs = f"tmux -S {socket} new-session -d -s worker-1 'sleep 600' || true"
    with Crew.open(repository, environ={**os.environ, **environ}) as crew:
        try:
            (found,) = workers.spawn(crew, workers.Plan(1, worktrees=True, bootstrap=theirs), by="user")
            assert (found.name, found.ready) == ("worker-2", False)
            assert "its command ended" in (found.reason or "")
            assert [pane.session for pane in tmux.panes(crew.server)] == ["worker-1"]
            assert (crew.bus.instances(), crew.sessions.all()) == ([], [])
            assert not any((tmp_path / ".intercomm-worktrees").glob("*/*"))
        finally:
            tmux.kill_session(crew.server, "worker-1")


@pytest.mark.parametrize("moment", ["--is-bare-repository", "worktree add"])
def test_a_folder_that_comes_up_meanwhile_costs_only_the_name(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Somebody makes a folder of that name, before or after we look for the last time."""
    program(tmp_path / "bin", "claude", 'case "$1" in --version) echo "2.1.197 (Claude Code)";; *) exit 3;; esac')
    theirs = tmp_path / ".intercomm-worktrees" / repository.name / "worker-1" / "theirs"
    git = f'case "$*" in *"{moment}"*) mkdir -p {theirs};; esac; exec {shutil.which("git")} "$@"'
    program(tmp_path / "bin", "git", git)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    with Crew.open(repository, environ={**os.environ, "INTERCOM_TMUX_SOCKET": str(tmp_path / "tmux")}) as crew:
        (found,) = workers.spawn(crew, workers.Plan(1, worktrees=True), by="user")
        assert (found.name, found.ready) == ("worker-2", False)
        assert "its command ended" in (found.reason or "")
        assert theirs.is_dir()
        assert [(one["worker"], one["status"]) for one in crew.worktrees.list()] == [("worker-2", "removed")]


_DUMP = "import os, sys; [sys.stdout.buffer.write(k + b'=' + v + bytes(1)) for k, v in os.environb.items()]"


@given(st.dictionaries(st.sampled_from(["PATH", "HOME", "IFS", "X"]), st.text(st.characters(exclude_characters="\0"))))
def test_environments_are_data(environ: dict[str, str]) -> None:
    """A real shell reads back exactly what was put in, whatever it holds."""
    clean = {key: value.encode(errors="ignore").decode() for key, value in environ.items()}
    script = f'set -a\n{as_shell(clean)}exec {shlex.quote(sys.executable)} -c "{_DUMP}"'
    done = subprocess.run(["sh", "-c", script], env={"LC_ALL": "C.UTF-8"}, capture_output=True, check=True)
    seen = dict(word.decode().split("=", 1) for word in done.stdout.split(b"\0") if word)
    assert {key: value for key, value in seen.items() if key in clean} == clean


def settings(project: Path, text: str) -> None:
    """Write the project's settings, and agree to them."""
    (project / ".claude").mkdir(exist_ok=True)
    (project / ".claude" / "intercom.toml").write_text(text)
    agree(project)


def test_what_workers_have_in_their_environment(project: Path) -> None:
    """What is usual, but nothing of the session that spawns; what the settings give, pass on, and keep back."""
    usual = {"PATH": "/bin", "LANG": "C", "AWS_PROFILE": "mine"}
    environ = {**usual, "DATABASE_URL": "secret", "OTHER": "stays", "CLAUDECODE": "1", "TMUX": "x"}
    with Crew.open(project, environ=environ) as crew:
        assert worker_environment(crew, Claude()) == usual
    lines = ["[fleet.env]", "NODE_ENV = 'a $(touch x); b'", "DATABASE_URL = true", "AWS_PROFILE = false"]
    settings(project, "\n".join([*lines, "NOT_THERE = true", "LANG = 'de_DE'"]))
    with Crew.open(project, environ=environ) as crew:
        given = {"NODE_ENV": "a $(touch x); b", "DATABASE_URL": "secret", "LANG": "de_DE"}
        assert worker_environment(crew, Claude()) == {"PATH": "/bin", **given}


def test_a_workers_environment_is_no_copy(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the tmux server's reaches it, whoever started that with whatever."""
    seen, socket = tmp_path / "seen", tmp_path / "tmux"
    (tmp_path / "bin").mkdir()
    dump = f"/usr/bin/env > {seen}.half; /bin/mv {seen}.half {seen}; exec /bin/sleep 600"
    script = f'#!/bin/sh\ncase "$1" in --version) echo "2.1.197 (Claude Code)";; *) {dump};; esac\n'
    (tmp_path / "bin" / "claude").write_text(script)
    (tmp_path / "bin" / "claude").chmod(0o755)
    persons = {**os.environ, "DATABASE_URL": "secret", "GIT_DIR": "/elsewhere"}
    subprocess.run(["tmux", "-S", socket, "new-session", "-d", "-s", "mine", "sleep", "600"], env=persons, check=True)
    environ = {**os.environ, "INTERCOM_TMUX_SOCKET": str(socket), "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    try:
        with Crew.open(project, environ=environ) as crew:
            (done,) = workers.spawn(crew, workers.Plan(1, ready_timeout=2), by="user")
            assert "left running" in str(done.reason), done
            until(seen.exists)
            found = dict(line.split("=", 1) for line in seen.read_text().splitlines() if "=" in line)
            assert not {"DATABASE_URL", "GIT_DIR"} & found.keys()
            assert found["INTERCOM_NAME"] == "worker-1"
            assert {"TMUX", "TMUX_PANE", "TERM", "HOME"} <= found.keys()
            workers.teardown(crew)
    finally:
        subprocess.run(["tmux", "-S", socket, "kill-server"], capture_output=True, check=False)


def test_what_a_bootstrap_has_in_its_environment(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that the session has that spawns, and what the settings say."""
    monkeypatch.setenv("OTHER", "stays")
    monkeypatch.setenv("AWS_PROFILE", "mine")
    settings(repository, "[fleet.env]\nWORD = 'a b'\nAWS_PROFILE = false")
    program(tmp_path / "bin", "claude", 'case "$1" in --version) echo "2.1.197 (Claude Code)";; *) exit 3;; esac')
    socket = {"INTERCOM_TMUX_SOCKET": str(tmp_path / "tmux"), "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    with Crew.open(repository, environ={**os.environ, **socket}) as crew:
        plan = workers.Plan(1, worktrees=True, bootstrap=f'echo "$WORD|$OTHER|$AWS_PROFILE" > {tmp_path}/had')
        assert not workers.spawn(crew, plan, by="user")[0].ready
    assert (tmp_path / "had").read_text() == "a b|stays|\n"


@pytest.mark.parametrize(
    "text",
    ["[fleet]\nenv = 3", "[fleet.env]\nA = 3", "[fleet.env]\n'A B' = 'x'", "[fleet.env]\nINTERCOM_NAME = 'me'"],
)
def test_settings_of_the_fleet_that_cannot_be(project: Path, tmp_path: Path, text: str) -> None:
    """Said, with the name, before anything is started."""
    settings(project, text)
    with (
        Crew.open(project, environ={**os.environ, "INTERCOM_TMUX_SOCKET": str(tmp_path / "tmux")}) as crew,
        pytest.raises(UsageError, match=r"\[fleet\.env\] in \.claude/intercom\.toml .*nothing was started"),
    ):
        workers.spawn(crew, workers.Plan(1), by="user")


def test_a_worker_gets_its_environment(project: Path, tmp_path: Path) -> None:
    """Its own PATH too, which tmux would replace by its client's; the file that carried it is gone."""
    folder, word = tmp_path / "bin", 'it\'s "x" ; $(touch ran)'
    program(
        folder,
        "claude",
        f'case "$1" in --version) echo "2.1.197 (Claude Code)";; '
        f"*) env -0 > {tmp_path}/half; mv {tmp_path}/half {tmp_path}/seen; exec sleep 600;; esac",
    )
    settings(project, f"[fleet.env]\nPATH = '{folder}:/usr/bin:/bin'\nWORD = {json.dumps(word)}\nTOKEN = true")
    environ = {**os.environ, "INTERCOM_TMUX_SOCKET": str(tmp_path / "tmux"), "TOKEN": "s3cret", "OTHER": "x"}
    with Crew.open(project, environ=environ) as crew:
        (done,) = workers.spawn(crew, workers.Plan(1, ready_timeout=2), by="user")
        assert (done.ready, "left running" in str(done.reason)) == (False, True), done
        until((tmp_path / "seen").exists)
        seen = dict(one.split("=", 1) for one in (tmp_path / "seen").read_text().split("\0") if one)
        assert seen["PATH"] == f"{folder}:/usr/bin:/bin"
        assert (seen["WORD"], seen["TOKEN"], seen["INTERCOM_NAME"]) == (word, "s3cret", "worker-1")
        assert "OTHER" not in seen
        assert not list((crew.bus.config.private / "workers").glob("*.env"))
        row = crew.sessions.get("worker-1")
        assert row is not None
        assert b"s3cret" not in Path(f"/proc/{row.pid}/cmdline").read_bytes()
        assert workers.teardown(crew)[0].reason is None
    assert not (project / "ran").exists()


def test_our_own_command_runs_anywhere(tmp_path: Path) -> None:
    """Also in a folder that holds a package of our name."""
    (tmp_path / "intercom").mkdir()
    (tmp_path / "intercom" / "__init__.py").write_text("raise SystemExit('the wrong one')\n")
    done = subprocess.run([*own_command(), "--version"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("intercom ")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (None, "claude was not found"),
        ("echo 1.0.17 '(Claude Code)'", "too old"),
        ("echo something else", "not a version of Claude Code"),
        ("exit 1", "said nothing"),
    ],
)
def test_a_claude_that_will_not_do(command: Command, tmp_path: Path, script: str | None, words: str) -> None:
    """The answer says what to install; nothing is started, no name is taken, and the bus works."""
    folder = tmp_path / "bin"
    for needed in ("tmux", "git", "sh"):
        found = subprocess.run(["which", needed], capture_output=True, text=True, check=True).stdout.strip()
        folder.mkdir(exist_ok=True)
        (folder / needed).symlink_to(found)
    if script is not None:
        program(folder, "claude", script)
    done = command("spawn", "1", PATH=str(folder), INTERCOM_TMUX_SOCKET=str(tmp_path / "s"))
    assert done.returncode == 1
    assert words in done.stderr
    assert "npm install -g @anthropic-ai/claude-code" in done.stderr
    assert command("status", "--json", PATH=str(folder)).returncode == 0
    assert json.loads(command("status", "--json").stdout)["instances"] == []


@pytest.mark.parametrize(("script", "words"), [(None, "tmux was not found"), ("echo tmux 2.9", "too old")])
def test_a_tmux_that_will_not_do(command: Command, tmp_path: Path, script: str | None, words: str) -> None:
    """The same for tmux; messages need none."""
    folder = tmp_path / "bin"
    folder.mkdir()
    if script is not None:
        program(folder, "tmux", script)
    done = command("spawn", "1", PATH=str(folder))
    assert (done.returncode, words in done.stderr, "install tmux" in done.stderr) == (1, True, True)
    assert command("send", "--from", "user", "roo", "hello", PATH=str(folder)).returncode == 0


def test_servers_of_the_project(tmp_path: Path) -> None:
    """Those that the user approved are on, the others are off, and said; ours is never asked about."""
    servers: dict[str, dict[str, dict[str, str]]] = {"mcpServers": {"intercomm": {}, "good": {}, "new": {}}}
    (tmp_path / ".mcp.json").write_text(json.dumps(servers))
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude" / "settings.local.json").write_text(json.dumps({"enabledMcpjsonServers": ["good"]}))
    environ = {"HOME": str(tmp_path)}
    found, left_out = launch.settings(tmp_path, tmp_path, "acceptEdits", environ)
    assert found["enabledMcpjsonServers"] == ["intercomm", "good"]
    assert (found["disabledMcpjsonServers"], left_out) == (["new"], ("new",))
    assert "skipDangerousModePermissionPrompt" not in found
    assert launch.settings(tmp_path, tmp_path, "bypassPermissions", environ)[0]["skipDangerousModePermissionPrompt"]


def test_the_register_of_worktrees(repository: Path, crew: Crew) -> None:
    """Added, listed with what git says, done only when git agrees, removed only when nothing is lost."""
    made = crew.worktrees.add("Worker-1")
    path = Path(made.path)
    assert path == repository.parent / ".intercomm-worktrees" / repository.name / "worker-1"
    with pytest.raises(Refused, match="on no branch"):
        crew.worktrees.set_status("worker-1", "done")
    with pytest.raises(UsageError, match="shiny"):
        crew.worktrees.set_status("worker-1", "shiny")
    with pytest.raises(NotFound, match="worker-9"):
        crew.worktrees.set_status("worker-9", "queued")
    subprocess.run(["git", "switch", "-qc", "work"], cwd=path, check=True)
    (path / "new.txt").write_text("x")
    with pytest.raises(Refused, match=r"uncommitted files: new\.txt"):
        crew.worktrees.set_status("worker-1", "done")
    assert crew.worktrees.list()[0]["unsaved"] == {"uncommitted": ["new.txt"]}
    with pytest.raises(Refused, match=r"new\.txt"):
        crew.worktrees.remove("worker-1")
    for line in (["add", "."], ["commit", "-qm", "work"]):
        subprocess.run(["git", *line], cwd=path, check=True)
    assert crew.worktrees.set_status("worker-1", "done").branch == "work"
    assert crew.worktrees.remove("worker-1").ref is None
    assert (crew.worktrees.list()[0]["status"], path.exists()) == ("removed", False)


def test_worktrees_on_the_command_line(repository: Path, command: Command) -> None:
    """`intercom worktree` adds, lists, marks and removes."""
    assert command("worktree", "add", "w-1").returncode == 0
    refused = command("worktree", "set-status", "w-1", "queued", "--branch", "b")
    assert (refused.returncode, "no branch 'b'" in refused.stderr) == (1, True)
    subprocess.run(["git", "branch", "b"], cwd=repository, check=True)
    assert command("worktree", "set-status", "w-1", "queued", "--branch", " b ").returncode == 0
    row = json.loads(command("worktree", "list", "--json").stdout)
    assert (row["worker"], row["status"], row["branch"]) == ("w-1", "queued", "b")
    (repository.parent / ".intercomm-worktrees" / repository.name / "w-1" / "x").write_text("x")
    assert command("worktree", "remove", "w-1").returncode == 1
    done = command("worktree", "remove", "w-1", "--force")
    assert (done.returncode, "refs/intercom/kept/" in done.stdout) == (0, True)
    assert command("worktree", "remove").returncode == 2


def test_waking_without_a_fleet(crew: Crew) -> None:
    """Nobody of that name: nothing is stored. A name without a session: stored, and the reason is true."""
    crew.bus.register("master", pid=os.getpid())
    with pytest.raises(IntercomError, match="not known"):
        tell(crew, "nobody", "hello", by="master")
    crew.bus.register("worker", "w-1", pid=os.getpid())
    told = tell(crew, "w-1", "hello", by="master")
    assert (told["stored"], told["woke"]) == (True, False)
    assert "no session" in told["reason"]
    assert crew.bus.unread("w-1") == 1
    assert crew.bus.read("w-1")[0].body == "hello"
    assert safely(crew, "w-1", told["id"]).how == "read"


def test_teardown_leaves_alone_what_nobody_spawned(crew: Crew) -> None:
    """A session that a person started is not ours to end, whatever its name."""
    crew.sessions.put(SessionRow("worker-1", None, os.getpid(), None, "idle", "{}", "2026-01-01T00:00:00.000Z"))
    assert workers.teardown(crew) == []
    assert crew.sessions.get("worker-1") is not None
    assert workers.scan(crew)[0]["name"] == "worker-1"


def test_nobody_to_spawn_without_a_session_name(crew: Crew, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A missing program is said before names are taken."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramMissing):
        workers.spawn(crew, workers.Plan(1), by="master")
    assert crew.bus.instances() == []


@pytest.mark.parametrize("by", ["command", "server"])
def test_a_spawn_that_does_not_wait(
    repository: Path, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """It answers at once with the names; the workers come up all the same, and the log says what failed."""
    claude = program(
        tmp_path / "bin", "claude", 'case "$1" in --version) echo "2.1.300 (Claude Code)";; *) sleep 600;; esac'
    )
    monkeypatch.setenv("INTERCOM_TMUX_SOCKET", str(tmp_path / "tmux"))
    try:
        if by == "command":
            line = ["spawn", "2", "--claude-cmd", str(claude), "--no-wait", "--ready-timeout", "1", "--json"]
            line += ["--perm-mode", "bypassPermissions"]
            done = command(*line)
            assert done.returncode == 0, done
            found = [json.loads(row) for row in done.stdout.splitlines()]
        else:
            with BareClient(repository) as master:
                master.call("intercomm_register", role="master")
                words = {"claude_cmd": str(claude), "wait": False, "ready_timeout": 1, "perm_mode": "bypassPermissions"}
                found = master.call("intercomm_spawn", count=2, **words)["workers"]
                _log_says(command, "worker-1 did not become ready")
        assert [(one["name"], one["starting"]) for one in found] == [("worker-1", True), ("worker-2", True)]
        assert all("RUNS ANYTHING, UNASKED" in one["mode"] for one in found)
        _log_says(command, "worker-2 did not become ready: not ready within 1 s")
        rows = [json.loads(row) for row in command("scan", "--json").stdout.splitlines()]
        assert [row["name"] for row in rows] == ["worker-1", "worker-2"]
    finally:
        ended = command("teardown")
    assert ended.stdout.count("processes ended") == 2


def test_no_database_is_open_where_a_process_parts(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What SQLite has open and a fork takes along damages the file: its locks are not the new process's."""
    found: list[str] = []

    def parted(job: Callable[[Callable[[str], None]], None]) -> str:  # as the real one
        for name in os.listdir("/proc/self/fd"):
            with suppress(OSError):
                found.append(os.readlink(f"/proc/self/fd/{name}"))
        return '{"names": ["worker-1"]}'

    monkeypatch.setattr(background, "lives_on", lambda: False)
    monkeypatch.setattr(background, "apart", parted)
    with Crew.open(repository, environ={}) as crew:
        crew.bus.register("master", pid=os.getpid())
        crew.bus.send("master", "so that all is open", sender="user", via="cli")
        assert crew.sessions.all() == []
        assert background.in_background(crew, workers.Plan(1), lambda *_: []) == ["worker-1"]
        assert found
        assert not [name for name in found if name.startswith(str(repository))], found
        assert len(crew.bus.read("master")) == 1


def test_a_spawn_that_breaks_off_says_so_in_the_log(repository: Path) -> None:
    """Whatever goes wrong while nobody waits."""

    def breaks(*_: object) -> list[tuple[str, str]]:
        raise KeyError("worker-1")

    with Crew.open(repository, environ={}) as crew:
        background._finish(crew, [Ticket("worker-1", "s")], breaks)
        assert ["worker-1 did not become ready: KeyError" in one.body for one in crew.bus.read("user")] == [True]


def _log_says(command: Command, text: str) -> None:
    until(lambda: text in command("log", "--json").stdout, 20)
