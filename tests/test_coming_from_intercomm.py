"""What was made for InterComm goes on working: its README run command by command, its programs, its contracts."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from intercom import Bus
from intercom.fleet import workers
from intercom.fleet.crew import Crew
from tests.server_client import INITIALIZE, BareClient

pytestmark = pytest.mark.slow
SCRIPTS = Path(sysconfig.get_path("scripts"))
CLAUDE = 'case "$1" in --version) echo "2.1.300 (Claude Code)";; *) sleep 600;; esac'


@pytest.fixture
def intercomm(project: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The program `intercomm`, with InterComm's way to say where the bus is."""
    monkeypatch.delenv("INTERCOM_ROOT")
    monkeypatch.setenv("INTERCOMM_DB_ROOT", str(project))

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        line = [str(SCRIPTS / "intercomm"), *words]
        return subprocess.run(line, cwd=project.parent, capture_output=True, text=True, check=False)

    return run


def test_the_command_line_of_its_readme(project: Path, intercomm: Any) -> None:
    """Each command as it stands there; a slip in a type is a refusal, and no command at all shows what there is."""
    usage = intercomm()
    assert (usage.returncode, "send" in usage.stdout) == (0, True)
    assert intercomm("init", "--client", "none").returncode == 0
    assert intercomm("register", "master").stdout == "master\n"
    assert intercomm("register").stdout == "worker-1\n"
    shown = intercomm("status").stdout
    assert all(name in shown for name in ("master", "worker-1"))
    assert intercomm("send", "--from", "worker-1", "master", "hello", "big", "world").returncode == 0
    assert intercomm("send", "--from", "worker-1", "master", "which?", "--type", "question").returncode == 0
    slip = intercomm("send", "--from", "worker-1", "master", "x", "--type", "taks")
    assert (slip.returncode, "did you mean task?" in slip.stderr) == (1, True)
    assert intercomm("broadcast", "--from", "master", "all", "hands").returncode == 0
    read = intercomm("read", "--id", "master").stdout
    assert all(text in read for text in ("hello big world", "which?"))
    assert "hello big world" not in intercomm("read", "--id", "master").stdout
    assert "all hands" in intercomm("read", "--id", "worker-1", "--all").stdout
    assert intercomm("clear", "--keep", "1").returncode == 0
    assert intercomm("clear").returncode == 0
    with Bus.open(project) as bus:
        said = [one for one in bus.history() if one.sender != "system"]
        assert [one.type for one in said] == ["status", "question", "announce"]


def test_its_server(project: Path) -> None:
    """`intercomm-mcp` is the server, as `.mcp.json` names it."""
    line = [str(SCRIPTS / "intercomm-mcp")]
    first = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}) + "\n"
    env = {**os.environ, "INTERCOMM_DB_ROOT": str(project)}
    done = subprocess.run(line, input=first, cwd=project, env=env, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[0])["result"]["serverInfo"]["name"] == "intercomm"


@pytest.fixture
def master(repository: Path, tmp_path: Path) -> Iterator[BareClient]:
    """A master, and a stand-in for Claude Code on its PATH."""
    claude = tmp_path / "bin" / "claude"
    claude.parent.mkdir()
    claude.write_text(f"#!/bin/sh\n{CLAUDE}\n")
    claude.chmod(0o755)
    path = f"{claude.parent}:{os.environ['PATH']}"
    socket = {"INTERCOM_TMUX_SOCKET": str(tmp_path / "tmux")}
    with BareClient(repository, PATH=path, **socket) as client:
        yield client
    with Crew.open(repository, environ={**os.environ, **socket}) as crew:  # what a red test leaves
        workers.teardown(crew, worktrees=True, force=True)


def test_the_tools_of_its_readme(master: BareClient, repository: Path) -> None:
    """Register, spawn with each of its parameters, scan, approve, assign, tear down, and the worktree registry."""
    assert master.call("intercomm_register", role="master")["name"] == "master"
    given = {"worktrees": True, "worktree_base": "main", "bootstrap": "true", "perm_mode": "acceptEdits"}
    more = {"prefix": "worker", "ready_timeout": 1, "wake": False, "claude_cmd": "claude"}
    spawned = master.call("intercomm_spawn", count=2, **given, **more)
    assert [one["name"] for one in spawned["workers"]] == ["worker-1", "worker-2"]
    assert [one["name"] for one in master.call("intercomm_status")["instances"]] == ["master", "worker-1", "worker-2"]
    assert len(master.call("intercomm_scan")["workers"]) == 2
    assert master.call("intercomm_approve", worker="worker-1")["answered"] is False
    text = "AIMFP user=alice; stay within src/auth/**; report branch+commit when done"
    target = {"target_type": "task", "target_id": 42, "target_slug": "task-implement-auth-9f3a1c20"}
    assert master.call("intercomm_assign", worker="worker-1", role_instructions=text, wake=False, **target)["stored"]
    assert {row["worker"] for row in master.call("intercomm_worktree_list")["worktrees"]} == {"worker-1", "worker-2"}
    subprocess.run(["git", "branch", "aimfp-alice-001"], cwd=repository, check=True)
    queued = {"worker_id": "worker-1", "status": "queued", "branch": "aimfp-alice-001"}
    assert master.call("intercomm_worktree_set_status", **queued)["branch"] == "aimfp-alice-001"
    assert master.call("intercomm_worktree_add", worker_id="worker-9", base="main")["status"] == "active"
    assert master.call("intercomm_worktree_remove", worker_id="worker-9")["removed"]
    gone = master.call("intercomm_teardown", worktrees=True)["workers"]
    assert [(one["name"], one["worktree"]) for one in gone] == [("worker-1", "removed"), ("worker-2", "removed")]
    assert master.call("intercomm_clear", keep=100)["archived"] == 0
    assert master.call("intercomm_broadcast", message="over")["stored"]
    assert master.call("intercomm_signoff")["signed_off"] == "master"


CONTRACT = {
    "kind": "task_contract",
    "v": 2,
    "role": "worker",
    "role_instructions": "Continue the assigned AIMFP entity. Stay within your assigned files.",
    "aimfp_target": {"type": "task", "id": 42, "slug": "task-implement-auth-9f3a1c20"},
    "reportBack": ["branch", "commit"],
}
BAD = [
    "Please build it.",
    f"Here it is: {json.dumps(CONTRACT)}",
    str(CONTRACT),
    json.dumps({**CONTRACT, "kind": "task_contrat"}),
    json.dumps({**CONTRACT, "v": 1}),
    json.dumps({**CONTRACT, "aimfp_target": {"type": "epic", "id": 1}}),
    json.dumps(CONTRACT)[:-5],
]


def test_contracts_by_tool_and_by_hand(repository: Path) -> None:
    """The one of its README counts; each bad one says that it is none, however it came; by hand none counts."""
    with BareClient(repository) as master, BareClient(repository) as worker:
        master.call("intercomm_register", role="master")
        worker.call("intercomm_register")
        master.call("intercomm_send", to="worker-1", type="task", message=json.dumps(CONTRACT))
        (row,) = worker.call("intercomm_read")["messages"]
        assert (row["contract"], row["contract_authoritative"]) == (CONTRACT, True)
        for body in BAD:
            master.call("intercomm_send", to="worker-1", type="task", message=body)
        rows = worker.call("intercomm_read")["messages"]
        assert len(rows) == len(BAD)
        assert all("contract_error" in row and "contract" not in row for row in rows)
        (log,) = (repository / ".claude" / "local").glob("INTERCOM-*.md")
        head = "## [2026-01-12 23:51] master -> worker-1 [TASK]"
        entries = [f"{head}\n{one}\n\n---\n\n" for one in (*BAD, json.dumps(CONTRACT))]
        with log.open("a", encoding="utf-8") as file:
            file.write("".join(entries))
        rows = worker.call("intercomm_read")["messages"]
        assert all("contract_error" in row for row in rows[:-1])
        assert (rows[-1]["contract"], rows[-1]["contract_authoritative"]) == (CONTRACT, False)
