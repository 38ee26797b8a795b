"""The merge queue and the removal of worktrees in every half-done state, on real git."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intercom.core import merging
from intercom.core.errors import IntercomError, Refused, UsageError
from intercom.core.merging import Waiting
from intercom.fleet import report, verbs, workers
from intercom.fleet.crew import Crew
from intercom.fleet.worktrees import conflicts, derived, tenants
from intercom.system import proc
from tests.conftest import Command, agree

NAMES = [f"worker-{number}" for number in range(1, 6)]
WAITING = st.builds(Waiting, st.sampled_from(NAMES), st.booleans(), st.sampled_from("0123"), st.booleans())


@given(st.lists(WAITING, unique_by=lambda one: one.worker), st.lists(st.tuples(*[st.sampled_from(NAMES)] * 2)))
def test_the_order_of_the_queue(waiting: list[Waiting], pairs: list[tuple[str, str]]) -> None:
    """Verified, then without conflicts, then oldest; what conflicts with one before it is expected to."""
    against: dict[str, set[str]] = {}
    for one, other in pairs:
        if one != other:
            against.setdefault(one, set()).add(other)
            against.setdefault(other, set()).add(one)
    places = merging.queue(waiting, against)
    assert sorted(place.number for place in places.values()) == list(range(1, len(waiting) + 1))
    by = {one.worker: one for one in waiting}
    order = sorted(places, key=lambda name: places[name].number)
    for name, after in pairwise(order):
        assert by[name].verified >= by[after].verified
        if by[name].verified == by[after].verified:
            clash, clashes = (by[x].base_conflict or bool(against.get(x, set()) & set(by)) for x in (name, after))
            assert clash <= clashes
            assert clash != clashes or by[name].since <= by[after].since
    for at, name in enumerate(order):
        clash = by[name].base_conflict or bool(against.get(name, set()) & set(order[:at]))
        assert places[name].expected == ("conflict" if clash else "merged")


def test_which_branches_could_conflict_at_all() -> None:
    """The same file, or a file where the other has a folder."""
    files = {"a": ["x", "d/e"], "b": ["d/e"], "c": ["d"], "d": ["y"], "e": ["de"]}
    assert conflicts.candidates(files) == [("a", "b"), ("a", "c"), ("b", "c")]


@pytest.mark.parametrize(
    ("globs", "name", "meant"),
    [
        ([], ".aimfp-project/watchdog/", True),
        ([], ".aimfp-project/audit/2026/x", True),
        ([], ".aimfp-project/user_preferences.db-wal", True),
        ([], ".aimfp-project/project.db", False),
        ([], "sub/.aimfp-project/watchdog/x", False),
        ([], ".intercomm-aimfp/intercomm.db", True),
        (["*.log"], "deep/down/a.log", True),
        (["out/"], "a/out/b", True),
        (["reports/*.html"], "reports/a.html", True),
        (["reports/*.html"], "a/reports/b.html", False),
        (["*.log"], "a.logs", False),
    ],
)
def test_what_a_project_declares_derived(globs: list[str], name: str, meant: bool) -> None:
    """AIMFP's own files, and globs as in a .gitignore."""
    assert (name in derived.declared({"derived": globs})) is meant


@pytest.mark.parametrize("wrong", ["*.log", [1], [""], ["/"], {}])
def test_settings_that_are_no_globs(wrong: Any) -> None:
    """Said in one sentence; nothing is taken for derived."""
    with pytest.raises(UsageError, match=r"\[worktrees\].*list of globs"):
        derived.declared({"derived": wrong})


# -- real git -----------------------------------------------------------------------------------------


def git(where: Path, *words: str) -> str:
    """Run git; its output."""
    return subprocess.run(["git", *words], cwd=where, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def crew(repository: Path) -> Iterator[Crew]:
    """The crew of a repository with a few files."""
    for name in ("one", "two"):
        (repository / name).write_text("x\n" * 9)
    (repository / ".gitignore").write_text("*.env\n*.log\n.claude/local/\n")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "files")
    with Crew.open(repository) as found:
        yield found


def branch(crew: Crew, worker: str, **files: str) -> Path:
    """A worker's worktree with these files committed on a branch of its name, and done."""
    tree = Path(crew.worktrees.add(worker).path)
    git(tree, "switch", "-qc", f"b-{worker}")
    for name, text in files.items():
        (tree / name).write_text(text)
    git(tree, "add", ".")
    git(tree, "commit", "-qm", worker)
    crew.worktrees.set_status(worker, "done")
    return tree


@pytest.mark.slow
def test_the_queue_predicts_what_a_merge_then_says(crew: Crew, command: Command) -> None:
    """Each is merged in the order of the queue, and git agrees with what was expected of it."""
    root = crew.bus.config.root
    branch(crew, "worker-1", one="1")
    branch(crew, "worker-2", one="2", new="2")
    branch(crew, "worker-3", two="3")
    branch(crew, "worker-4", other="4")
    (root / "two").write_text("changed")
    git(root, "commit", "-qam", "main went on")
    found = verbs.worktree_list(crew, "master")
    assert found.order == ("worker-4", "worker-1", "worker-2", "worker-3")
    rows = {row["worker"]: row for row in found.rows}
    assert [rows[name]["expected"] for name in found.order] == ["merged", "merged", "conflict", "conflict"]
    assert rows["worker-2"]["conflicts"] == {"worker-1": ["one"]}
    assert (rows["worker-3"]["conflicts_with_base"], rows["worker-3"]["behind"]) == (["two"], 1)
    shown = command("queue").stdout
    assert "1.  worker-4  done  b-worker-4" in shown
    assert "verified, conflicts with its base; waiting since just now" in shown
    assert "1 ahead of main, 1 behind; 2 files: new, one" in shown
    assert "Take them in this order" in shown
    for name in found.order:
        merged = subprocess.run(["git", "merge", "-q", f"b-{name}"], cwd=root, check=False, capture_output=True)
        assert (merged.returncode == 0) == (rows[name]["expected"] == "merged")
        if merged.returncode:
            git(root, "merge", "--abort")


def test_what_was_set_done_stays_checked(crew: Crew) -> None:
    """Also once it is queued; not once its branch has moved on, nor where HEAD is right and the report was not."""
    crew.bus.register("master", pid=os.getpid())
    crew.bus.register("worker", "worker-1", pid=os.getpid())
    tree = Path(crew.worktrees.add("worker-1").path)
    git(tree, "switch", "-qc", "b")
    git(tree, "commit", "-q", "--allow-empty", "-m", "first")
    (tree / "new").write_text("x")
    git(tree, "add", ".")
    git(tree, "commit", "-qm", "second")
    verbs.assign(crew, "master", "worker-1", "Build it.", wake=False)
    _, said = report.send(crew.bus, "master", "", sender="worker-1", branch="b", commit=git(tree, "rev-parse", "HEAD^"))
    assert said["verified"] is False
    with pytest.raises(Refused, match="not the tip"):
        verbs.worktree_set_status(crew, "master", worker_id="worker-1", status="done")
    report.send(crew.bus, "master", "", sender="worker-1", branch="b", commit="b")
    (tree / "left").write_text("x")
    report.send(crew.bus, "master", "", sender="worker-1", branch="b", commit=git(tree, "rev-parse", "HEAD"))
    (tree / "left").unlink()
    for status in ("done", "queued"):
        verbs.worktree_set_status(crew, "master", worker_id="worker-1", status=status)
        (row,) = verbs.worktree_list(crew, "master").rows
        assert (row["status"], row["checked"]) == (status, {"verified": True})
    git(tree, "commit", "-q", "--allow-empty", "-m", "more")
    (row,) = verbs.worktree_list(crew, "master").rows
    assert "moved on" in row["checked"]["unverified"][0]


@pytest.mark.parametrize(
    ("line", "ours"),
    [
        ("python -m aimfp", True),
        ("/x/bin/python3.11 -m aimfp.watchdog /tree --skip-reconciliation", True),
        ("/x/bin/python /x/bin/aimfp --no-watchdog", True),
        ("/x/bin/aimfp", True),
        ("git commit -m aimfp", False),
        ("vim aimfp", False),
        ("python -m pytest aimfp", False),
        ("python aimfp.py", False),
        ("", False),
    ],
)
def test_whom_a_removal_ends(line: str, ours: bool) -> None:
    """AIMFP's own processes; nobody who merely has the word on the command line."""
    assert tenants._is_aimfp(line.split()) is ours


def test_twenty_worktrees_cost_a_few_calls_of_git_each(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one for all their conflicts, however many pairs there are."""
    for number in range(5):
        branch(crew, f"worker-{number}", one=str(number))
    calls: list[list[str]] = []
    run = proc.run

    def counted(args: list[str], **more: Any) -> proc.Done:
        calls.append(args)
        return run(args, **more)

    monkeypatch.setattr(proc, "run", counted)
    found = verbs.worktree_list(crew, "master")
    assert len(found.rows[0]["conflicts"]) == 4
    assert len(calls) <= 5 * 7 + 8
    assert sum("--stdin" in call for call in calls) == 1


def test_a_git_that_cannot_predict_is_said(crew: Crew, monkeypatch: pytest.MonkeyPatch, command: Command) -> None:
    """The order is by check and age alone then."""
    branch(crew, "worker-1", one="1")
    branch(crew, "worker-2", one="2")
    monkeypatch.setattr(conflicts, "able", lambda _: False)
    found = verbs.worktree_list(crew, "master")
    assert (found.order, "2.38" in found.note) == (("worker-1", "worker-2"), True)
    assert "conflicts" not in found.rows[0]


def broken(crew: Crew, how: str) -> Path:
    """A worktree in a state in which some kill, program or person left it."""
    tree = Path(crew.worktrees.add("w").path)
    admin = Path(git(tree, "rev-parse", "--absolute-git-dir"))
    match how:
        case "folder gone":
            shutil.rmtree(tree)
        case "git forgot it":
            shutil.rmtree(admin)
        case "git forgot it and all but one file is gone":
            shutil.rmtree(admin)
            for name in os.listdir(tree):
                (tree / name).unlink()
            (tree / "mine").write_text("mine")
        case "both gone":
            shutil.rmtree(tree)
            shutil.rmtree(admin)
        case ".git file gone":
            (tree / ".git").unlink()
        case "locked as it was made":
            (admin / "locked").write_text("initializing")
        case "only derived files left":
            shutil.rmtree(admin)
            shutil.rmtree(tree)
            (tree / ".aimfp-project" / "audit").mkdir(parents=True)
            (tree / ".aimfp-project" / "audit" / "x").write_text("x")
    return tree


STATES = [
    "folder gone",
    "git forgot it",
    "git forgot it and all but one file is gone",
    "both gone",
    ".git file gone",
    "locked as it was made",
    "only derived files left",
]


@pytest.mark.slow
@pytest.mark.parametrize("how", STATES)
@pytest.mark.parametrize("by", ["remove", "teardown"])
def test_every_half_done_state_has_a_way_out(crew: Crew, how: str, by: str) -> None:
    """Without force nothing of a person's goes; with it all is kept under a ref; then the name is free again."""
    tree = broken(crew, how)
    crew.worktrees.list()
    if by == "teardown":
        (torn,) = workers.teardown(crew, "w", worktrees=True, force=True)
        assert torn.worktree == "removed", torn
        ref = torn.kept["ref"] if torn.kept else None
    else:
        try:
            ref = crew.worktrees.remove("w").ref
        except Refused:
            assert os.path.lexists(tree)
            ref = crew.worktrees.remove("w", force=True).ref
    assert not os.path.lexists(tree)
    if how == "git forgot it and all but one file is gone":
        assert git(crew.bus.config.root, "show", f"{ref}:mine") == "mine"
    assert [row["status"] for row in crew.worktrees.list()] == ["removed"]
    assert crew.worktrees.add("w").status == "active"
    assert crew.worktrees.remove("w").ref is None


def test_a_repository_where_a_worktree_was_is_left(crew: Crew) -> None:
    """Not even force takes it."""
    tree = broken(crew, "both gone")
    tree.mkdir()
    git(tree, "init", "-q")
    with pytest.raises(Refused, match="repository of its own"):
        crew.worktrees.remove("w", force=True)
    assert (tree / ".git").is_dir()


def test_derived_by_the_projects_settings(crew: Crew) -> None:
    """Ignored files that the settings declare keep no worktree, once a person agreed to the settings."""
    root = crew.bus.config.root
    (root / ".claude").mkdir(exist_ok=True)
    (root / ".claude" / "intercom.toml").write_text('[worktrees]\nderived = ["*.log"]\n')
    tree = Path(crew.worktrees.add("w").path)
    (tree / "a.log").write_text("x")
    with Crew.open(root) as before, pytest.raises(IntercomError, match=r"a\.log"):
        before.worktrees.remove("w")
    agree(root)
    with Crew.open(root) as after:
        (tree / "b.env").write_text("secret")
        with pytest.raises(IntercomError, match=r"b\.env"):
            after.worktrees.remove("w")
        (tree / "b.env").unlink()
        assert after.worktrees.remove("w").ref is None
    assert not tree.exists()
