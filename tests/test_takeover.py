"""Folders that the version with a journal left behind, taken over: everything in them is as it was.

Only what a user of the bus sees is looked at, so this holds for whatever keeps the messages.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from intercom import Bus
from intercom.core.message import Message
from intercom.format.record import control
from tests.layouts import FACTS, LAYOUTS, having, put

pytestmark = pytest.mark.slow
MOVED = pytest.mark.parametrize("moved", [False, True], ids=["in-place", "copied"])
SEEN = ("sender", "to", "type", "body", "urgent", "reply_to", "thread", "via", "status", "progress")


def told(message: Message | dict[str, Any]) -> dict[str, Any]:
    """What a reader is told of a message, but for its id and number."""
    found = message if isinstance(message, dict) else message._asdict()
    if isinstance(message, Message) and message.via == "machine":  # that version took it for a word of ours
        found |= {"sender": message.sender.removesuffix("@far"), "via": "tool"}
    return {key: found.get(key) or None for key in SEEN}


def check_history(bus: Bus, facts: dict[str, Any]) -> list[tuple[str, int | None]]:
    """Every message is there once, as it was and in its order; ids and numbers."""
    history = bus.history()
    maybe = [message for message in history if message.id not in {known["id"] for known in facts["messages"]}]
    assert [told(message) for message in maybe] in ([], *([told(one)] for one in facts["maybe"]))
    sure = [message for message in history if message not in maybe]
    assert [message.id for message in sure] == [known["id"] for known in facts["messages"]]
    for message, known in zip(sure, facts["messages"], strict=True):
        assert told(message) == told(known)
        assert message.at == known["at"] or message.via == "hand"  # by hand: the local time in its header
    assert sorted({message.seq or 0 for message in history}) == [message.seq for message in history]
    assert {message.id for message in bus.missing()} == set(facts["hidden"])
    for ident, bodies in facts["versions"].items():
        assert [version.body for version in bus.versions(ident)] == bodies
    return [(message.id, message.seq) for message in history]


def check_unread(bus: Bus, facts: dict[str, Any]) -> None:
    """Every reader gets what it had not read; again only what it may not have acted on, and marked so."""
    for reader, unread in facts["unread"].items():
        given = [message for message in bus.read(reader) if told(message) not in [told(one) for one in facts["maybe"]]]
        again = [message for message in given if message.id not in unread]
        assert [message.id for message in given if message not in again] == unread
        assert {message.id for message in again} <= set(facts["again"][reader])
        assert all(message.redelivered for message in again)


def pages(root: Path) -> dict[str, str]:
    """The pages that people see, by name."""
    folder = root / ".claude" / "local"
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("INTERCOM-*.md"))}


@pytest.mark.parametrize("layout", FACTS)
@pytest.mark.parametrize("turn", [1, -1])
@MOVED
def test_all_is_as_it_was_and_stays_so(tmp_path: Path, layout: str, turn: int, moved: bool) -> None:
    """The first look takes over, silently; a second changes nothing. Under each name, whichever comes first."""
    facts, root = FACTS[layout], put(layout, tmp_path, moved=moved)
    seen = []
    for machine in facts["machines"][::turn]:
        with Bus.open(root, machine=machine) as bus:
            seen.append(check_history(bus, facts))
            check_unread(bus, {**facts, "unread": {reader: [] for reader in facts["unread"]}} if seen[1:] else facts)
            assert bus.notices == []
    before = pages(root)
    for machine in facts["machines"]:
        with Bus.open(root, machine=machine) as bus:
            seen.append(check_history(bus, facts))
            assert all(bus.read(reader) == [] for reader in facts["unread"])
            assert bus.notices == []
    assert all(found == seen[0] for found in seen)
    assert pages(root) == before
    top = before["INTERCOM-box.md"].partition("\n## [2")[0]
    assert facts["top"].strip() in top, "people's own text above the messages"


@pytest.mark.parametrize("layout", FACTS)
@MOVED
def test_a_send_may_come_first(tmp_path: Path, layout: str, moved: bool) -> None:
    """Whoever takes over by sending: the message comes last, and all else is as it was."""
    facts, root = FACTS[layout], put(layout, tmp_path, moved=moved)
    with Bus.open(root, machine=facts["machines"][0]) as bus:
        sent = [bus.send("roo", f"new {n}", sender="claude-code").id for n in range(2)]
    with Bus.open(root, machine=facts["machines"][-1]) as bus:
        history = bus.history()
        assert (
            sorted(message.id for message in history[-len(sent) :]) == sorted(sent) or layout == "untaken"
        )  # by hand before, taken in later
        got = {message.id for message in bus.read("roo")}
        assert got >= {*sent, *facts["unread"]["roo"]}
        old = [
            message.id
            for message in history
            if message.id not in sent and told(message) not in map(told, facts["maybe"])
        ]
        assert old == [known["id"] for known in facts["messages"]]
        assert bus.notices == []


@pytest.mark.parametrize("kept", [1, 20, 120, -1])
def test_a_torn_end_does_not_stand_before_what_is_taken_over(tmp_path: Path, kept: int) -> None:
    """Whoever took over wrote to the ledger, and the power was cut: what is torn there is cut back first."""
    facts, root = FACTS["touched"], put("touched", tmp_path)
    private = root / ".claude" / "local" / ".intercom"
    old = {path: path.read_bytes() for path in (private / "journal.md", private / "state.db")}
    with Bus.open(root, machine="box") as bus:
        bus.history()
        segment = bus.config.archive / "INTERCOM-box-000002.md"
    for path, data in old.items():
        path.write_bytes(data)
    record = control("REMOVED", list(facts["hidden"]), 0.0)
    segment.write_bytes(segment.read_bytes() + record[:kept])
    with Bus.open(root, machine="box") as bus:
        check_history(bus, facts)
        assert bus.notices == []


@pytest.mark.parametrize("layout", having("hidden"))
def test_what_was_deleted_can_be_brought_back(tmp_path: Path, layout: str) -> None:
    """Deleted by hand stays deleted until somebody wants it back, and stands in the page then."""
    facts, root = FACTS[layout], put(layout, tmp_path)
    back, *others = facts["hidden"]
    with Bus.open(root, machine="box") as bus:
        assert {message.id: told(message) for message in bus.missing()} == {
            ident: told(known) for ident, known in facts["hidden"].items()
        }
        assert [message.id for message in bus.restore(back)] == [back]
    with Bus.open(root, machine="box") as bus:
        assert {message.id for message in bus.missing()} == set(others)
        shown = {message.id: told(message) for message in bus.history()}
        assert shown[back] == told(facts["hidden"][back])
        assert not set(others) & set(shown)
        assert bus.notices == []


@pytest.mark.parametrize("layout", having("redacted"))
def test_a_redacted_text_is_nowhere(tmp_path: Path, layout: str) -> None:
    """What was destroyed on purpose is in no file afterwards, and stays out of the page."""
    facts, root = FACTS[layout], put(layout, tmp_path)
    with Bus.open(root, machine="box") as bus:
        bus.history()
        bus.compact(keep=3)
        bus.send("roo", "more", sender="claude-code")
    with Bus.open(root, machine="box") as bus:
        bodies = {message.id: message.body for message in bus.history()}
    files = [path for path in root.rglob("*") if path.is_file()]
    for ident, secret in facts["redacted"].items():
        assert bodies[ident].startswith("[redacted ")
        assert not [path for path in files if secret.encode() in path.read_bytes()]


def test_the_layouts_hold_what_they_are_for() -> None:
    """Each state that the other version could leave is among them."""
    assert len(FACTS) == 11
    assert {"touched", "hidden"} == set(having("hidden"))
    assert having("redacted") == ["touched"]
    assert having("versions") == ["touched"]
    assert having("maybe") == ["untaken"]
    assert any(facts["again"]["master"] for facts in FACTS.values() if "master" in facts["again"])
    assert all(list((LAYOUTS / name / "local" / ".intercom").glob("kept.*")) for name in FACTS)
