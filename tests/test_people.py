"""Real tools at work on the log: nothing is lost, nothing comes twice, whatever they do to the file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from intercom import Bus
from intercom.system import tmux
from tests.people_kit import append, bodies, by_hand, gather, need, run, said, talk, until

pytestmark = pytest.mark.slow


@pytest.fixture
def bus(project: Path) -> Iterator[Bus]:
    """A bus on which five messages have been read, and one is new."""
    with Bus.open(project) as found:
        talk(found, 5)
        found.read("roo")
        talk(found, 1, start=5)
        yield found


NEW = "Message number 5: the build is at step 5."


def test_sed_corrects_a_word(bus: Bus) -> None:
    """`sed -i` replaces the file: the new text counts, and only what was new is delivered."""
    run("sed", "-i", "s/step 2/stage 2/", str(bus.config.log), cwd=bus.config.folder)
    assert bodies(bus.read("roo")) == [NEW]
    assert [m.body for m in bus.history()][2] == "Message number 2: the build is at stage 2."
    assert said(bus) == []


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[tmux.Server]:
    """A tmux server of this test's own."""
    need("tmux")
    server = tmux.Server(str(tmp_path / "s"), "/dev/null")
    yield server
    run("tmux", "-S", str(tmp_path / "s"), "kill-server", cwd=tmp_path, ok=False)


def keys(tmp_path: Path, *words: str) -> None:
    """Type into the editor."""
    run("tmux", "-S", str(tmp_path / "s"), "send-keys", "-t", "ed", *words, cwd=tmp_path)


def screen(tmp_path: Path) -> str:
    """What the editor shows."""
    return run("tmux", "-S", str(tmp_path / "s"), "capture-pane", "-p", "-t", "ed", cwd=tmp_path).stdout.decode()


def test_vim_saves_while_agents_talk(bus: Bus, terminal: tmux.Server, tmp_path: Path) -> None:
    """A person writes at the end in vim, an agent sends meanwhile, the person overwrites it all with `:w!`, twice."""
    log = bus.config.log
    tmux.new_session(terminal, "ed", [need("vim"), "-u", "NONE", "-N", str(log)], cwd=bus.config.folder)
    until(lambda: "INTERCOM" in screen(tmp_path))
    talk(bus, 2, start=6)
    keys(tmp_path, "-l", "Go\n" + by_hand("from vim").rstrip())
    for _ in range(2):  # saved twice, each time over what agents sent meanwhile
        keys(tmp_path, "Escape")
        keys(tmp_path, "-l", ":w!\r")
        until(lambda: "written" in screen(tmp_path) or "really want to write" in screen(tmp_path))
        keys(tmp_path, "-l", "y")
    until(lambda: b"from vim" in log.read_bytes())
    wanted = [NEW, "Message number 6: the build is at step 6.", "Message number 7: the build is at step 7.", "from vim"]
    got: list[str] = []
    until(lambda: gather(got, bus.read("roo"), 4))
    keys(tmp_path, "Escape", ":q!", "Enter")
    assert sorted(got) == sorted(wanted)
    assert sorted(bodies(bus.history()))[-1:] == ["from vim"]
    assert len(bodies(bus.history())) == 9
    assert bus.read("roo") == []


def test_nano_adds_a_message(bus: Bus, terminal: tmux.Server, tmp_path: Path) -> None:
    """A person writes at the top in nano."""
    log = bus.config.log
    tmux.new_session(terminal, "ed", [need("nano"), "-I", str(log)], cwd=bus.config.folder)
    until(lambda: "INTERCOM" in screen(tmp_path))
    run("tmux", "-S", str(tmp_path / "s"), "send-keys", "-t", "ed", "M-/", cwd=tmp_path)
    keys(tmp_path, "-l", "## [2026-01-12 10:00:00] user -> roo [ASK]")
    keys(tmp_path, "Enter", "Enter")
    keys(tmp_path, "-l", "from nano")
    until(lambda: "from nano" in screen(tmp_path))
    keys(tmp_path, "C-s")
    until(lambda: b"from nano" in log.read_bytes())
    assert bodies(bus.read("roo")) == [NEW, "from nano"]
    keys(tmp_path, "C-x")


@pytest.mark.parametrize("seen", [True, False])
def test_a_save_as_vs_code_does_it(bus: Bus, seen: bool) -> None:
    """A temporary file beside it and a rename: the message in it is delivered, what came meanwhile is put back.

    That is said only if anybody had looked meanwhile: what was never seen in the log is just put there.
    """
    log = bus.config.log
    shown = log.read_text(encoding="utf-8")
    talk(bus, 1, start=6)
    if seen:
        bus.status()
    temporary = log.with_name(f"{log.name}.vsctmp")
    temporary.write_text(shown + by_hand("from the editor"), encoding="utf-8")
    os.replace(temporary, log)
    found = bodies(bus.read("roo"))
    assert sorted(found) == sorted([NEW, "Message number 6: the build is at step 6.", "from the editor"])
    assert [text.split(":")[0] for text in said(bus)] == ["the log was saved from an old copy"] * seen
    assert "number 6" in log.read_text(encoding="utf-8")


def test_prettier_reformats(bus: Bus) -> None:
    """`prettier --write` changes the layout of everything; nothing is delivered again, nothing announced."""
    log = bus.config.log
    bus.send(
        "roo",
        "*   a list\n*   of two\n\n\n\n| a | b |\n|--|--|\n| 1 | 2 |\n\n```py\nx  =  1\n```",
        sender="claude-code",
    )
    bus.read("roo")
    append(log, by_hand("* by hand\n* and  so on"))
    assert len(bus.read("roo")) == 1
    before = log.read_bytes()
    run("prettier", "--write", "--ignore-path", ".prettierignore", str(log), cwd=bus.config.folder)  # git ignores it
    assert log.read_bytes() != before
    assert bus.read("roo") == []
    assert said(bus) == []
    assert len(bus.history()) == 8


def test_git_checkout_stash_and_merge(project: Path) -> None:
    """A log that is tracked all the same: branches, a stash, a merge with conflict markers."""
    with Bus.open(project) as bus:
        log = bus.config.log
        talk(bus, 3)
        run("git", "init", "-q", "-b", "main", cwd=project)
        add = ("git", "add", "-f", str(log))
        run(*add, cwd=project)
        run("git", "commit", "-qm", "one", cwd=project)
        assert len(bodies(bus.read("roo"))) == 3
        run("git", "checkout", "-qb", "side", cwd=project)
        append(log, by_hand("on the side", stamp="2026-01-12 10:00:01"))
        assert bodies(bus.read("roo")) == ["on the side"]
        run("git", "commit", "-qam", "side", cwd=project)
        run("git", "checkout", "-q", "main", cwd=project)
        assert bus.read("roo") == []  # back to the old copy: put back
        assert "on the side" in bodies(bus.history())
        run("git", "checkout", "-q", "--", str(log), cwd=project)
        talk(bus, 1, start=3)
        run("git", "stash", "-q", cwd=project)
        assert bodies(bus.read("roo")) == ["Message number 3: the build is at step 3."]
        run("git", "checkout", "-q", "--", str(log), cwd=project)
        run("git", "stash", "pop", "-q", cwd=project, ok=False)
        append(log, by_hand("on main", stamp="2026-01-12 10:00:02"))
        run("git", "commit", "-qam", "main", cwd=project)
        assert bodies(bus.read("roo")) == ["on main"]
        run("git", "commit", "-qam", "mended", cwd=project, ok=False)
        run("git", "merge", "-q", "side", cwd=project, ok=False)
        assert b"<<<<<<<" in log.read_bytes()
        assert bus.read("roo") == []
        assert sorted(bodies(bus.history())) == sorted(
            ["on the side", "on main", *(f"Message number {n}: the build is at step {n}." for n in range(4))]
        )


@pytest.mark.parametrize("how", ["cp", "rsync"])
def test_an_old_copy_comes_back(bus: Bus, tmp_path: Path, how: str) -> None:
    """`cp` or `rsync` of a backup over the log: everything since is back, once."""
    log = bus.config.log
    shutil.copy2(log, tmp_path / "old.md")
    append(log, by_hand("written since"))
    talk(bus, 2, start=6)
    assert len(bodies(bus.read("roo"))) == 4
    run(*(("cp",) if how == "cp" else ("rsync", "-a", "-I")), str(tmp_path / "old.md"), str(log), cwd=tmp_path)
    assert bus.read("roo") == []
    assert len(bodies(bus.history())) == 9
    assert "written since" in log.read_text(encoding="utf-8")


def test_truncate_to_nothing(bus: Bus) -> None:
    """`truncate -s 0`: all is back, what was unread is delivered, and it is said."""
    log = bus.config.log
    run("truncate", "-s", "0", str(log), cwd=bus.config.folder)
    assert bodies(bus.read("roo")) == [NEW]
    assert log.read_text(encoding="utf-8").count("## [") == 7 + 1  # six, the announcement, and the pattern on top
    assert "the log was emptied" in said(bus)[0]


def test_line_ends_there_and_back(bus: Bus) -> None:
    """`unix2dos` and `dos2unix`, a tool's message in between: the same messages."""
    log = bus.config.log
    run("unix2dos", "-q", str(log), cwd=bus.config.folder)
    assert bodies(bus.read("roo")) == [NEW]
    talk(bus, 1, start=6)
    append(log, by_hand("typed on Windows").replace("\n", "\r\n"))
    assert len(bodies(bus.read("roo"))) == 2
    run("dos2unix", "-q", str(log), cwd=bus.config.folder)
    assert bus.read("roo") == []
    run("unix2dos", "-q", "-m", str(log), cwd=bus.config.folder)  # with a byte order mark
    assert bus.read("roo") == []
    assert len(bodies(bus.history())) == 8
    assert said(bus) == []


def test_an_agent_reads_thinks_and_writes_the_whole_file(bus: Bus) -> None:
    """Read, a long pause, Write: what others sent meanwhile is put back, the agent's own message is delivered."""
    log = bus.config.log
    thought = log.read_text(encoding="utf-8")
    sent = talk(bus, 3, start=6)
    bus.read("roo")
    log.write_text(thought + by_hand("after long thought", sender="zoo"), encoding="utf-8")
    assert bodies(bus.read("roo")) == ["after long thought"]
    talk(bus, 1, start=9)
    text = log.read_text(encoding="utf-8")
    assert all(text.count(one) == 1 for one in sent)


def test_an_editor_deletes_to_the_trash_and_undoes(bus: Bus, tmp_path: Path) -> None:
    """VS Code moves a file to the trash; undone, it comes back as it was."""
    log = bus.config.log
    os.replace(log, tmp_path / "trash.md")
    assert bodies(bus.read("roo")) == [NEW]
    assert log.exists()
    assert "the log was removed" in said(bus)[0]
    os.replace(tmp_path / "trash.md", log)
    assert bus.read("roo") == []
    assert len(bodies(bus.history())) == 6


@pytest.mark.parametrize("mark", [" (conflicted copy)", ".sync-conflict-20260112-100000-ABC", " 2"])
def test_a_sync_tool_lays_a_copy_beside_it(bus: Bus, mark: str) -> None:
    """The copy's messages are known; what somebody wrote into the copy alone is delivered, once, also when merged."""
    log = bus.config.log
    append(log, by_hand("a longer text that is in both"))
    assert len(bus.read("roo")) == 2
    copy = log.with_name(f"{log.stem}{mark}.md")
    alone = by_hand("in the copy alone", stamp="2026-01-12 11:00:00")
    text = log.read_text(encoding="utf-8").replace("in both", "in both, with a word more")
    copy.write_text(text + alone, encoding="utf-8")
    os.utime(copy, (1, 1))
    assert bodies(bus.read("roo")) == ["in the copy alone"]
    append(log, alone)
    assert bus.read("roo") == []
    copy.unlink()
    bus.rebuild()
    assert bus.read("roo") == []
    assert "in the copy alone" in bodies(bus.history())
    assert len(bodies(bus.history())) == 8
