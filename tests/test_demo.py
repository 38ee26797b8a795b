"""`intercom demo`, the first thing anybody sees."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from intercom.cli import demo_play
from tests.conftest import Command

pytestmark = pytest.mark.slow


def test_demo(command: Command, tmp_path: Path) -> None:
    """It plays to the end without a word on stderr; the log holds all five messages, and where it lies is said."""
    done = command("demo", TMPDIR=str(tmp_path), INTERCOM_ROOT="")
    assert (done.returncode, done.stderr) == (0, "")
    (log,) = tmp_path.glob("intercom-demo-*/.claude/local/INTERCOM-demo.md")
    assert str(log) in done.stdout
    text = log.read_text(encoding="utf-8")
    for said in (demo_play.QUESTION, demo_play.ANSWER, demo_play.BY_HAND, demo_play.DONE):
        assert text.count(said) == 1
        assert said in re.sub(r"\n[ |:]*", " ", done.stdout)
    assert len(re.findall(r"^## \[", text, re.MULTILINE)) == 5
    assert "written by hand" in done.stdout
    assert "\x1b" not in done.stdout
    ours = [line for line in done.stdout.splitlines() if str(tmp_path) not in line and sys.executable not in line]
    assert max(map(len, ours)) <= demo_play.WIDTH
    assert [path.name for path in log.parents[2].iterdir()] == [".claude"]
