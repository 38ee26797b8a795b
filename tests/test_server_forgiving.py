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
        ("assign", "wake", "no", False),
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


@pytest.mark.parametrize(
    ("tool", "given", "taken"),
    [
        ("send", {"recipient": "roo", "text": "x"}, {"to": "roo", "message": "x"}),
        ("send", {"to_agent": "roo", "body": "x"}, {"to": "roo", "message": "x"}),
        ("send", {"To": "roo", "Message": "x"}, {"to": "roo", "message": "x"}),
        ("send", {"recipients": ["roo", "ann"], "content": "x"}, {"to": "roo, ann", "message": "x"}),
        ("send", {"to": ["roo"], "message": "x"}, {"to": "roo", "message": "x"}),
        ("send", {"to": '["roo", "ann"]', "message": "x"}, {"to": "roo, ann", "message": "x"}),
        ("send", {"to": "roo", "message": "x", "replyTo": "a1"}, {"to": "roo", "message": "x", "reply_to": "a1"}),
        ("send", {"to": "roo", "message": "x", "in_reply_to": ""}, {"to": "roo", "message": "x"}),
        ("send", {"to": "roo", "message": "x", "message_type": "task"}, {"to": "roo", "message": "x", "type": "task"}),
        (
            "send",
            {"to": "roo", "message": "x", "priority": "High"},
            {"to": "roo", "message": "x", "priority": "urgent"},
        ),
        ("send", {"arguments": {"to": "roo", "message": "x"}}, {"to": "roo", "message": "x"}),
        ("broadcast", {"text": "x"}, {"message": "x"}),
        ("read", {"wait_seconds": "5"}, {"wait": 5.0}),
        ("read", {"timeout": 5}, {"wait": 5.0}),
        ("read", {"max": "5"}, {"limit": 5}),
        ("assign", {"to": "roo", "task": "x"}, {"worker": "roo", "role_instructions": "x"}),
        ("assign", {"agent": "roo", "instructions": "x"}, {"worker": "roo", "role_instructions": "x"}),
        ("wake", {"name": "roo", "text": "x"}, {"worker": "roo", "message": "x"}),
        ("approve", {"agent_id": "roo", "action": "Allow"}, {"worker": "roo", "decision": "allow"}),
        ("worktree_add", {"worker": "roo"}, {"worker_id": "roo"}),
        ("register", {"agent_name": "roo"}, {"name": "roo"}),
        ("spawn", {"n": "2"}, {"count": 2}),
    ],
)
def test_other_names_for_an_argument_are_taken(tool: str, given: dict[str, Any], taken: dict[str, Any]) -> None:
    """As models call it, and in other spellings, where it can be only one."""
    assert BY_NAME[f"intercomm_{tool}"].arguments(given).items() >= taken.items()


@pytest.mark.parametrize(
    ("tool", "given", "said"),
    [
        ("send", {"to": "roo", "text": "x", "body": "y"}, "there is no argument 'text'"),
        ("send", {"to": "roo", "message": "x", "from": "master"}, "there is no argument 'from'"),
        ("send", {"to": "roo", "mesage": "x"}, "'mesage' (did you mean message?), and 'message' is missing"),
        ("send", {"to": "roo", "message": "x", "agent": "ann"}, "there is no argument 'agent'"),
        ("send", {"to": ["roo", 1], "message": "x"}, "to must be a text"),
        ("read", {"agent": "roo"}, "there is no argument 'agent'"),
        ("send", {"message": "x"}, "the argument 'to' is missing"),
    ],
)
def test_what_may_be_another_argument_is_refused(tool: str, given: dict[str, Any], said: str) -> None:
    """And named, with what was probably meant."""
    with pytest.raises(UsageError, match="nothing was done") as refused:
        BY_NAME[f"intercomm_{tool}"].arguments(given)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("intercomm_history", "intercomm_read with all=true"),
        ("search_messages", "intercomm_read with query"),
        ("intercomm_reply", "intercomm_send with reply_to"),
        ("intercomm_spwan", "intercomm_spawn"),
    ],
)
def test_a_tool_that_is_not_there(project: Path, name: str, said: str) -> None:
    """What does it here is named."""
    with BareClient(project) as client:
        assert said in str(client.request("tools/call", {"name": name, "arguments": {}}))


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
