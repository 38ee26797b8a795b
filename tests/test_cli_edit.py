"""`intercom edit`, with editors that are scripts: what a person writes is sent, what meanwhile came stays."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from intercom import Bus
from tests.conftest import Command
from tests.people_kit import append, bodies, by_hand, quoted, talk

Editor = Callable[[str], str]


@pytest.fixture
def bus(project: Path) -> Iterator[Bus]:
    """A bus on which three messages were said and read."""
    with Bus.open(project) as found:
        talk(found, 3)
        found.read("roo")
        yield found


@pytest.fixture
def editor(tmp_path: Path) -> Editor:
    """An editor that runs `code` over the file at `path` with its `text`, and saves what `text` is then."""

    def make(code: str) -> str:
        script = tmp_path / "my editor.py"
        script.write_text(
            "import sys\npath = sys.argv[-1]\ntext = open(path, encoding='utf-8').read()\n"
            f"{code}\nopen(path, 'w', encoding='utf-8').write(text)\n",
            encoding="utf-8",
        )
        return quoted(sys.executable, script)

    return make


def test_a_message_is_sent(bus: Bus, command: Command, editor: Editor) -> None:
    """What stands under the prepared header is sent as `user`; the id is printed, and the draft is gone."""
    done = command(
        "edit",
        "--to",
        "roo",
        "--type",
        "ask",
        EDITOR=editor("text = text.rstrip() + '\\n\\nAre you there?\\n'"),
        VISUAL="",
    )
    assert done.returncode == 0, done.stderr
    found = bus.read("roo")
    assert [(m.sender, m.tag, m.body, m.via, m.id) for m in found] == [
        ("user", "ASK", "Are you there?", "cli", done.stdout.strip())
    ]
    assert bus.config.log.read_text(encoding="utf-8").count("Are you there?") == 1
    assert list((bus.config.private / "edit").iterdir()) == []


def test_a_type_in_either_vocabulary(bus: Bus, command: Command, editor: Editor) -> None:
    """The header has the log's word for it; what is no type is refused before the editor opens."""
    words = "text = text.rstrip() + '\\n\\nAre you there?\\n'"
    assert command("edit", "--to", "roo", "--type", "question", EDITOR=editor(words), VISUAL="").returncode == 0
    assert [(message.tag, message.type) for message in bus.read("roo")] == [("ASK", "question")]
    before = bus.config.log.read_bytes()
    done = command("edit", "--to", "roo", "--type", "x]\n## [y", EDITOR=editor(words), VISUAL="")
    assert (done.returncode, done.stdout) == (1, "")
    assert "is not a message type; nothing was sent" in done.stderr
    assert bus.config.log.read_bytes() == before


def test_a_name_that_nobody_has(bus: Bus, command: Command, editor: Editor, tmp_path: Path) -> None:
    """Refused before the editor opens, with the nearest name."""
    opened = editor(f"open({str(tmp_path / 'opened')!r}, 'w').close()")
    done = command("edit", "--to", "rooo", EDITOR=opened, VISUAL="")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing was sent" in done.stderr
    assert "Did you mean 'roo'?" in done.stderr
    assert not (tmp_path / "opened").exists()
    assert command("edit", "--to", "Roo, claude-code", EDITOR=opened, VISUAL="").returncode == 0
    assert (tmp_path / "opened").exists()


def test_nothing_written_nothing_sent(bus: Bus, command: Command, editor: Editor) -> None:
    """An editor that is only looked into changes nothing, byte for byte."""
    before = bus.config.log.read_bytes()
    done = command("edit", "--to", "roo", EDITOR=editor("pass"), VISUAL="")
    assert done.returncode == 0
    assert "nothing was sent" in done.stdout
    assert bus.config.log.read_bytes() == before


def test_what_agents_send_meanwhile_stays(bus: Bus, command: Command, editor: Editor, project: Path) -> None:
    """The log grows while the editor is open: all is there afterwards, each once, and deletions count."""
    code = (
        f"from intercom import Bus\nwith Bus.open({str(project)!r}) as bus:\n"
        "    bus.send('roo', 'meanwhile', sender='claude-code')\n"
        "parts = text.split('## [20')\ndel parts[2]\ntext = '## [20'.join(parts).rstrip() + '\\n\\nmine\\n'"
    )
    done = command("edit", "--to", "roo", EDITOR=editor(code), VISUAL="")
    assert done.returncode == 0, done.stderr
    assert sorted(bodies(bus.read("roo"))) == ["meanwhile", "mine"]
    assert [m.body[:16] for m in bus.missing()] == ["Message number 1"]
    assert len(bodies(bus.history())) == 4
    assert [m for m in bus.history() if m.sender == "system"] == []


def test_a_wrong_name_keeps_the_text(bus: Bus, command: Command, editor: Editor) -> None:
    """A message to nobody is not sent; its text is there at the next try."""
    code = "text = text.replace('user → roo', 'user → rooo').rstrip() + '\\n\\nlong thought\\n'"
    done = command("edit", "--to", "roo", EDITOR=editor(code), VISUAL="")
    assert done.returncode == 1
    assert "rooo" in done.stderr
    assert "your text is kept" in done.stderr
    assert bus.read("roo") == []
    assert command("edit", "--to", "roo", EDITOR=editor("pass"), VISUAL="").returncode == 0
    assert bodies(bus.read("roo")) == ["long thought"]


def test_what_the_person_wrote_by_hand_before_is_corrected(bus: Bus, command: Command, editor: Editor) -> None:
    """An edit, as in any other editor: nothing is sent again, nothing is missing."""
    append(bus.config.log, by_hand("Look at the jobb"))
    assert bodies(bus.read("roo")) == ["Look at the jobb"]
    assert (
        command("edit", "--to", "roo", EDITOR=editor("text = text.replace('jobb', 'job')"), VISUAL="").returncode == 0
    )
    assert bodies(bus.read("roo")) == []
    assert bus.missing() == []
    assert bodies(bus.history())[3:] == ["Look at the job"]


def test_one_of_several_has_a_wrong_name(bus: Bus, command: Command, editor: Editor) -> None:
    """The others are sent, and what else was changed counts; only what could not be sent is there at the next try."""
    code = (
        "text = text.replace('step 1', 'step one').replace('user → roo', 'user → rooo').rstrip()\n"
        "for body, name in (('first', 'rooooo'), ('second', 'roo')):\n"
        "    text += f'\\n\\nthe {body}\\n\\n## [2026-01-12 10:00:00] user -> {name} [ASK]\\n'\n"
        "text += '\\nthe last\\n'"
    )
    done = command("edit", "--to", "roo", EDITOR=editor(code), VISUAL="")
    assert done.returncode == 1
    assert "your text is kept" in done.stderr
    assert bodies(bus.read("roo")) == ["the last"]
    assert "the build is at step one" in bodies(bus.history())[1]
    assert (
        command("edit", "--to", "roo", EDITOR=editor("text = text.replace('rooooo', 'roo')"), VISUAL="").returncode == 0
    )
    assert bodies(bus.read("roo")) == ["the first", "the second"]


@pytest.mark.parametrize("words", ["/no/such/editor", "false", "'unclosed"])
def test_an_editor_that_fails(bus: Bus, command: Command, words: str) -> None:
    """One clear line; nothing was sent or changed."""
    before = bus.config.log.read_bytes()
    done = command("edit", "--to", "roo", EDITOR=words, VISUAL="")
    assert done.returncode in {1, 2}
    assert "nothing was sent" in done.stderr
    assert "Traceback" not in done.stderr
    assert bus.config.log.read_bytes() == before
