"""The texts name only commands, options, tools and arguments that exist, and leave none out."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from intercom.cli import parser
from intercom.server.toolbox import BY_NAME

HERE = Path(__file__).parent.parent
TEXTS = sorted([HERE / "README.md", HERE / "CHANGELOG.md", *HERE.glob("templates/*.md")])
SOURCES = sorted(HERE.glob("intercom/**/*.py"))

_SPAN = re.compile(r"`(intercom(?: [^`]*)?)`")
_LINE = re.compile(r"^(?:\$ )?(intercom .*)$", re.MULTILINE)
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
_TOOL = re.compile(r"\bintercomm_[a-z_]+[a-z]")
_CALL = re.compile(r"\b(intercomm_[a-z_]+)\(([^()]*)\)")


def options(name: str) -> set[str]:
    """The options of a command, or of all (empty name)."""
    top = parser.build()
    names = set(top._option_string_actions)
    for command in parser.COMMANDS:
        if name in {"", command.name}:
            sub = parser.CommandParser()
            sub.command = command
            sub.complete()
            names |= set(sub._option_string_actions)
    return names


def mentions(text: str) -> list[str]:
    """Every `intercom …` in code, spans and lines."""
    found = [match[1] for match in _SPAN.finditer(text)]
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return found + [match[1] for block in blocks for match in _LINE.finditer(block)]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_commands_and_options_exist(path: Path) -> None:
    """Each command that a text shows could be typed."""
    names = {command.name for command in parser.COMMANDS}
    text = path.read_text(encoding="utf-8")
    for mention in mentions(text):
        words = [word for word in mention.split("#")[0].split()[1:] if not word.startswith("<")]
        if not words or words[0].startswith(("-", "…")):
            assert set(_OPTION.findall(mention)) <= options(""), mention
            continue
        assert words[0] in names, f"{path.name} names `{mention}`"
        wrong = set(_OPTION.findall(mention)) - options(words[0])
        assert not wrong, f"{path.name}: `{mention}` has no {wrong}"


@pytest.mark.parametrize("path", [*TEXTS, *SOURCES], ids=lambda path: str(path.relative_to(HERE)))
def test_tools_and_their_arguments_exist(path: Path) -> None:
    """Each tool that a text names is in the table, with the arguments it is shown with."""
    text = path.read_text(encoding="utf-8")
    wrong = set(_TOOL.findall(text)) - set(BY_NAME)
    assert not wrong, f"{path.name} names {wrong}"
    for name, inside in _CALL.findall(text):
        if path.suffix == ".md" and name in BY_NAME:
            given = {part.split("=")[0].strip(" `?\"'") for part in inside.split(",") if "=" in part}
            known = set(BY_NAME[name].listing()["inputSchema"]["properties"])
            assert given <= known, f"{path.name}: {name}({inside})"


def test_readme_leaves_nothing_out() -> None:
    """Every command, each of its options, and every tool stands in the README."""
    text = (HERE / "README.md").read_text(encoding="utf-8")
    for command in parser.COMMANDS:
        shown = [mention for mention in mentions(text) if mention.split()[1:2] == [command.name]]
        assert shown, f"the README does not name intercom {command.name}"
        wanted = {one for one in options(command.name) if one.startswith("--")} - {
            "-h",
            "--help",
            "-V",
            "--version",
            "--json",
            "--root",
        }
        missing = wanted - {option for mention in shown for option in _OPTION.findall(mention)}
        assert not missing, f"the README shows intercom {command.name} without {missing}"
    assert set(BY_NAME) <= set(_TOOL.findall(text))


def test_help_pages_name_only_what_exists(capsys: pytest.CaptureFixture[str]) -> None:
    """The help of each command can be shown, and its examples could be typed."""
    for words in ([], *([command.name] for command in parser.COMMANDS)):
        with pytest.raises(SystemExit) as ended:
            parser.parse([*words, "--help"])
        assert ended.value.code == 0
        shown = capsys.readouterr().out
        assert set(_OPTION.findall(shown)) <= options(""), words
        for line in re.findall(r"intercom (?:[a-z]+ .*)$", parser.EPILOG, re.MULTILINE):
            name = shlex.split(line)[1]
            assert name in {command.name for command in parser.COMMANDS}
