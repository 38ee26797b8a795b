"""A `done` is checked as it is sent: the rules, and through real servers what both sides are told."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intercom.bus.bus import Bus
from intercom.core import done, stages
from intercom.core.errors import IntercomError
from intercom.core.fleet_words import WORKTREE_STATUSES
from intercom.fleet import report
from tests.conftest import Command
from tests.server_client import BareClient

BRANCHES = ("main", "feature/x", "aimfp-alice-001", "of")
TIP = "1a2b3c4d5e6f708192a3b4c5d6e7f80912345678"


@pytest.mark.parametrize(
    ("body", "branch", "commit"),
    [
        ("branch: feature/x, commit: 1a2b3c4", "feature/x", "1a2b3c4"),
        ("Branch: `feature/x`.\nCommit: **1a2b3c4**", "feature/x", "1a2b3c4"),
        ('{"branch": "feature/x", "commit": "1a2b3c4"}', "feature/x", "1a2b3c4"),
        ("branch=aimfp-alice-001 commit=1a2b3c4d", "aimfp-alice-001", "1a2b3c4d"),
        ("All of it is on branch feature/x, at 1a2b3c4d5e.", "feature/x", "1a2b3c4d5e"),
        ("Done on `aimfp-alice-001` (commit 1a2b3c4).", "aimfp-alice-001", "1a2b3c4"),
        ("Done in commit 1a2b3c4 of a branch of my own: feature/x", "feature/x", "1a2b3c4"),
        ("branch: nowhere\ncommit: HEAD", "nowhere", "HEAD"),
        ('I used the branch "nowhere".', "nowhere", None),
        ("It is done, all tests pass (1234567 of them, deadbeef too).", None, "1234567"),
        ("branch: refs/heads/feature/x", "feature/x", None),
        ("I merged nothing.", None, None),
        ("", None, None),
    ],
)
def test_what_a_done_claims_in_words(body: str, branch: str | None, commit: str | None) -> None:
    """Fields, quoted names, and of plain words what is a branch or looks like a hash."""
    names = [name for name in BRANCHES if name != "of"]
    assert done.claim(body, names)[:2] == (branch, commit)


def test_arguments_come_before_words() -> None:
    """And blank ones say nothing."""
    assert done.claim("branch: main", BRANCHES, " feature/x ", TIP)[:2] == ("feature/x", TIP)
    assert done.claim("branch: main", BRANCHES, " ", "")[:2] == ("main", None)


@given(st.text(), st.lists(st.text(min_size=1)))
def test_no_text_breaks_the_check(body: str, names: list[str]) -> None:
    """Whatever is written, there is an answer, and each reason is one line."""
    found = done.claim(body, names)
    reasons = done.problems(["branch", "commit", "notes"], found, done.Facts())
    assert reasons or found.branch is None
    assert done.problems([], done.Claim(body=body), done.Facts()) == ()


@pytest.mark.parametrize(
    ("body", "added"),
    [("All bugs are gone.", True), ("It is on b.", False), ("branch: `b`", False), ("see a/b and b-2", True)],
)
def test_fields_are_written_below_the_text(body: str, added: bool) -> None:
    """For people; not where they stand in it already."""
    assert report.with_fields(body, " b ", None) == (f"{body}\n\nbranch: b" if added else body)


def test_other_fields_must_be_named() -> None:
    """What reportBack asks beside branch and commit stands in the text, however it is spelt."""
    asked = ["branch", "Test results", "notes"]
    facts = done.Facts(TIP, None, changed=("a",), base="main")
    assert done.problems(asked, done.Claim("b", None, "notes: none; test_results: fine"), facts) == ()
    (only,) = done.problems(asked, done.Claim("b", None, "notes: none"), facts)
    assert "'Test results'" in only or "Test results" in only
    assert done.problems(["summary"], done.Claim(None, None, "summary: it rains"), done.Facts()) == ()


@pytest.mark.parametrize("before", WORKTREE_STATUSES)
def test_statuses_follow_each_other(before: str) -> None:
    """Each refusal says what to do; out of each but `removed` there is a way to `merged` and back to work."""
    for after in WORKTREE_STATUSES:
        if not stages.may(before, after):
            with pytest.raises(IntercomError, match=r"nothing was changed\. \S"):
                stages.check("w", before, after)
    reach = {before}
    for _ in WORKTREE_STATUSES:
        reach |= {after for one in reach for after in WORKTREE_STATUSES if stages.may(one, after)}
    assert reach == ({"removed"} if before == "removed" else set(WORKTREE_STATUSES) - {"removed"})


# -- through real servers ---------------------------------------------------------------------------


def git(where: Path, *words: str) -> str:
    """Run git; its output."""
    return subprocess.run(["git", *words], cwd=where, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def pair(repository: Path) -> Iterator[tuple[BareClient, BareClient, Path]]:
    """A master, a worker with a worktree of its own and a task, and that worktree."""
    with BareClient(repository) as master, BareClient(repository) as worker:
        master.call("intercomm_register", role="master")
        worker.call("intercomm_register")
        tree = Path(master.call("intercomm_worktree_add", worker_id="worker-1")["path"])
        master.call("intercomm_assign", worker="worker-1", role_instructions="Build it.")
        worker.call("intercomm_read")
        yield master, worker, tree


def work(tree: Path, branch: str = "topic") -> str:
    """Something new on a branch; its commit."""
    git(tree, "switch", "-qc", branch)
    (tree / "new.txt").write_text("x")
    git(tree, "add", ".")
    git(tree, "commit", "-qm", "work")
    return git(tree, "rev-parse", "HEAD")


def told(master: BareClient) -> dict[str, Any]:
    """The one new message of the master."""
    (row,) = master.call("intercomm_read")["messages"]
    found: dict[str, Any] = row
    return found


@pytest.mark.slow
def test_a_done_is_checked_when_it_is_sent(pair: tuple[BareClient, BareClient, Path]) -> None:
    """Each contradiction is stored, marked, and told to both; the last one, put right, is verified and moves on."""
    master, worker, tree = pair

    def says(why: str, message: str = "It is done.", **more: str) -> None:
        answer = worker.call("intercomm_send", to="master", type="done", message=message, **more)
        assert answer["stored"], answer
        assert answer["verified"] is False
        assert any(why in one for one in answer["unverified"]), answer
        row = told(master)
        assert (row["id"], row["verified"]) == (answer["id"], False)
        assert "[not verified: " in row["body"]
        assert why in row["body"]

    says("does not name branch")
    answer = worker.call("intercomm_send", to="master", type="status", status="done", message="It is done.")
    assert (answer["type"], answer["verified"], told(master)["status"]) == ("status", False, "done")
    commit = work(tree)
    says("does not name commit", branch="topic")
    says("there is no branch 'topc'", f"branch: topc, commit: {commit}")
    says("there is no commit", branch="topic", commit="deadbeefdead")
    says("is not a commit hash", branch="topic", commit="HEAD")
    (tree / "left over").write_text("x")
    says("uncommitted files: left over", branch="topic", commit=commit)
    (tree / "left over").unlink()
    git(tree, "branch", "empty", "main")
    says("nothing that main does not have", branch="empty", commit=git(tree, "rev-parse", "main"))
    says("not the tip", branch="topic", commit=git(tree, "rev-parse", "main"))
    (row,) = master.call("intercomm_worktree_list")["worktrees"]
    assert (row["status"], row["checked"]["verified"]) == ("active", False)
    good = worker.call(
        "intercomm_send", to="master", type="done", message="All tests pass.", branch="topic", commit=commit
    )
    assert (good["verified"], "unverified" in good) == (True, False)
    row = told(master)
    assert (row["verified"], row["body"]) == (True, f"All tests pass.\n\nbranch: topic\ncommit: {commit}")
    (row,) = master.call("intercomm_worktree_list")["worktrees"]
    assert (row["status"], row["branch"], row["checked"]["verified"]) == ("done", "topic", True)


@pytest.mark.slow
def test_whoever_gave_the_task_is_told_in_any_case(pair: tuple[BareClient, BareClient, Path]) -> None:
    """Also where the done went to others; what answers no contract is nobody's to check."""
    master, worker, _ = pair
    assert worker.call("intercomm_send", to="user", type="done", message="branch: x")["verified"] is False
    assert "is not verified: it does not name commit" in told(master)["body"]
    asked = master.call("intercomm_send", to="worker-1", message="roo wants it renamed")["id"]
    other = worker.call("intercomm_send", to="roo", type="done", message="renamed", reply_to=asked)
    assert "verified" not in other
    assert "verified" not in master.call("intercomm_send", to="user", type="done", message="all of it")
    assert worker.call("intercomm_broadcast", type="done", message="over")["verified"] is False
    assert "[not verified:" in told(master)["body"]


@pytest.mark.slow
def test_a_done_on_the_command_line(repository: Path, command: Command) -> None:
    """The id on its own, and on stderr what is wrong with it; in JSON all of it."""
    with BareClient(repository) as master:
        master.call("intercomm_register", role="master")
        assert command("register", "worker", "--name", "w-1").returncode == 0
        master.call("intercomm_assign", worker="w-1", role_instructions="Build it.")
        words = ("send", "--from", "w-1", "master", "all", "done", "--type", "done", "--branch", "topic")
        done = command(*words)
        assert (done.returncode, len(done.stdout.split())) == (0, 1)
        assert "not verified: it does not name commit" in done.stderr
        assert "there is no branch 'topic'" in done.stderr
        row = json.loads(command(*words, "--json").stdout)
        assert row["verified"] is False
        assert row["body"].startswith("all done\n\nbranch: topic\n\n[not verified: ")


@pytest.mark.slow
def test_statuses_of_a_worktree(pair: tuple[BareClient, BareClient, Path]) -> None:
    """By worker, or by branch alone as AIMFP returns it; a live worktree is not removed by a word."""
    master, _, tree = pair

    def refused(status: str, **more: Any) -> str:
        return master.refused("intercomm_worktree_set_status", status=status, **more)

    assert "not reported yet" in refused("merged", worker_id="worker-1")
    assert "intercomm_worktree_remove" in refused("removed", worker_id="worker-1")
    assert "worker_id or branch" in refused("merged")
    commit = work(tree)
    assert "There are: worker-1" in refused("merged", worker_id=None, branch="nowhere")
    assert "no branch 'nowhere'" in refused("merged", worker_id="worker-1", branch="nowhere")
    assert "not reported yet" in refused("merged", branch="topic")
    git(tree.parent.parent.parent / "project", "merge", "-q", "--no-ff", "-m", "merge", commit)
    done = master.call("intercomm_worktree_set_status", worker_id=None, branch=" topic ", status="merged")
    assert (done["worker"], done["status"], done["branch"]) == ("worker-1", "merged", "topic")
    assert "needs a new done" in refused("queued", worker_id="worker-1")
    assert master.call("intercomm_worktree_remove", worker_id="worker-1")["removed"]
    assert "new worktree first" in refused("active", worker_id="worker-1")


@pytest.mark.parametrize("way", ["by hand", "through the Bus"])
def test_a_done_that_came_another_way_is_checked_by_whoever_looks(
    pair: tuple[BareClient, BareClient, Path], repository: Path, way: str
) -> None:
    """Once; both are told what contradicts it, and by hand it moves nothing on."""
    master, worker, tree = pair
    work(tree)
    with Bus.open(repository) as bus:
        page = bus.config.log
        if way == "by hand":
            with page.open("a") as file:
                file.write("\n## [2026-01-02 03:04:05] worker-1 → master [DONE]\n\nbranch: topic\ncommit: 1234567\n")
        else:
            bus.send("master", "branch: topic\ncommit: 1234567", sender="worker-1", type="done")
    (report,) = [one for one in master.call("intercomm_read")["messages"] if one["type"] == "done"]
    assert not report["verified"]
    assert "no commit 1234567" in report["unverified"][0]
    for client in (worker, master, master):
        client.call("intercomm_status")
    told = [one for side in (master, worker) for one in side.call("intercomm_read")["messages"]]
    assert [(one["from"], report["id"] in one["body"]) for one in told] == [("system", True)] * 2
    (row,) = master.call("intercomm_worktree_list")["worktrees"]
    assert (row["status"], row["checked"]["verified"]) == ("active", False)


def test_a_done_answers_no_contract_that_came_after_it(repository: Path) -> None:
    """Nor is it looked at again and again."""
    with BareClient(repository) as master, BareClient(repository) as worker:
        master.call("intercomm_register", role="master")
        worker.call("intercomm_register")
        worker.call("intercomm_send", to="master", message="I am here, all is done.", type="done")
        master.call("intercomm_assign", worker="worker-1", role_instructions="Build it.")
        (report,) = [one for one in master.call("intercomm_read")["messages"] if one["type"] == "done"]
        assert "verified" not in report
        assert "done" not in master.call("intercomm_status")["instances"][1]
