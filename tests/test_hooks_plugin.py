"""The plugin installs what `--settings` carries at spawn, and its files are what they say."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from intercom import __version__
from intercom.fleet.programs.claude.hook_settings import settings
from tests.conftest import SOURCE

PLUGIN = SOURCE / ".claude-plugin"


def content(name: str) -> Any:
    """A file of the plugin."""
    return json.loads((PLUGIN / name).read_text(encoding="utf-8"))


def test_the_hooks_are_those_of_the_settings() -> None:
    """One source: `intercom.fleet.programs.claude.hook_settings`."""
    assert content("hooks.json")["hooks"] == settings(["intercom"], optional=True)["hooks"]


def test_without_the_program_the_hooks_are_silent(tmp_path: Path) -> None:
    """A plugin whose program is not installed: no error at every event."""
    for groups in content("hooks.json")["hooks"].values():
        for entry in groups[0]["hooks"]:
            done = subprocess.run(
                ["/bin/sh", "-c", entry["command"]], env={"PATH": str(tmp_path)}, capture_output=True, check=False
            )
            assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_server_has_the_name_that_its_tools_bear() -> None:
    """As the README shows it, and with its tools at hand from the first turn."""
    server = content("mcp.json")["mcpServers"]["intercomm"]
    assert (server["command"], server["args"], server["alwaysLoad"]) == ("intercom", ["mcp"], True)


@pytest.mark.parametrize("key", ["hooks", "mcpServers"])
def test_the_manifest_names_files_that_exist(key: str) -> None:
    """And the version of the package."""
    manifest = content("plugin.json")
    assert (SOURCE / manifest[key]).is_file()
    assert manifest["version"] == __version__
    assert [plugin["name"] for plugin in content("marketplace.json")["plugins"]] == [manifest["name"]]
