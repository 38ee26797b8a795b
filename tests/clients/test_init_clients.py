"""Real clients, set up by `intercom init` alone: they connect, have our tools, and talk without a question asked."""

from __future__ import annotations

import json

import pytest

from tests.clients.lab import Place
from tests.clients.versions import DRIVEN

pytestmark = pytest.mark.slow


def calls(place: Place, *steps: tuple[str, dict[str, object]]) -> str:
    """A prompt whose model makes these calls; where a client hides tools, it looks for them first."""
    lines = []
    for tool, given in steps:
        if place.name == "qwen":
            name = f"mcp__intercomm__{tool}"
            lines.append(f"%call tool_search {json.dumps({'query': f'select:{name}'})}")
            lines.append(f"%call tool_call {json.dumps({'name': name, 'arguments': given})}")
        else:
            lines.append(f"%call {tool} {json.dumps(given)}")
    return "\n".join([*lines, f"%say all done by {place.name}"])


@pytest.mark.parametrize("place", DRIVEN, indirect=True)
def test_set_up_by_init_it_talks_at_once(place: Place) -> None:
    """Register, send, read in its first run; then nothing comes twice in the next."""
    before = {path: path.read_bytes() for path in place.home.rglob("*") if path.is_file()}
    place.set_up("ana", "ben")
    place.intercom("send", "--from", "user", "ana", "wake-up-words")
    said = place.prompt(
        calls(
            place,
            ("intercomm_register", {"name": "ana"}),
            ("intercomm_send", {"to": "ben", "message": "words-for-ben"}),
            ("intercomm_read", {}),
        )
    )
    assert "all done" in said
    assert "words-for-ben" in place.intercom("read", "--id", "ben")
    assert place.heard("wake-up-words")  # by a hook, or by the read
    first = place.heard(f"all done by {place.name}")[0]
    shown = json.dumps([first["tools"], first["system"], first["said"]])
    assert "intercomm_register" in shown  # a tool of its first request, or at least its name
    assert "never edit the log" in shown  # the words for agents

    place.intercom("uninstall")
    after = {path: path.read_bytes() for path in place.home.rglob("*") if path in before}
    for path, content in before.items():
        if path.suffix in (".toml", ".yaml"):
            assert after[path] == content
    for path in place.project.rglob("*"):  # what is left there, the client wrote
        if path.is_file() and not {".git", ".claude"} & set(path.relative_to(place.project).parts):
            assert b"intercom" not in path.read_bytes(), path


@pytest.mark.parametrize("place", [name for name in DRIVEN if name == "codex"], indirect=True)
def test_without_an_approval_the_hints_of_our_tools_are_enough(place: Place) -> None:
    """An entry that a person wrote, without more than the command: Codex, told to ask nobody, lets our tools run."""
    place.set_up("ana", "ben")
    path = place.project / ".codex/config.toml"
    path.write_text(path.read_text().replace('default_tools_approval_mode = "approve"\n', ""))
    said = {"to": "ben", "message": "unasked"}
    place.prompt(calls(place, ("intercomm_register", {"name": "ana"}), ("intercomm_send", {**said})))
    assert "unasked" in place.intercom("read", "--id", "ben")
