"""Tools take a call as it was meant, where that can be only one thing; and say of themselves what they do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from intercom.core.errors import UsageError
from intercom.server.toolbox import BY_NAME, TOOLS
from tests.server_client import BareClient

LEAST: dict[str, dict[str, Any]] = {
    "intercomm_send": {"to": "roo", "message": "x"},
    "intercomm_assign": {"worker": "roo", "role_instructions": "x"},
    "intercomm_spawn": {"count": 1},
    "intercomm_approve": {"worker": "roo"},
}


@pytest.mark.parametrize(
    ("tool", "argument", "given", "taken"),
    [
        ("read", "limit", "5", 5),
        ("read", "limit", " 5 ", 5),
        ("read", "limit", "5.0", 5),
        ("read", "limit", 5.0, 5),
        ("read", "wait", "2.5", 2.5),
        ("read", "wait", "50", 50.0),
        ("read", "all", "true", True),
        ("read", "all", "False", False),
        ("spawn", "count", "3", 3),
        ("send", "progress", "40", 40),
        ("send", "priority", "Urgent", "urgent"),
        ("assign", "report_back", '["branch"]', ["branch"]),
        ("assign", "report_back", '["branch", "a note"]', ["branch", "a note"]),
        ("assign", "report_back", "branch", ["branch"]),
        ("assign", "target_type", "TASK", "task"),
        ("status", "receipts", "true", True),
        ("status", "receipts", "k7q294xmbd3t", "k7q294xmbd3t"),
        ("send", "message", "5", "5"),
        ("send", "message", "null", "null"),
        ("send", "to", "true", "true"),
        ("send", "thread", "5", "5"),
    ],
)
def test_what_can_mean_one_thing_is_taken(tool: str, argument: str, given: Any, taken: Any) -> None:
    """Numbers, truth, lists and words of a list, as strings; a text stays the text that it is."""
    name = f"intercomm_{tool}"
    found = BY_NAME[name].arguments({**LEAST.get(name, {}), argument: given})
    assert found[argument] == taken
    assert type(found[argument]) is type(taken)


@pytest.mark.parametrize("given", [None, "", "null", " null "])
@pytest.mark.parametrize(
    ("tool", "argument"),
    [
        ("send", "reply_to"),
        ("send", "priority"),
        ("send", "progress"),
        ("read", "limit"),
        ("read", "all"),
        ("assign", "target_id"),
        ("assign", "target_type"),
        ("assign", "report_back"),
        ("approve", "decision"),
    ],
)
def test_nothing_is_left_out(tool: str, argument: str, given: Any) -> None:
    """What a model writes for an optional argument that it does not want."""
    name = f"intercomm_{tool}"
    assert argument not in BY_NAME[name].arguments({**LEAST.get(name, {}), argument: given})


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("read", {"limit": "five"}),
        ("read", {"limit": "5.5"}),
        ("read", {"limit": True}),
        ("read", {"wait": "nan"}),
        ("read", {"wait": "1e400"}),
        ("read", {"all": "perhaps"}),
        ("read", {"all": 1}),
        ("read", {"limit": "0"}),
        ("assign", {"worker": "roo", "role_instructions": "x", "report_back": "branch, commit"}),
        ("assign", {"worker": "roo", "role_instructions": "x", "report_back": "[" * 5000}),
        ("assign", {"worker": "roo", "role_instructions": "x", "report_back": "[1]"}),
        ("spawn", {"count": ""}),
        ("spawn", {"count": "null"}),
        ("send", {"to": "roo", "message": 5}),
        ("send", {"to": "roo", "message": "x", "recipient": "roo"}),
    ],
)
def test_what_can_mean_more_is_refused(tool: str, given: dict[str, Any]) -> None:
    """In words that name the argument; nothing is done."""
    with pytest.raises(UsageError, match="nothing was done"):
        BY_NAME[f"intercomm_{tool}"].arguments(given)


@pytest.mark.parametrize("extra", ["wait_for_previous", "task_progress"])
def test_what_clients_add_by_themselves_is_dropped(extra: str) -> None:
    """A model did not write it, and cannot leave it out."""
    assert BY_NAME["intercomm_send"].arguments({"to": "roo", "message": "x", extra: True}) == {
        "to": "roo",
        "message": "x",
    }


def test_each_tool_says_what_it_does() -> None:
    """For clients that ask people first: a title, and whether it looks, writes or may destroy."""
    looks = {"intercomm_status", "intercomm_get_protocol", "intercomm_scan", "intercomm_worktree_list"}
    destroys = {"intercomm_approve", "intercomm_teardown", "intercomm_worktree_remove"}
    for tool in TOOLS:
        entry = tool.listing()
        assert entry["title"]
        assert entry["annotations"].get("readOnlyHint", False) is (tool.name in looks)
        if tool.name not in looks:
            assert entry["annotations"]["destructiveHint"] is (tool.name in destroys)


def test_results_are_text_and_structured(project: Path) -> None:
    """Where a tool says so in its schema; what others wrote stands in the text alone, in which nothing acts."""
    import json

    with BareClient(project) as client:
        client.call("intercomm_register", role="master")
        result = client.request("tools/call", {"name": "intercomm_send", "arguments": {"to": "roo", "message": "x"}})
        assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
        assert result["structuredContent"]["stored"] is True
        refused = client.request(
            "tools/call", {"name": "intercomm_send", "arguments": {"to": "nobody", "message": "x"}}
        )
        assert refused["isError"]
        read = client.request("tools/call", {"name": "intercomm_read", "arguments": {"limit": "5", "all": "true"}})
        assert "structuredContent" not in read
        assert len(json.loads(read["content"][0]["text"])["messages"]) == 1
        said = client.refused("intercomm_send", to="roo", message="x", reply_to="zzzzzzzzzzzz")
        assert "There is no message 'zzzzzzzzzzzz' to answer; nothing was sent" in said
        ident = result["structuredContent"]["id"]
        assert client.call("intercomm_send", to="roo", message="y", reply_to=ident[:11])["stored"]
        assert "did you mean question" in client.refused("intercomm_send", to="roo", message="x", type="qestion")
