"""Real git: worktrees come up clean, and nothing unsaved is ever lost with one."""

from __future__ import annotations

import os
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from intercom.core import done
from intercom.core.errors import CommandFailed, IntercomError, NotFound, ProgramMissing, Refused, UsageError
from intercom.fleet.worktrees import branches, derived, removal, worktree
from intercom.fleet.worktrees.register import Worktrees
from intercom.store.state.db import State

ENV = {
    **{k: v for k, v in os.environ.items() if not k.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    **{f"GIT_{who}_{what}": "t@t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


def sh(cwd: Path, *args: str) -> str:
    """Run git as a person would, with the test's own identity; its output."""
    done = subprocess.run(["git", *args], cwd=cwd, env=ENV, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project whose folder is awkwardly named, with one commit on main."""
    top = tmp_path / "my 'pro\nject; é"
    top.mkdir()
    sh(top, "init", "-q", "-b", "main")
    (top / ".gitignore").write_text("*.env\nnode_modules/\nlogs/\n.claude/local/\n")
    (top / "a.txt").write_text("one\n")
    sh(top, "add", ".")
    sh(top, "commit", "-qm", "first")
    return top


def commit(tree: Path, name: str = "b.txt", message: str = "work") -> str:
    """One more commit in a worktree; its hash."""
    (tree / name).write_text(message)
    sh(tree, "add", ".")
    sh(tree, "commit", "-qm", message)
    return sh(tree, "rev-parse", "HEAD")


@pytest.mark.parametrize("name", ["worker-1", "it's", 'a "b"', "$(touch x)", ";", "-x", "é ☃"])
def test_added_listed_removed(root: Path, name: str) -> None:
    """A fresh worktree is detached at the base, beside the project, clean, and goes without a word."""
    made = worktree.add(root, name)
    assert made.path == root.parent / ".intercomm-worktrees" / root.name / name
    assert (made.path / "a.txt").read_text() == "one\n"
    assert made.head == sh(root, "rev-parse", "main")
    [seen] = worktree.worktrees(root)
    assert (seen.worker, seen.path, seen.branch, seen.missing) == (name, made.path, None, False)
    assert str(seen.unsaved) == ""
    assert removal.remove(root, name) == (made.path, None, ())
    assert worktree.worktrees(root) == []
    assert not made.path.exists()
    with pytest.raises(NotFound):
        removal.remove(root, name)


@pytest.mark.parametrize("name", ["", "..", "a/b", "../x", ".git", "a\nb"])
def test_a_name_that_could_leave_the_folder(root: Path, name: str) -> None:
    """Refused before anything is made."""
    with pytest.raises(UsageError):
        worktree.add(root, name)
    assert not (root.parent / worktree.FOLDER).exists()


def test_projects_side_by_side(root: Path) -> None:
    """Each has its worktrees in a folder of its own: the same worker's name in both is no collision."""
    other = root.parent / "other"
    other.mkdir()
    sh(other, "init", "-q", "-b", "main")
    commit(other)
    first, second = worktree.add(root, "worker-1"), worktree.add(other, "worker-1")
    assert first.path != second.path
    assert [one.path for one in worktree.worktrees(root)] == [first.path]
    assert worktree.find(other, "worker-1").path == second.path


def test_without_a_main_it_begins_at_what_is_checked_out(root: Path) -> None:
    """The default base alone: any other name that does not exist is an error."""
    sh(root, "branch", "-m", "trunk")
    assert worktree.base_of(root, "main") == "trunk"
    assert worktree.add(root, "w").head == sh(root, "rev-parse", "trunk")
    with pytest.raises(NotFound, match="'master'"):
        worktree.add(root, "v", "master")
    sh(root, "switch", "-q", "--detach")
    assert worktree.base_of(root, "main") == "HEAD"
    assert worktree.add(root, "v").head == sh(root, "rev-parse", "trunk")


def test_refusals_of_add(root: Path, tmp_path: Path) -> None:
    """Each says what is wrong in one line, and leaves nothing behind."""
    with pytest.raises(NotFound, match=r"no branch or commit 'maim'.*Branches: main"):
        worktree.add(root, "w", "maim")
    with pytest.raises(NotFound, match="'--force'"):
        worktree.add(root, "w", "--force")
    bare = tmp_path / "bare"
    sh(tmp_path, "init", "-q", "--bare", "bare")
    with pytest.raises(Refused, match="bare repository"):
        worktree.add(bare, "w")
    plain = tmp_path / "plain"
    plain.mkdir()
    with pytest.raises(Refused, match="not a git repository"):
        worktree.add(plain, "w")
    sh(plain, "init", "-q", "-b", "main")
    with pytest.raises(NotFound, match="no commit yet"):
        worktree.add(plain, "w")
    (root / "sub").mkdir()
    with pytest.raises(Refused, match="lies inside the repository"):
        worktree.add(root / "sub", "w")
    assert not (tmp_path / worktree.FOLDER).exists()


def test_a_path_in_use(root: Path) -> None:
    """Files, folders with something in them and other worktrees are left alone."""
    path = worktree.default_path(root, "w")
    path.mkdir(parents=True)
    (path / "mine").write_text("x")
    with pytest.raises(Refused, match="in use"):
        worktree.add(root, "w")
    (path / "mine").unlink()
    worktree.add(root, "w")
    with pytest.raises(Refused, match="already a worktree"):
        worktree.add(root, "w")


def test_a_nested_repository(root: Path) -> None:
    """A project inside another one: its worktrees would be the outer one's untracked files."""
    inner = root / "inner"
    inner.mkdir()
    sh(inner, "init", "-q", "-b", "main")
    commit(inner)
    with pytest.raises(Refused, match="Give a path outside of it, or ignore"):
        worktree.add(inner, "w")
    made = worktree.add(inner, "w", path=root.parent / "elsewhere")
    assert made.path.is_dir()
    (root / ".gitignore").write_text(worktree.FOLDER + "/\n")
    assert worktree.add(inner, "v").path.is_dir()
    with pytest.raises(Refused, match="lies inside the repository"):
        worktree.add(inner, "u", path=inner / "within")


def test_a_deleted_folder_is_said_and_its_name_is_free_again(root: Path) -> None:
    """Somebody removed the folder by hand."""
    import shutil

    path = worktree.add(root, "w").path
    shutil.rmtree(path)
    assert worktree.worktrees(root)[0].missing
    worktree.add(root, "w")
    shutil.rmtree(path)
    assert removal.remove(root, "w").ref is None
    assert worktree.worktrees(root) == []


def test_commits_of_a_deleted_folder_are_kept_before_they_are_forgotten(root: Path) -> None:
    """Its detached HEAD was all that had them: as the worktree is removed, or made anew, a ref has them."""
    import shutil

    path = worktree.add(root, "w").path
    first = commit(path)
    shutil.rmtree(path)
    gone = removal.remove(root, "w")
    assert gone.ref is not None
    assert sh(root, "rev-parse", gone.ref) == first
    assert [line.split(" ", 1)[1] for line in gone.kept] == ["work"]
    worktree.add(root, "w")
    second = commit(path, message="again")
    shutil.rmtree(path)
    worktree.add(root, "w")
    refs = sh(root, "for-each-ref", "--format=%(objectname)", "refs/intercom/kept/").split()
    assert sorted(refs) == sorted([first, second])
    sh(path, "checkout", "-q", "-b", "own")
    commit(path, message="on a branch")
    shutil.rmtree(path)
    assert removal.remove(root, "w").ref is None  # the branch has it


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_edits_that_git_was_told_not_to_see(root: Path, flag: str) -> None:
    """They are work like any other: named, refused, kept."""
    path = worktree.add(root, "w").path
    sh(path, "update-index", flag, "a.txt", ".gitignore")
    assert str(worktree.worktrees(root)[0].unsaved) == ""
    (path / "a.txt").write_text("my own\n")
    (path / ".gitignore").unlink()
    assert sh(path, "status", "--porcelain") == ""
    with pytest.raises(Refused, match=r"uncommitted: a\.txt"):
        removal.remove(root, "w")
    gone = removal.remove(root, "w", force=True)
    assert gone.kept == ("a.txt",)
    assert sh(root, "show", f"{gone.ref}:a.txt") == "my own"


def test_a_hook_that_fails_is_told_and_leaves_nothing_half(root: Path) -> None:
    """Git says no when all is done: the worktree is taken as it is, with a warning."""
    hook = root / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho no such filter >&2\nexit 3\n")
    hook.chmod(0o755)
    made = worktree.add(root, "w")
    assert "no such filter" in made.note
    assert (made.path / "a.txt").read_text() == "one\n"
    with closing(State(root / ".claude" / "local" / ".intercom")) as state:
        entry = Worktrees(state, root).add("v")
        assert "no such filter" in entry.to_json()["note"]
        assert "note" not in Worktrees(state, root).entries()[0].to_json()
    assert [one.worker for one in worktree.worktrees(root)] == ["v", "w"]
    assert removal.remove(root, "w").ref is None


def test_unsaved_work_is_refused_and_named(root: Path) -> None:
    """Changed, untracked, ignored-but-precious files and commits on no branch; derived ones do not count."""
    tree = worktree.add(root, "w").path
    (tree / "node_modules").mkdir()
    (tree / "node_modules" / "x.js").write_text("x")
    assert str(worktree.find(root, "w").unsaved) == ""
    commit(tree, message="only here")
    (tree / "a.txt").write_text("changed")
    (tree / "new file é.txt").write_text("new")
    (tree / "secret.env").write_text("key")
    (tree / "logs").mkdir()
    (tree / "logs" / "l").write_text("log")
    with pytest.raises(Refused) as refused:
        removal.remove(root, "w")
    said = str(refused.value)
    for part in ("a.txt", "new file é.txt", "only here", "secret.env", "logs/"):
        assert part in said
    assert "node_modules" not in said
    assert (tree / "secret.env").read_text() == "key"


def test_force_keeps_everything_under_a_ref(root: Path) -> None:
    """What was thrown away can be had back, byte for byte: index, files, untracked, ignored, commits."""
    tree = worktree.add(root, "w 1").path
    head = commit(tree)
    (tree / "a.txt").write_text("staged")
    sh(tree, "add", "a.txt")
    (tree / "a.txt").write_bytes(b"changed\r\n")
    (tree / "b.txt").unlink()
    (tree / "new\n*file").write_text("new")
    (tree / "secret.env").write_bytes(b"\xff\0")
    removed = removal.remove(root, "w 1", force=True)
    assert not tree.exists()
    assert removed.ref is not None
    assert removed.ref.startswith("refs/intercom/kept/w-1-")
    assert {"a.txt", "b.txt", "new\n*file", "secret.env"} < set(removed.kept)
    ref = removed.ref
    assert sh(root, "rev-parse", ref + "^1") == head
    assert sh(root, "show", ref + "^2:a.txt") == "staged"
    back = worktree.add(root, "again", ref).path
    assert (back / "a.txt").read_bytes() == b"changed\r\n"
    assert (back / "new\n*file").read_text() == "new"
    assert (back / "secret.env").read_bytes() == b"\xff\0"
    assert not (back / "b.txt").exists()


def test_what_counts_as_pushed(root: Path, tmp_path: Path) -> None:
    """Without a remote a branch is enough; with one, the commit must be on it or on another branch."""
    tree = worktree.add(root, "w").path
    sh(tree, "switch", "-qc", "feature/x")
    commit(tree)
    assert str(worktree.find(root, "w").unsaved) == ""
    sh(tmp_path, "init", "-q", "--bare", "origin.git")
    sh(root, "remote", "add", "origin", str(tmp_path / "origin.git"))
    found = worktree.find(root, "w").unsaved
    assert found is not None
    assert [line.split(" ", 1)[1] for line in found.unpushed][:1] == ["work"]
    with pytest.raises(Refused, match=r"unpushed: \S+ work"):
        removal.remove(root, "w")
    sh(tree, "push", "-q", "origin", "feature/x")
    assert str(worktree.find(root, "w").unsaved) == ""
    commit(tree, message="more")
    with pytest.raises(Refused, match="more"):
        removal.remove(root, "w")
    sh(root, "merge", "-q", "feature/x")
    removal.remove(root, "w")
    assert sh(root, "branch", "--list", "feature*")


def test_a_repository_inside_is_never_removed(root: Path) -> None:
    """Neither untracked nor ignored ones, not even by force."""
    tree = worktree.add(root, "w").path
    for name in ("clone", "logs"):
        (tree / name).mkdir()
        sh(tree / name, "init", "-q", "-b", "main")
        commit(tree / name)
    with pytest.raises(Refused, match="a repository of its own: clone/, logs/"):
        removal.remove(root, "w", force=True)
    assert (tree / "logs" / "b.txt").exists()


def test_a_locked_worktree_and_a_merge_gone_wrong(root: Path) -> None:
    """A lock needs force; conflicted files are kept as they are."""
    tree = worktree.add(root, "w").path
    sh(root, "worktree", "lock", "--reason", "on a stick", str(tree))
    with pytest.raises(Refused, match="on a stick"):
        removal.remove(root, "w")
    sh(tree, "switch", "-qc", "one")
    commit(tree, "a.txt", "left")
    commit(root, "a.txt", "right")
    subprocess.run(["git", "merge", "-q", "main"], cwd=tree, env=ENV, check=False, capture_output=True)
    removed = removal.remove(root, "w", force=True)
    assert removed.ref
    assert "<<<<<<<" in sh(root, "show", removed.ref + ":a.txt")


def contradictions(root: Path, tree: Path, branch: str, commit: str) -> tuple[str, ...]:
    """What contradicts a claim of this branch and commit."""
    claim = done.Claim(branch, commit)
    return done.problems(done.BOTH, claim, branches.facts(root, tree, claim, "main", derived.NONE))


def test_done_is_checked(root: Path) -> None:
    """The branch exists, the commit is its tip, the worktree is clean, something is new."""
    tree = worktree.add(root, "w").path
    sh(tree, "switch", "-qc", "topic")
    assert "nothing that main does not have" in contradictions(root, tree, "topic", sh(root, "rev-parse", "main"))[0]
    first = commit(tree)
    assert contradictions(root, tree, "topic", first[:9]) == ()
    sh(root, "branch", "old", "main")
    assert "not the tip of branch 'old'" in contradictions(root, tree, "old", first)[0]
    for branch in ("topc", "topic~1", "-x", "topic^{commit}", "main..topic", ""):
        assert "branch" in contradictions(root, tree, branch, first)[0]
    assert "not a commit hash" in contradictions(root, tree, "topic", "HEAD")[0]
    assert "no commit" in contradictions(root, tree, "topic", "0" * 40)[0]
    (tree / "left over").write_text("x")
    assert contradictions(root, tree, "topic", first) == ("its worktree has uncommitted files: left over.",)
    commit(tree, "c.txt")
    assert "not the tip" in contradictions(root, tree, "topic", first)[0]


def test_settings_are_copied_and_are_not_work(root: Path) -> None:
    """What was put there is not unsaved, until the worker changes it."""
    (root / ".claude").mkdir()
    (root / ".claude" / "settings.local.json").write_text("{}")
    (root / ".claude" / "other.json").write_text("{}")
    tree = worktree.add(root, "w").path
    assert worktree.copy_settings(root, tree) == [".claude/settings.local.json"]
    assert worktree.copy_settings(root, tree) == []
    assert str(worktree.find(root, "w").unsaved) == ""
    (root / ".gitignore").write_text(".claude/\n")
    sh(root, "commit", "-qam", "ignored as a whole")
    sh(tree, "checkout", "-q", "--detach", "main")
    assert str(worktree.find(root, "w").unsaved) == ""
    (tree / ".claude" / "notes.md").write_text("mine")
    assert "ignored but not derived: .claude/" in str(worktree.find(root, "w").unsaved)
    (tree / ".claude" / "notes.md").unlink()
    (tree / ".claude" / "settings.local.json").write_text('{"a": 1}')
    assert ".claude/" in str(worktree.find(root, "w").unsaved)


def test_bootstrap(root: Path, tmp_path: Path) -> None:
    """Its output is kept; failure and timeout are reported with the last line and the file."""
    tree = worktree.add(root, "w").path
    log = tmp_path / "logs" / "w.log"
    worktree.bootstrap(tree, "pwd; echo done 'a b' >&2", log)
    assert log.read_text() == f"{tree}\ndone a b\n"
    with pytest.raises(CommandFailed, match=r"status 7\): no such thing .*w\.log"):
        worktree.bootstrap(tree, "echo no such thing; exit 7", log)
    with pytest.raises(CommandFailed, match=r"did not finish.*w\.log"):
        worktree.bootstrap(tree, "sleep 600", log, timeout=0.3)


def test_the_environment_does_not_point_elsewhere(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run from a git hook, GIT_DIR names another repository: it is not believed."""
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    assert worktree.add(root, "w").path.is_dir()


def test_no_git(root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The answer says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramMissing, match="install git"):
        worktree.add(root, "w")


def test_an_old_git(root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One that cannot list worktrees for programs is named as the reason."""
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho usage >&2; exit 129\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    with pytest.raises(ProgramMissing, match=r"older than 2\.36"):
        worktree.worktrees(root)


def test_unreadable_work_stays(root: Path) -> None:
    """What cannot be kept is not thrown away: here a broken object store."""
    tree = worktree.add(root, "w").path
    (tree / "new").write_text("x")
    objects = root / ".git" / "objects"
    keep = objects.with_name("hidden")
    objects.rename(keep)
    try:
        with pytest.raises(IntercomError):
            removal.remove(root, "w", force=True)
    finally:
        keep.rename(objects)
    assert (tree / "new").read_text() == "x"
