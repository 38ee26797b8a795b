"""Owns setting up Codex: tables in `config.toml`, and hooks beside it that a person has to trust."""

from __future__ import annotations

from pathlib import Path

from intercom.fleet.clients.client import Client, Setup
from intercom.fleet.clients.part import Item, Part, Toml
from intercom.fleet.programs.codex.launch import toml
from intercom.fleet.programs.program import CALL_SECONDS, SERVER

EVENTS = ("SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "Stop", "SessionEnd")
PASSED = ["INTERCOM_NAME", "INTERCOM_ROLE", "INTERCOM_ROOT", "INTERCOM_MACHINE", "CODEX_HOME"]


def own(setup: Setup) -> Path:
    """The user's folder."""
    return setup.own(".codex", "CODEX_HOME")


def parts(setup: Setup) -> list[Part]:
    """The server, approved and required; the hooks; the rules text."""
    folder = setup.base(own(setup), ".codex")
    hooks: list[Part] = [
        Item(
            folder / "hooks.json",
            ("hooks", event),
            {"hooks": [{"type": "command", "command": setup.hook(event, "codex"), "timeout": 30}]},
        )
        for event in EVENTS
    ]
    return [Toml(folder / "config.toml", ("mcp_servers", SERVER), table(setup)), *hooks, setup.rules("AGENTS.md")]


def table(setup: Setup) -> str:
    """The server's TOML table. It is `required`, because a first turn without our tools is useless."""
    lines = [
        f"[mcp_servers.{SERVER}]",
        f"command = {toml(setup.entry['command'])}",
        f"args = {toml(list(setup.entry['args']))}",
        "required = true",
        "startup_timeout_sec = 30",
        f"tool_timeout_sec = {CALL_SECONDS}",
        'default_tools_approval_mode = "approve"',
        f"env_vars = {toml(PASSED)}",
    ]
    if env := setup.entry.get("env"):
        lines += [f"[mcp_servers.{SERVER}.env]", *(f"{key} = {toml(value)}" for key, value in env.items())]
    return "\n".join(lines)


def notes(setup: Setup) -> list[str]:
    """What it asks a person to confirm."""
    trust = (
        []
        if setup.user
        else ["trust the project when it asks at its start: before that it does not read the project's settings"]
    )
    return [*trust, "trust the hooks with /hooks: then messages come by themselves"]


CLIENT = Client(
    "codex",
    "Codex",
    parts,
    programs=("codex",),
    folders=(".codex",),
    homes=lambda setup: [own(setup)],
    notes=notes,
)
