"""A log that is replaced while programs have it open: what they still write into the old file is delivered, once."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest

from intercom import Bus
from intercom.core.message import SYSTEM
from intercom.store.log import replace
from tests.killing import dies

pytestmark = pytest.mark.slow

_HOLDS_IT = """
import sys
with open(sys.argv[1], sys.argv[2], encoding="utf-8", newline="") as file:
    text = file.read() if "+" in sys.argv[2] else ""
    print("open", flush=True)
    for line in sys.stdin:
        if line == "whole\\n":
            file.seek(0)
            file.truncate()
            file.write(text)
        else:
            file.write(line.strip().replace("|", "\\n"))
        file.flush()
        print("written", flush=True)
"""


class Program:
    """A program that has a file open for writing, and writes into it what it is told (`|` ends a line)."""

    def __init__(self, path: Path, mode: str) -> None:
        command = [sys.executable, "-c", _HOLDS_IT, str(path), mode]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._answer()

    def _answer(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline()

    def write(self, text: str) -> None:
        """Write this; `whole`: write anew what stood in the file when it was opened."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n")
        self._process.stdin.flush()
        self._answer()

    def close(self) -> None:
        """Let it end."""
        self._process.communicate()


def _typed(text: str, second: int = 0) -> str:
    return f"## [2026-01-12 10:00:{second:02}] user -> roo [INFO]||{text}||---||"


@pytest.fixture
def talk(project: Path) -> Iterator[Bus]:
    """A bus with five messages that were read."""
    with Bus.open(project) as bus:
        bus.add_agents(["roo", "zoo"])
        for n in range(5):
            bus.send("roo", f"said {n}", sender="zoo")
        bus.read("roo")
        yield bus


def _new(bus: Bus) -> list[str]:
    return [message.body for message in bus.read("roo")]


def test_a_program_that_keeps_the_replaced_log_open(talk: Bus) -> None:
    """What is appended to the file that a compaction replaced, however late and often, is delivered, once."""
    program = Program(talk.config.log, "a")
    talk.compact(2)
    assert _new(talk) == []
    for n in range(3):
        program.write(_typed(f"late {n}", n))
        assert _new(talk) == [f"late {n}"]
        assert _new(talk) == []
        if n == 1:
            talk.send("roo", "between", sender="zoo")
            talk.compact(1)
            assert _new(talk) == ["between"]
    program.write("## [2026-01-12 11:00:00] user -> roo [INFO]||in two")
    program.close()
    assert _new(talk) == ["in two"]
    assert not (talk.config.private / "replaced").exists()
    assert [message.body for message in talk.history()][5:] == ["late 0", "late 1", "between", "late 2", "in two"]
    assert talk.notices == []


def test_a_program_that_writes_the_replaced_log_anew(talk: Bus) -> None:
    """Of a whole text that is written into the replaced file late, what is new is delivered; nothing comes twice."""
    program = Program(talk.config.log, "r+")
    talk.compact(2)
    talk.send("roo", "meanwhile", sender="zoo")
    assert _new(talk) == ["meanwhile"]
    program.write("whole")
    program.write(_typed("late"))
    program.close()
    assert _new(talk) == ["late"]
    assert [message.body for message in talk.history()] == [*(f"said {n}" for n in range(5)), "meanwhile", "late"]
    assert talk.config.log.read_bytes().count(b"said 0") == 0
    assert not (talk.config.private / "replaced").exists()
    assert talk.notices == []


def test_a_redaction_forgets_the_replaced_log(talk: Bus) -> None:
    """A secret does not stay in a replaced file."""
    ident = talk.send("roo", "the secret of the cake", sender="zoo").id
    program = Program(talk.config.log, "a")
    talk.compact(2)
    assert any(b"secret" in path.read_bytes() for path in (talk.config.private / "replaced").iterdir())
    talk.redact(ident)
    assert not any(b"secret" in path.read_bytes() for path in talk.config.folder.rglob("*") if path.is_file())
    program.close()


def _secret_is_somewhere(bus: Bus) -> bool:
    return any(b"secret" in path.read_bytes() for path in bus.config.folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("moved", [False, True])
def test_who_holds_a_log_with_a_secret_may_go_on_writing(talk: Bus, moved: bool) -> None:
    """A redaction takes a secret out of a log that is open in a program, and what comes from there is delivered."""
    ident = talk.send("roo", "the secret of the cake", sender="zoo").id
    assert _new(talk) == ["the secret of the cake"]
    program = Program(talk.config.log, "a")
    if moved:
        talk.compact(2)
    talk.redact(ident)
    assert not _secret_is_somewhere(talk)
    for n in range(2):
        program.write(_typed(f"late {n}", n))
        assert _new(talk) == [f"late {n}"]
    program.close()
    assert _new(talk) == []
    assert not (talk.config.private / "replaced").exists()
    assert [message.body for message in talk.history()][-2:] == ["late 0", "late 1"]


def test_a_secret_that_a_program_writes_back(talk: Bus) -> None:
    """A program that had the log open writes the whole text anew, with what was redacted: that goes again."""
    ident = talk.send("roo", "the secret of the cake", sender="zoo").id
    assert _new(talk) == ["the secret of the cake"]
    program = Program(talk.config.log, "r+")
    talk.redact(ident)
    program.write("whole")
    program.write(_typed("late"))
    program.close()
    assert _new(talk) == ["late"]
    assert not _secret_is_somewhere(talk)


def _read(root: str) -> None:
    with Bus.open(root) as bus:
        bus.history()


@pytest.mark.parametrize("short", [False, True])
def test_fetching_what_came_late_can_be_killed(talk: Bus, tmp_path: Path, short: bool) -> None:
    """kill -9 before every call of the look that fetches a late message, or while it writes: delivered once."""
    program = Program(talk.config.log, "a")
    talk.compact(2)
    program.write(_typed("late"))
    start, step, more = talk.config.root, 0, True
    talk.close()
    while more:
        step += 1
        root = tmp_path / f"{step}"
        shutil.copytree(start, root)
        again = Program(next((root / ".claude" / "local" / ".intercom" / "replaced").iterdir()), "a")
        more = dies(_read, root, step, short=short)
        with Bus.open(root) as bus:
            assert _new(bus) == ["late"], step
            again.write(_typed("later", 1))
            assert _new(bus) == ["later"], step
            again.close()
            assert _new(bus) == [], step
    program.close()
    assert step > 5


def test_a_swap_that_died_before_it_noted_what_it_carried_over(talk: Bus) -> None:
    """What it had brought along already is not fetched again, what came after is."""
    program = Program(talk.config.log, "a")
    talk.compact(2)
    program.write(_typed("late"))
    assert _new(talk) == ["late"]
    kept = next((talk.config.private / "replaced").iterdir())
    kept.rename(kept.with_name(kept.name.partition(" ")[0]))
    program.write(_typed("later", 1))
    program.close()
    assert _new(talk) == ["later"]
    assert talk.config.log.read_bytes().count(b"late\n") == 1


@pytest.mark.parametrize("damage", [lambda text: text[:-20], lambda text: text[:80] + bytes(200) + text[280:]])
def test_a_repair_that_died_right_after_it_replaced_the_log(
    talk: Bus, monkeypatch: pytest.MonkeyPatch, damage: Callable[[bytes], bytes]
) -> None:
    """What was left of a text in the page that it put right is not fetched from there as if somebody had written it."""
    log = talk.config.log
    with log.open("a", encoding="utf-8") as file:
        file.write(_typed("by hand, as long as it gets").replace("|", "\n"))
    assert len(_new(talk)) == 1
    talk.send("roo", "below", sender="zoo")
    assert len(_new(talk)) == 1
    before, page = [one.body for one in talk.history()], log.read_bytes()
    end = page.rindex(b"## [", 0, page.rindex(b"## ["))
    log.write_bytes(page[:end] + damage(page[end:]))
    with monkeypatch.context() as patch:
        patch.setattr(replace, "_carry_over", mock.Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            talk.history()
    talk.close()
    with Bus.open(talk.config.root) as bus:
        assert _new(bus) == []
        assert [one.body for one in bus.history() if one.sender != SYSTEM] == before
        assert [log.read_bytes().count(part) for part in (b"by hand", b"it gets")] == [1, 1]
        assert b"\0" not in log.read_bytes()
