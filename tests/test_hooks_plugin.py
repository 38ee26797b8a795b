"""The plugin installs what `--settings` carries at spawn, and its files are what they say."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from intercom import __version__
from intercom.fleet.programs.claude.hook_settings import settings
from intercom.server.toolbox import BY_NAME
from tests.conftest import SOURCE

PLUGIN = SOURCE / ".claude-plugin" / "plugin"


def content(name: str) -> Any:
    """A file of the plugin."""
    return json.loads((PLUGIN / name).read_text(encoding="utf-8"))


def test_the_hooks_are_those_of_the_settings() -> None:
    """One source: `intercom.fleet.programs.claude.hook_settings`."""
    assert content("hooks.json")["hooks"] == settings(["intercom"], optional=True)["hooks"]


def test_without_the_program_the_hooks_are_silent(tmp_path: Path) -> None:
    """A plugin whose program is not installed: said once as a session begins, and no error at every event."""
    said = []
    for groups in content("hooks.json")["hooks"].values():
        for entry in groups[0]["hooks"]:
            done = subprocess.run(
                ["/bin/sh", "-c", entry["command"]], env={"PATH": str(tmp_path)}, capture_output=True, check=False
            )
            assert (done.returncode, done.stderr) == (0, b"")
            said += [json.loads(done.stdout)] if done.stdout else []
    assert [list(one) for one in said] == [["systemMessage"]]
    assert "not on PATH" in said[0]["systemMessage"]


def test_the_server_has_the_name_that_its_tools_bear() -> None:
    """As the README shows it, and with its tools at hand from the first turn."""
    server = content("mcp.json")["mcpServers"]["intercomm"]
    assert (server["command"], server["alwaysLoad"]) == ("sh", True)


@pytest.mark.parametrize(
    ("programs", "ran"),
    [(["intercom", "uvx"], "mcp"), (["uvx"], "--quiet --from intercom-md intercom mcp"), ([], None)],
)
def test_the_server_is_started_by_what_is_there(tmp_path: Path, programs: list[str], ran: str | None) -> None:
    """By `intercom`, else by uvx; where neither is there the client is told what to do."""
    for name in programs:
        (tmp_path / name).write_text('#!/bin/sh\necho "$@"\n')
        (tmp_path / name).chmod(0o755)
    server = content("mcp.json")["mcpServers"]["intercomm"]
    line = ["/bin/sh", *server["args"]]
    done = subprocess.run(line, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    if ran is None:
        assert (done.returncode, "pip install intercom-md" in done.stderr) == (127, True)
    else:
        assert (done.returncode, done.stdout.strip()) == (0, ran)


def test_it_is_small_and_has_what_intercomm_has() -> None:
    """A folder of its own, which is all that is copied; commands and a skill by InterComm's names."""
    (entry,) = json.loads((SOURCE / ".claude-plugin" / "marketplace.json").read_text())["plugins"]
    assert (SOURCE / entry["source"]).resolve() == PLUGIN.resolve()
    files = [path for path in PLUGIN.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 20_000
    names = {path.stem for path in (PLUGIN / "commands").glob("*.md")}
    assert names == {"register", "spawn", "status", "teardown", "inbox"}
    for path in (*(PLUGIN / "commands").glob("*.md"), PLUGIN / "skills" / "intercomm-mode" / "SKILL.md"):
        text = path.read_text(encoding="utf-8")
        assert text.startswith("---\n")
        assert "description:" in text.split("---")[1]
        assert set(re.findall(r"intercomm_[a-z_]+", text)) <= set(BY_NAME), path


@pytest.mark.parametrize("key", ["hooks", "mcpServers"])
def test_the_manifest_names_files_that_exist(key: str) -> None:
    """And the version of the package."""
    manifest = content(".claude-plugin/plugin.json")
    assert (PLUGIN / manifest[key]).is_file()
    assert manifest["version"] == __version__
    assert [plugin["name"] for plugin in content("../marketplace.json")["plugins"]] == [manifest["name"]]
