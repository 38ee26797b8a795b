"""What a worker of another maker is started with: settings of its own, and nothing of the user's changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from intercom.fleet.programs import event, known
from intercom.fleet.programs.cline.places import servers
from intercom.fleet.programs.program import Start
from intercom.fleet.programs.talk import Talk

ASKS = {"kind": "other", "title": "intercomm__intercomm_send: {}"}


def started(name: str, tmp_path: Path, mode: str = "acceptEdits", **environ: str) -> tuple[list[str], dict[str, Any]]:
    """The command line without a terminal, and the settings that were written for it."""
    written: dict[str, str] = {}

    def write(suffix: str, text: str) -> Path:
        written[suffix] = text
        return tmp_path / f"worker-1.{suffix}"

    identity = {"INTERCOM_NAME": "worker-1"}
    start = Start("s", tmp_path, tmp_path, mode, ["intercom"], identity, {"HOME": str(tmp_path), **environ})
    program = known.program(name)
    found = program.alone([program.command], start, write)
    assert set(written) == set(program.files)
    return found.words, json.loads(next(text for suffix, text in written.items() if suffix.endswith("json")))


def talk(name: str) -> Talk:
    """The API of a program."""
    return known.program(name).talk()


@pytest.mark.parametrize(("name", "variable"), [("opencode", "OPENCODE_CONFIG"), ("kilo", "KILO_CONFIG")])
def test_opencode_and_its_fork(name: str, variable: str, tmp_path: Path) -> None:
    """The same settings under another name; Kilo does not ask a worker about its snapshots."""
    words, settings = started(name, tmp_path)
    assert words[:3] == ["env", f"{variable}={tmp_path / 'worker-1.opencode.json'}", name]
    assert settings["mcp"]["intercomm"]["environment"] == {"INTERCOM_NAME": "worker-1"}
    assert settings.get("snapshot", True) == (name == "opencode")


@pytest.mark.parametrize(
    ("variable", "value", "place"),
    [
        ("", "", ".cline/data/settings/cline_mcp_settings.json"),
        ("CLINE_DIR", "/x", "x/data/settings/cline_mcp_settings.json"),
        ("CLINE_DATA_DIR", "/x", "x/settings/cline_mcp_settings.json"),
        ("CLINE_MCP_SETTINGS_PATH", "/x.json", "x.json"),
        ("CLINE_DIR", "relative", ".cline/data/settings/cline_mcp_settings.json"),
    ],
)
def test_cline_keeps_the_user_s_servers(variable: str, value: str, place: str, tmp_path: Path) -> None:
    """They stay theirs; ours is the worker's; no hub of the user's sessions begins in its name."""
    environ = {variable: f"{tmp_path}{value}" if value.startswith("/") else value} if variable else {}
    mine = {"mcpServers": {"mine": {"command": "m"}, "intercomm": {"command": "i", "env": {"INTERCOM_ROOT": "/p"}}}}
    path = tmp_path / place
    assert servers(environ, tmp_path) == path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(mine))
    words, settings = started("cline", tmp_path, **environ)
    assert settings["mcpServers"]["mine"] == {"command": "m"}
    assert settings["mcpServers"]["intercomm"]["env"] == {"INTERCOM_NAME": "worker-1"}
    assert "CLINE_SESSION_BACKEND_MODE=local" in words
    assert words[-2:] == ["--auto-approve", "false"]
    assert json.loads(path.read_text()) == mine
    path.write_text("{ broken")
    words, settings = started("cline", tmp_path, "bypassPermissions", **environ)
    assert list(settings["mcpServers"]) == ["intercomm"]
    assert words[-2:] == ["--auto-approve", "true"]


@pytest.mark.parametrize(
    ("call", "ours"),
    [
        (ASKS, True),
        ({**ASKS, "kind": "execute"}, False),
        ({**ASKS, "title": "other__intercomm_send: {}"}, False),
        ({**ASKS, "title": "run_commands: intercomm__intercomm_send: {}"}, False),
        (None, False),
    ],
)
def test_only_our_own_tools_need_no_answer(call: Any, ours: bool) -> None:
    """Cline asks for each tool, ours too."""
    assert talk("cline").ours({"toolCall": call}) is ours


def test_a_call_with_several_commands_is_shown_whole() -> None:
    """Each on its line; what is approved is all of them."""
    call = {"kind": "execute", "title": "run_commands: a …", "rawInput": {"commands": ["a", "b && c"]}}
    wanted = talk("cline").wants("session/request_permission", {"toolCall": call})
    assert wanted is not None
    assert wanted["tool_input"]["command"] == "a\nb && c"


def test_cline_s_hooks_and_its_keeper_s() -> None:
    """Its own hooks name the session in their way, and want the text in another than the keeper does."""
    cline = known.program("cline")
    own = cline.heard("PostToolUse", {"taskId": "t", "sessionContext": {"rootSessionId": "r"}})
    kept = cline.heard("Prompted", {"session_id": "k", "hook_event_name": "Prompted"})
    assert own is not None
    assert kept is not None
    assert (own.session, own.kind, kept.session, kept.kind) == ("r", event.PROMPT, "k", event.PROMPT)
    assert cline.context(own, "x") == {"contextModification": "x"}
    assert "x" in str(cline.context(kept, "x")["hookSpecificOutput"])
