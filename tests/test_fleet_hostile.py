"""Quotes, shell words, escape sequences, tmux's own words and 100 KB, in every argument: data everywhere."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from intercom import cli
from intercom.bus.bus import Bus
from intercom.cli import arguments, parser
from intercom.core import contract
from intercom.fleet import workers
from intercom.fleet.crew import Crew
from intercom.server.tool import ON_BUS, Tool
from intercom.server.toolbox import BY_NAME
from intercom.system import tmux
from tests.server_client import BareClient

pytestmark = pytest.mark.slow

CANARY = "a-hostile-value-was-run"
TOUCH = f"touch {CANARY}"
VALUES = [
    f"$({TOUCH})",
    f"`{TOUCH}`",
    f"; {TOUCH};",
    f"x'; {TOUCH}; '",
    f'x"; {TOUCH}; "',
    f"x\n{TOUCH}\n",
    f"x\r{TOUCH}\r",
    f"! {TOUCH}",
    f"/x {TOUCH}",
    f"#({TOUCH})",
    "#{pane_pid}",
    "\x1b[2J\x1b]0;title\x07\x9b31m",
    "worker-1;",
    "=bystander:",
    "bystander",
    "%999999",
    "--help",
    "-",
    "../../x",
    "é ☃ \u202e abc",
    "\ud800",
    "x" * 100_000,
    "",
    " ",
]
FLEET = [name for name in BY_NAME if BY_NAME[name].on != ON_BUS and name != "intercomm_read"]
#: what a call needs beside the argument that is tried; a worker is `w-1`, and has a worktree
NEEDED: dict[str, dict[str, Any]] = {
    "intercomm_spawn": {"count": 1, "worktrees": True, "ready_timeout": 1, "wake": False},
    "intercomm_escalate": {"message": "x"},
    "intercomm_assign": {"worker": "w-1", "role_instructions": "x"},
    "intercomm_wake": {"worker": "w-1", "message": "x"},
    "intercomm_approve": {"worker": "w-1", "timeout": 0},
    "intercomm_worktree_add": {"worker_id": "w-2"},
    "intercomm_worktree_set_status": {"worker_id": "w-1", "status": "queued"},
    "intercomm_worktree_remove": {"worker_id": "w-1"},
}
SHELL = {"bootstrap"}  # is a line for a shell, and runs only where all else was right


@pytest.fixture
def place(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A repository, a claude that ends at once, and a bystander in tmux whose screen nobody may touch."""
    for line in (["init", "-q", "-b", "main"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *line], cwd=project, check=True)
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "claude").write_text('#!/bin/sh\n[ "$1" = --version ] && echo "2.1.197 (Claude Code)"\nexit 3\n')
    (folder / "claude").chmod(0o755)
    for name in ("tmux", "git", "sh", "rm", "touch", "env"):
        (folder / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("INTERCOM_TMUX_SOCKET", str(tmp_path / "tmux"))
    server = tmux.Server(str(tmp_path / "tmux"), "/dev/null")
    pane = tmux.new_session(server, "bystander", ["sh", "-i"], cwd=project, env={"PS1": "> "})
    yield project
    assert tmux.pane(server, "bystander")[:3] == pane[:3]
    assert tmux.look(server, "bystander", colours=False)[1].split() in ([">"], ["$"], ["#"])
    assert {one.session for one in tmux.panes(server)} == {"bystander"}
    assert not list(tmp_path.rglob(CANARY)), "a value was run"
    subprocess.run(["tmux", "-S", server.socket, "kill-server"], check=True)


def texts(tool: Tool) -> list[str]:
    """The arguments of a tool that take a text or texts."""
    return [
        name
        for name, schema in tool.properties.items()
        if schema.get("type") in ("string", "array") and name not in SHELL
    ]


def test_every_argument_of_every_tool(place: Path) -> None:
    """Each is taken as it is or refused in plain words; nothing runs, and the server goes on."""
    with BareClient(place) as worker, BareClient(place) as master:
        worker.call("intercomm_register", name="w-1")
        master.call("intercomm_register", role="master")
        master.call("intercomm_worktree_add", worker_id="w-1")
        stored: list[str] = []
        for name in FLEET:
            client = worker if name == "intercomm_escalate" else master
            for argument in texts(BY_NAME[name]):
                stored += attacked(client, name, argument)
        assert master.call("intercomm_status")["you"]["name"] == "master"
    with Bus.open(place) as bus:
        bodies = [said(one.body) for one in bus.history()]
    assert [value for value in stored if value not in bodies] == []
    assert len(stored) > 2 * len(VALUES)


def attacked(client: BareClient, name: str, argument: str) -> list[str]:
    """Call a tool with each value, side by side; the values that were stored as a message."""
    needed = NEEDED.get(name, {})
    many = BY_NAME[name].properties[argument].get("type") == "array"
    calls = [client.begin(name, **{**needed, argument: [value] if many else value}) for value in VALUES]
    kept = []
    for value, call in zip(VALUES, calls, strict=True):
        result = client.answer(call)["result"]
        words = result["content"][0]["text"]
        assert "Intercom failed inside" not in words, (name, argument, value, words)
        assert not [char for char in words if ord(char) < 32 and char not in "\n\t"], (name, argument, words)
        if result["isError"]:
            assert len(words) < 2_000, (name, argument, "a long value comes back whole")
        elif name in ("intercomm_wake", "intercomm_escalate", "intercomm_assign") and argument in BODIES:
            kept.append(value)
    return kept


BODIES = ("message", "role_instructions")


def said(body: str) -> str:
    """What a message says: a task contract its instructions."""
    return contract.parse(body).role_instructions if contract.KIND in body else body  # type: ignore[union-attr]


def argvs() -> Iterator[list[str]]:
    """Every argument of every command of the fleet, with each value that a command line can hold."""
    plain = {"count": "1", "worker": "w-1", "message": "x", "action": "add", "decision": "allow", "status": "queued"}
    plain["role_instructions"] = "x"
    for command in parser.COMMANDS:
        if not command.function.startswith("fleet."):
            continue
        sub = argparse.ArgumentParser(add_help=False)
        arguments.add(sub, command.takes())
        actions = sub._actions
        needed = [action for action in actions if not action.option_strings]
        for tried in actions:
            if tried.nargs == 0 or tried.dest in SHELL:
                continue
            for value in VALUES[::6] if (command.name, tried.dest) == ("wake", "message") else VALUES:
                words = [value if one is tried else plain[one.dest] for one in needed]
                option = [f"{tried.option_strings[0]}={value}"] if tried.option_strings else []
                option += ["--no-wake"] if command.name == "assign" else []
                yield [command.name, *option, "--", *words]


def test_every_argument_of_every_command(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same for people: done, refused or wrong usage, and nothing that moves their cursor."""
    with Bus.open(place) as bus:
        bus.register("worker", "w-1", pid=os.getpid())
    assert cli.main(["worktree", "add", "w-1"]) == 0
    count = 0
    for argv in argvs():
        if argv[0] in {"wake", "assign"} and argv[-1] == "-":
            continue  # standard input
        if argv[0] == "spawn":
            argv[1:1] = ["--worktrees", *(["--ready-timeout=1"] if not argv[1].startswith("--ready") else [])]
        try:
            code = cli.main(argv)
        except SystemExit as ended:
            code = int(str(ended.code))
        shown = capsys.readouterr()
        assert code in (0, 1, 2), argv
        for text in (shown.out, shown.err):
            assert "Traceback" not in text
            assert not [char for char in text if ord(char) < 32 and char not in "\n\t"], (argv, text)
        count += 1
    assert count > 300


def test_a_hostile_project_folder(place: Path, tmp_path: Path) -> None:
    """A worker is started in it, in a worktree beside it, and finds all its files."""
    root = tmp_path / f'it\'s a "p"; $({TOUCH}) #({TOUCH}) é %3f'
    root.mkdir()
    for line in (["init", "-q", "-b", "main"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *line], cwd=root, check=True)
    seen = tmp_path / "seen"
    script = (
        "#!/bin/sh\nPATH=/usr/bin:/bin\n"
        'case "$1" in --version) echo "2.1.197 (Claude Code)";; '
        f'*) pwd > {seen}.half; cat "$6" >> {seen}.half; mv {seen}.half {seen}; exec sleep 600;; esac\n'
    )
    (tmp_path / "bin" / "claude").write_text(script)
    with Crew.open(root) as crew:
        (done,) = workers.spawn(crew, workers.Plan(1, ready_timeout=2, worktrees=True), by="user")
        assert "left running" in str(done.reason), done
        where, _, settings = seen.read_text().partition("\n")
        assert where == str(tmp_path / ".intercomm-worktrees" / root.name / "worker-1") == done.about["worktree"]
        assert "hooks" in json.loads(settings)
        assert workers.teardown(crew, worktrees=True)[0].worktree == "removed"
