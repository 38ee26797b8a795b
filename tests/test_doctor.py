"""`intercom doctor`: it finds what is wrong, says what to do, and changes nothing."""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from intercom import cli
from intercom.bus import names
from intercom.bus.bus import Bus
from intercom.doctor import place, runtime
from intercom.fleet.programs.claude.versions import NEWEST
from intercom.fleet.sessions import SessionRow, Sessions
from intercom.fleet.worktrees.register import Worktrees
from intercom.store.state.db import State
from tests.conftest import SOURCE, Command
from tests.server_client import BareClient

pytestmark = pytest.mark.slow

PRIVATE = ".claude/local/.intercom"


def findings(command: Command, *words: str, **environ: str) -> dict[str, tuple[str, str, str]]:
    """What `doctor --json` says, by check: state, words, advice. In this process: a start for each takes a minute."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name, value in environ.items():
            patch.setenv(name, value)
        code = cli.main(["doctor", "--json", *words])
    rows = [json.loads(line) for line in out.getvalue().splitlines()]
    assert all(list(row) == ["check", "state", "says", "do"] for row in rows)
    assert code == any(row["state"] == "wrong" for row in rows), rows
    assert err.getvalue() == ""
    found = {row["check"]: (row["state"], row["says"], row["do"]) for row in rows}
    assert len(found) == len(rows)
    return found


def tree(root: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file below a folder: mode, time of change, content."""
    files = [path for path in root.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_mode, path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def programs_in(folder: Path, **scripts: str) -> str:
    """A PATH of just these programs (and a shell)."""
    folder.mkdir(exist_ok=True)
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return str(folder)


@pytest.fixture
def well(project: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A project in which all is well, as far as one without Claude Code can be."""
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    assert cli.main(["init"]) == 0
    entry = {"command": sys.executable, "args": ["-m", "intercom", "mcp"]}
    (project / ".mcp.json").write_text(json.dumps({"mcpServers": {"intercomm": entry}}))
    for words in (["send", "--from", "user", "roo", "hello"], ["read", "--id", "roo"]):
        assert cli.main(words) == 0
    capsys.readouterr()
    return project


def test_all_is_well_and_stays_as_it_is(well: Path, command: Command, tmp_path: Path) -> None:
    """Nothing but `ok`, exit 0, and not a byte, time or file is another; the same beside a server that runs."""
    path = programs_in(tmp_path / "bin", claude='echo "2.1.197 (Claude Code)"')
    path = f"{path}:{os.environ['PATH']}"
    (well / ".claude" / "settings.json").write_text(
        json.dumps({"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "exec intercom hook Stop"}]}]}})
    )
    before = tree(well)
    found = findings(command, PATH=path)
    assert {check: state for check, (state, _, _) in found.items() if state != "ok"} == {}
    assert not any(do for _, _, do in found.values())
    assert tree(well) == before
    done = command("doctor", PATH=path)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["ok"] * len(found)
    with BareClient(well) as client:
        client.call("intercomm_register")
        found = findings(command, PATH=path)
        assert {check: said for check, said in found.items() if said[0] != "ok"} == {}
        assert found["instances"][1] == "worker-1 alive"
    assert tree(well).keys() - before.keys() == set(), "a server that ended leaves no more than it found"


@pytest.mark.parametrize(("version", "state"), [("2.1.197", "ok"), (str(NEWEST), "ok"), ("2.1.9999", "warning")])
def test_a_claude_that_nobody_has_tried(well: Path, command: Command, tmp_path: Path, version: str, state: str) -> None:
    """Newer than the newest that was tried: said, with what it means; no reason to stop."""
    path = programs_in(tmp_path / "bin", claude=f'echo "{version} (Claude Code)"')
    found = findings(command, PATH=f"{path}:{os.environ['PATH']}")["claude"]
    assert found[0] == state
    assert ("newest that Intercom was tried on" in found[1]) == (state == "warning")


def test_a_fresh_start_is_all_well(project: Path, command: Command, tmp_path: Path) -> None:
    """Right after `init`, connected or not: nothing to worry about."""
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    assert command("init").returncode == 0
    programs = programs_in(tmp_path / "bin", claude="echo '2.1.197 (Claude Code)'")
    found = findings(command, PATH=f"{programs}:{os.environ['PATH']}")
    assert {name: said for name, said in found.items() if said[0] != "ok"} == {}


def test_a_project_without_a_bus(project: Path, command: Command) -> None:
    """Said, with the first step; nothing is made."""
    state, says, do = findings(command)["root"]
    assert (state, "no log yet" in says, do) == ("warning", True, "intercom init")
    assert not (project / ".claude").exists()


def in_git(root: Path) -> None:
    """Its log is in git."""
    subprocess.run(["git", "add", "-f", ".claude/local"], cwd=root, check=True)


def unignored(root: Path) -> None:
    """Git does not ignore the log."""
    (root / ".gitignore").unlink()


def open_to_all(root: Path) -> None:
    """Other users may look into the folder."""
    (root / ".claude" / "local").chmod(0o755)


def misspelt(root: Path) -> None:
    """Settings with names that nobody reads."""
    (root / ".claude" / "intercom.toml").write_text("agent = []\n[permissions]\nalow = []\n")


def silent_rules(root: Path) -> None:
    """Rules for permissions that are about nothing, and one that is."""
    rules = 'allow = ["Bash(ls:*)", "bash(npm test)"]\ndeny = ["Bash(rm:*", "WebFetch(evil.com)"]\n'
    (root / ".claude" / "intercom.toml").write_text(f"[permissions]\n{rules}")


def no_list_of_rules(root: Path) -> None:
    """One rule where a list must be."""
    (root / ".claude" / "intercom.toml").write_text('[permissions]\ndeny = "Bash(rm:*)"\n')


def unreadable(root: Path) -> None:
    """Settings that do not parse."""
    (root / ".claude" / "intercom.toml").write_text("agents = [\n")


def damaged_state(root: Path) -> None:
    """The state is overwritten, but for its head."""
    path = root / PRIVATE / "state.db"
    path.write_bytes(path.read_bytes()[:4096] + bytes(range(256)) * (path.stat().st_size // 256 - 16))


def damaged_index(root: Path) -> None:
    """The index is overwritten."""
    with (root / PRIVATE / "index2.db").open("r+b") as file:
        file.write(b"x" * 2000)


def by_hand(root: Path) -> None:
    """A message that nobody has taken in yet."""
    (log,) = (root / ".claude" / "local").glob("*.md")
    log.write_bytes(log.read_bytes() + b"\n## [2026-01-01 10:00] user -> roo [ASK]\nwell?\n")


def dead(root: Path) -> None:
    """Somebody registered and died."""
    child = subprocess.Popen(["sleep", "60"])
    with Bus.open(root) as bus:
        bus.register("worker", "gone-1", pid=child.pid)
    child.kill()
    child.wait()


def lost_worker(root: Path) -> None:
    """A worker ended without a teardown."""
    state = State(root / PRIVATE)
    row = SessionRow("worker-7", None, 1 << 22, "1", "idle", "{}", "2026-01-01T00:00:00.000Z", spawned_by="user")
    Sessions(state).put(row)
    state.close()


def fault(root: Path) -> None:
    """A hook failed two hours ago."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 7300))
    (root / PRIVATE / "errors.log").write_text(f"{stamp} hook Stop: ValueError: \x1b[31mbad at x.py:3\n")


def old_fault(root: Path) -> None:
    """A hook failed years ago."""
    (root / PRIVATE / "errors.log").write_text("2024-01-01T00:00:00Z hook Stop: ValueError: bad\n")


def no_command(root: Path) -> None:
    """The server entry names no program."""
    (root / ".mcp.json").write_text('{"mcpServers": {"intercomm": {"command": "no-such-program", "args": ["mcp"]}}}')


def no_entry(root: Path) -> None:
    """The server entry cannot be read."""
    (root / ".mcp.json").write_text("not JSON")


def another_program(root: Path) -> None:
    """Under our name, the server that came before us."""
    (root / ".mcp.json").write_text('{"mcpServers": {"intercomm": {"command": "sh", "args": ["intercomm/index.js"]}}}')


def no_table(root: Path) -> None:
    """JSON, but no list of servers."""
    (root / ".mcp.json").write_text('{"mcpServers": []}')


def hook_to_nowhere(root: Path) -> None:
    """A hook calls a program that is not there."""
    hook = {"Stop": [{"hooks": [{"type": "command", "command": "exec /opt/gone/intercom hook Stop"}]}]}
    (root / ".claude" / "settings.json").write_text(json.dumps({"hooks": hook}))


def plugin_and_entry(root: Path) -> None:
    """The plugin brings a server of its own."""
    (root / ".claude" / "settings.json").write_text(json.dumps({"enabledPlugins": {"intercom@intercom": True}}))


def bad_repair(root: Path) -> None:
    """A mode that there is not."""
    (root / ".claude" / "intercom.toml").write_text('[repair]\nmode = "sometimes"\n')


def bad_wait(root: Path) -> None:
    """A text where a number must be."""
    (root / ".claude" / "intercom.toml").write_text('[permissions]\nwait = "long"\n')


def phantom(root: Path) -> None:
    """Somebody wrote to a name that nobody bears."""
    (log,) = (root / ".claude" / "local").glob("*.md")
    log.write_bytes(log.read_bytes() + b"\n## [2026-01-01 10:00:00] user -> rooo [ASK]\nwell?\n")
    with Bus.open(root) as bus:
        bus.history()


def log_is_a_link(root: Path) -> None:
    """A person moved the page and linked to it."""
    (log,) = (root / ".claude" / "local").glob("*.md")
    log.rename(root / "elsewhere.md")
    log.symlink_to(root / "elsewhere.md")


def stray(root: Path) -> None:
    """A file of somebody's lies in the archive."""
    (root / ".claude" / "local" / "archive" / "notes.txt").write_text("x")


def conflict(root: Path) -> None:
    """Git left its lines, and both sides were read."""
    (log,) = (root / ".claude" / "local").glob("*.md")
    log.write_bytes(log.read_bytes() + b"<<<<<<< ours\n=======\n>>>>>>> theirs\n")
    with Bus.open(root) as bus:
        bus.history()


def folder_gone(root: Path) -> None:
    """A worktree's folder was deleted."""
    subprocess.run(["git", "commit", "-q", "--allow-empty", "-m", "x"], cwd=root, check=True)
    state = State(root / PRIVATE)
    path = Path(Worktrees(state, root).add("worker-8").path)
    state.close()
    shutil.rmtree(path)


def hooks_twice(root: Path) -> None:
    """The hooks stand in two files."""
    hook = {"Stop": [{"hooks": [{"type": "command", "command": "exec intercom hook Stop"}]}]}
    for name in ("settings.json", "settings.local.json"):
        (root / ".claude" / name).write_text(json.dumps({"hooks": hook}))


def stray_elsewhere(root: Path) -> None:
    """Another machine's page, brought by a sync tool, with an answer that names nobody."""
    page = (root / ".claude" / "local" / "INTERCOM-testbox.md").read_text()
    (root / ".claude" / "local" / "INTERCOM-laptop.md").write_text(f"{page}ok do it\n")


@pytest.mark.parametrize(
    ("harm", "check", "state", "says", "do"),
    [
        (in_git, "ignore rule", "wrong", "a push publishes it", "git rm"),
        (unignored, "ignore rule", "warning", "by accident", "intercom init"),
        (open_to_all, "folder", "warning", "(755)", "intercom init"),
        (misspelt, "settings", "warning", "no such setting: agent, permissions.alow", "correct the name"),
        (silent_rules, "settings", "wrong", "'bash(npm test)', 'Bash(rm:*', 'WebFetch(evil.com)'", "Bash(npm run:*)"),
        (no_list_of_rules, "settings", "wrong", "permissions.deny", "a list"),
        (unreadable, "root", "wrong", "not valid TOML", ""),
        (damaged_state, "state", "wrong", "cannot be used", "messages stay"),
        (damaged_index, "index", "warning", "not as Intercom leaves it", "intercom rebuild"),
        (by_hand, "log", "warning", "by hand", "intercom log"),
        (dead, "instances", "warning", "gone-1", "signoff --id gone-1"),
        (lost_worker, "workers", "warning", "worker-7", "intercom teardown"),
        (fault, "hooks' errors", "warning", "2 hours ago", "errors.log"),
        (old_fault, "hooks' errors", "ok", "days ago", ""),
        (no_command, "server entry", "wrong", "no-such-program", "intercom init"),
        (no_entry, ".mcp.json", "wrong", "cannot be parsed", "intercom init"),
        (no_table, ".mcp.json", "wrong", "no table mcpServers", "intercom init"),
        (another_program, "server entry", "wrong", "starts something other", "another name"),
        (hook_to_nowhere, "hooks", "wrong", "/opt/gone/intercom", "PATH"),
        (plugin_and_entry, "server entry", "warning", "twice", "keep one"),
        (bad_repair, "settings", "wrong", "'sometimes'", "on, ask or off"),
        (bad_wait, "settings", "wrong", "permissions.wait is 'long'", "seconds"),
        (phantom, "names", "warning", "rooo", "correct the name"),
        (stray_elsewhere, "lines", "warning", "which is laptop's, has lines that reach nobody (1)", "laptop tells"),
        (log_is_a_link, "page", "warning", "elsewhere.md", "put a file"),
        (stray, "archive", "warning", "notes.txt", "move it"),
        (conflict, "page", "warning", "git conflict", "take the lines"),
        (folder_gone, "worktrees", "warning", "worker-8", "intercom worktree remove worker-8"),
        (hooks_twice, "hooks", "warning", "twice", "keep one"),
    ],
)
def test_what_it_finds(
    well: Path, command: Command, harm: Callable[[Path], None], check: str, state: str, says: str, do: str
) -> None:
    """Each harm is found, by its own check and no other, with what to do; and nothing is mended behind one's back."""
    ordinary = {name: said[0] for name, said in findings(command).items()}
    harm(well)
    before = tree(well)
    found = findings(command)
    assert found[check][0] == state
    assert says in found[check][1]
    assert do in found[check][2]
    own = {check, "lines"} if harm is phantom else {check}  # the line that reaches nobody is named, too
    assert {name: said[0] for name, said in found.items() if name not in own}.items() <= ordinary.items(), found
    assert tree(well) == before
    shown = command("doctor").stdout
    assert "\x1b" not in shown
    assert f"{state:<8} {check}" in shown


def test_another_machine_wrote_here_first(
    well: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under this one's name: it is told, and what to do. Containers have no id of their own, so both are given here."""
    monkeypatch.setattr(names, "_machine_id", lambda: "this")
    with sqlite3.connect(well / PRIVATE / "state.db") as db:
        db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('machine-id', 'another')")
    db.close()
    assert cli.main(["doctor", "--json"]) == 1
    (found,) = [row for line in capsys.readouterr().out.splitlines() if (row := json.loads(line))["check"] == "state"]
    assert found["state"] == "wrong"
    assert "another machine" in found["says"]
    assert "init --machine NAME" in found["do"]


def test_the_plugin(well: Path, command: Command, tmp_path: Path) -> None:
    """It brings server and hooks, if its program is on PATH."""
    (well / ".mcp.json").unlink()
    (well / ".claude" / "settings.json").write_text(json.dumps({"enabledPlugins": {"intercom@intercom": True}}))
    found = findings(command, PATH=programs_in(tmp_path / "bin"))
    assert (found["server entry"][0], "'intercom'" in found["server entry"][1]) == ("wrong", True)
    found = findings(command, PATH=programs_in(tmp_path / "bin", intercom="exit 0"))
    assert (found["server entry"][0], found["hooks"][0]) == ("ok", "ok")
    assert "plugin" in found["hooks"][1]


def test_a_lock_that_does_not_lock(
    well: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on some network folders: everybody gets it. That is wrong, and the exit says so."""
    import fcntl

    assert cli.main(["doctor"]) == 0
    capsys.readouterr()
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    assert cli.main(["doctor"]) == 1
    assert "keeps nobody out" in capsys.readouterr().out


def test_a_lock_that_is_held(well: Path, command: Command) -> None:
    """By whom is said, and nobody is disturbed."""
    import fcntl

    with (well / PRIVATE / "lock").open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        state, says, _ = findings(command)["locks"]
    assert (state, "held just now" in says) == ("ok", True)
    assert f"process {os.getpid()} " in says


@pytest.mark.parametrize(
    ("kind", "state", "says"),
    [
        ("nfs4", "wrong", "over a network"),
        ("fuse.sshfs", "wrong", "over a network"),
        ("9p", "wrong", "over a network"),
        ("tmpfs", "warning", "gone when the machine stops"),
        (None, "warning", "not known"),
        ("ext4", "ok", "ext4"),
        ("apfs", "ok", "apfs"),
    ],
)
def test_file_systems(
    well: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str | None,
    state: str,
    says: str,
) -> None:
    """What other machines write to as well is called unsafe."""
    monkeypatch.setattr(place, "_kind", lambda _: kind)
    code = cli.main(["doctor", "--json"])
    rows = {row["check"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert (rows["file system"]["state"], says in rows["file system"]["says"]) == (state, True)
    assert code == (state == "wrong")


def test_a_folder_that_a_tool_syncs(tmp_path: Path, command: Command) -> None:
    """By its name, or by what the tool leaves in it."""
    for name, mark in (("Dropbox", None), ("Shared", ".stfolder")):
        root = tmp_path / name / "project"
        root.mkdir(parents=True)
        if mark:
            (tmp_path / name / mark).mkdir()
        assert command("init", "--root", str(root)).returncode == 0
        state, says, do = findings(command, "--root", str(root))["file system"]
        assert (state, f"({tmp_path / name})" in says, ".intercom" in do) == ("warning", True, True), says


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:35 / /home/ann rw shared:2 - nfs4 server:/home rw
41 40 0:36 / /home/ann/my\\040disk rw - btrfs /dev/sdb rw
42 22 0:37 / /mnt rw - xfs /dev/sdc rw
43 42 0:38 / /mnt rw - cifs //server/share rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/home/anna/x", "ext4"),
        ("/home/ann/x", "nfs4"),
        ("/home/ann", "nfs4"),
        ("/home/ann/my disk/x", "btrfs"),
        ("/mnt/x", "cifs"),
    ],
)
def test_the_file_system_of_a_path(path: str, kind: str) -> None:
    """The nearest mount counts, and of two on one place the later."""
    assert place.kind_in(MOUNTS, path) == kind


def test_the_file_systems_of_other_systems() -> None:
    """What `mount` prints on macOS."""
    text = "/dev/disk3s1 on / (apfs, sealed, local)\n//a@b/c on /Volumes/My Share (smbfs, nodev)\n"
    seen = place._as_mountinfo(text)
    assert (place.kind_in(seen, "/Users/a"), place.kind_in(seen, "/Volumes/My Share/x")) == (
        "apfs",
        "smbfs",
    )


@pytest.mark.parametrize(
    ("scripts", "check", "says", "do"),
    [
        ({}, "tmux", "tmux was not found", "install tmux 3.2"),
        ({"tmux": "echo tmux 2.9"}, "tmux", "2.9 is too old", "install tmux 3.2"),
        ({"git": "echo git version 2.20.1"}, "git", "older than 2.36", "install git"),
        ({}, "git", "git was not found", "install git"),
        ({}, "claude", "claude was not found", "npm install -g @anthropic-ai/claude-code"),
        ({"claude": "echo '1.0.17 (Claude Code)'"}, "claude", "too old", "npm install"),
        ({"claude": "echo something"}, "claude", "not a version of Claude Code", "npm install"),
    ],
)
def test_what_workers_need(
    project: Path, command: Command, tmp_path: Path, scripts: dict[str, str], check: str, says: str, do: str
) -> None:
    """Missing or too old is a warning: the rest works without."""
    state, said, advice = findings(command, PATH=programs_in(tmp_path / "bin", **scripts))[check]
    assert (state, says in said, "workers do" in said, do in advice) == ("warning", True, True, True), said


def test_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table is what pyproject.toml asks for; what is missing, old or too new is named."""
    with (SOURCE / "pyproject.toml").open("rb") as file:
        wanted = tomllib.load(file)["project"]["dependencies"]
    ours = [
        f"{name}>={'.'.join(map(str, oldest))}{f',<{too_new[0]}' if too_new else ''}"
        for name, (oldest, too_new) in runtime.PACKAGES.items()
    ]
    assert ours == wanted
    assert runtime.packages().state == "ok"
    monkeypatch.setattr(runtime, "PACKAGES", {"filelock": ((99,), None), "mcp": ((1,), (2,)), "no-such": ((1,), None)})
    found = runtime.packages()
    assert found.state == "wrong"
    for words in ("needed 99 or newer", "needed 1 or newer and before 2", "no-such is not installed"):
        assert words in found.says
    assert "pip install" in found.do
