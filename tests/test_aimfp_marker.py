"""The marker by which AIMFP sees Intercom: made where AIMFP is used, over no file of others, gone with uninstall."""

from __future__ import annotations

import subprocess
from pathlib import Path

from intercom.core.aimfp import MARKER
from intercom.fleet import aimfp
from tests.conftest import Command


def test_made_only_where_aimfp_is_used(tmp_path: Path) -> None:
    """Empty, ignored by git, and not through a link that leads elsewhere."""
    aimfp.mark(tmp_path)
    assert not (tmp_path / ".intercomm-aimfp").exists()
    (tmp_path / ".aimfp-project").mkdir()
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    for _ in range(2):
        aimfp.mark(tmp_path)
        assert (tmp_path / MARKER).read_bytes() == b""
    status = subprocess.run(["git", "status", "--porcelain"], cwd=tmp_path, capture_output=True, check=True)
    assert status.stdout == b""
    linked = tmp_path / "linked"
    (linked / ".aimfp-project").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (linked / ".intercomm-aimfp").symlink_to(tmp_path / "elsewhere")
    aimfp.mark(linked)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_gone_with_uninstall_unless_it_is_intercomms_own(repository: Path, command: Command) -> None:
    """In the project and in its worktrees; a database that InterComm left stays."""
    (repository / ".aimfp-project").mkdir()
    (repository / ".aimfp-project" / "project.db").write_text("x")
    subprocess.run(["git", "add", "-A"], cwd=repository, check=True)
    subprocess.run(["git", "commit", "-qm", "AIMFP"], cwd=repository, check=True)
    assert command("init", "--client", "none").returncode == 0
    assert command("worktree", "add", "w-1").returncode == 0
    tree = repository.parent / ".intercomm-worktrees" / repository.name / "w-1"
    other = repository.parent / ".intercomm-worktrees" / repository.name / "w-2"
    assert command("worktree", "add", "w-2").returncode == 0
    places = [one / MARKER for one in (repository, tree, other)]
    assert all(one.read_bytes() == b"" for one in places)
    places[2].write_bytes(b"SQLite format 3\0")
    assert command("uninstall").returncode == 0
    assert [one.exists() for one in places] == [False, False, True]
    assert not (repository / ".intercomm-aimfp").exists()
    assert command("worktree", "remove", "w-1").returncode == 0
