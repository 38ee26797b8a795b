"""Clients' files as they are found: moved by a variable, read-only, with another maker's program of our name."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from intercom.fleet.programs.claude.connection import connection
from tests.clients_kit import OWN, files, lay, run


@pytest.mark.parametrize("variable", OWN)
def test_the_user_s_file_is_where_the_client_reads_it(
    project: Path, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """A variable may move it; a relative path there says nothing."""
    client, name = OWN[variable]
    moved = home.parent / "moved"
    for said, there in ((str(moved), True), ("relative", False)):
        monkeypatch.setenv(variable, said)
        done = json.loads(run(capsys, "init", "--user", "--client", client, "--json"))["files"]
        assert (str(moved / name) in [one["file"] for one in done]) == there
        assert there or any(home in Path(one["file"]).parents for one in done)
        run(capsys, "uninstall", "--user")
        assert not (moved / name).exists()
        assert not (project / "relative").exists()
    monkeypatch.setenv(variable, str(moved))
    lay(moved, {name: ""})
    assert client in str(json.loads(run(capsys, "init", "--user", "--dry-run", "--json"))["files"])


def test_what_is_read_only_stays_so(project: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It could be replaced, and is not; what needs no change is no trouble."""
    lay(project, {"AGENTS.md": "ours\n"})
    (project / "AGENTS.md").chmod(0o444)
    assert "left alone AGENTS.md (codex): it is read-only" in run(capsys, "init", "--client", "codex", status=1)
    assert (project / "AGENTS.md").read_text() == "ours\n"
    (project / "AGENTS.md").chmod(0o644)
    run(capsys, "init", "--client", "codex")
    (project / "AGENTS.md").chmod(0o444)
    run(capsys, "init", "--client", "codex")
    assert "left alone AGENTS.md" in run(capsys, "uninstall", status=1)
    (project / "AGENTS.md").chmod(0o644)
    run(capsys, "uninstall")
    assert (project / "AGENTS.md").read_text() == "ours\n"


#: What another maker's program called intercom may look like in Claude Code's own file.
STRANGERS = [
    {"command": "npx", "args": ["-y", "@acme/intercom"]},
    {"command": "npx", "args": ["-y", "@acme/intercom", "mcp"]},
    {"command": "/opt/intercom", "args": ["--stdio"]},
    {"command": "npx", "args": ["-y", "mcp-remote", "https://mcp.intercom.com/mcp"]},
    {"type": "http", "url": "https://mcp.intercom.com/mcp"},
]


@pytest.mark.parametrize("entry", STRANGERS, ids=["package", "its mcp", "program", "remote", "url"])
def test_another_program_of_our_name(
    project: Path, home: Path, capsys: pytest.CaptureFixture[str], entry: dict[str, Any]
) -> None:
    """It is theirs, not a connection of ours; nor is a hook that only has the name in its path."""
    hook = {"type": "command", "command": "bash /home/me/intercom-app/run hook Stop"}
    settings = json.dumps({"hooks": {"Stop": [{"hooks": [hook]}]}})
    lay(home, {".claude.json": json.dumps({"mcpServers": {"intercom": entry}}), ".claude/settings.json": settings})
    before = files(home)
    found = connection(project, os.environ)
    assert (found.servers, found.hooks, found.commands) == ((), (), ())
    run(capsys, "init", "--client", "claude")
    assert "intercomm" in json.loads((project / ".mcp.json").read_text())["mcpServers"]
    assert "hooks" in json.loads((project / ".claude/settings.local.json").read_text())
    assert files(home) == before


#: By client: a file in the project (or, with ~, in the home) where somebody else's is in our place, and what is said.
TAKEN = {
    "gemini": (
        ".gemini/settings.json",
        '{"mcpServers": {"intercomm": {"command": "npx", "args": ["@a/x"]}}}',
        "entry",
    ),
    "opencode": ("opencode.json", '{"mcp": {"intercomm": {"type": "local", "command": ["npx", "@a/x"]}}}', "entry"),
    "cursor": (".cursor/mcp.json", '{"mcpServers": {"intercomm": "x"}}', "entry"),
    "codex": (".codex/config.toml", '[mcp_servers.intercomm]\ncommand = "npx"\n', "entry"),
    "continue": ("~/.continue/config.yaml", "mcpServers:\n  - name: intercomm\n    command: npx\n", "entry"),
    "cline": ("~/.cline/hooks/PostToolUse", "#!/bin/sh\necho mine\n", "what is in it"),
    "roo": (".roo/rules/intercom.md", "mine\n", "what is in it"),
}


@pytest.mark.parametrize("client", TAKEN)
def test_what_else_stands_in_our_place_is_told(
    project: Path, home: Path, capsys: pytest.CaptureFixture[str], client: str
) -> None:
    """It stays, and is not passed off as ours, neither at first nor later."""
    name, content, said = TAKEN[client]
    folder = home if name.startswith("~/") else project
    path = folder / name.removeprefix("~/")
    lay(path.parent, {path.name: content})
    for _ in range(2):
        told = run(capsys, "init", "--client", client).splitlines()
        (line,) = [line for line in told if "is not ours, and stays" in line]
        assert path.name in line
        assert said in line
    run(capsys, "uninstall")
    assert path.read_text() == content
