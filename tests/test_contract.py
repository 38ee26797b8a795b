"""The task contract: what is built is what is parsed, and what is wrong is said."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intercom.core import contract
from intercom.core.message import Message
from intercom.hooks import wording
from intercom.server import pages

TEXT = st.text(min_size=1).filter(lambda text: bool(text.strip()))
TARGET = st.builds(contract.Target, st.sampled_from(contract.TARGET_TYPES), st.integers(), st.none() | TEXT)
CONTRACT = st.builds(contract.Contract, TEXT, TEXT, st.none() | TARGET, st.lists(st.text()).map(tuple))

VALID: dict[str, Any] = {
    "kind": "task_contract",
    "v": 2,
    "role": "worker",
    "role_instructions": "Build the parser.",
    "aimfp_target": {"type": "task", "id": 7},
    "reportBack": ["branch", "commit"],
}


@given(CONTRACT)
def test_what_is_built_is_what_is_parsed(made: contract.Contract) -> None:
    """A contract survives the way through a message body, also inside a code fence."""
    body = contract.build(made)
    assert contract.parse(body) == made
    assert contract.parse(f"\n```json\n{body}\n```\n") == made


def test_people_can_read_it_in_the_log() -> None:
    """Words first, the JSON in a fence below; the JSON alone, as others write it, is as good."""
    made = contract.Contract("tester", "Run:\n\n```\nmake test\n```", contract.Target("task", 7))
    body = contract.build(made)
    assert body.startswith(
        "**Task contract** for a tester\n\nRun:\n\n```\nmake test\n```\n\n"
        "AIMFP task: 7. Report back: branch, commit.\n\n````json\n{"
    )
    assert contract.readable(body) == contract.words(made)
    assert json.loads(contract.wire(body)) == made.to_json()
    alone = contract.wire(body)
    assert (contract.parse(alone), contract.wire(alone), contract.readable(alone)) == (
        made,
        alone,
        contract.words(made),
    )
    pretty = body.replace(alone, json.dumps(made.to_json(), indent=2)).replace("Run:", "Run:  ", 1)
    assert contract.parse(pretty) == made  # a formatter was here


def test_words_that_say_something_else_than_the_json_are_no_order() -> None:
    """Somebody edited one of the two: nobody acts on either."""
    body = contract.build(contract.Contract("worker", "Delete the draft."))
    with pytest.raises(contract.ContractError, match="differ"):
        contract.parse(body.replace("Delete the draft", "Keep the draft", 1))
    quoted = f"This is what I was told:\n\n{body}"
    assert contract.parse(quoted) is None
    assert contract.readable(quoted) == quoted


@pytest.mark.parametrize(
    ("sender", "via", "order"),
    [
        ("master", "tool", True),
        ("Chief", "cli", True),
        ("user", "cli", True),
        ("worker-2", "tool", False),
        ("master", "hand", False),
        ("user", "hand", False),
        ("user", "unproven", False),
    ],
)
def test_whose_contract_is_an_order(sender: str, via: str, *, order: bool) -> None:
    """A master's and a person's; never one that somebody wrote into the log by hand."""
    message = Message("i", 1, "t", sender, "worker-1", "TASK", "task", json.dumps(VALID), via=via)
    assert contract.is_order(message, {"master", "chief"}) is order


@given(st.text())
def test_ordinary_text_is_no_contract(body: str) -> None:
    """No text that does not mean to be a contract is taken for one, or refused."""
    if contract.KIND not in body:
        assert contract.parse(body) is None


@pytest.mark.parametrize(
    "body", ["", "{}", "[1]", '{"kind": "note", "about": "task_contract"}', "see the task_contract of yesterday"]
)
def test_what_only_looks_like_one_is_none(body: str) -> None:
    """Talking about contracts is not sending one."""
    assert contract.parse(body) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"v": 1}, "version"),
        ({"v": True}, "version"),
        ({"role": " "}, "role"),
        ({"role_instructions": None}, "role_instructions"),
        ({"reportBack": "branch"}, "reportBack"),
        ({"reportBack": [1]}, "reportBack"),
        ({"aimfp_target": 7}, "aimfp_target"),
        ({"aimfp_target": {"type": "epic", "id": 1}}, "type"),
        ({"aimfp_target": {"type": ["task"], "id": 1}}, "type"),
        ({"aimfp_target": {"type": "task"}}, "id or a slug"),
        ({"aimfp_target": {"type": "task", "id": "7"}}, "id"),
        ({"aimfp_target": {"type": "task", "slug": ""}}, "slug"),
    ],
)
def test_a_bad_contract_is_refused_with_its_reason(change: dict[str, Any], said: str) -> None:
    """Each field that is wrong is named."""
    with pytest.raises(contract.ContractError, match=said):
        contract.parse(json.dumps({**VALID, **change}))


def test_broken_json_that_means_to_be_a_contract_is_refused() -> None:
    """A contract that somebody damaged while editing is not passed off as text."""
    with pytest.raises(contract.ContractError, match="not valid JSON"):
        contract.parse(json.dumps(VALID)[:-1])


def test_a_contract_without_an_aimfp_target_is_valid() -> None:
    """Without AIMFP the instructions carry the task."""
    plain = {key: value for key, value in VALID.items() if key != "aimfp_target"}
    found = contract.parse(json.dumps(plain))
    assert found is not None
    assert found.target is None
    assert found.to_json() == plain


def test_building_a_bad_contract_is_refused_too() -> None:
    """Both sides hold to the same rules."""
    with pytest.raises(contract.ContractError, match="role_instructions"):
        contract.build(contract.Contract("worker", ""))


BAD = {
    "prose": ("Please build the parser.", "without a task contract"),
    "prose before it": (f"Here you are:\n{json.dumps(VALID)}", "reads like a task contract"),
    "prose behind it": (f"{json.dumps(VALID)}\nThanks!", "not valid JSON"),
    "single quotes": (str(VALID), "not valid JSON|reads like"),
    "a misspelt kind": (json.dumps({**VALID, "kind": "task_contrct"}), "reads like"),
    "another kind": (json.dumps({**VALID, "kind": "order"}), "reads like"),
    "no kind": (json.dumps({key: value for key, value in VALID.items() if key != "kind"}), "reads like"),
    "cut off": (json.dumps(VALID)[:-9], "not valid JSON"),
    "a list": (json.dumps([VALID]), "reads like"),
    "empty": ("", "without a task contract"),
    "version 1": (json.dumps({**VALID, "v": 1}), "version 1"),
}


@pytest.mark.parametrize("via", ["tool", "cli", "hand"])
@pytest.mark.parametrize(("body", "why"), BAD.values(), ids=BAD)
def test_a_task_that_is_no_contract_is_said_to_be_none(body: str, why: str, via: str) -> None:
    """A worker is told so by the read and by its hooks, however the message came."""
    message = Message("i", 1, "2026-01-01T00:00:00.000Z", "master", "worker-1", "TASK", "task", body, via=via)
    row = pages.describe(message, {"master"}, worker=True)
    assert re.search(why, row["contract_error"])
    assert "Do not act on it" in row["contract_error"]
    assert "contract" not in row
    assert re.search(why, wording.one(message, {"master"}, worker=True))


def test_a_task_in_words_is_a_request_to_an_agent() -> None:
    """Only what reads like a contract is refused there; and talk about contracts is talk."""
    words = Message("i", 1, "t", "user", "roo", "TASK", "task", "Fix the tests.", via="cli")
    assert contract.meant(words, worker=False) is None
    with pytest.raises(contract.ContractError):
        contract.meant(words._replace(body=str(VALID)), worker=False)
    talk = words._replace(type="question", body="What is the reportBack of a task_contract?")
    assert contract.meant(talk, worker=True) is None


def test_whole_numbers_and_empty_slugs_of_other_tools() -> None:
    """JSON knows one kind of number; an empty slug beside an id says nothing."""
    found = contract.parse(json.dumps({**VALID, "aimfp_target": {"type": "task", "id": 7.0, "slug": ""}}))
    assert found is not None
    assert found.target == contract.Target("task", 7)


def test_the_gist_of_a_body() -> None:
    """A contract is about what it tells its reader to do; whatever is no valid one, about all of itself."""
    body = contract.build(contract.Contract("worker", "Build it.\nTest it."))
    assert contract.gist(body) == "Build it.\nTest it."
    assert contract.in_short(body, 100) == "Build it. Test it."
    for other in ("Build it.", body.replace("Build it", "Break it", 1)):
        assert contract.gist(other) == other
