"""Delivery: each message once to each of its readers, whatever happens between two reads."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from intercom import Bus
from intercom.core.message import Message
from intercom.store.state.db import State
from tests.people_kit import lose
from tests.processes import Peer, all_at_once

ROOM = 50  #: steps of one run of the state machine


@pytest.fixture
def bus(project: Path) -> Iterator[Bus]:
    """The bus of an empty project, whose own process is not among the readers that die."""
    with Bus.open() as opened:
        yield opened


@pytest.fixture
def peer(project: Path) -> Iterator[Peer]:
    """Another process with a bus on the project."""
    with Peer(project) as started:
        yield started


def bodies(messages: list[Message]) -> list[str]:
    """What was said."""
    return [message.body for message in messages]


def drop_index(bus: Bus) -> None:
    """Delete the index, as anybody may at any moment."""
    for path in bus.config.private.glob("index*"):
        path.unlink()


# -- one reader, killed or not --------------------------------------------------------------------


def test_killed_before_it_acted(bus: Bus, project: Path) -> None:
    """What a reader was given before it was killed is given again, marked; then never more."""
    bus.send("roo", "one", sender="claude-code")
    bus.send("roo", "two", sender="claude-code", priority="urgent")
    with Peer(project) as first:
        assert bodies(first.call("read", "roo", limit=1)) == ["two"]
        assert bus.unread("roo") == 1
        first.kill()
    assert bus.unread("roo") == 2
    with Peer(project) as second:
        again = second.call("read", "roo")
        assert [(m.body, m.redelivered) for m in again] == [("one", False), ("two", True)]
        assert second.call("read", "roo") == []
        second.kill()
    assert bus.read("roo") == []
    assert bus.unread("roo") == 0


@pytest.mark.parametrize("act", ["confirm", "unread", "read", "send", "all"])
def test_killed_after_it_acted(bus: Bus, peer: Peer, act: str) -> None:
    """Any later act says that the reader has what it was given (a mere count of unread does not)."""
    bus.send("roo", "one", sender="claude-code")
    assert len(peer.call("read", "roo")) == 1
    if act == "send":
        peer.call("send", "claude-code", "done", sender="roo")
    elif act == "all":
        peer.call("read", "roo", all=True)
    else:
        peer.call(act, "roo")
    peer.kill()
    assert bodies(bus.read("roo")) == (["one"] if act == "unread" else [])


def test_killed_after_signing_off(bus: Bus, peer: Peer) -> None:
    """Signing off is an act: whoever gets the name next is not given what the last one had."""
    name = peer.call("register").name
    bus.send(name, "one", sender="roo")
    peer.call("read", name)
    peer.call("signoff", name)
    peer.kill()
    assert bus.register().name == name
    assert bus.read(name) == []


def test_acting_through_another_bus_of_the_process(bus: Bus, project: Path) -> None:
    """A session is a process, not an object: reading with one bus and acting with the next is one reader."""
    bus.send("roo", "one", sender="claude-code")
    with Peer(project) as first:
        assert len(first.call("read", "roo")) == 1
        first.call("open", str(project))
        first.call("send", "claude-code", "ok", sender="roo")
        first.kill()
    assert bus.read("roo") == []


def test_a_caller_that_shows_later(bus: Bus, project: Path) -> None:
    """With `confirms` off only `confirm` confirms: what was carried when the process died is given again."""
    bus.send("roo", "one", sender="claude-code")
    bus.send("roo", "two", sender="claude-code")
    with Peer(project) as first:
        first.call("__setattr__", "confirms", False)
        first.call("read", "roo", limit=1)
        first.call("confirm", "roo")
        first.call("read", "roo", limit=1)
        first.call("send", "claude-code", "x", sender="roo")
        assert first.call("read", "roo") == []
        first.kill()
    assert [(m.body, m.redelivered) for m in bus.read("roo")] == [("two", True)]


def test_a_live_reader_keeps_what_it_was_given(bus: Bus, peer: Peer) -> None:
    """As long as the process lives, nobody else is given what it has."""
    bus.send("roo", "one", sender="claude-code")
    assert len(peer.call("read", "roo")) == 1
    assert bus.read("roo") == []
    assert bus.unread("roo") == 0


def test_redelivery_comes_under_filter_and_limit(bus: Bus, peer: Peer) -> None:
    """What is given again is filtered and cut like what is new."""
    for body, thread in (("a", "t1"), ("b", "t2"), ("c", "t1")):
        bus.send("roo", body, sender="claude-code", thread=thread)
    assert len(peer.call("read", "roo")) == 3
    peer.kill()
    bus.send("roo", "d", sender="claude-code", thread="t1", priority="urgent")
    assert bodies(bus.read("roo", thread="t2")) == ["b"]
    assert bodies(bus.read("roo", limit=2)) == ["d", "a"]
    assert [(m.body, m.redelivered) for m in bus.read("roo")] == [("c", True)]


# -- several processes under one name -------------------------------------------------------------


def test_two_readers_of_one_name(bus: Bus, project: Path) -> None:
    """Each message goes to exactly one of them, while somebody sends and the index comes and goes."""
    with Peer(project) as one, Peer(project) as two:
        got: list[str] = []
        for number in range(25):
            for part in range(4):
                bus.send("roo", f"{number}.{part}", sender="claude-code")
            if number % 5 == 4:
                drop_index(bus)
            for found in all_at_once((one, two), "read", "roo", limit=3):
                got += bodies(found)
        for found in all_at_once((one, two), "read", "roo"):
            got += bodies(found)
        assert sorted(got) == sorted(f"{number}.{part}" for number in range(25) for part in range(4))


def test_another_reads_between_looking_and_noting(
    bus: Bus, peer: Peer, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was found is looked for again, if somebody read under the same name before it could be noted as given."""
    bus.send("roo", "one", sender="claude-code")
    assert bus.unread("roo") == 1
    taken: list[list[str]] = []
    noting = State.transaction

    def later(state: State) -> AbstractContextManager[sqlite3.Connection]:
        if state is bus.state and not taken:
            taken.append(bodies(peer.call("read", "roo")))
            bus.send("roo", "two", sender="claude-code")
        return noting(state)

    monkeypatch.setattr(State, "transaction", later)
    found = bodies(bus.read("roo"))
    assert taken == [["one"]]
    assert found + bodies(bus.read("roo")) == ["two"]
    assert bus.unread("roo") == 0


def test_two_takers_of_what_a_dead_one_had(bus: Bus, peer: Peer, project: Path) -> None:
    """What a killed reader had is given again to one process, not to each."""
    for number in range(20):
        bus.send("roo", str(number), sender="claude-code")
    assert len(peer.call("read", "roo")) == 20
    peer.kill()
    with Peer(project) as one, Peer(project) as two:
        found = [message for part in all_at_once((one, two), "read", "roo") for message in part]
        assert sorted(bodies(found), key=int) == [str(number) for number in range(20)]
        assert all(message.redelivered for message in found)


# -- order, filters, limits -----------------------------------------------------------------------


def test_urgent_first_where_a_limit_cuts(bus: Bus) -> None:
    """Under a limit the urgent come first, each kind in order of arrival; without a cut, order of arrival."""
    for number in range(6):
        bus.send("roo", str(number), sender="claude-code", priority="urgent" if number in (3, 5) else "normal")
    assert bodies(bus.read("roo", limit=3)) == ["3", "5", "0"]
    assert bodies(bus.read("roo", limit=3)) == ["1", "2", "4"]
    bus.send("roo", "a", sender="claude-code")
    bus.send("roo", "b", sender="claude-code", priority="urgent")
    assert bodies(bus.read("roo", limit=2)) == ["a", "b"]


def test_filters_come_before_limits(bus: Bus) -> None:
    """A limit counts what passes the filter; what does not pass stays unread."""
    for number in range(30):
        sender = "user" if number % 10 == 9 else "claude-code"
        bus.send("roo", f"{number} {'needle' if number > 20 else 'hay'}", sender=sender, via="cli", type="question")
    assert bodies(bus.read("roo", sender="user", limit=2)) == ["9 hay", "19 hay"]
    assert bodies(bus.read("roo", query="NEEDLE", limit=2)) == ["21 needle", "22 needle"]
    assert bus.read("roo", thread="none", limit=5) == []
    assert bus.read("roo", type="done", limit=5) == []
    assert bus.unread("roo") == 26
    assert len(bus.read("roo", type="ASK")) == 26


@pytest.mark.parametrize("body", ["Größe ÄRGER", "größe ärger \udc80", "GRÖSSE\0 ärger"])
def test_words_in_any_case(bus: Bus, body: str) -> None:
    """Words are found in whatever case they are written, beyond ASCII too, given anew or again."""
    bus.send("roo", body, sender="claude-code")
    bus.send("roo", "nothing", sender="claude-code")
    assert bodies(bus.read("roo", all=True, query="ÄRGER größe")) == [body]
    assert bodies(bus.read("roo", query="ärger GRÖSSE")) == [body]


def test_history_of_a_reader_moves_nothing(bus: Bus) -> None:
    """`all` shows what it may see, the newest under a limit, and nothing counts as given."""
    bus.send("roo", "to roo", sender="claude-code")
    bus.send("user", "to user", sender="claude-code")
    bus.send("claude-code", "from roo", sender="roo")
    bus.broadcast("to all", sender="claude-code")
    assert bodies(bus.read("roo", all=True)) == ["to roo", "from roo", "to all"]
    assert bodies(bus.read("roo", all=True, limit=2)) == ["from roo", "to all"]
    assert bodies(bus.read("roo")) == ["to roo", "to all"]


def test_broadcasts_are_for_those_who_were_there(bus: Bus) -> None:
    """Neither for its sender, nor for a worker that came later; direct messages wait for whoever has the name."""
    bus.register("worker", "early")
    bus.broadcast("one", sender="roo")
    bus.register("worker", "late")
    bus.broadcast("two", sender="early")
    assert bodies(bus.read("late")) == ["two"]
    assert bodies(bus.read("early")) == ["one"]
    assert bodies(bus.read("roo")) == ["two"]
    assert bodies(bus.read("user")) == ["one", "two"]
    assert sorted(r.to for r in bus.receipts("roo")) == ["claude-code", "early", "user"]
    bus.signoff("early")
    bus.broadcast("three", sender="roo")
    bus.register("worker", "early")
    assert bus.read("early") == []
    drop_index(bus)
    assert bodies(bus.read("late")) == ["three"]


def test_an_agent_that_registers(bus: Bus) -> None:
    """Whoever was known before it registered was there before, too."""
    bus.broadcast("one", sender="roo")
    bus.register("worker", "claude-code")
    assert bodies(bus.read("claude-code")) == ["one"]


def test_to_oneself(bus: Bus) -> None:
    """A note to oneself arrives."""
    bus.send("roo", "note", sender="roo")
    assert bodies(bus.read("roo")) == ["note"]


def test_clear_then_five(bus: Bus) -> None:
    """The peer loses what is sent after a clear, as it uses row numbers again; here five sends are five read."""
    for number in range(7):
        bus.send("roo", f"old {number}", sender="claude-code")
    assert len(bus.read("roo")) == 7
    for again in range(3):
        bus.compact(0)
        for number in range(5):
            bus.send("roo", f"{again}.{number}", sender="claude-code")
        if again == 1:
            drop_index(bus)
        assert bodies(bus.read("roo")) == [f"{again}.{number}" for number in range(5)]
    assert len(bus.history()) == 22


# -- waiting --------------------------------------------------------------------------------------


def test_wait_returns_for_whoever_writes(bus: Bus, peer: Peer) -> None:
    """It returns with the message soon after another process sent one, or a person wrote one."""
    peer.start("wait", "roo", 30)
    bus.send("user", "not for roo", sender="claude-code")
    bus.send("roo", "by tool", sender="claude-code")
    assert bodies(peer.answer()) == ["by tool"]
    peer.start("wait", "roo", 30, sender="user")
    with open(bus.config.log, "a", encoding="utf-8") as file:
        file.write("\n## [2026-01-12 10:00:00] user → roo [ASK]\nby hand\n")
    assert [(m.body, m.via) for m in peer.answer()] == [("by hand", "hand")]


def test_wait_ends(bus: Bus) -> None:
    """With nothing there it ends after its time, or when it is told to stop; a time below 0 is none."""
    begun = time.monotonic()
    assert bus.wait("roo", 0.2) == []
    assert time.monotonic() - begun >= 0.2
    assert bus.wait("roo", -1) == []
    assert bus.wait("roo", float("inf"), stop=lambda: True) == []


# -- everything at once ---------------------------------------------------------------------------


class Told(RuleBasedStateMachine):
    """Random use of one bus by several names, against a plain model of who must have been given what.

    The model: for each name, the messages it has not been given, in order of arrival.
    """

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.bus = Bus.open(self.root, machine="box")
        self.waiting: dict[str, list[Message]] = {name: [] for name in ("roo", "claude-code", "user")}
        self.sent: list[Message] = []
        self.left: set[str] = set()

    def teardown(self) -> None:
        """Remove the project."""
        self.bus.close()
        shutil.rmtree(self.root)

    @initialize(workers=st.integers(0, 2))
    def begin(self, workers: int) -> None:
        """Some workers are there at first."""
        for _ in range(workers):
            self.register()

    def pick(self, data: st.DataObject, *, user: bool = True) -> str:
        """One of the names that are there."""
        names = sorted(set(self.waiting) - self.left - (set() if user else {"user"}))
        return data.draw(st.sampled_from(names))

    @rule(
        data=st.data(),
        kind=st.sampled_from(["status", "question", "done", "WARN"]),
        thread=st.sampled_from([None, "t1", "t2"]),
        urgent=st.booleans(),
    )
    def send(self, data: st.DataObject, kind: str, thread: str | None, *, urgent: bool) -> None:
        """One message to one name or two."""
        sender = self.pick(data, user=False)
        to = ", ".join(dict.fromkeys([self.pick(data), self.pick(data)]))
        body = f"{len(self.sent)} {data.draw(st.sampled_from(['red', 'green', '---', '## [2026-01-01] a → b [ASK]']))}"
        priority = "urgent" if urgent else None
        sent = self.bus.send(to, body, sender=sender, type=kind, thread=thread, priority=priority)
        self.sent.append(sent)
        for name in sent.recipients:
            self.waiting[name].append(sent)

    @rule(data=st.data(), urgent=st.booleans())
    def broadcast(self, data: st.DataObject, *, urgent: bool) -> None:
        """One message to all."""
        sender = self.pick(data, user=False)
        sent = self.bus.broadcast(f"{len(self.sent)} red", sender=sender, priority="urgent" if urgent else None)
        self.sent.append(sent)
        for name, held in self.waiting.items():
            if name not in self.left and name != sender:
                held.append(sent)

    @rule(
        data=st.data(),
        wanted=st.fixed_dictionaries(
            {},
            optional={
                "thread": st.sampled_from(["t1", "t2"]),
                "type": st.sampled_from(["status", "INFO", "question", "warn", "announce", "DONE"]),
                "query": st.sampled_from(["RED", "green", "1", "---"]),
                "sender": st.sampled_from(["roo", "worker-1"]),
            },
        ),
        limit=st.none() | st.integers(1, 4),
    )
    def read(self, data: st.DataObject, wanted: dict[str, Any], limit: int | None) -> None:
        """What is new, as the model has it: filtered, then cut with the urgent first."""
        name = self.pick(data)
        held = self.waiting[name]
        expected = [message for message in held if _passes(message, wanted)]
        if limit is not None and len(expected) > limit:
            expected = sorted(expected, key=lambda message: not message.urgent)[:limit]
        found = self.bus.read(name, limit=limit, **wanted)
        assert [message.id for message in found] == [message.id for message in expected]
        assert not any(message.redelivered for message in found)
        self.waiting[name] = [message for message in held if message not in expected]

    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        """Changes nothing that is seen."""
        self.bus.confirm(self.pick(data))

    @rule()
    def reopen(self) -> None:
        """A bus is closed and opened."""
        self.bus.close()
        self.bus = Bus.open(self.root, machine="box")

    @rule(which=st.sampled_from(["index2.db", "index2.seal", "*"]))
    def lose_index(self, which: str) -> None:
        """The index, its seal or both are deleted."""
        for path in self.bus.config.private.glob(which):
            if path.name.startswith("index"):
                lose(path)

    @rule(keep=st.integers(0, 5))
    def compact(self, keep: int) -> None:
        """Old messages go to the archive."""
        self.bus.compact(keep)

    @rule()
    def register(self) -> None:
        """A worker comes: the lowest number that is free, with what was sent to the one before."""
        free = next(
            f"worker-{n}" for n in range(1, 99) if f"worker-{n}" in self.left or f"worker-{n}" not in self.waiting
        )
        assert self.bus.register(pid=os.getpid()).name == free
        self.left.discard(free)
        # Broadcasts that the one before had not read are no concern of the one who comes.
        self.waiting[free] = [message for message in self.waiting.get(free, ()) if message.to != "all"]

    @precondition(lambda self: set(self.waiting) - self.left - {"roo", "claude-code", "user"})
    @rule(data=st.data())
    def signoff(self, data: st.DataObject) -> None:
        """A worker goes."""
        workers = sorted(set(self.waiting) - self.left - {"roo", "claude-code", "user"})
        name = data.draw(st.sampled_from(workers))
        self.bus.signoff(name)
        self.left.add(name)

    @invariant()
    def nothing_is_lost(self) -> None:
        """The history is what was sent, in its order; the counts are the model's."""
        found = self.bus.history()
        assert [message._replace(seq=None, file="") for message in found] == [
            message._replace(file="") for message in self.sent
        ]
        for name, held in self.waiting.items():
            if name not in self.left:
                assert self.bus.unread(name) == len(held)


def _passes(message: Message, wanted: dict[str, Any]) -> bool:
    """The filters once more, as simply as can be."""
    kinds = {"INFO": {"status", "announce"}, "DONE": {"done"}}
    return (
        wanted.get("thread") in (None, message.thread)
        and wanted.get("sender") in (None, message.sender)
        and ("type" not in wanted or message.type in kinds.get(wanted["type"], {wanted["type"]}))
        and wanted.get("query", "").lower() in message.body.lower()
    )


class TestTold(Told.TestCase):  # type: ignore[misc,valid-type]  # made by hypothesis
    """Deliver once, whatever happens."""

    settings = settings(stateful_step_count=ROOM, max_examples=max(5, settings().max_examples // 5))
