"""Commands in a locale without UTF-8: what is typed arrives, and what is shown is harmless ASCII."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from intercom import Bus, cli
from intercom.cli.parser import COMMANDS
from tests import hostile
from tests.conftest import Command

C = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
UNSEEN = "\u061c\u200b\u2060\ufeff\u202e\u2066\U000e0041\u00ad\x1b[2J"


def test_what_is_typed_arrives(project: Path, command: Command) -> None:
    """Letters beyond ASCII, in arguments and on standard input; a byte that is no UTF-8 stays one."""
    assert command("init", stdin=b"", **C).returncode == 0
    for words, given in ((["grün 字"], b""), (["-"], "grün 字".encode())):
        assert command("send", "--from", "user", "roo", *words, stdin=given, **C).returncode == 0
    assert command("send", "--from", "user", "roo", "--thread", "\udcff", "x", stdin=b"", **C).returncode == 0
    with Bus.open(project) as bus:
        assert [(one.body, one.thread) for one in bus.read("roo")] == [("grün 字", None)] * 2 + [("x", "\udcff")]
    [found] = [
        json.loads(row)
        for row in command("search", "grün", "--limit", "1", "--json", stdin=b"", **C).stdout.splitlines()
    ]
    assert found["body"] == "grün 字"


@pytest.mark.parametrize("locale", [C, {}], ids=["C", "utf-8"])
def test_what_is_shown_is_harmless(project: Path, command: Command, locale: dict[str, str]) -> None:
    """Characters that are not seen are escapes, in every column, line and error; in C nothing is beyond ASCII."""
    text = f"a{UNSEEN}b \ud800 c"
    with Bus.open(project) as bus:
        bus.send("roo", text, sender="user", via="cli", thread=text)
        with bus.config.log.open("ab") as file:
            file.write(f"## [2026-01-12 10:00] x{UNSEEN} -> roo [INFO]\n\n{text}\n".encode("utf-8", "surrogatepass"))
        (bus.config.folder / "INTERCOM-x\u202ey.md").write_text("## [2026-01-12 10:00] a -> roo [INFO]\n\nx\n\n---\n\n")
    unknown = f"u{UNSEEN}"
    send = ["send", "--from", "user", unknown, "x"]
    for words in (["log"], ["log", "--json"], ["status"], ["doctor"], ["trust"], send):
        done = command(*words, stdin=b"", **locale)
        said = done.stdout + done.stderr
        assert "Traceback" not in said
        hostile.check(said, but="\n")
        assert not locale or said.isascii()


@pytest.mark.parametrize("page", ["cp437", "cp850", "cp1252", "ascii"])
def test_help_in_a_code_page(monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    """Sent to a file or a pipe, it is in the system's code page: what that lacks is an escape."""

    def shown(*words: str) -> str:
        said = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(said, page, newline="\n"))
        with pytest.raises(SystemExit) as ended:
            cli.main([*words, "--help"])
        sys.stdout.flush()
        assert ended.value.code == 0
        return said.getvalue().decode(page)

    assert "\\u2026" in shown("spawn") or page == "cp1252"
    for one in COMMANDS:
        assert f"usage: intercom {one.name}" in shown(one.name)
