"""`intercom init` sets up the clients in use, a second run changes nothing, `uninstall` restores the bytes."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from intercom.bus.setup import IGNORE_LINES
from intercom.cli import main
from intercom.fleet.clients import known
from intercom.fleet.clients.client import Setup
from intercom.fleet.clients.edit import jsonc
from intercom.system import resources
from tests.clients_kit import files, lay, run

#: A project and a home in which every client is in use, with settings as people have them.
PROJECT = {
    "CLAUDE.md": "# Ours\n\nRead the style guide.\n",
    ".claude/settings.local.json": '{\n  "permissions": {\n    "allow": ["Bash(ls)"], // fine\n  },\n}\n',
    ".codex/config.toml": 'model = "x"\r\n\r\n[profiles.a]\r\nb = [\r\n  1,\r\n]\r\n',
    "opencode.jsonc": '{\n\t// ours\n\t"theme": "x",\n}',
    "kilo.json": '{"permission": "ask"}',
    ".gemini/settings.json": '{ "hooks": { "AfterTool": [ { "hooks": [] } ] } }\n',
    ".qwen/settings.json": "",
    ".vscode/mcp.json": '{\n    "servers": {},\n    "inputs": []\n}\n',
    ".cursor/mcp.json": '{"mcpServers":{"other":{"command":"o"}}}',
    ".roo/rules/other.md": "Ours.\n",
    "AGENTS.md": "Be kind.",
}
HOME = {
    ".cline/data/settings/cline_mcp_settings.json": '{\n  "mcpServers": {\n    "a": {"command": "a"}\n  }\n}',
    ".continue/config.yaml": "name: mine\nmodels: []\nmcpServers:\n  - name: other\n    command: o\n",
    ".copilot/mcp-config.json": "{}",
}
BY_NAME = [word for name in ("cline", "continue", "copilot") for word in ("--client", name)]


@pytest.fixture
def golden(project: Path, home: Path) -> Path:
    """All of them, in a git repository."""
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    lay(project, PROJECT)
    lay(home, HOME)
    return project


def test_init_and_uninstall_restore_every_byte(golden: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was there stays there in between, too; only pieces of ours are added."""
    before, at_home = files(golden), files(home)
    dry = run(capsys, "init", "--dry-run")
    assert "+[mcp_servers.intercomm]" in dry
    assert "--- /dev/null" in dry
    assert (files(golden), (golden / ".claude/local").exists()) == (before, False)
    said = run(capsys, "init")
    assert "added" in said
    assert "intercom init --client cline" in said
    assert files(home) == at_home
    run(capsys, "init", *BY_NAME)
    during = files(golden)
    assert set(before) < set(during)
    for name, text in before.items():
        rest = iter(during[name])
        assert all(byte in rest for byte in text), name  # nothing but additions
    assert set(files(home)) == {*at_home, ".cline/hooks/PreToolUse", ".cline/hooks/PostToolUse"}
    assert (home / ".cline/hooks/PreToolUse").stat().st_mode & stat.S_IXUSR
    again = run(capsys, "init")
    run(capsys, "init", *BY_NAME)
    assert (files(golden), "added" in again) == (during, False)
    assert "Intercom system initialized" in run(capsys, "log")

    assert "-[mcp_servers.intercomm]" in run(capsys, "uninstall", "--dry-run").replace("\r", "")
    assert files(golden) == during
    run(capsys, "uninstall")
    assert files(golden) == before
    assert files(home) == at_home
    status = subprocess.run(["git", "status", "--porcelain"], cwd=golden, capture_output=True, text=True, check=True)
    assert ".claude/local" not in status.stdout
    assert "nothing of ours" in run(capsys, "uninstall")
    assert "Intercom system initialized" in run(capsys, "log")


def entries(golden: Path, home: Path) -> dict[str, Any]:
    """The entry for our server that each client finds, by the file."""

    def of(path: Path, *keys: str) -> Any:
        return jsonc.find(path.read_text(), (*keys, "intercomm"))

    listed = yaml.safe_load((home / ".continue/config.yaml").read_text())["mcpServers"]
    return {
        "claude": of(golden / ".mcp.json", "mcpServers"),
        "codex": tomllib.loads((golden / ".codex/config.toml").read_text())["mcp_servers"]["intercomm"],
        "opencode": of(golden / "opencode.jsonc", "mcp"),
        "kilo": of(golden / "kilo.json", "mcp"),
        "gemini": of(golden / ".gemini/settings.json", "mcpServers"),
        "qwen": of(golden / ".qwen/settings.json", "mcpServers"),
        "cline": of(home / ".cline/data/settings/cline_mcp_settings.json", "mcpServers"),
        "continue": next(one for one in listed if one["name"] == "intercomm"),
        "copilot": of(home / ".copilot/mcp-config.json", "mcpServers"),
        "vscode": of(golden / ".vscode/mcp.json", "servers"),
        "cursor": of(golden / ".cursor/mcp.json", "mcpServers"),
        "roo": of(golden / ".roo/mcp.json", "mcpServers"),
    }


def test_every_client_finds_its_entry(golden: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In its own form, with what makes it practical; the words for agents are where it reads them."""
    run(capsys, "init")
    run(capsys, "init", *BY_NAME)
    found = entries(golden, home)
    assert set(found) == set(known.MODULES)
    for name, entry in found.items():
        words = entry["command"] if isinstance(entry["command"], list) else [entry["command"], *entry["args"]]
        assert words[-1] == "mcp", name
    assert found["codex"]["default_tools_approval_mode"] == "approve"
    assert found["codex"]["required"] is True
    assert found["opencode"]["timeout"] == found["gemini"]["timeout"] == 3_700_000
    assert found["gemini"]["trust"] is True
    assert found["cline"]["env"]["INTERCOM_ROOT"] == str(golden)
    assert "intercomm_read" in found["roo"]["alwaysAllow"]
    assert found["copilot"]["tools"] == ["*"]
    local = jsonc.loads((golden / ".claude/settings.local.json").read_text())
    assert local["enabledMcpjsonServers"] == ["intercomm"]
    assert local["permissions"]["allow"] == ["Bash(ls)", "mcp__intercomm"]
    for name in ("AGENTS.md", "CLAUDE.md", "GEMINI.md", ".roo/rules/intercom.md"):
        assert "intercomm_register" in (golden / name).read_text(), name
    assert (golden / "kilo.json").read_text().startswith('{"permission": "ask", ')


def test_clients_that_are_named_or_in_use(project: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """None where nothing shows one; those that are named, whatever there is; no name that nobody knows."""
    assert "claude mcp add" in run(capsys, "init")
    assert files(project) == {}
    run(capsys, "init", "--client", "codex", "--client", "gemini")
    assert set(files(project)) == {
        ".codex/config.toml", ".codex/hooks.json", "AGENTS.md", ".gemini/settings.json", "GEMINI.md",
    }  # fmt: skip
    run(capsys, "uninstall")
    assert files(project) == {}
    assert not (project / ".codex").exists()
    assert main(["init", "--client", "emacs"]) == 2
    assert "there are claude, codex" in capsys.readouterr().err
    (project / ".codex").mkdir()
    run(capsys, "init", "--client", "none")
    assert files(project) == {}
    run(capsys, "init", "--user", "--client", "codex")
    assert "mcp_servers.intercomm" in (home / ".codex/config.toml").read_text()
    run(capsys, "uninstall")
    assert (home / ".codex/config.toml").exists()
    run(capsys, "uninstall", "--user")
    assert files(home) == {}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("opencode.json", b"{ this is no JSON"),
        ("opencode.json", b'{"a": "\xff"}'),
        (".codex/config.toml", b"a = \n"),
        (".codex/config.toml", b"mcp_servers = {}\n"),
    ],
)
def test_what_cannot_be_read_is_left_alone_and_named(
    project: Path, home: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes
) -> None:
    """The other files are set up all the same, and the exit status says that something is left to do."""
    (project / name).parent.mkdir(exist_ok=True)
    (project / name).write_bytes(content)
    said = run(capsys, "init", status=1)
    assert f"left alone {name}" in said
    assert (project / name).read_bytes() == content
    assert "intercomm_register" in (project / "AGENTS.md").read_text()
    run(capsys, "uninstall")
    assert (project / name).read_bytes() == content


def test_an_entry_that_a_person_made_is_theirs(project: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is not written over, and not taken away."""
    text = '{"mcpServers": {"intercomm": {"command": "/my/own/intercom", "args": ["mcp"]}}}'
    (project / ".mcp.json").write_text(text)
    run(capsys, "init")
    assert (project / ".mcp.json").read_text() == text
    run(capsys, "uninstall")
    assert (project / ".mcp.json").read_text() == text


def test_what_others_wrote_meanwhile_stays(project: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A server that somebody added behind ours, words behind our block, also where the record is lost."""
    for lost in (False, True):
        run(capsys, "init", "--client", "claude")
        path, words = project / ".mcp.json", project / "CLAUDE.md"
        entry = json.loads(path.read_text())
        entry["mcpServers"]["more"] = {"command": "m"}
        path.write_text(json.dumps(entry))
        words.write_text(words.read_text() + "\nMore.\n")
        if lost:
            (project / ".claude/local/.intercom/clients.json").unlink()
        run(capsys, "uninstall")
        assert json.loads(path.read_text()) == {"mcpServers": {"more": {"command": "m"}}}
        assert words.read_text().strip() == "More."
        path.unlink()
        words.unlink()
        shutil.rmtree(project / ".claude", ignore_errors=True)


@pytest.mark.parametrize("client", ["claude", "codex", "opencode", "gemini", "qwen", "cline", "continue", "roo"])
def test_intercom_moved_after_others_wrote(
    golden: Path, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, client: str
) -> None:
    """`init` has the new way stand in place of the old, `uninstall` finds both; what a person changed is theirs."""

    def lies(where: str) -> None:
        monkeypatch.setattr("intercom.cli.entry.lasting_command", lambda: [where])
        monkeypatch.setattr("intercom.cli.clients.lasting_command", lambda: [where])

    def text() -> str:
        return "\n".join(b.decode() for b in (*files(golden).values(), *files(home).values()))

    def words() -> list[str]:
        return re.sub(r"{\s*}", "", text()).split()

    before = words()
    lies("/old/intercom")
    run(capsys, "init", "--client", client)
    count = text().count("/old/intercom")
    for folder in (golden, home):
        for name, content in files(folder).items():
            if b"/old/intercom" in content and not name.endswith((".js", "Use", "roo/rules/intercom.md")):
                (folder / name).write_bytes(content + b"\n")  # somebody wrote
    lies("/new/intercom")
    run(capsys, "init", "--client", client)
    assert (text().count("/old/intercom"), text().count("/new/intercom")) == (0, count)
    lies("/third/intercom")
    run(capsys, "uninstall")
    assert words() == before


def test_a_link_is_followed_inside_the_project_alone(
    project: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """CLAUDE.md that is AGENTS.md is written once; what leads out is somebody else's."""
    (project / "AGENTS.md").write_text("Ours.\n")
    (project / "CLAUDE.md").symlink_to("AGENTS.md")
    outside = tmp_path / "outside.md"
    outside.write_text("Theirs.\n")
    (project / "GEMINI.md").symlink_to(outside)
    said = run(capsys, "init", "--client", "claude", "--client", "codex", "--client", "gemini", status=1)
    assert "leads out of the project" in said
    assert outside.read_text() == "Theirs.\n"
    assert (project / "AGENTS.md").read_text().count("intercom: begin") == 1
    assert (project / "CLAUDE.md").is_symlink()
    run(capsys, "uninstall")
    assert (project / "AGENTS.md").read_text() == "Ours.\n"


def test_the_plugin_or_an_entry_never_both(project: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where Claude Code has the plugin, it gets the words alone."""
    lay(project, {".claude/settings.json": '{"enabledPlugins": {"intercom@intercom": true}}'})
    assert "connected by the plugin" in run(capsys, "init").replace("by .claude/settings.json", "by the plugin")
    assert set(files(project)) == {".claude/settings.json", "CLAUDE.md"}


def test_each_module_knows_one_client(project: Path, home: Path) -> None:
    """By its own name; each part is in a file, and says that it is not there before it is put there."""
    setup = Setup(project, home, os.environ, False, {"command": "intercom", "args": ["mcp"]}, ["intercom"], ["t"])
    for name in known.MODULES:
        client = known.client(name)
        assert client.name == name
        for part in client.all_parts(setup):
            assert not part.there("")
            assert part.cut("") == ""


def test_the_template_for_hands_says_what_init_does(project: Path, home: Path) -> None:
    """The entry, the words for agents, git's rule."""
    template = resources.text("INTERCOM_TEMPLATE.md")
    assert resources.text("rules.md").strip() in template
    assert IGNORE_LINES in template
    block = template[template.index("```json\n") + 8 :]
    assert json.loads(block[: block.index("```")])["mcpServers"]["intercomm"]["args"] == ["mcp"]


def test_a_file_that_was_broken_after_us_is_named(
    project: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What holds something of ours and cannot be read is not passed over."""
    run(capsys, "init", "--client", "cursor")
    path = project / ".cursor/mcp.json"
    path.write_text(path.read_text() + "}")
    assert "left alone .cursor/mcp.json" in run(capsys, "uninstall", status=1)
    path.write_text(path.read_text()[:-1])
    run(capsys, "uninstall")
    assert files(project) == {}


@pytest.mark.parametrize("gone", ["begin", "end"])
def test_a_mark_that_somebody_took_away_is_named(
    project: Path, home: Path, capsys: pytest.CaptureFixture[str], gone: str
) -> None:
    """What is ours there is not known any more: nothing is doubled, nothing of theirs is lost, nothing passed over."""
    lay(project, {"AGENTS.md": "theirs\n"})
    run(capsys, "init", "--client", "cursor")
    path = project / "AGENTS.md"
    whole = path.read_text()
    mark = next(line for line in whole.splitlines(keepends=True) if f"intercom: {gone}" in line)
    path.write_text(whole.replace(mark, "") + "later\n")
    for words in (["init", "--client", "cursor"], ["uninstall"]):
        assert "left alone AGENTS.md" in run(capsys, *words, status=1)
        assert path.read_text() == whole.replace(mark, "") + "later\n"
    path.write_text(whole + "later\n")
    run(capsys, "uninstall")
    assert path.read_text() == "theirs\nlater\n"
