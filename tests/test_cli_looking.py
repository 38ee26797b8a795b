"""Looking makes nothing: in a folder without a bus a command says so, and leaves the folder as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from intercom.cli import main

LOOKS = [
    "status",
    "log",
    "search word",
    "read --id roo",
    "read --id roo --wait 5",
    "receipts --from roo",
    "watch",
    "history abc",
    "restore",
    "redact abc --yes",
    "compact",
    "rebuild",
    "signoff --id roo",
    "scan",
    "approve worker-1",
    "teardown",
    "attach worker-1",
    "worktree list",
]
MAKES = ["init", "send claude-code hello", "register", "broadcast hello"]


@pytest.mark.parametrize("line", LOOKS)
def test_looking_makes_nothing(project: Path, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It says that there is no bus, and how to make one."""
    for words in (line.split(), [*line.split(), *([] if line.startswith("attach") else ["--json"])]):
        assert main(words) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err == f"intercom: there is no bus in {project}; nothing was read or made. `intercom init` makes one.\n"
    assert list(project.iterdir()) == []


def test_a_check_up_makes_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`doctor` names what is missing."""
    main(["doctor"])
    assert "there is no log yet" in capsys.readouterr().out
    assert list(project.iterdir()) == []


@pytest.mark.parametrize("line", MAKES)
def test_what_makes_one(project: Path, line: str) -> None:
    """Whoever says something, or joins, makes the bus."""
    assert main(line.split()) == 0
    assert (project / ".claude" / "local" / ".intercom").is_dir()


@pytest.mark.parametrize(
    "words",
    [
        ["send", "nobody", "hello"],
        ["send", "nobody", "it is done", "--type", "done"],
        ["send", "user", ""],
        ["send", "user", "hello", "--type", "bogus"],
        ["send", "user", "hello", "--reply-to", "k7q294xmbd3t"],
        ["send", "user", "hello", "--from", "nobody"],
        ["send", "user", "it is done", "--type", "done", "--from", "nobody"],
        ["broadcast", " "],
        ["broadcast", "hello", "--from", "nobody"],
    ],
    ids=" ".join,
)
def test_what_is_refused_makes_nothing(project: Path, words: list[str]) -> None:
    """A first message that cannot be sent leaves no bus behind."""
    assert main(words) in (1, 2)
    assert list(project.iterdir()) == []
