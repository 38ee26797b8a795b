"""Documents that are made to hold their reader up: deep, long, endless, or no files. One line that names the file."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from intercom import Bus
from intercom.cli import main
from intercom.core.message import Message
from intercom.format import Parser
from intercom.format.record import seal
from intercom.format.render import render
from intercom.format.roster import Roster
from intercom.hooks import run

DEEP = 20_000
SETTINGS, PAGE = ".claude/intercom.toml", ".claude/local/INTERCOM-testbox.md"
LAUGHS = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefghi"))
BOMBS = {
    "toml-dots": (SETTINGS, "a" + ".a" * DEEP + " = 1\n"),
    "toml-spaced": (SETTINGS, "a" + " . a" * DEEP + " = 1\n"),
    "toml-quoted": (SETTINGS, '"a"' + '."a"' * DEEP + " = 1\n"),
    "toml-table": (SETTINGS, "[a" + ".a" * DEEP + "]\n"),
    "toml-lists": (SETTINGS, "a = " + "[" * DEEP + "]" * DEEP + "\n"),
    "toml-inline": (SETTINGS, "a = " + "{a=" * DEEP + "1" + "}" * DEEP + "\n"),
    "toml-number": (SETTINGS, "a = " + "9" * 10_000 + "\n"),
    "toml-hex": (SETTINGS, "a = 0x" + "f" * 10_000 + "\n"),
    "toml-size": (SETTINGS, "a = [" + "1," * 600_000 + "]\n"),
    "toml-bytes": (SETTINGS, "\udcff"),
    "yaml-lists": (PAGE, "---\nagents: " + "[" * 60_000 + "\n---\n"),
    "yaml-dashes": (PAGE, "---\nagents: " + "- " * 30_000 + "\n---\n"),
    "yaml-laughs": (PAGE, f"---\n{LAUGHS}agents: [*i]\n---\n"),
    "yaml-self": (PAGE, "---\nagents: &a [*a]\n---\n"),
    "yaml-number": (PAGE, "---\nagents: [1" + ":1" * 10_000 + "]\n---\n"),
    "json-deep": (".mcp.json", "[" * DEEP + "]" * DEEP),
    "json-number": (".mcp.json", '{"mcpServers": ' + "9" * 10_000 + "}"),
    "json-strange": (".mcp.json", '{"mcpServers": {"intercomm": {"command": [1], "args": {"a": 1}, "env": 3}}}'),
    "json-settings": (".claude/settings.json", '{"hooks": ' + "[" * DEEP + "]" * DEEP + "}"),
    "pipe-settings": (SETTINGS, None),
    "pipe-mcp": (".mcp.json", None),
    "pipe-claude": (".claude/settings.json", None),
    "long-name": (".claude/local/.intercom/machine", "x" * DEEP),
    "long-list": (".claude/local/.intercom/ledger", "x\n" * DEEP),
}


@pytest.mark.parametrize("kind", ["toml", "yaml", "json", "long", *(["pipe"] if hasattr(os, "mkfifo") else [])])
def test_a_document_that_holds_its_reader_up(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Commands and hooks go on or say which file it is, on one line, in a moment."""
    with Bus.open(project) as bus:
        bus.register("worker")
        bus.send("user", "x", sender="worker-1")
        errors = bus.config.private / "errors.log"
    for name, text in (bomb for ident, bomb in BOMBS.items() if ident.startswith(kind)):
        path = project / name
        before = path.read_bytes() if path.exists() else None
        if text is None:
            os.mkfifo(path)
        else:
            path.write_bytes(text.encode("utf-8", "surrogateescape"))
        monkeypatch.delenv("INTERCOM_NAME", raising=False)
        began = time.process_time()
        for words in (["status"], ["send", "--from", "user", "nobody-known", "x"], ["doctor"]):
            code = main(words)
            said = capsys.readouterr()
            assert len(said.err.splitlines()) <= 2, said.err[:500]
            if name == SETTINGS:
                assert "intercom.toml" in said.err + said.out
                assert code
        monkeypatch.setenv("INTERCOM_NAME", "worker-1")
        payload = b'{"session_id": "s1", "hook_event_name": "SubagentStart"}'
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(payload)))
        assert run("Stop") == 0
        assert time.process_time() - began < 5
        if name == SETTINGS:
            assert "intercom.toml" in errors.read_text()
            assert len(errors.read_text().splitlines()) == 1
            errors.unlink()
        path.unlink()
        if before is not None:
            path.write_bytes(before)


def typed(text: str, *, to: str = "roo", then: str = "") -> str:
    """A message as people type it."""
    return f"## [2026-01-12 10:00:00] user -> {to} [INFO]{then}\n\n{text}\n\n"


SHAPES = {
    "open-fences": typed("text\n```py\nopen"),
    "fences-of-all-lengths": "".join(typed("`" * length + "\nopen") for length in range(3, 10)),
    "two-kinds": typed("```") + typed("~~~"),
    "closed-and-open": typed("```\na\n```\nb\n```"),
    "tildes": typed("~~~ a"),
    "conflicts": typed("<<<<<<< HEAD\n=======\n"),
    "half-conflicts": typed("=======\n"),
    "markers": "### COMPACTED: x\n",
    "blank-stamps": "## [" + " " * 190 + "]" + " " * 300 + "\n",
    "blank-headers": f"## [2026-01-12 10:00:00]{' ' * 400}user -> roo [INFO]\n\nx\n\n",
    "long-meta": typed("x", then="\n<!-- intercom " + "a=b " * 100),
    "blanks-before-meta": typed("x", then="\n" + (" " * 79 + "\n") * 8 + "<!-- "),
    "many-recipients": typed("x", to=",".join(f"w{one}" for one in range(50))),
    "many-tags": typed("x", then="[a]" * 100),
    "arrows": "## [2026-01-12] " + "-=" * 100 + " ->\n",
    "backslashes": typed("\\" * 300 + "# x"),
    "rules": typed("---\n" * 40),
    "no-bytes": typed("\0" * 50),
}


def linear(make: Callable[[int], bytes], roster: Roster | None = None) -> None:
    """Four times as much is read in about four times the time.

    The least of five tries counts: what else runs on the machine only ever adds to the time, and reading
    that is not linear is slow each time.
    """

    def took(data: bytes) -> float:
        began = time.process_time()
        parser = Parser(roster=roster)
        for start in range(0, len(data), 1 << 18):
            parser.feed(data[start : start + (1 << 18)])
        parser.close()
        return time.process_time() - began

    small, large = make(50_000), make(200_000)
    least_small = least_large = float("inf")
    for _ in range(5):
        least_small, least_large = min(least_small, took(small)), min(least_large, took(large))
        if least_large < 8 * max(least_small, 0.02):
            return
    raise AssertionError(f"four times the text takes {least_large / least_small:.0f} times as long")


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_reading_is_linear(shape: str) -> None:
    """A message costs about the same wherever it stands in the log."""
    linear(lambda size: (shape * (size // len(shape))).encode())


@pytest.mark.parametrize("body", ["```\nx\n```\n" + "y\n" * 50_000, "y\n" * 50_000], ids=["fence", "no-fence"])
@pytest.mark.parametrize("line", ["## [a] b\n", "=======\n", "```\n## [a] b\n```\n"])
def test_reading_below_a_tools_message_is_linear(line: str, body: str) -> None:
    """What people add below a long message is looked at without reading that message again for each line."""
    message = Message("k7q294xmbd3t", None, "2026-01-12T22:50:00.123Z", "master", "roo", "INFO", "status", body)
    record = seal(render(message, "2026-01-12 23:50:00"))
    linear(lambda size: record + (line * (size // len(line))).encode(), Roster({"master", "roo"}))


def test_taking_in_open_fences_is_linear(project: Path) -> None:
    """What took seconds when each of these messages cost 3 ms."""
    with Bus.open(project) as bus:
        bus.send("roo", "first", sender="user", via="cli")
        with bus.config.log.open("a") as file:
            for number in range(1_500):
                file.write(typed(f"{number}\n```\na\n```\nb\n```"))
        began = time.process_time()
        assert len(bus.history()) > 700
        assert time.process_time() - began < 4
