"""`intercom doctor` starts what clients would start, if that is Intercom, and `--fix` writes anew what init wrote."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from intercom.cli import main
from intercom.fleet.clients.record import sum_of

pytestmark = pytest.mark.slow


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, and an `intercom` on PATH."""
    place, programs = tmp_path / "home", tmp_path / "bin"
    place.mkdir()
    programs.mkdir()
    (programs / "intercom").write_text(f'#!/bin/sh\nexec {sys.executable} -m intercom "$@"\n')
    (programs / "intercom").chmod(0o755)
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    return place


def found(capsys: pytest.CaptureFixture[str], *words: str) -> list[tuple[str, str]]:
    """(state, what it says) of each client."""
    capsys.readouterr()
    main(["doctor", "--json", *words])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [(row["state"], row["says"]) for row in rows if row["check"] == "client"]


def test_entries_are_started_and_spoken_to(project: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each in its own form; what a person or a repository wrote otherwise is not run."""
    (project / ".gemini").mkdir()
    main(["init", "--client", "codex", "--client", "opencode", "--client", "claude"])
    good = found(capsys)
    assert [state for state, _ in good] == ["ok"] * 4
    assert sum("19 tools" in says for _, says in good) == 3
    assert any("Gemini CLI is in use here (.gemini) and not connected" in says for _, says in good)
    trap = project / "intercom"
    trap.write_text(f"#!/bin/sh\ntouch {project}/trapped\n")
    trap.chmod(0o755)
    entry = {"command": str(trap), "args": ["mcp"]}
    (project / ".mcp.json").write_text(json.dumps({"mcpServers": {"intercomm": entry}}))
    assert any("made by hand, and not started" in says for _, says in found(capsys))
    assert not (project / "trapped").exists()


def test_what_is_broken_is_named_and_mended(project: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An entry of ours whose program is gone is written anew by --fix; one of a person's is left."""
    main(["init", "--client", "codex"])
    path = project / ".codex/config.toml"
    record = project / ".claude/local/.intercom/clients.json"
    old = path.read_text()
    gone = old.replace('command = "intercom"', 'command = "/gone/intercom"')
    assert gone != old
    path.write_text(gone)
    kept = json.loads(record.read_text())
    about = kept["files"][str(path)]
    about["inserts"] = [[at, text.replace('"intercom"', '"/gone/intercom"', 1)] for at, text in about["inserts"]]
    about["after"] = sum_of(gone)
    record.write_text(json.dumps(kept))  # as an older installation left it
    assert any(state == "wrong" and "not found" in says for state, says in found(capsys))
    assert all(state == "ok" for state, _ in found(capsys, "--fix"))
    assert path.read_text() == old
    path.write_text(old.replace('command = "intercom"', 'command = "/my/own"'))
    assert any(state == "wrong" for state, _ in found(capsys, "--fix"))
    assert "/my/own" in path.read_text()


def test_hooks_that_init_wrote(project: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They call this Intercom, whatever they ask the shell before."""
    assert home.is_dir()
    main(["init", "--client", "claude"])
    capsys.readouterr()
    main(["doctor", "--json"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["state"] for row in rows if row["check"] == "hooks"] == ["ok"], rows
