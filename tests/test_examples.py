"""The examples run as they say, and what the README shows works as it stands there."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from intercom import Bus
from intercom.cli.init import server_entry
from intercom.core.config import load
from intercom.core.consent import SETTINGS
from intercom.format import MESSAGE, parse
from tests.conftest import SOURCE, Command, agree
from tests.people_kit import append, by_hand, until

ENV = {"PYTHONPATH": str(SOURCE), "PYTHONUNBUFFERED": "1"}
README = (SOURCE / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The README's code blocks in a language; those without one for ""."""
    found = re.findall(r"^```([a-z]*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [text for named, text in found if named == language]


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process whose output can be read; killed at the end if it is still there."""
    with subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **ENV},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_every_example_is_tried_here() -> None:
    """A new one needs a test."""
    assert {path.name for path in (SOURCE / "examples").glob("*.py")} == {
        "ask_and_answer.py",
        "wait_for_people.py",
    }


def test_ask_and_answer(project: Path) -> None:
    """It runs anywhere, says what happened, and leaves nothing behind."""
    with running(str(SOURCE / "examples" / "ask_and_answer.py")) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    question, answer, receipt = said.splitlines()
    assert question == "worker-1 asks: Which branch do I use?"
    assert answer == "master answers: Use `main`."
    moment = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    assert re.fullmatch(rf"master was shown the question at {moment} and acted on it at {moment}", receipt)
    assert list(project.iterdir()) == []


def test_wait_for_people(project: Path, command: Command) -> None:
    """It answers what was sent and what was written by hand, once each, until Ctrl-C."""
    with running(str(SOURCE / "examples" / "wait_for_people.py")) as process, Bus.open(project) as bus:
        assert process.stdout is not None
        assert process.stdout.readline() == f"echo-bot listens in {bus.config.log}\n"
        assert command("send", "--from", "user", "echo-bot", "hello").returncode == 0
        assert process.stdout.readline() == "user sent: hello\n"
        append(bus.config.log, by_hand("by pen", to="echo-bot"))
        assert process.stdout.readline() == "user wrote into the file: by pen\n"
        assert until(lambda: len(bus.history(sender="echo-bot")) == 2)
        process.send_signal(signal.SIGINT)
        assert (process.stdout.read(), process.wait(60)) == ("", 0)
        assert [message.body for message in bus.read("user")] == ["Thank you.", "Thank you."]


def test_the_readmes_python(project: Path) -> None:
    """The program sends, waits and prints."""
    (code,) = blocks("python")
    with Bus.open(project) as bus:
        bus.send("user", "I saw it", sender="claude-code")
        with running("-c", code) as process:
            said, _ = process.communicate(timeout=60)
        assert (process.returncode, said) == (0, "claude-code I saw it\n")
        assert [(message.sender, message.body) for message in bus.read("roo")] == [("user", "the build is green")]


def test_the_readmes_log(project: Path) -> None:
    """Both messages of the sample are delivered as the text beside them says."""
    sample = blocks("markdown")[0]
    assert len([entry for entry in parse(sample.encode()) if entry.kind == MESSAGE]) == 2
    with Bus.open(project) as bus:
        bus.register("master")
        bus.register("worker", "worker-1")
        bus.config.log.write_text(sample, encoding="utf-8")
        (asked,) = bus.read("master")
        (told,) = bus.read("worker-1")
    assert (asked.sender, asked.type, asked.urgent) == ("worker-1", "question", True)
    assert (told.sender, told.type, told.via) == ("user", "answer", "hand")


def test_the_readmes_settings(project: Path) -> None:
    """Each sample of `.claude/intercom.toml` is accepted, also all of them together."""
    (project / ".claude").mkdir()
    samples = blocks("toml")
    for text in (*samples, "\n".join(samples)):
        (project / ".claude" / "intercom.toml").write_text(text, encoding="utf-8")
        agree(project)
        config = load(project)
        assert config.settings == tomllib.loads(text)
        assert config.given.keys() <= {*SETTINGS, "notify", "prices"}  # these two stand in a person's own file
        with Bus(config) as bus:
            bus.send("roo", "x", sender="claude-code")


def test_the_readmes_server_entry(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is what `intercom init` prints where the command is on PATH."""
    program = project / ("intercom.exe" if os.name == "nt" else "intercom")
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(project))
    (entry,) = blocks("json")
    assert json.loads(entry) == {"mcpServers": {"intercomm": server_entry(load(project))}}


def test_the_readmes_first_steps(command: Command) -> None:
    """What a new user types, in the README's order, works without a word on stderr."""
    typed = [line.split("#")[0].strip() for line in "\n".join(blocks("")).splitlines()]
    lines = [line for line in typed if line.startswith("intercom ")]
    assert lines[0] == "intercom init"
    assert command("register", "master").stdout == "master\n"  # "Tell one of them: register as master"
    for line in lines:
        words = re.findall(r'"([^"]*)"|(\S+)', line)
        done = command(*[quoted or bare for quoted, bare in words][1:])
        assert (done.returncode, done.stderr) == (0, ""), line
    shown = command("read", "--id", "master").stdout
    assert "the tests on main are red, who is on it?" in shown
