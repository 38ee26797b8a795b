"""Owns what tests of setting up MCP clients share: files laid and read, a command run, where clients' own files are."""

from __future__ import annotations

from pathlib import Path

import pytest

from intercom.cli import main

#: By the variable that moves a client's own folder, in which the name is that of its variable: client, file in there.
OWN = {
    "CLAUDE_CONFIG_DIR": ("claude", ".claude.json"),
    "CODEX_HOME": ("codex", "config.toml"),
    "XDG_CONFIG_HOME": ("opencode", "opencode/opencode.json"),
    "GEMINI_CLI_HOME": ("gemini", ".gemini/settings.json"),
    "QWEN_HOME": ("qwen", "settings.json"),
    "CLINE_DIR": ("cline", "data/settings/cline_mcp_settings.json"),
    "CLINE_DATA_DIR": ("cline", "settings/cline_mcp_settings.json"),
    "CONTINUE_GLOBAL_DIR": ("continue", "config.yaml"),
    "COPILOT_HOME": ("copilot", "mcp-config.json"),
}


def files(folder: Path) -> dict[str, bytes]:
    """Every file below, but for the bus and what git has."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith((".claude/local/", ".git/", ".local/state/", ".config/intercom/")):
            found[name] = path.read_bytes()
    return found


def lay(folder: Path, contents: dict[str, str]) -> None:
    """Write these files."""
    for name, text in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())


def run(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    """Run a command here; what it prints."""
    assert main([*words]) == status
    return capsys.readouterr().out
