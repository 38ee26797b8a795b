"""Each rule has one home: for a change it is enough to touch what ARCHITECTURE.md names.

Changes that somebody may want are made in a copy of the package, and used there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PACKAGE = Path(__file__).parent.parent / "intercom"

#: A rule, how it looks in code, and the only files that may hold it.
HOMES = (
    (
        "the SQL on receipts",
        r"\b(FROM|INTO|UPDATE|REPLACE|JOIN|ON) (state\.)?receipts\b",
        {"store/state/receipts.py", "store/state/tables.py"},
    ),
    ("where a person's own files are", r"\"XDG_\w+_HOME\"", {"core/xdg.py"}),
    ("where a .git file points", r"\"gitdir:", {"core/root.py"}),
    ("a path in SQLite's URI", r"%3f", {"system/files.py"}),
    ("the line that wakes a session", r"There is a new message for you", {"fleet/commands.py"}),
    ("how many more names there are", r"\" and \{.* more\"", {"core/texts.py"}),
    ("what to do with an invalid contract", r"ask the sender for a valid one", {"core/contract.py"}),
)


@pytest.mark.parametrize(("rule", "pattern", "homes"), HOMES, ids=[rule for rule, *_ in HOMES])
def test_one_home(rule: str, pattern: str, homes: set[str]) -> None:
    """A rule stands where it is said to, and nowhere else."""
    sources = {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    holding = {name for name, source in sources.items() if re.search(pattern, source)}
    assert holding == homes, f"{rule}: {sorted(holding)}"


MAP = (PACKAGE.parent / "ARCHITECTURE.md").read_text(encoding="utf-8")


def test_the_map_names_what_is_there() -> None:
    """Every file in ARCHITECTURE.md is one of ours, and holds the name that is said to be in it."""
    ours = [path.as_posix() for folder in (PACKAGE, PACKAGE.parent / "templates") for path in folder.rglob("*.*")]
    ours += [path.as_posix() for path in Path(__file__).parent.rglob("*.py")]
    named = set(re.findall(r"`([\w/-]+\.(?:py|md|js))`", MAP))
    assert len(named) > 80
    assert [name for name in sorted(named) if not any(path.endswith(f"/{name}") for path in ours)] == []
    for name, file in re.findall(r"`(?:\w+\.)?(\w+)` in `([\w/]+\.py)`", MAP):
        assert re.search(rf"\b{name}\b", (PACKAGE / file).read_text(encoding="utf-8")), f"{name} in {file}"


#: For each change all that has to be written: in which file, before which text, what. A file that is not there is new.
CHANGES: dict[str, list[tuple[str, str, str]]] = {
    "a message type": [("core/message.py", '    ("announce", "INFO"),\n', '    ("review", "REVIEW"),\n')],
    "a field of the meta line": [
        ("core/message.py", ")\nSAID = FIELDS", '    Field("mood", "mood", "mood", "word", ("calm", "tense")),\n'),
        ("core/message.py", "    redelivered: bool = False\n", "    mood: str | None = None\n"),
        ("core/message.py", "    progress: int | None\n", "    mood: str | None\n"),
        ("format/grammar.py", "    wrote: tuple[str, str] | None", "    mood: str | None = None\n"),
        ("server/tools/messages.py", "    branch: str | None = None,\n", "    mood: str | None = None,\n"),
        ("server/tools/messages.py", '    more |= {"sender": _me(session)', '    more["mood"] = mood\n'),
    ],
    "an MCP tool": [
        (
            "server/tools/tasks.py",
            "\n\ndef clear(",
            (
                '\n\ndef count(session: Session, bus: Bus, *, name: str = "all") -> dict[str, Any]:\n'
                '    """How many messages there are."""\n    return {name: len(bus.history())}\n'
            ),
        ),
        (
            "server/toolbox.py",
            '    Tool("intercomm_signoff"',
            '    Tool("intercomm_count", "How many messages there are.", tasks.count, title="Count", hint=LOOKS),\n',
        ),
    ],
    "an agent program": [
        ("fleet/programs/toy/__init__.py", "", '"""A toy."""\n'),
        (
            "fleet/programs/toy/program.py",
            "",
            (
                "from intercom.fleet.programs import event\nfrom intercom.fleet.programs.plain import Plain\n\n\n"
                'class Toy(Plain):\n    name = "toy"\n    title = "Toy"\n    kinds = {"Start": event.BEGINS}\n'
            ),
        ),
        (
            "fleet/programs/known.py",
            "PROGRAMS: dict",
            "def _toy() -> Program:\n    from intercom.fleet.programs.toy.program import Toy\n\n    return Toy()\n\n\n",
        ),
        ("fleet/programs/known.py", '    "codex": _codex,\n', '    "toy": _toy,\n'),
    ],
}
#: What is done in the copy; each line of its output is a value as JSON.
USED = """
import json
from intercom import Bus
from intercom.fleet.programs.known import program
from intercom.server.toolbox import BY_NAME

def say(value):
    print(json.dumps(value))

with Bus.open() as bus:
    sent = bus.send("roo", "look at it", sender="claude-code", type="review", mood="calm")
    try:
        bus.send("roo", "x", sender="claude-code", mood="furious")
    except Exception as error:
        say(str(error))
    bus.rebuild()
    (read,) = bus.read("roo")
    say(read.to_json())
    say(bus.history(type="review")[0].id == sent.id)
    say(bus.config.log.read_text().count(" mood=calm "))
    tool = BY_NAME["intercomm_count"]
    say(tool.schema["properties"])
    say(tool.function(None, bus, **tool.arguments({"name": "n"})))
    say(sorted(BY_NAME["intercomm_send"].properties))
say(program("toy").heard("Start", {"session_id": "s"}).kind)
"""


def changed(into: Path) -> None:
    """A copy of the package with all of CHANGES."""
    shutil.copytree(PACKAGE, into / "intercom", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(PACKAGE.parent / "templates", into / "templates")
    for name, before, text in [one for change in CHANGES.values() for one in change]:
        path = into / "intercom" / name
        if not before:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            continue
        source = path.read_text(encoding="utf-8")
        assert source.count(before) == 1, (name, before)
        path.write_text(source.replace(before, text + before), encoding="utf-8")


def test_changes_touch_few_files(tmp_path: Path) -> None:
    """A type, a field, a tool and a program are each added in one to three files, and used."""
    for change in CHANGES.values():
        assert len({name for name, *_ in change}) <= 3
    changed(tmp_path)
    (tmp_path / "project" / ".claude" / "local").mkdir(parents=True)
    environ = {**os.environ, "PYTHONPATH": str(tmp_path), "INTERCOM_ROOT": str(tmp_path / "project")}
    done = subprocess.run(
        [sys.executable, "-c", USED], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = [json.loads(line) for line in done.stdout.splitlines()]
    refused, read, by_type, in_the_log, takes, counted, sends, heard = found
    assert refused == "'furious' is not a mood; nothing was sent. Use one of calm, tense."
    assert (read["type"], read["mood"]) == ("review", "calm")
    assert by_type
    assert in_the_log == 1
    assert list(takes) == ["name"]
    assert counted == {"n": 1}
    assert "mood" in sends
    assert heard == "begins"
