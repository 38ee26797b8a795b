"""A session and its name: what a session may do whose name a person gave away, and what it may not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from intercom import Bus
from intercom.core.errors import Refused
from intercom.server.carried import Filters, Hand
from intercom.server.session import Session
from intercom.server.tools import messages
from intercom.system import host
from tests.server_client import BareClient


@pytest.fixture
def old(project: Path) -> Iterator[BareClient]:
    """A session that was the master until a person signed it off."""
    with BareClient(project) as client, Bus.open(project) as bus:
        client.call("intercomm_register", role="master")
        client.call("intercomm_send", to="roo", message="from the first master")
        bus.signoff("master")
        yield client


@pytest.fixture
def new(project: Path, old: BareClient) -> Iterator[BareClient]:
    """The session to which the role was handed over."""
    with BareClient(project) as client:
        client.call("intercomm_register", role="master")
        yield client


def test_a_signed_off_session_has_no_name(old: BareClient, project: Path) -> None:
    """It may do what a session without a name may, and is told why; nothing is stored or compacted."""
    for tool, arguments in (
        ("intercomm_send", {"to": "roo", "message": "x"}),
        ("intercomm_clear", {"keep": 0}),
        ("intercomm_scan", {}),
        ("intercomm_read", {}),
    ):
        said = old.refused(tool, **arguments)
        assert "'master'" in said
        assert "intercomm_register" in said
    assert old.call("intercomm_status")["you"] is None
    with Bus.open(project) as bus:
        assert [message.body for message in bus.history()] == ["from the first master"]
    assert old.call("intercomm_register", role="master")["name"] == "master"
    assert old.call("intercomm_read")["messages"] == []


def test_after_a_hand_over_the_old_master_reads_and_sends_nothing(old: BareClient, new: BareClient) -> None:
    """What was written to the master is the new one's, and nobody else speaks under that name."""
    new.call("intercomm_send", to="master", message="a note to myself")
    assert "'master'" in old.refused("intercomm_read")
    assert "'master'" in old.refused("intercomm_send", to="roo", message="x")
    assert [row["body"] for row in new.call("intercomm_read")["messages"]] == ["a note to myself"]


def test_a_waiting_read_of_the_old_master_takes_nothing_either(project: Path) -> None:
    """The look that follows a change finds the name gone; what came is the new master's."""
    with Bus.open(project) as bus, Bus.open(project) as other:
        session = Session(lambda: Bus.open(project))
        session.register(bus, "master", None)
        bus.signoff("master")
        other.register("master", pid=next(pid for pid, _ in host.parents() if pid not in {0, os.getpid()}))
        other.send("master", "for the new one", sender="roo")
        with pytest.raises(Refused, match="'master'"):
            messages.look(session, Hand(), Filters(), None, bus)
        assert [message.body for message in other.read("master")] == ["for the new one"]


def test_the_old_master_goes_on_as_a_worker_and_leaves_the_new_one_alone(old: BareClient, new: BareClient) -> None:
    """Registering anew signs off no name that is another's by now."""
    assert old.call("intercomm_register")["name"] == "worker-1"
    assert new.call("intercomm_status")["you"] == {"name": "master", "role": "master"}
    new.call("intercomm_send", to="worker-1", message="welcome")
    assert [row["body"] for row in old.call("intercomm_read")["messages"]] == ["welcome"]


def test_a_signed_off_session_registers_anew_under_another_name(project: Path) -> None:
    """The old name needs no second sign-off."""
    with BareClient(project) as client, Bus.open(project) as bus:
        client.call("intercomm_register", name="first")
        bus.signoff("first")
        assert client.call("intercomm_register", name="second")["name"] == "second"
        assert [known.name for known in bus.instances()] == ["second"]


def test_two_servers_of_one_client_session_share_its_name(project: Path) -> None:
    """As where a plugin and a settings file both name the server: neither locks the other out."""
    with (
        BareClient(project, CLAUDE_CODE_SESSION_ID="s") as one,
        BareClient(project, CLAUDE_CODE_SESSION_ID="s") as two,
    ):
        assert one.call("intercomm_register")["name"] == two.call("intercomm_register")["name"] == "worker-1"
        assert one.call("intercomm_send", to="roo", message="x")["stored"]
        assert two.call("intercomm_send", to="roo", message="y")["stored"]


def test_whose_a_name_is(project: Path) -> None:
    """Its process's, or its client session's; nobody's after a sign-off."""
    with Bus.open(project) as bus:
        bus.register("worker", "w", pid=os.getpid(), session="s")
        assert bus.holds("w", pid=os.getpid())
        assert bus.holds("w", pid=1, session="s")
        assert not bus.holds("w", pid=1, session="t")
        assert not bus.holds("w", pid=1)
        assert not bus.holds("x", pid=os.getpid())
        bus.signoff("w")
        assert not bus.holds("w", pid=os.getpid(), session="s")
