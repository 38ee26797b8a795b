"""The master's tools for workers, called on real servers over real pipes, without a Claude Code."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from intercom.server.tool import MASTER
from intercom.server.toolbox import TOOLS
from tests.conftest import SOURCE
from tests.server_client import BareClient

pytestmark = pytest.mark.slow


@pytest.fixture
def master(project: Path, tmp_path: Path) -> Iterator[BareClient]:
    """A server whose session is the master of a git repository; tmux and git are there, claude is not."""
    for line in (["init", "-q", "-b", "main"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *line], cwd=project, check=True)
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("tmux", "git", "sh"):
        found = shutil.which(name)
        assert found
        (folder / name).symlink_to(found)
    with BareClient(project, PATH=str(folder), INTERCOM_TMUX_SOCKET=str(tmp_path / "tmux")) as client:
        client.call("intercomm_register", role="master")
        yield client


def test_workers_are_shown_none_of_it(project: Path, master: BareClient) -> None:
    """Only the list of worktrees; and what is not shown is refused all the same."""
    with BareClient(project) as worker:
        worker.call("intercomm_register")
        assert not set(worker.tools()) & {tool.name for tool in TOOLS if tool.who == MASTER}
        assert "intercomm_worktree_list" in worker.tools()
        assert "for the master" in worker.refused("intercomm_spawn", count=1)
        assert "for the master" in worker.refused("intercomm_approve", worker="worker-1", decision="allow")


def test_worktrees(project: Path, master: BareClient) -> None:
    """Added, marked, listed, removed; unsaved work is refused, and kept where it is forced."""
    path = Path(master.call("intercomm_worktree_add", worker_id="w-1")["path"])
    (path / "new.txt").write_text("x")
    assert "new.txt" in master.refused("intercomm_worktree_remove", worker_id="w-1")
    assert master.call("intercomm_worktree_set_status", worker_id="w-1", status="queued")["status"] == "queued"
    (row,) = master.call("intercomm_worktree_list")["worktrees"]
    assert (row["worker"], row["status"], row["unsaved"]) == ("w-1", "queued", {"uncommitted": ["new.txt"]})
    gone = master.call("intercomm_worktree_remove", worker_id="w-1", force=True)
    assert gone["kept"]["files"] == ["new.txt"]
    kept = subprocess.run(
        ["git", "show", f"{gone['kept']['ref']}:new.txt"], cwd=project, capture_output=True, text=True, check=True
    )
    assert (kept.stdout, path.exists()) == ("x", False)
    assert "no branch or commit 'nowhere'" in master.refused("intercomm_worktree_add", worker_id="w-2", base="nowhere")


def test_without_claude_the_answers_say_what_to_do(master: BareClient) -> None:
    """Everything else works, and nothing was started or taken."""
    assert "npm install -g" in master.refused("intercomm_spawn", count=2)
    assert "at most 32" in master.refused("intercomm_spawn", count=33)
    assert master.call("intercomm_scan")["workers"] == []
    assert master.call("intercomm_teardown")["workers"] == []
    assert "worker-1" in master.refused("intercomm_approve", worker="worker-1")
    assert "is not known" in master.refused("intercomm_wake", worker="worker-1", message="hello")
    assert [one["name"] for one in master.call("intercomm_status")["instances"]] == ["master"]


@pytest.mark.parametrize(
    ("scripts", "words", "install"),
    [
        ({}, "tmux was not found", "install tmux 3.2"),
        ({"tmux": "echo tmux 2.9"}, "tmux 2.9 is too old", "install tmux 3.2"),
        ({"tmux": "echo tmux 3.4"}, "claude was not found", "npm install -g @anthropic-ai/claude-code"),
        ({"tmux": "echo tmux 3.4", "claude": "echo '1.0.17 (Claude Code)'"}, "1.0.17 is too old", "npm install"),
        ({"tmux": "echo tmux 3.4", "claude": "echo 9"}, "not a version of Claude Code that we know", "npm install"),
    ],
)
def test_programs_that_will_not_do(
    project: Path, tmp_path: Path, scripts: dict[str, str], words: str, install: str
) -> None:
    """Spawn says what to install; the bus, and each other tool of the fleet, works or says why not."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, body in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    path = {"PATH": str(folder), "INTERCOM_TMUX_SOCKET": str(tmp_path / "tmux")}
    with BareClient(project, **path) as master, BareClient(project, **path) as worker:
        master.call("intercomm_register", role="master")
        worker.call("intercomm_register")
        said = master.refused("intercomm_spawn", count=1)
        assert words in said
        assert install in said
        assert "nothing was started" in said
        assert [one["name"] for one in master.call("intercomm_status")["instances"]] == ["master", "worker-1"]
        done = master.call("intercomm_assign", worker="worker-1", role_instructions="do it")
        assert (done["stored"], done["woke"], "no session" in done["reason"]) == (True, False, True)
        asked = worker.call("intercomm_escalate", message="how?")
        assert (asked["persisted"], asked["woke"], "no session" in asked["reason"]) == (True, False, True)
        assert [one["body"] for one in master.call("intercomm_read")["messages"]] == ["how?"]
        assert worker.call("intercomm_read")["messages"][0]["type"] == "task"
        assert "did you mean 'worker-1'" in master.refused("intercomm_wake", worker="worker-2", message="x").lower()
        assert master.call("intercomm_scan")["workers"] == []
        assert master.call("intercomm_teardown")["workers"] == []
        said = master.refused("intercomm_worktree_add", worker_id="worker-1")
        assert "install git" in said


def test_a_waiting_read_is_a_proven_wake(project: Path, master: BareClient) -> None:
    """A worker without hooks that waits in a read has the message; who does not, has not, and that is said."""
    with BareClient(project) as worker:
        worker.call("intercomm_register")
        waiting = worker.begin("intercomm_read", wait=20)
        told = master.call("intercomm_wake", worker="worker-1", message="hello")
        assert (told["stored"], told["woke"], told["how"]) == (True, True, "read")
        assert worker.finish(waiting)["messages"][0]["body"] == "hello"
        done = master.call("intercomm_assign", worker="worker-1", role_instructions="do it")
        assert (done["stored"], done["woke"]) == (True, False)
        assert "no session" in done["reason"]
        waiting = master.begin("intercomm_read", wait=20)
        asked = worker.call("intercomm_escalate", message="how?")
        assert (asked["persisted"], asked["woke"]) == (True, True)
        assert master.finish(waiting)["messages"][0]["body"] == "how?"


def test_other_calls_go_on_meanwhile(project: Path, master: BareClient) -> None:
    """A wake takes a second; nothing waits for it."""
    with BareClient(project) as worker:
        worker.call("intercomm_register")
        slow = master.begin("intercomm_wake", worker="worker-1", message="hello")
        master.call("intercomm_status")
        assert not [one for one in master._others if one.get("id") == slow]
        assert master.finish(slow)["woke"] is False


def test_a_server_whose_package_was_replaced_says_so(project: Path, tmp_path: Path) -> None:
    """Tools that need what is not loaded yet fail after an upgrade: the answer says what helps."""
    installed = tmp_path / "installed"
    for name in ("intercom", "templates"):
        shutil.copytree(SOURCE / name, installed / name)
    with BareClient(project, PYTHONPATH=str(installed)) as client:
        client.call("intercomm_register", role="master")
        shutil.rmtree(installed)
        said = client.refused("intercomm_scan")
        assert "upgrade" in said
        assert "reconnect" in said
