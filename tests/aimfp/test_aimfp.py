"""From spawn to merged with the real AIMFP and scripted agents: reported, checked, ordered, merged, removed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from intercom.core.errors import IntercomError
from intercom.fleet import report, verbs
from intercom.fleet.aimfp import unmet
from intercom.fleet.crew import Crew
from intercom.server.toolbox import BY_NAME
from intercom.system.ancestry import words_of
from tests.aimfp.lab import CLAMP, Aimfp, git, project, work
from tests.conftest import SOURCE
from tests.server_client import BareClient

pytestmark = pytest.mark.slow
ROUNDS = 30 if os.environ.get("INTERCOM_SOAK") else 2


class Made(NamedTuple):
    """An AIMFP project of four tasks, committed and ready for workers."""

    root: Path
    flow: int
    tasks: list[int]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Made once: nothing is set but by `intercom init --aimfp`, which shows it first."""
    root = tmp_path_factory.mktemp("aimfp") / "project"
    flow, tasks = project(root, 4)
    assert {one.name for one in unmet(root)} == {"branch", "project.db", ".mcp.json", "ignore rules", "merge driver"}

    def init(*words: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PYTHONPATH": str(SOURCE), "INTERCOM_ROOT": str(root)}
        line = [sys.executable, "-m", "intercom", "init", "--client", "none", "--aimfp", *words]
        null = subprocess.DEVNULL
        return subprocess.run(line, cwd=root, env=env, capture_output=True, text=True, check=False, stdin=null)

    shown = init()
    assert "add to .git/info/attributes: .aimfp-project/project.db merge=" in shown.stdout, shown
    assert "To set it: intercom init --aimfp --yes" in shown.stdout
    assert not (root / ".git" / "info" / "attributes").exists()
    done = init("--yes")
    assert "It is set." in done.stdout
    assert "Do: git add .aimfp-project/project.db" in done.stdout
    assert done.returncode == 1  # what is not committed is left to people
    git(root, "add", "-A")
    git(root, "commit", "-qm", "baseline")
    assert (unmet(root), git(root, "status", "--porcelain")) == ([], "")
    assert init().stdout == "AIMFP has all that it needs here.\n"
    with Aimfp(root) as server:
        assert server.call("verify_fanout_ready")["ready"]
    return Made(root, flow, tasks)


@pytest.fixture
def here(template: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """A copy of it for one test."""
    root = tmp_path / "copy"
    shutil.copytree(template.root, root, symlinks=True)
    monkeypatch.setenv("INTERCOM_ROOT", str(root))
    monkeypatch.chdir(root)
    return template._replace(root=root)


@pytest.fixture
def crew(here: Made) -> Iterator[Crew]:
    """Its crew, with a master who has registered."""
    with Crew.open(here.root) as found:
        found.bus.register("master", pid=os.getpid())
        yield found


def start(crew: Crew, here: Made, worker: str, number: int) -> Path:
    """A worker with a worktree and a contract."""
    crew.bus.register("worker", worker, pid=os.getpid())
    tree = Path(crew.worktrees.add(worker).path)
    verbs.assign(
        crew,
        "master",
        worker,
        f"AIMFP user={worker}; stay in src/{worker}",
        target_type="task",
        target_id=here.tasks[number],
        target_slug=f"task-add-{number}",
        wake=False,
    )
    return tree


def reported(crew: Crew, worker: str, branch: str, commit: str) -> dict[str, Any]:
    """The worker reports done; what it is told."""
    text = f"All checks pass.\nbranch: {branch}\ncommit: {commit}"
    return report.send(crew.bus, "master", text, sender=worker)[1]


def running_in(folder: Path) -> list[list[str]]:
    """The command lines of what works in a folder, or is about it."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        words = words_of(int(name))
        with suppress(OSError):
            works_in = Path(os.readlink(f"/proc/{name}/cwd").removesuffix(" (deleted)"))
            if "aimfp" in " ".join(words) and (str(folder) in words or works_in.is_relative_to(folder)):
                found.append(words)
    return found


def merge(crew: Crew, server: Aimfp, here: Made, row: dict[str, Any], *, named: bool) -> str:
    """What the master does for one branch: AIMFP merges, its answer is forwarded as it is, main is committed."""
    more = {"worker_id": row["worker"]} if named else {}
    data = server.call("merge_worker_branch", branch=row["branch"], **more)
    assert data["intercomm_present"] is True
    assert data["worker_id"] == more.get("worker_id")
    given = {key: data[key] for key in ("worker_id", "branch", "status")}
    noted = verbs.worktree_set_status(crew, "master", **given)
    assert (noted.worker, noted.status) == (row["worker"], data["status"])
    if data["status"] == "conflict":
        limits = here.root / "src" / "shared" / "limits.py"
        assert "<<<<<<<" in limits.read_text()
        limits.write_text(CLAMP.replace("    return", "    # all of them\n    return"))
    git(here.root, "add", "-A")
    git(here.root, "commit", "-qm", f"merge {row['branch']}")
    if data["status"] == "conflict":
        verbs.worktree_set_status(crew, "master", worker_id=row["worker"], status="merged")
    status: str = data["status"]
    return status


def test_four_workers_from_contract_to_merged(here: Made, crew: Crew) -> None:
    """The order and the conflicts that the queue predicts are those that AIMFP then reports; nothing is left behind."""
    trees = []
    for number in range(4):
        worker = f"worker-{number + 1}"
        tree = start(crew, here, worker, number)
        trees.append(tree)
        assert (tree / ".intercomm-aimfp" / "intercomm.db").exists()
        branch, commit = work(tree, worker, here.flow, here.tasks[number], shared=number < 3)
        assert reported(crew, worker, branch, commit) == {"verified": True}
    found = verbs.worktree_list(crew, "master")
    assert found.order == ("worker-4", "worker-1", "worker-2", "worker-3")
    by = {row["worker"]: row for row in found.rows}
    assert [by[name]["expected"] for name in found.order] == ["merged", "merged", "conflict", "conflict"]
    assert by["worker-1"]["conflicts"] == {name: ["src/shared/limits.py"] for name in ("worker-2", "worker-3")}
    assert (by["worker-4"]["conflicts"], by["worker-4"]["task"]["target"]["slug"]) == ({}, "task-add-3")
    assert all(row["checked"] == {"verified": True} and row["status"] == "done" for row in found.rows)
    with Aimfp(here.root) as server:
        note = json.dumps(server.raw("aimfp_run", is_new_session=True))
        assert "intercomm_get_protocol" in note
        names = set(re.findall(r"intercomm_[a-z]+(?:_[a-z]+)*", note)) - {"intercomm_present"}
        assert names <= set(BY_NAME)
        git(here.root, "commit", "-qam", "AIMFP's own")
        came = [merge(crew, server, here, by[name], named=name == "worker-2") for name in found.order]
        assert came == ["merged", "merged", "conflict", "conflict"]
        assert all(server.call("get_merge_history", branch=by[name]["branch"])["already_merged"] for name in by)
        server.call("sync_git_state")
    assert {row["status"] for row in verbs.worktree_list(crew, "master").rows} == {"merged"}
    for number, tree in enumerate(trees):
        gone = crew.worktrees.remove(f"worker-{number + 1}")
        assert (gone.ref, tree.exists(), running_in(tree)) == (None, False, [])
    assert git(here.root, "worktree", "list").count("\n") == 0
    assert len(git(here.root, "branch", "--list", "aimfp-*").splitlines()) == 4


def test_what_a_done_may_not_be(here: Made, crew: Crew) -> None:
    """No commit of that name, a dirty tree, nothing named, an empty branch, source without tracking: both are told."""
    tree = start(crew, here, "worker-1", 0)
    base = git(here.root, "rev-parse", "main")

    def caught(why: str, text: str) -> None:
        sent, said = report.send(crew.bus, "master", text, sender="worker-1")
        assert any(why in one for one in said["unverified"]), said
        assert why in next(one.body for one in crew.bus.read("master") if one.id == sent.id)
        assert crew.worktrees.get("worker-1").status == "active"  # type: ignore[union-attr]

    caught("does not name branch", "It is done.")
    git(tree, "switch", "-qc", "empty")
    caught("nothing that main does not have", f"branch: empty, commit: {base}")
    git(tree, "switch", "-qc", "source")
    (tree / "src" / "new.py").write_text("x = 1\n")
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", "source alone")
    caught("AIMFP has tracked nothing", f"branch: source, commit: {git(tree, 'rev-parse', 'HEAD')}")
    git(tree, "switch", "-q", "--detach", "main")
    branch, commit = work(tree, "worker-1", here.flow, here.tasks[0])
    caught("there is no commit", f"branch: {branch}, commit: {commit[::-1]}")
    (tree / "src" / "worker_1" / "it.py").write_text("dirty")
    caught("uncommitted files: src/worker_1/it.py", f"branch: {branch}, commit: {commit}")
    git(tree, "checkout", "-q", ".")
    assert reported(crew, "worker-1", branch, commit) == {"verified": True}
    assert crew.worktrees.get("worker-1").status == "done"  # type: ignore[union-attr]


def test_removed_while_aimfp_still_writes(here: Made, crew: Crew) -> None:
    """Its watchdog and its server are ended, what was committed or lay about is kept, and the name is free again."""
    for turn in range(ROUNDS):
        worker = f"worker-{turn + 1}"
        tree = Path(crew.worktrees.add(worker).path)
        other = Path(crew.worktrees.add(f"{worker}0").path)
        with ExitStack() as stack:
            server = stack.enter_context(Aimfp(tree, watchdog=True))
            spared = stack.enter_context(Aimfp(other, watchdog=True))
            for one in (server, spared):
                one.raw("aimfp_run", is_new_session=True)
            git(tree, "switch", "-qc", f"kept-{turn}")
            git(tree, "commit", "-q", "--allow-empty", "-m", f"work {turn}")
            commit = git(tree, "rev-parse", "HEAD")
            (tree / "mine.txt").write_text("mine")
            assert running_in(tree)
            stop = threading.Event()
            writer = threading.Thread(target=scribble, args=(server, stop), daemon=True)
            writer.start()
            with pytest.raises(IntercomError, match=r"mine\.txt"):
                crew.worktrees.remove(worker)
            assert running_in(tree), "nothing is ended where nothing is removed"
            gone = crew.worktrees.remove(worker, force=True)
            assert (tree.exists(), running_in(tree)) == (False, [])
            stop.set()
            writer.join(20)
            assert gone.ref is not None
            assert git(here.root, "show", f"{gone.ref}:mine.txt") == "mine"
            assert git(here.root, "rev-parse", f"kept-{turn}") == commit
            assert spared.call("get_project_root")
            git(other, "checkout", "-q", ".")  # what AIMFP noted of the session that began
            assert crew.worktrees.remove(f"{worker}0").ref is None
            assert (other.exists(), running_in(other)) == (False, [])
        assert {row["status"] for row in crew.worktrees.list()} == {"removed"}
        assert crew.worktrees.add(worker).status == "active"
        crew.worktrees.remove(worker)


def scribble(server: Aimfp, stop: threading.Event) -> None:
    """Write tracking until told to stop, or until the server is gone."""
    count = 0
    with suppress(OSError, ValueError, AssertionError):
        while not stop.is_set():
            count += 1
            server.call("add_note", content=f"note {count}", note_type="research")


def test_the_protocol_has_aimfp_where_it_is_used(here: Made, project: Path) -> None:
    """For the role that asks, or for all; elsewhere not a word of it. The server makes the marker."""
    marker = here.root / ".intercomm-aimfp"
    shutil.rmtree(marker)
    with BareClient(here.root) as client:
        client.call("intercomm_register", role="master")
        said = client.answer(client.begin("intercomm_get_protocol"))["result"]["content"][0]["text"]
        assert "merge_worker_branch(" in said
        assert "create_user_branch" not in said
        every = client.answer(client.begin("intercomm_get_protocol", role="all"))["result"]["content"][0]["text"]
        with Aimfp(here.root) as server:
            known = {tool["name"] for tool in server._ask("tools/list")["tools"]}
        for name in re.findall(r"`([a-z]+(?:_[a-z]+)+)(?:\(|`)", every.partition("# With AIMFP")[2]):
            assert name in known | set(BY_NAME) | {"aimfp_target", "worker_id"}, name
    assert (marker / "intercomm.db").read_bytes() == b""
    assert git(here.root, "status", "--porcelain") == ""
    with BareClient(project) as client:
        said = client.answer(client.begin("intercomm_get_protocol"))["result"]["content"][0]["text"]
        assert "aimfp_run" not in said
