"""One worker of the real Claude Code in an AIMFP project: assigned a task, it uses AIMFP's tools and is verified."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from intercom.fleet import aimfp, verbs
from tests.aimfp.lab import PYTHON, Aimfp, git, project
from tests.claude.lab import Lab
from tests.claude.stage import Stage, bus_call, call
from tests.processes import until


@pytest.fixture
def stage(lab: Lab, tmp_path: Path) -> Stage:
    """A stage whose project uses AIMFP, which its `.mcp.json` starts."""
    made = Stage(lab, "aimfp")
    project(tmp_path / "made", 1)
    server = {"command": str(PYTHON), "args": ["-m", "aimfp", "--no-watchdog"]}
    for name in (".aimfp-project", "src"):
        shutil.copytree(tmp_path / "made" / name, made.project / name)
    (made.project / ".mcp.json").write_text(json.dumps({"mcpServers": {"aimfp": server}}))
    (made.project / ".claude").mkdir(exist_ok=True)
    (made.project / ".claude" / "settings.local.json").write_text('{"enabledMcpjsonServers": ["aimfp"]}')
    with (made.project / ".gitignore").open("a") as file:
        file.write("\n.claude/\n")
    aimfp.prepare(made.project)
    git(made.project, "add", "-A")
    git(made.project, "commit", "-qm", "AIMFP")
    return made


def test_from_contract_to_merged(stage: Stage) -> None:
    """Its model is told how AIMFP is worked; what it reports is checked and merged as it is."""
    with stage:
        (found,) = stage.spawn(worktrees=True, perm_mode="bypassPermissions")
        assert "aimfp" not in found.about, found
        assert (Path(found.about["worktree"]) / ".intercomm-aimfp" / "intercomm.db").exists()
        flags = "--branch $(git branch --show-current) --commit $(git rev-parse HEAD)"
        report = f"{sys.executable} -m intercom send master 'all of it' --type done {flags}"
        work = "echo 'x = 1' > src/new.py; git add -A; git commit -qm work"
        lines = [
            bus_call("intercomm_get_protocol", "tool"),
            call("mcp__aimfp__aimfp_run", "next", is_new_session=True),
            call("mcp__aimfp__create_user_branch", "next", user="workerone", purpose="task 1"),
            call("mcp__aimfp__update_task", "next", id=1, status="completed"),
            call("Bash", "next", command=work, description="Work"),
            call("Bash", "next", command=report, description="Report"),
        ]
        stage.assign("worker-1", "\n".join(lines))
        until(lambda: [one for one in stage.crew.bus.history(type="done") if one.sender == "worker-1"], 60)
        (row,) = verbs.worktree_list(stage.crew, "master").rows
        assert (row["status"], row["checked"], row["expected"]) == ("done", {"verified": True}, "merged"), row
        assert any("create_user_branch(user=" in one for each in stage.requests() for one in each["results"])
        with Aimfp(stage.project) as server:
            data = server.call("merge_worker_branch", branch=row["branch"])
        assert (data["status"], data["intercomm_present"], data["worker_id"]) == ("merged", True, None)
        noted = verbs.worktree_set_status(
            stage.crew, "master", worker_id=data["worker_id"], status=data["status"], branch=data["branch"]
        )
        assert (noted.worker, noted.status) == ("worker-1", "merged")
        git(stage.project, "add", "-A")
        git(stage.project, "commit", "-qm", "merged")
        (torn,), _ = verbs.teardown(stage.crew, "master", worktrees=True)
        assert (torn.worktree, torn.kept, torn.reason) == ("removed", None, None), torn
        assert git(stage.project, "worktree", "list").count("\n") == 0
