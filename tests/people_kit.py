"""Owns what tests of people at work on the log share: a project, messages by hand, tools that must be there."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TypeVar

import pytest

from intercom import Bus
from intercom.core.message import Message
from tests import prettier
from tests.processes import until

__all__ = ["until"]

T = TypeVar("T")


def need(program: str) -> str:
    """The path of a program; the test fails, saying how to install it, if it is not there."""
    if program == "prettier":
        return str(prettier.binary())
    found = shutil.which(program)
    if found is None:
        pytest.fail(f"{program} is not installed; this test needs the real one. `make needs` says how to get it.")
    return found


def run(*words: str, cwd: Path, ok: bool = True) -> subprocess.CompletedProcess[bytes]:
    """Run a program that must be there."""
    done = subprocess.run([need(words[0]), *words[1:]], cwd=cwd, capture_output=True, timeout=60, check=False)
    assert not ok or done.returncode == 0, (words, done.stdout, done.stderr)
    return done


def by_hand(body: str, *, sender: str = "user", to: str = "roo", stamp: str = "2026-01-12 10:00:00") -> str:
    """A message as a person types it."""
    return f"## [{stamp}] {sender} -> {to} [INFO]\n\n{body}\n\n---\n\n"


def talk(bus: Bus, count: int, *, start: int = 0) -> list[str]:
    """Let an agent say some things to another; the texts."""
    texts = [f"Message number {number}: the build is at step {number}." for number in range(start, start + count)]
    for text in texts:
        bus.send("roo", text, sender="claude-code")
    return texts


def bodies(messages: list[Message]) -> list[str]:
    """The texts of messages, without Intercom's own."""
    return [message.body for message in messages if message.sender != "system"]


def said(bus: Bus) -> list[str]:
    """What Intercom announced to people."""
    return [message.body for message in bus.history() if message.sender == "system"]


def gather(into: list[str], messages: list[Message], count: int = 1) -> bool:
    """Add the texts to a list; whether it has so many now."""
    into += bodies(messages)
    return len(into) >= count


def append(path: Path, text: str) -> None:
    """Add to a file as a shell's `>>` does."""
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def lose(path: Path) -> None:
    """Delete a file, unless it is open on a system that refuses that."""
    try:
        path.unlink()
    except PermissionError:
        assert os.name == "nt"


def quoted(*words: object) -> str:
    """A command line, as the shell of this system has it."""
    line = [str(word) for word in words]
    return subprocess.list2cmdline(line) if os.name == "nt" else shlex.join(line)
