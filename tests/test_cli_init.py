"""`intercom init`, and the warning about logs that git tracks."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import frontmatter
import pytest

from intercom.bus import setup
from intercom.core import config
from intercom.core.errors import FormatError, Refused, StorageError
from intercom.system.git_index import tracked
from tests.conftest import Command


def git(where: Path, *words: str) -> None:
    """Run git."""
    subprocess.run(["git", "-C", str(where), *words], check=True, capture_output=True)


def test_makes_a_private_bus(project: Path) -> None:
    """Folder 0700, log 0600, front matter for readers, no message in it."""
    report = setup.init(config.load(project), ["claude-code", "Roo"])
    assert report.created
    assert report.ignored == ""
    assert (project / ".claude/local").stat().st_mode & 0o777 == 0o700
    assert (project / ".claude/local/.intercom").stat().st_mode & 0o777 == 0o700
    assert report.log.stat().st_mode & 0o777 == 0o600
    post = frontmatter.load(os.fspath(report.log))
    assert post.metadata == {"protocol": "INTERCOM 1.2", "machine": "testbox", "agents": ["claude-code", "roo"]}
    assert not any(line.startswith("## [") for line in post.content.splitlines())


def test_is_safe_to_repeat(project: Path) -> None:
    """The second run changes no byte and tightens a folder that was open."""
    git(project, "init", "-q")
    first = setup.init(config.load(project), ["roo"])
    first.log.write_text("mine\n", encoding="utf-8")
    (project / ".claude/local").chmod(0o755)
    again = setup.init(config.load(project), ["roo", "ana"])
    assert (first.ignored, again.ignored) == ("added", "present")
    assert not again.created
    assert first.log.read_text(encoding="utf-8") == "mine\n"
    assert (project / ".gitignore").read_text(encoding="utf-8") == ".claude/local/\n"
    assert (project / ".claude/local").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("*.pyc", "*.pyc\n.claude/local/\n"),
        ("*.pyc\r\n", "*.pyc\r\n.claude/local/\r\n"),
        ("# .claude/local/\n", "# .claude/local/\n.claude/local/\n"),
        (".claude/\n", ".claude/\n"),
        ("/.claude/local\n", "/.claude/local\n"),
        (".claude/locally\n", ".claude/locally\n.claude/local/\n"),
        (".claude/local/  \nx\n", ".claude/local/  \nx\n"),
    ],
)
def test_ignore_rule(project: Path, before: str, after: str) -> None:
    """Appended once, in the file's own manner, unless a rule covers it."""
    (project / ".gitignore").write_bytes(before.encode())
    setup.init(config.load(project), [])
    assert (project / ".gitignore").read_bytes() == after.encode()


def test_what_cannot_be_done_is_said(project: Path) -> None:
    """A directory where the log belongs, and names that nobody can have: nothing is made."""
    with pytest.raises(FormatError):
        setup.init(config.load(project), ["a b\n## c/"])
    for name in ("user", "All", "system"):
        with pytest.raises(Refused, match="reserved; nothing was made"):
            setup.init(config.load(project), ["roo", name])
    assert not (project / ".claude").exists()
    (project / ".claude/local/INTERCOM-testbox.md").mkdir(parents=True)
    with pytest.raises(StorageError, match="not a file"):
        setup.init(config.load(project), [])


def test_names_that_yaml_would_take_for_something_else(project: Path) -> None:
    """A machine called `on` stays a text."""
    log = setup.init(config.load(project, machine="on"), ["7"]).log
    post = frontmatter.load(os.fspath(log))
    assert (post["machine"], post["agents"]) == ("on", ["7"])


def test_a_machine_name_given_once_holds(command: Command, project: Path) -> None:
    """`init --machine` decides the log's name from then on; the environment still overrules it."""
    assert command("init", "--machine", "web1", INTERCOM_MACHINE="").returncode == 0
    for machine in ("", "web2"):
        assert command("send", "--from", "user", "roo", "x", INTERCOM_MACHINE=machine).returncode == 0
    assert sorted(path.name for path in project.glob(".claude/local/*.md")) == ["INTERCOM-web1.md", "INTERCOM-web2.md"]
    assert config.load(project, environ={}).machine == "web1"


def test_prints_an_entry_that_starts_a_server_for_this_bus(command: Command) -> None:
    """The printed block is JSON with the server; the same comes with --json."""
    shown = command("init", "--agent", "ana")
    assert shown.returncode == 0, shown
    block = json.loads(shown.stdout[shown.stdout.index("  {\n") : shown.stdout.rindex("  }\n") + 4])
    entry = block["mcpServers"]["intercomm"]
    assert entry["args"][-1] == "mcp"
    assert "claude mcp add intercomm" in shown.stdout
    again = json.loads(command("init", "--json").stdout)
    assert again["mcpServers"] == block["mcpServers"]
    assert again["created"] is False
    assert "env" not in entry
    assert command("send", "--from", "user", "ana", "hello").returncode == 0


def test_an_entry_for_a_bus_inside_a_repository_names_its_root(command: Command, project: Path) -> None:
    """A server started in a folder of a repository would take the repository's bus for its own."""
    git(project, "init", "-q")
    part = project / "part"
    part.mkdir()
    entry = json.loads(command("--root", str(part), "init", "--json").stdout)["mcpServers"]["intercomm"]
    assert entry["env"] == {"INTERCOM_ROOT": str(part)}


def test_commands_warn_of_a_tracked_log(command: Command, project: Path) -> None:
    """One line on stderr from every command, until git lets go of the log."""
    git(project, "init", "-q")
    assert command("init").returncode == 0
    git(project, "add", "-f", ".claude/local")
    for words in (("init",), ("log",), ("send", "--from", "user", "roo", "x"), ("status",)):
        done = command(*words)
        assert done.returncode == 0
        assert done.stderr.startswith("intercom: warning: git tracks .claude/local/INTERCOM-testbox.md")
        assert done.stderr.count("\n") == 1
    git(project, "rm", "-q", "-r", "-f", "--cached", ".claude/local")  # as the warning says
    assert command("log").stderr == ""


@pytest.mark.parametrize("version", [2, 3, 4])
@pytest.mark.parametrize("objects", ["sha1", "sha256"])
def test_tracked_reads_every_index_format(tmp_path: Path, version: int, objects: str) -> None:
    """The logs, the whole paths, and nothing that merely looks like one."""
    git(tmp_path, "init", "-q", f"--object-format={objects}")
    git(tmp_path, "config", "index.version", str(version))
    logs = [".claude/local/INTERCOM-a.md", ".claude/local/INTERCOM-b.md", ".claude/local/archive/INTERCOM-a-000001.md"]
    others = ["INTERCOM-a.md", "docs/INTERCOM-notes.md", "sub/.claude/local/INTERCOM-c.md", ".claude/local/notes.md"]
    for name in [*logs, *others, *(f"filler/{'x' * number}" for number in range(1, 60))]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name, encoding="utf-8")
    git(tmp_path, "add", "-f", ".")
    if version == 3:
        git(tmp_path, "rm", "-q", "--cached", "filler/x")
        git(tmp_path, "add", "-N", "filler/x")  # intent-to-add needs the extended flags
    assert sorted(tracked(tmp_path)) == sorted(logs)
    assert tracked(tmp_path / "sub") == ["sub/.claude/local/INTERCOM-c.md"]


def test_tracked_never_raises(tmp_path: Path) -> None:
    """No repository, no index, a torn one: no answer, no error."""
    assert tracked(tmp_path) == []
    git(tmp_path, "init", "-q")
    assert tracked(tmp_path) == []
    for text in (b"", b"DIRC", b"DIRC\0\0\0\2\0\0\0\x09INTERCOM-", b"INTERCOM-" * 9):
        (tmp_path / ".git/index").write_bytes(text)
        assert tracked(tmp_path) == []


def test_the_entry_of_a_worktree_whose_repository_lies_apart(command: Command, project: Path, tmp_path: Path) -> None:
    """No server could find the bus from there by itself, so the entry names it."""
    git(tmp_path, "init", "-q", "--separate-git-dir", str(tmp_path / "apart"), str(tmp_path / "main"))
    git(tmp_path / "main", "commit", "-q", "--allow-empty", "-m", "first")
    git(tmp_path / "main", "worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    done = command("init", "--json", "--root", str(tmp_path / "linked"))
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["mcpServers"]["intercomm"]["env"] == {"INTERCOM_ROOT": str(tmp_path / "linked")}
    done = command("init", "--json", "--root", str(tmp_path / "main"))
    assert "env" not in json.loads(done.stdout)["mcpServers"]["intercomm"]


def test_a_log_that_a_message_begins_is_kept_out_of_git(command: Command, project: Path) -> None:
    """Without an `init`, as when an agent's server writes the first message."""
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    assert command("send", "--from", "user", "user", "x").returncode == 0
    done = subprocess.run(["git", "status", "--porcelain"], cwd=project, capture_output=True, text=True, check=True)
    assert done.stdout == ""
