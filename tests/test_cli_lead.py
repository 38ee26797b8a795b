"""What a person sees and says: who waits, what is open, answering, handing out work; ids and times as people type."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from intercom.bus.bus import Bus
from intercom.cli import main
from intercom.cli.completion import SCRIPTS, candidates
from intercom.cli.times import moment
from intercom.core import contract
from intercom.core.errors import UsageError
from intercom.core.message import epoch, local_stamp, utc
from intercom.fleet.sessions import Sessions
from intercom.fleet.worktrees.register import Entry, Worktrees
from intercom.store.state.db import State
from tests.conftest import SOURCE

Run = Callable[..., str]


@pytest.fixture
def run(project: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """`intercom …` in this process; what it printed on stdout, if it ended with this status."""

    def call(*words: str, code: int = 0) -> str:
        try:
            found = main(words)
        except SystemExit as ended:
            found = int(ended.code or 0)
        out, err = capsys.readouterr()
        assert found == code, (out, err)
        return out if code == 0 else err

    call("init")
    with Bus.open() as bus:
        bus.register("master")
        bus.register("worker")
    return call


def objects(text: str) -> list[dict[str, Any]]:
    """JSON lines."""
    return [json.loads(line) for line in text.splitlines()]


# -- who waits ----------------------------------------------------------------------------------------


def test_an_inbox_is_emptied_by_answers_and_by_nothing_else(run: Run) -> None:
    """Read or not, a question stands there until it is answered: by its id, in its thread, or by hand."""
    with Bus.open() as bus:
        asks = [
            bus.send("user", "which branch?", sender="worker-1", type="question").id,
            bus.send("master, user", "[needs user] may I?", sender="worker-1", type="question", thread="t").id,
            bus.send("user", "I wait for the key", sender="master", status="blocked").id,
        ]
        bus.send("user", "all is well", sender="worker-1")
        bus.send("all", "does anybody know?", sender="worker-1", type="question")
    assert [one["id"] for one in objects(run("inbox", "--json"))] == asks
    run("read")
    assert [one["id"] for one in objects(run("inbox", "--json"))] == asks
    assert run("inbox").endswith("3 messages to answer: intercom reply ID TEXT\n")
    run("reply", asks[0], "main")
    run("send", "worker-1", "yes", "--thread", "t")
    assert [one["id"] for one in objects(run("inbox", "--json"))] == asks[2:]
    page = next(Path.cwd().glob(".claude/local/INTERCOM-*.md"))
    page.write_text(f"{page.read_text()}\n## [{local_stamp(time.time())}] user -> master [REPLY]\nIn the safe.\n")
    assert run("inbox") == "Nothing waits for you.\n"


def test_a_reply_goes_to_who_asked(run: Run) -> None:
    """To the sender, in the thread, as the answer to that message; LAST is the newest to the one who answers."""
    with Bus.open() as bus:
        asked = bus.send("user", "which?", sender="worker-1", type="question", thread="t1").id
        bus.send("roo", "for somebody else", sender="worker-1")
    ident = run("reply", "LAST", "main").strip()
    with Bus.open() as bus:
        (answer,) = bus.read("worker-1")
        assert (answer.id, answer.reply_to, answer.thread, answer.type) == (ident, asked, "t1", "answer")
        assert (answer.sender, answer.to, answer.via) == ("user", "worker-1", "cli")
    assert f"(answers {asked}: which?, thread t1)" in run("log")
    assert "there is no message 'zzz' to answer" in run("reply", "zzz", "x", code=1)
    assert "cannot be answered" in run("reply", ident, "x", code=1)
    assert "nobody has written to 'roo'" not in run("reply", "LAST", "x", "--from", "roo")
    assert "there is no message 'zzz'" in run("send", "roo", "x", "--reply-to", "zzz", code=1)
    for words in (("send", "roo", " \n"), ("broadcast", ""), ("reply", "LAST", "")):
        assert "the message is empty; nothing was sent" in run(*words, code=2)


def test_a_person_hands_out_a_contract(run: Run) -> None:
    """As the tool makes it, so that the worker's protocol lets it act; in the log it is words with JSON below."""
    ident = run("assign", "worker-1", "Mend the\nparser.", "--report-back", "note", "--no-wake").strip()
    with Bus.open() as bus:
        (message,) = bus.read("worker-1")
    assert message.id == ident
    found = contract.parse(message.body)
    assert found == contract.Contract("worker", "Mend the\nparser.", None, ("note",))
    assert contract.is_order(message, {"master"})
    shown = run("log")
    assert "  Mend the\n  parser.\n" in shown
    assert "task_contract" not in shown
    assert '{"kind": "task_contract"' in run("log", "--raw")
    assert "A task cannot be assigned to 'user'" in run("assign", "user", "x", code=1)
    assert "target_type with target_id, target_slug or both" in run(
        "assign", "roo", "x", "--target-type", "task", code=2
    )


def test_status_shows_who_waits_and_the_stuck_first(run: Run) -> None:
    """Questions, permissions, work that is not merged; then each agent with its task, branch and last word."""
    with Bus.open() as bus, closing(State(bus.config.private)) as state:
        for name in ("a", "b", "c"):
            bus.register("worker", name)
        asked = bus.send("user", "which\nbranch?", sender="b", type="question").id
        bus.send("master", "I cannot go on", sender="c", status="blocked")
        request = Sessions(state).ask("b", {"tool": "Bash", "command": "npm install"}, None)
        entry = Entry("a", "/nowhere", "main", "feat/x", "done", utc(), utc())
        Worktrees(state, bus.config.root)._put(entry)
    task = run("assign", "b", "Fix the parser", "--no-wake").strip()
    shown = run("status")
    waiting, agents = shown.split("NAME  ")
    for part in (asked, "which branch?", request, "may I: Bash: npm install", "done, not merged: feat/x"):
        assert part in waiting
    rows = [line.split()[0] for line in agents.splitlines()[1:] if line[:1].strip()]
    assert rows[:2] == ["b", "c"]
    assert rows.index("master") < rows.index("a") < rows.index("roo")
    assert "not recognised" not in shown  # nobody looked: these have no process
    assert "    task  Fix the parser\n" in agents
    assert "    said  which branch? (" in agents
    (state_,) = objects(run("status", "--json"))
    assert [one["kind"] for one in state_["waiting"]] == ["question", "permission", "unmerged"]
    assert (state_["team"][0]["name"], state_["team"][0]["task_id"]) == ("b", task)
    with Bus.open() as bus:
        bus.send("user", "that is fixed", sender="b", type="done", reply_to=task)
    assert "task  Fix the parser" not in run("status")


def test_receipts_say_how_each_message_begins(run: Run) -> None:
    """An id alone tells nobody anything."""
    ident = run("send", "worker-1", "is it\ngreen?", "--type", "question").strip()
    with Bus.open() as bus:
        bus.read("worker-1")
        bus.send("user", "it is", sender="worker-1", type="answer", reply_to=ident)
    shown = run("receipts")
    assert f"{ident}  to worker-1: is it green?\n" in shown
    assert ": it is\n" in shown


def test_texts_are_shown_without_their_escapes(run: Run) -> None:
    """The log needs a backslash before what looks like a header; who reads does not."""
    text = "## [2026-01-12] a → b [X]\n```\n### COMPACTED: x"
    ident = run("send", "roo", text, "--from", "user").strip()
    with Bus.open() as bus:
        assert "\\## [2026-01-12] a" in bus.config.log.read_text(encoding="utf-8")
    for words in (("log",), ("search", "COMPACTED"), ("history", ident), ("receipts",), ("read", "--id", "roo")):
        shown = run(*words)
        assert "## [2026-01-12] a → b [X]" in shown
        assert "\\" not in shown


# -- as people type -----------------------------------------------------------------------------------


def test_the_beginning_of_an_id_is_enough(run: Run) -> None:
    """Where several begin so, each is named with what it says; nothing is guessed."""
    idents = [run("send", "roo", f"text {number}").strip() for number in range(40)]
    same = {first: [one for one in idents if one[0] == first] for first in {one[0] for one in idents}}
    several = next(first for first, found in same.items() if len(found) > 1)
    said = run("history", several, code=2)
    assert all(ident in said for ident in same[several][:2])
    assert "text " in said
    assert idents[3] in run("history", idents[3][:11].upper())
    assert "begins several ids" in run("redact", several, "--yes", code=2)
    assert run("receipts", idents[5][:-1]).startswith(idents[5])


NOW = time.mktime((2026, 11, 28, 15, 30, 0, 0, 0, -1))  # a Saturday


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("2h", "2026-11-28 13:30:00"),
        ("1h30m", "2026-11-28 14:00:00"),
        ("1 h 30 min ago", "2026-11-28 14:00:00"),
        ("90 seconds", "2026-11-28 15:28:30"),
        ("2 days", "2026-11-26 15:30:00"),
        ("14:00", "2026-11-28 14:00:00"),
        ("16:00", "2026-11-27 16:00:00"),
        ("Today", "2026-11-28 00:00:00"),
        ("today 9:05:30", "2026-11-28 09:05:30"),
        ("yesterday", "2026-11-27 00:00:00"),
        ("yesterday 23:00", "2026-11-27 23:00:00"),
        ("monday", "2026-11-23 00:00:00"),
        ("sat", "2026-11-28 00:00:00"),
        ("fri 9:30", "2026-11-27 09:30:00"),
        ("now", "2026-11-28 15:30:00"),
        ("2026-01-31T09:30", "2026-01-31 09:30:00"),
    ],
)
def test_times_as_people_say_them(text: str, local: str) -> None:
    """In local time; a clock time alone is the last one that has been."""
    assert local_stamp(epoch(moment(text, NOW))) == local


@pytest.mark.parametrize("text", ["25:00", "14:61", "tomorrow", "2 parsecs", "h", "yesterday noon", ""])
def test_what_is_no_time_is_refused(text: str) -> None:
    """With what to write."""
    with pytest.raises(UsageError, match=r"nothing was read\. Write one like 2026"):
        moment(text, NOW)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sned", "roo", "x"], "'sned' is not a command; did you mean send?"),
        (["xyzzy"], "'xyzzy' is not a command; `intercom --help` lists them"),
        (["post", "roo", "x"], "'post' is not a command; did you mean send?"),
        (["remove", "x"], "did you mean delete?"),
        (["undo"], "did you mean restore?"),
        (["frobnicate"], "`intercom --help` lists them"),
        (["log", "--limt", "3"], "'--limt' is not an option of this command; did you mean --limit?"),
        (["log", "--limt=3"], "did you mean --limit?"),
        (["register", "mastr"], "'mastr' is not one of master, worker"),
        (["worktree", "lst"], "did you mean list?"),
        (["history", "x", "words"], "too many words: words"),
        (["log", "3"], "too many words: 3; did you mean --limit 3?"),
        (["register", "worker-1"], "a name goes after --name: --name worker-1"),
        (["read", "roo"], "too many words: roo; did you mean --id roo?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_nearest_is_named(run: Run, words: list[str], said: str) -> None:
    """A typo is answered with what was probably meant, under the usage of that command."""
    assert said in run(*words, code=2)


def test_without_a_word_it_helps(run: Run) -> None:
    """A bare `intercom` is a question, and `help` and `version` are what people try."""
    assert run().startswith("usage: intercom ")
    for words, option in ((["help"], ["--help"]), (["help", "send"], ["send", "--help"]), (["version"], ["--version"])):
        assert run(*words) == run(*option) != ""


# -- on a terminal ------------------------------------------------------------------------------------


def on_terminal(words: list[str], columns: int, lines: int, **environ: str) -> str:
    """What a command prints on a terminal of that size."""
    import pty

    main_end, terminal = pty.openpty()
    import fcntl
    import struct
    import termios

    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    env = {**os.environ, "PYTHONPATH": str(SOURCE), "TERM": "xterm", "NO_COLOR": "1", **environ}
    child = subprocess.Popen(
        [sys.executable, "-m", "intercom", *words], stdin=terminal, stdout=terminal, stderr=terminal, env=env
    )
    os.close(terminal)
    said = b""
    while True:
        try:
            part = os.read(main_end, 65536)
        except OSError:
            break
        if not part:
            break
        said += part
    os.close(main_end)
    assert child.wait(60) == 0
    return said.decode().replace("\r\n", "\n")


def test_a_log_is_a_screenful_and_more_of_it_is_paged(run: Run) -> None:
    """A terminal shows the newest that fit; `--all` goes to the pager, and not where it was told not to."""
    with Bus.open() as bus:
        for number in range(30):
            bus.send("roo", f"n{number} " + "word " * 30 + "\n\n    - deep " + "word " * 30, sender="worker-1")
    shown = on_terminal(["log"], 80, 24)
    assert "n29" in shown
    assert "n20" not in shown
    assert "older: intercom log --all" in shown
    assert len(shown.splitlines()) <= 24
    assert max(map(len, shown.splitlines())) <= 80
    deep = shown.splitlines()
    first = next(number for number, line in enumerate(deep) if "- deep" in line)
    assert deep[first + 1].startswith("      word")  # as deep as the line that it goes on
    assert on_terminal(["log", "--all"], 80, 24, PAGER="sed s/^/paged:/").count("paged:") > 60
    assert "paged:" not in on_terminal(["log", "--all", "--no-pager"], 80, 24, PAGER="sed s/^/paged:/")
    assert "n0 " in on_terminal(["log", "--all"], 80, 24, PAGER="no-such-pager")
    assert "n0 " in run("log")  # a pipe gets everything


# -- completion ---------------------------------------------------------------------------------------


def test_completion_knows_what_is_there(run: Run) -> None:
    """Commands, options, choices; live names, threads and ids, with how the messages begin."""
    ident = run("send", "roo", "is it\tgreen?", "--thread", "build").strip()

    def words(*typed: str) -> list[str]:
        return [word for word, _ in candidates(list(typed))]

    assert {"status", "inbox", "search"} <= set(words(""))
    assert words("repl") == ["reply"]
    assert words("log", "--th") == ["--thread"]
    assert words("send", "w") == ["worker-1"]
    assert words("send", "--from", "ma") == ["master"]
    assert "user" in words("send", "--type", "task", "")
    assert words("send", "roo", "--type", "qu") == ["question"]
    assert words("log", "--thread", "") == ["build"]
    assert candidates(["history", ident[:-1]]) == [(ident, "user → roo: is it green?")]
    assert words("reply", "L") == ["LAST"]
    assert words("register", "m") == ["master"]
    assert words("nothing", "") == []
    assert candidates(["--root", "/nowhere", "send", "w"]) == []


def test_completion_in_bash(run: Run, tmp_path: Path) -> None:
    """The script works in a real shell, and each of the three is printed."""
    for shell, script in SCRIPTS.items():
        assert run("completion", shell) == script
    (tmp_path / "intercom").write_text(f'#!/bin/sh\nexec {sys.executable} -m intercom "$@"\n')
    (tmp_path / "intercom").chmod(0o755)
    env = {**os.environ, "PYTHONPATH": str(SOURCE), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    line = 'COMP_WORDS=(intercom send wo); COMP_CWORD=2; _intercom; echo "${COMPREPLY[@]}"'
    done = subprocess.run(
        ["bash", "-c", f'eval "$(intercom completion bash)"; {line}'], env=env, capture_output=True, check=True
    )
    assert done.stdout == b"worker-1\n"
