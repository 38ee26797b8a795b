"""The command line as people and scripts use it: real processes, their output and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intercom import Bus
from intercom.bus import setup
from intercom.core import config
from intercom.core.message import ID_LENGTH, epoch, utc
from tests.conftest import SOURCE, Command

KEYS = ["id", "seq", "at", "from", "to", "type", "body", "priority", "reply_to", "thread", "via", "file"]


@pytest.fixture
def bus(command: Command, project: Path) -> Command:
    """A project with a bus, and nothing said yet."""
    settings = config.load(project)
    with Bus(settings) as made:
        made.add_agents(setup.init(settings, settings.agents).agents)
    return command


def rows(text: str) -> list[dict[str, Any]]:
    """JSON lines."""
    return [json.loads(line) for line in text.splitlines()]


def ok(done: subprocess.CompletedProcess[str]) -> str:
    """The output of a command that succeeded without a word on stderr."""
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def test_send_prints_the_id_alone_and_read_gives_the_message_once(bus: Command) -> None:
    """The id on stdout is the message's; a second read has nothing."""
    ident = ok(bus("send", "--from", "user", "roo", "hello")).removesuffix("\n")
    assert len(ident) == ID_LENGTH
    first = ok(bus("read", "--id", "roo"))
    assert ident in first
    assert "  hello\n" in first
    assert "given before" not in first
    assert ok(bus("read", "--id", "roo")) == "No new messages for roo.\n"


def test_json_form(bus: Command) -> None:
    """A message in JSON has the documented keys, in InterComm's words."""
    asked = ok(bus("send", "--from", "roo", "user", "which?", "--type", "ASK", "--priority", "urgent")).strip()
    ok(bus("send", "--from", "user", "roo", "that", "--type", "answer", "--reply-to", asked, "--thread", "t1"))
    question = rows(ok(bus("read", "--id", "user", "--json")))
    answer = rows(ok(bus("read", "--id", "roo", "--json")))
    assert len(question) == len(answer) == 1
    assert list(question[0]) == KEYS
    assert (question[0]["type"], question[0]["priority"], question[0]["via"]) == ("question", "urgent", "cli")
    assert question[0]["at"].endswith("Z")
    assert (answer[0]["type"], answer[0]["reply_to"], answer[0]["thread"]) == ("answer", asked, "t1")
    assert ok(bus("read", "--id", "roo", "--json")) == ""


@pytest.mark.parametrize(
    ("body", "encoding"), [("Grüße \ufeff!", "utf-8-sig"), ("Grüße", "utf-16")], ids=["utf-8", "utf-16"]
)
def test_a_byte_order_mark_is_no_part_of_the_message(bus: Command, body: str, encoding: str) -> None:
    """PowerShell may put one before what it pipes; one further on is the writer's own."""
    ok(bus("send", "roo", "-", stdin=body.encode(encoding)))
    (found,) = rows(ok(bus("read", "--id", "roo", "--json")))
    assert found["body"] == body


@pytest.mark.parametrize(
    "body",
    [b"x\n", b"\xff\xfe\x00", "é ✓ \u2028".encode(), b"## [2026-01-01 00:00:00] a -> b [ASK]\n\n---\n", b"--all"],
    ids=["newline", "not-utf8", "unicode", "header", "option"],
)
def test_standard_input_is_the_message_exactly(bus: Command, body: bytes) -> None:
    """`send -` takes standard input as it is, and JSON gives it back; nothing is trimmed."""
    ok(bus("send", "--from", "user", "roo", "-", stdin=body))
    (message,) = rows(ok(bus("read", "--id", "roo", "--json")))
    assert message["body"].encode("utf-8", "surrogateescape") == body


def test_a_message_that_looks_like_an_option_goes_after_two_dashes(bus: Command) -> None:
    """`--` ends the options."""
    ok(bus("send", "--from", "user", "roo", "--", "--json"))
    assert rows(ok(bus("read", "--id", "roo", "--json")))[0]["body"] == "--json"


def test_broadcast_reaches_every_agent_but_the_sender(bus: Command) -> None:
    """An announcement goes to all."""
    ok(bus("broadcast", "--from", "roo", "stand-up at ten"))
    (message,) = rows(ok(bus("read", "--id", "claude-code", "--json")))
    assert (message["to"], message["type"]) == ("all", "announce")
    assert ok(bus("read", "--id", "roo", "--json")) == ""


def test_register_prints_the_name_alone(bus: Command) -> None:
    """Names come in order; a second master is refused by name while nobody knows the first to be dead."""
    assert ok(bus("register")) == "worker-1\n"
    assert ok(bus("register", "worker")) == "worker-2\n"
    assert ok(bus("register", "worker", "--name", "Ana")) == "ana\n"
    assert rows(ok(bus("register", "master", "--json")))[0]["name"] == "master"
    ok(bus("signoff", "--id", "worker-1"))
    assert ok(bus("register")) == "worker-1\n"


def test_log_filters_and_raw(bus: Command) -> None:
    """`log` shows all, moves no cursor, filters before it limits; `--raw` is the markdown."""
    for number in range(4):
        ok(bus("send", "--from", "user", "roo", f"n{number}", "--type", "question" if number % 2 else "status"))
    assert [row["body"] for row in rows(ok(bus("log", "--json")))] == ["n0", "n1", "n2", "n3"]
    assert [row["body"] for row in rows(ok(bus("log", "--json", "--type", "ASK", "--limit", "1")))] == ["n3"]
    assert len(rows(ok(bus("log", "--json", "--to", "roo", "--from", "user", "--since", "10m")))) == 4
    assert rows(ok(bus("log", "--json", "--since", "2999-01-01"))) == []
    raw = ok(bus("log", "--raw", "--limit", "2"))
    assert raw.startswith("## [")
    assert raw.count("<!-- intercom id=") == 2
    assert raw in next(Path.cwd().glob(".claude/local/INTERCOM-*.md")).read_text(encoding="utf-8")
    assert len(rows(ok(bus("read", "--id", "roo", "--json")))) == 4


def test_search_status_receipts(bus: Command) -> None:
    """Words are found, unread is counted, a receipt shows what the recipient did."""
    ident = ok(bus("send", "--from", "user", "roo", "the quick brown fox", "--type", "task")).strip()
    assert [row["id"] for row in rows(ok(bus("search", "brown", "fox", "--json")))] == [ident]
    assert ok(bus("search", "hedgehog")) == "Nothing found.\n"
    (state,) = rows(ok(bus("status", "--json")))
    assert (state["unread"]["roo"], state["total"]) == (1, 1)
    assert "roo" in ok(bus("status"))
    (before,) = rows(ok(bus("receipts", "--from", "user", "--json")))
    assert (before["id"], before["to"], before["shown"]) == (ident, "roo", None)
    ok(bus("read", "--id", "roo"))
    done = ok(bus("send", "--from", "roo", "user", "found", "--type", "done", "--reply-to", ident)).strip()
    (after,) = rows(ok(bus("receipts", "--from", "user", ident, "--json")))
    assert after["shown"]
    assert after["acted_with"] == done
    assert ident in ok(bus("receipts", "--from", "user"))


def test_compact_clear_rebuild(bus: Command) -> None:
    """Compaction moves, `clear` is the same, nothing is lost, and the index is made anew."""
    for number in range(6):
        ok(bus("send", "--from", "user", "roo", f"n{number}"))
    (done,) = rows(ok(bus("compact", "--keep", "4", "--json")))
    assert (done["archived"], done["kept"]) == (2, 4)
    assert ok(bus("clear", "--keep", "0")).startswith("Archived 4 messages in ")
    assert ok(bus("rebuild")) == "Indexed 6 messages.\n"
    assert [row["body"] for row in rows(ok(bus("log", "--json")))] == [f"n{number}" for number in range(6)]


def test_refusals_are_one_line_and_exit_1(bus: Command) -> None:
    """An unknown recipient is refused, the nearest name offered, nothing stored."""
    done = bus("send", "--from", "user", "rooo", "hello")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("intercom: ")
    assert done.stderr.count("\n") == 1
    assert "roo" in done.stderr
    assert ok(bus("log", "--json")) == ""


@pytest.mark.parametrize(
    "words",
    [
        ("frobnicate",),
        ("read", "--id", "roo", "--wait", "soon"),
        ("read", "--id", "roo", "--wait", "nan"),
        ("read", "--id", "roo", "--wait", "1", "--all"),
        ("read", "--id", "roo", "--limit", "-1"),
        ("log", "--since", "yesterday-ish"),
        ("send", "--from", "user", "roo"),
        ("send", "--from", "user", "roo", "x", "--priority", "mild"),
    ],
)
def test_wrong_usage_is_exit_2(bus: Command, words: tuple[str, ...]) -> None:
    """What no state of the bus could make right is wrong usage."""
    done = bus(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr
    assert "invalid" not in done.stderr or "choose from" in done.stderr  # but what would be right


def test_root_may_stand_before_or_after_the_command(bus: Command, tmp_path: Path) -> None:
    """`--root` names another project, in either place."""
    other = tmp_path / "other"
    other.mkdir()
    ok(bus("--root", str(other), "init"))
    ok(bus("send", "--root", str(other), "--from", "user", "roo", "over there"))
    assert ok(bus("log", "--json")) == ""
    assert len(rows(ok(bus("--root", str(other), "log", "--json")))) == 2
    assert bus("--root", str(other / "none"), "log").returncode != 0


def test_bodies_cannot_play_with_the_terminal(bus: Command) -> None:
    """Control characters are shown, not obeyed, and a body cannot pass for a header."""
    ok(bus("send", "--from", "user", "roo", "a\x1b[2Jb\r\n2026-01-01 00:00:00  user → roo  [TASK]"))
    shown = ok(bus("read", "--id", "roo"))
    assert "\x1b" not in shown
    assert "\r" not in shown
    assert [line for line in shown.splitlines() if "[TASK]" in line] == ["  2026-01-01 00:00:00  user → roo  [TASK]"]


def test_a_reader_that_cannot_print_is_given_the_message_again(bus: Command) -> None:
    """Only what was written out counts as received."""
    ok(bus("send", "--from", "user", "roo", "-", stdin=b"x" * 200_000))  # more than a pipe holds
    with subprocess.Popen(
        [sys.executable, "-m", "intercom", "read", "--id", "roo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    ) as reader:
        assert reader.stdout is not None
        assert reader.stderr is not None
        reader.stdout.close()
        assert reader.stderr.read() == b""
        assert reader.wait(60) == 141
    (again,) = rows(ok(bus("read", "--id", "roo", "--json")))
    assert again["redelivered"] is True
    assert ok(bus("read", "--id", "roo", "--json")) == ""


def test_wait_returns_when_a_message_comes(bus: Command) -> None:
    """`read --wait` ends with the message, long before its time is up."""
    with subprocess.Popen(
        [sys.executable, "-m", "intercom", "read", "--id", "roo", "--wait", "100", "--json"],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    ) as reader:
        ok(bus("send", "--from", "user", "roo", "now"))
        out, _ = reader.communicate(timeout=60)
    assert [row["body"] for row in rows(out.decode())] == ["now"]
    assert ok(bus("read", "--id", "roo", "--wait", "0", "--json")) == ""


def test_interrupted_is_130(bus: Command) -> None:
    """Ctrl-C ends a waiting reader quietly."""
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, "read", "--id", "roo", "--wait", "100"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    ) as reader:
        out, err = reader.communicate(timeout=60)
    assert (reader.returncode, out, err) == (130, b"", b"")


@pytest.mark.parametrize("where", ["intercom.cli.parser.parse", "intercom.cli.show.messages"])
def test_interrupted_at_any_moment(bus: Command, where: str) -> None:
    """Also while the command line is still being read, and while the answer is written."""
    module, _, name = where.rpartition(".")
    code = f"import {module} as m, os, signal; from intercom.cli import run\n"
    code += f"m.{name} = lambda *a, **k: os.kill(os.getpid(), signal.SIGINT)\nrun()"
    done = subprocess.run(
        [sys.executable, "-c", code, "log"],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


@pytest.mark.parametrize(
    "words",
    [
        ("log",),
        ("log", "--json"),
        ("log", "--raw"),
        ("search", "word"),
        ("read", "--id", "roo", "--all"),
        ("receipts", "--from", "user", "--json"),
        ("history", "ID"),
        ("watch",),
    ],
    ids=" ".join,
)
def test_a_pipe_that_is_closed_early(bus: Command, words: tuple[str, ...]) -> None:
    """As by `| head -1`: no traceback, no word, and the exit code that a shell knows."""
    ident = ""
    for _ in range(2 if "receipts" not in words else 1):
        ident = ok(bus("send", "--from", "user", "roo", "-", stdin=b"word " * 40_000)).strip()  # more than a pipe holds
    if "receipts" in words:
        code = "import intercom.cli.show as s; s.json_line = lambda value: print('x' * 200_000)\n"
    else:
        code = ""
    with subprocess.Popen(
        [sys.executable, "-c", f"{code}from intercom.cli import run; run()", *(w.replace("ID", ident) for w in words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 141


INTERRUPTED = """
import os, signal, sys, threading
from intercom.bus.bus import Bus
from intercom.cli import main
wait = Bus.wait
def wait_interrupted(*args, **more):
    os.kill(os.getpid(), signal.SIGINT)
    return wait(*args, **more)
Bus.wait = wait_interrupted
sys.exit(main())
"""


def on_terminal(*words: str, **environ: str) -> str:
    """What a command prints when standard output is a terminal."""
    import pty

    leader, follower = pty.openpty()
    env = {**os.environ, "PYTHONPATH": str(SOURCE), "TERM": "xterm", **environ}
    with subprocess.Popen([sys.executable, "-m", "intercom", *words], stdout=follower, stderr=follower, env=env) as run:
        os.close(follower)
        seen = b""
        while True:
            try:
                piece = os.read(leader, 65536)
            except OSError:  # Linux says EIO when the last writer is gone
                break
            if not piece:
                break
            seen += piece
        assert run.wait(60) == 0
    os.close(leader)
    return seen.decode()


def test_colour_is_for_terminals_only(bus: Command) -> None:
    """Colour on a terminal, none with NO_COLOR, none into a pipe; the progress bar leaves no trace."""
    ok(bus("send", "--from", "user", "roo", "hello"))
    assert "\x1b[" in on_terminal("log")
    assert "\x1b[" not in on_terminal("log", NO_COLOR="1")
    assert "\x1b[" not in on_terminal("log", TERM="dumb")
    assert "\x1b[" not in ok(bus("log"))
    assert "Indexed 1 message." in on_terminal("rebuild")


def test_raw_bytes_do_nothing_to_a_terminal(bus: Command) -> None:
    """`log --raw` gives a program the bytes, and a terminal what they show."""
    ok(bus("send", "--from", "user", "roo", "a\x1b[2Jb\u2028c"))
    assert "a\x1b[2Jb\u2028c" in ok(bus("log", "--raw"))
    shown = on_terminal("log", "--raw")
    assert "a\u241b[2Jb\r\n" in shown
    assert "\x1b" not in shown


def test_full_disk_for_the_output_is_an_error(bus: Command) -> None:
    """What could not be printed was not done."""
    ok(bus("send", "--from", "user", "roo", "hello"))
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "intercom", "read", "--id", "roo"],
            stdout=full,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(b"intercom: ")
    assert done.stderr.count(b"\n") == 1
    assert rows(ok(bus("read", "--id", "roo", "--json")))[0]["redelivered"] is True


@given(st.integers(0, 4_000_000_000))
def test_epoch_agrees_with_the_calendar(seconds: int) -> None:
    """The arithmetic that saves an import is the calendar's."""
    assert epoch(utc(seconds)) == seconds
