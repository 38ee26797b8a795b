"""Additions to files of others: what is there stays byte for byte, what was added comes out again, in any order."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from intercom.fleet.clients.edit import block, jsonc
from intercom.fleet.clients.edit.splice import CannotEdit, Edited, without
from intercom.fleet.clients.part import Item, Listed, Member, Toml, Words

HERE = Path("file")
ENTRY = {"command": "intercom", "args": ["mcp"]}
KEYS = ("mcpServers", "intercomm")

JSONS = [
    "",
    "\n",
    "{}",
    "{\n}\n",
    '{"a":1}',
    '{ "a" : [ ] , }',
    '{\n  "a": 1\n}\n',
    '{\r\n\t// c\r\n\t"a": 1, // note\r\n}\r\n',
    '{\n  "mcpServers": {\n    "x": {"command": "y"}, // hi\n    /* no */\n  }, // t\n}',
    '{"mcpServers":{}}',
    '{"mcpServers": {"other": {"command": "o"}}, "z": null}',
    '{\n    "mcpServers": {},\n    "b": [1,\n 2,]\n}',
    "\ufeff{ /* x { */ }",
    '{\n  "a": "// no comment, \\" no end", // but this\n  "b": 1 // last\n}',
    '{\n  "a": 1\n  // only a comment behind\n}',
    '{"a": 1e3, "b": -0.5, "c": "\\ud800"}',
    '{"mcpServers": {"x": {}}, "a": 1, "mcpServers": {"y": {}}}',  # the last one counts
    '{\r  "a": 1 // a comment ends with its line\r}',
]


@pytest.mark.parametrize("text", JSONS)
def test_a_member_goes_in_and_out_of_json(text: str) -> None:
    """The rest means the same, and is the same bytes when it is taken out; also after others wrote beside it."""
    before = jsonc.loads(text)
    edited = Item(HERE, ("l", "names"), "AGENTS.md").put(Member(HERE, KEYS, ENTRY).put(Edited(text)))
    after = jsonc.loads(edited.text)
    assert after["mcpServers"].pop("intercomm") == ENTRY
    assert after.pop("l") == {"names": ["AGENTS.md"]}
    if "mcpServers" not in before:
        assert after.pop("mcpServers") == {}
    assert after == before
    assert without(edited.text, edited.inserts) == text
    with_more = jsonc.put(edited, ("later",), {"by": "somebody"}).text
    left = Member(HERE, KEYS, ENTRY).cut(Item(HERE, ("l", "names"), "AGENTS.md").cut(with_more))
    gone = {"mcpServers"} if before.get("mcpServers") == {} else set()
    assert jsonc.loads(left) == {**{key: before[key] for key in before if key not in gone}, "later": {"by": "somebody"}}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('{"mcpServers": {"x": 1, // theirs\n"intercomm": %s}}', {"x": 1}),
        ('{"mcpServers": {"x": 1 // theirs, too\n, "intercomm": %s }}', {"x": 1}),
        ('{"mcpServers": { // theirs\n"intercomm": %s, "x": 1}}', {"x": 1}),
        ('{"mcpServers": {"x": "http://y", "intercomm": %s}}', {"x": "http://y"}),
        ('{"mcpServers": {"intercomm": {"command": "mine"}, "x": 1, "intercomm": %s}}', None),
    ],
)
def test_a_comment_beside_ours_swallows_nothing(text: str, left: Any) -> None:
    """What is cut out leaves a comment its line."""
    out = Member(HERE, KEYS, ENTRY).cut(text % json.dumps(ENTRY))
    assert "intercomm" not in out or left is None
    assert left is None or jsonc.loads(out) == {"mcpServers": left}
    assert jsonc.find(out, KEYS) in (None, {"command": "mine"})
    assert out.count("theirs") == text.count("theirs")


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=6), PLAIN, max_size=4), st.sampled_from([None, 1, "\t", 4]), st.booleans())
def test_any_table_takes_a_member(table: dict[str, Any], indent: Any, crlf: bool) -> None:
    """Whatever is in it, however it is laid out."""
    text = json.dumps(table, indent=indent)
    text = text.replace("\n", "\r\n") if crlf else text
    assert jsonc.loads(text) == table
    if isinstance(table.get("mcpServers", {}), dict) and "intercomm" not in table.get("mcpServers", {}):
        edited = jsonc.put(Edited(text), KEYS, ENTRY)
        expected = {**table, "mcpServers": {**table.get("mcpServers", {}), "intercomm": ENTRY}}
        assert json.loads(edited.text) == expected == jsonc.loads(edited.text)
        assert without(edited.text, edited.inserts) == text
        assert json.loads(jsonc.cut(edited.text, KEYS)) == {**expected, "mcpServers": table.get("mcpServers", {})}


@pytest.mark.parametrize(
    "text", ['{"a": 1', "[1]", '{"a" 1}', '{"a": tru}', "{'a': 1}", '{"a": 1} x', '{"mcpServers": 3}', '{"a":1 "b":2}']
)
def test_what_is_not_json_is_left_alone(text: str) -> None:
    """It is said where; nothing is guessed."""
    with pytest.raises(CannotEdit):
        Member(HERE, KEYS, ENTRY).put(Edited(text))


def test_nesting_without_end() -> None:
    """Nothing that a file holds brings the reader down."""
    with pytest.raises(CannotEdit):
        jsonc.loads("[" * 100_000)


@pytest.mark.parametrize("text", ["", "x", "x\n", "x\r\ny\r\n", "# t\n\n\ntext\n\n", "\ufeffx\n"])
def test_a_block_goes_in_and_out_of_words(text: str) -> None:
    """A blank line before it; what others write behind it stays."""
    edited = block.append(Edited(text), "hello\n\nyou", block.MARKDOWN)
    assert edited.text.startswith(text)
    assert without(edited.text, edited.inserts) == text
    assert block.cut(edited.text).strip() == text.strip()
    assert block.cut(edited.text + "\nmore\n").replace(text, "", 1).strip() == "more"
    with pytest.raises(CannotEdit):
        block.append(edited, "again", block.MARKDOWN)


_MARKS = ["<!-- intercom: begin (kept) -->", "<!-- intercom: begin -->", "<!-- intercom: end -->", "# intercom: begin"]


@given(st.lists(st.sampled_from([*_MARKS, "theirs", "", "```"]), max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_broken_marks_swallow_nothing(lines: list[str], newline: str) -> None:
    """Where a mark stands without the other nothing is put or cut: what is between it and the next is a person's."""
    part, text = Words(HERE, "ours"), newline.join(lines)
    if part.there(text):
        return
    if block.broken(text):
        for change in (lambda: part.put(Edited(text)), lambda: part.cut(text)):
            with pytest.raises(CannotEdit, match="lost one of their two marks"):
                change()
        return
    out = part.put(Edited(text)).text + "later\n"
    assert part.cut(out).split() == [*text.split(), "later"]


@pytest.mark.parametrize("gone", [0, -1], ids=["begin", "end"])
def test_the_next_block_is_cut_alone(gone: int) -> None:
    """What is left of an earlier block of ours, and what a person wrote below it, stays."""
    earlier = block.written("old", block.MARKDOWN).splitlines()
    del earlier[gone]
    left = "\n".join([*earlier, "theirs", ""])
    assert block.cut(left + "\n" + block.written("new", block.MARKDOWN)) == left


@pytest.mark.parametrize(
    "text", ["", 'model = "x"\n', 'a = 1\r\n[mcp_servers.other]\r\ncommand = "o"\r\n', "# end", "[a]\nb = '''\nx\n'''"]
)
def test_a_table_goes_in_and_out_of_toml(text: str) -> None:
    """At the end, between comments."""
    part = Toml(HERE, ("mcp_servers", "intercomm"), '[mcp_servers.intercomm]\ncommand = "intercom"\nargs = ["mcp"]')
    edited = part.put(Edited(text))
    assert tomllib.loads(edited.text)["mcp_servers"]["intercomm"] == ENTRY
    assert part.there(edited.text)
    assert without(edited.text, edited.inserts) == text
    assert tomllib.loads(part.cut(edited.text + "\n[later]\n")) == {**tomllib.loads(text), "later": {}}


TABLE = Toml(HERE, ("mcp_servers", "intercomm"), '[mcp_servers.intercomm]\ncommand = "intercom"\nargs = ["mcp"]')
#: As Codex lays it out when it adds a server to its file: one of our marks is lost, and its own table within.
ANEW = """\
model = "m"

[mcp_servers.intercomm]
args = ["mcp"]
command = "intercom"
startup_timeout_sec = 30.0

# of the other
[mcp_servers.other]
command = "echo"
# intercom: end
"""


@pytest.mark.parametrize(
    ("text", "out"),
    [
        (ANEW, 'model = "m"\n\n\n# of the other\n[mcp_servers.other]\ncommand = "echo"\n'),
        (
            block.append(
                Edited("a = 1\n"), TABLE.body + '\n[ "mcp_servers" . intercomm.env]\nA = "["\n[b]', block.HASH
            ).text,
            "a = 1\n\n[b]\n",
        ),
        ('[mcp_servers.intercomm]\ncommand = "mine"\n', '[mcp_servers.intercomm]\ncommand = "mine"\n'),
        ('[mcp_servers.intercomms]\ncommand = "x"\n', '[mcp_servers.intercomms]\ncommand = "x"\n'),
    ],
)
def test_a_table_comes_out_of_toml_that_was_laid_out_anew(text: str, out: str) -> None:
    """Ours, with or without our marks; nothing that others put between them."""
    assert TABLE.cut(text) == out


@pytest.mark.parametrize(
    "text", ['x = """\n# intercom: begin\n# intercom: end\n"""\n', "# intercom: begin\n[a]\n# intercom: end\nb = [\n"]
)
def test_what_is_no_block_of_ours_is_left_alone(text: str) -> None:
    """It only looks like one."""
    with pytest.raises(CannotEdit):
        TABLE.cut(text)


@pytest.mark.parametrize("text", ["a = ", "mcp_servers = {}\n", "mcp_servers = 1\n", "[[mcp_servers]]\nx = 1\n"])
def test_toml_that_takes_no_table_is_left_alone(text: str) -> None:
    """It is said why."""
    with pytest.raises(CannotEdit):
        Toml(HERE, ("mcp_servers", "intercomm"), "[mcp_servers.intercomm]\ncommand = 'x'").put(Edited(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name: lab\nversion: 0.0.1\n",
        "name: lab # c\nmcpServers:\n  - name: other\n    command: o\nmodels: []\n",
        "mcpServers: # ours\n# about\n\n- name: other\n  command: o\n",
        "name: lab\r\nmcpServers: # ours\r\n\r\n  - name: other\r\n    command: o\r\n",
    ],
)
def test_an_entry_goes_in_and_out_of_yaml(text: str) -> None:
    """First of the list, at its indent; made where there is none."""
    part = Listed(HERE, "mcpServers", {"name": "intercomm", **ENTRY})
    edited = part.put(Edited(text))
    found = yaml.safe_load(edited.text)["mcpServers"]
    assert {"name": "intercomm", **ENTRY} in found
    assert part.there(edited.text)
    assert without(edited.text, edited.inserts) == text
    assert edited.text.count("\n") == edited.text.count("\r\n") or "\r" not in text
    left = yaml.safe_load(part.cut(edited.text)) or {}
    assert {key: value for key, value in left.items() if value} == {
        key: value for key, value in (yaml.safe_load(text) or {}).items() if value
    }


@pytest.mark.parametrize(
    ("text", "out"),
    [
        (  # somebody's own between our marks
            (
                "mcpServers:\n  # intercom: begin\n  - name: intercomm\n    command: intercom\n    args: [\n mcp]\n\n"
                "  # theirs\n  - name: other\n    command: o\n  # intercom: end\n"
            ),
            "mcpServers:\n\n  # theirs\n  - name: other\n    command: o\n",
        ),
        (  # laid out anew, without marks
            "name: x\nmcpServers:\n  - name: o\n  - args: [mcp]\n    command: intercom\n    name: intercomm\nz: 1\n",
            "name: x\nmcpServers:\n  - name: o\nz: 1\n",
        ),
        ("name: x\nmcpServers:\n- name: intercomm\n  command: intercom\n", "name: x\n"),
        ("mcpServers:\n- name: intercomm\n  command: mine\n", "mcpServers:\n- name: intercomm\n  command: mine\n"),
    ],
)
def test_an_entry_comes_out_of_yaml_that_was_laid_out_anew(text: str, out: str) -> None:
    """Ours, with or without our marks; nothing that others put between them."""
    assert Listed(HERE, "mcpServers", {"name": "intercomm", **ENTRY}).cut(text) == out


@pytest.mark.parametrize("text", ["mcpServers: []\n", "mcpServers: [{name: x}]\n", "a: [", "- a\n", "a: !!no x"])
def test_yaml_that_takes_no_entry_is_left_alone(text: str) -> None:
    """A list in brackets, a list alone, what is no YAML."""
    with pytest.raises(CannotEdit):
        Listed(HERE, "mcpServers", {"name": "intercomm", **ENTRY}).put(Edited(text))
