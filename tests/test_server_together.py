"""Several servers on one project: at once on a fresh folder, beside one that compacts, over another's index; alive."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from pathlib import Path

import pytest

from intercom import Bus
from intercom.core.message import Instance
from tests.people_kit import until
from tests.server_client import BareClient

pytestmark = pytest.mark.slow

#: Runs in a server's process: whoever replaces the live log stops right before, until somebody opens the pipe `go`.
HELD = (
    "import os; real = os.replace\n"
    "def held(source, target):\n"
    "    if os.path.basename(target) == 'INTERCOM-testbox.md':\n"
    "        open('held', 'w').close()\n"
    "        open('go').read()\n"
    "    real(source, target)\n"
    "os.replace = held\n"
)
OFTEN = "import intercom.server.app as app; app.HEARTBEAT = 0.02\n"
LONG_AGO = "2020-01-01T00:00:00.000Z"


@pytest.fixture
def held(project: Path) -> Path:
    """The pipe on which a held server waits."""
    os.mkfifo(project / "go")
    return project / "go"


def test_two_servers_on_a_fresh_folder(project: Path) -> None:
    """They start, register and talk at the same time: two names, every message once."""
    with BareClient(project) as one, BareClient(project) as two:
        started = [client.begin("intercomm_register") for client in (one, two)]
        names = [client.finish(number)["name"] for client, number in zip((one, two), started, strict=True)]
        assert sorted(names) == ["worker-1", "worker-2"]
        calls = [
            (client, client.begin("intercomm_send", to=names[1 - place], message=f"{place} {number}"))
            for number in range(10)
            for place, client in enumerate((one, two))
        ]
        for client, number in calls:
            client.finish(number)
        for place, client in enumerate((one, two)):
            found = client.call("intercomm_read")["messages"]
            assert [row["body"] for row in found] == [f"{1 - place} {number}" for number in range(10)]
            assert client.call("intercomm_read")["messages"] == []
    with Bus.open(project) as bus:
        assert len(bus.history()) == 20


def test_a_server_starts_while_another_compacts(project: Path, held: Path) -> None:
    """It answers, and reads; what it sends waits for the other, and nothing is lost or doubled."""
    with BareClient(project, prelude=HELD) as compacting, Bus.open(project) as bus:
        compacting.call("intercomm_register", role="master")
        sent = [bus.send("roo", f"m{number}", sender="claude-code").body for number in range(4)]
        clearing = compacting.begin("intercomm_clear", keep=1)
        until((project / "held").exists)
        with BareClient(project) as late:
            assert "intercomm_send" in late.tools()
            assert late.call("intercomm_register", name="roo")["unread"] == 4
            assert [row["body"] for row in late.call("intercomm_read")["messages"]] == sent
            assert late.call("intercomm_status")["you"]["name"] == "roo"
            sending = late.begin("intercomm_send", to="claude-code", message="after")
            held.write_bytes(b"")
            assert compacting.finish(clearing)["archived"] == 3
            late.finish(sending)
            assert late.call("intercomm_read")["messages"] == []
        assert [message.body for message in bus.history()] == [*sent, "after"]
        assert bus.rebuild() == 5


def test_a_server_is_killed_while_it_compacts(project: Path, held: Path) -> None:
    """Whoever comes next takes over at once: all messages are there, once, and the log can be compacted."""
    with Bus.open(project) as bus:
        sent = [bus.send("roo", f"m{number}", sender="claude-code").body for number in range(4)]
        with BareClient(project, prelude=HELD) as compacting:
            compacting.call("intercomm_register", role="master")
            compacting.begin("intercomm_clear", keep=1)
            until((project / "held").exists)
            compacting.process.kill()
        with BareClient(project) as late:
            late.call("intercomm_register", role="master")
            late.call("intercomm_send", to="roo", message="after")
            late.call("intercomm_clear", keep=0)
        assert [message.body for message in bus.read("roo")] == [*sent, "after"]
        assert [message.body for message in bus.history()] == [*sent, "after"]
        assert bus.rebuild() == 5


def test_a_server_answers_before_it_compacts(project: Path) -> None:
    """The log never holds more than a hundred messages, also when nothing is sent any more; all stay readable."""
    with BareClient(project) as client:
        client.call("intercomm_register")
        log = Bus.open(project).config.log
        for number in range(100):
            client.call("intercomm_send", to="user", message=f"message {number}")
            assert log.read_bytes().count(b"<!-- intercom ") <= 100
        until(lambda: log.read_bytes().count(b"<!-- intercom ") == 50)
        client.call("intercomm_send", to="user", message="the next")
    with Bus.open(project) as bus:
        assert [message.body for message in bus.history()] == [f"message {n}" for n in range(100)] + ["the next"]


@pytest.mark.parametrize("schema", ["newer", "strange"])
def test_a_server_over_an_index_of_another_version(project: Path, schema: str) -> None:
    """It is made anew: what is unread comes, what was read does not, and the numbers go on."""
    with Bus.open(project) as bus:
        bus.send("roo", "old", sender="claude-code")
        (old,) = bus.read("roo")
        bus.send("roo", "new", sender="claude-code")
        path = bus.config.private / "index2.db"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 999")
        if schema == "strange":
            for (name,) in db.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE TABLE%'"
            ):
                db.execute(f'ALTER TABLE "{name}" RENAME TO "their_{name}"')
    db.close()
    with BareClient(project) as client:
        client.call("intercomm_register", name="roo")
        (row,) = client.call("intercomm_read")["messages"]
        assert (row["body"], "redelivered" in row) == ("new", False)
        assert client.call("intercomm_read")["messages"] == []
    with Bus.open(project) as bus:
        first = bus.history()[0]
        assert (first.body, first.seq) == ("old", old.seq)


@pytest.mark.parametrize("what", ["everything", "the state"])
def test_the_folder_goes_while_a_server_runs(project: Path, what: str) -> None:
    """As by `git clean -fdx`: the server sees that it is nobody any more, says so, and begins anew with the others."""
    with BareClient(project) as client:
        client.call("intercomm_register")
        client.call("intercomm_send", to="roo", message="before")
        if what == "everything":
            shutil.rmtree(project / ".claude")
        else:
            shutil.move(project / ".claude" / "local" / ".intercom" / "state.db", project / "kept")
        assert "'worker-1' is not known" in client.refused("intercomm_send", to="roo", message="never")
        assert client.call("intercomm_register")["name"] == "worker-1"
        client.call("intercomm_send", to="roo", message="after")
        with Bus.open(project) as bus:
            assert [one.name for one in bus.instances()] == ["worker-1"]
            there = ["before", "after"] if what == "the state" else ["after"]
            assert [message.body for message in bus.read("roo")] == there
            bus.send("worker-1", "hello", sender="roo")
        assert [row["body"] for row in client.call("intercomm_read")["messages"]] == ["hello"]
        assert client.call("intercomm_read")["messages"] == []


def test_a_heartbeat_keeps_an_instance_alive(project: Path) -> None:
    """As long as its process runs: stale where that is stopped, dead once it is gone; beating is no act."""
    with BareClient(project, prelude=OFTEN) as client, Bus.open(project) as bus:
        client.call("intercomm_register")

        def only() -> Instance:
            (found,) = bus.instances()
            return found

        def beats() -> bool:
            with bus._state.transaction() as db:
                db.execute("UPDATE instances SET heartbeat = ?", (LONG_AGO,))
            until(lambda: only().state == "alive")
            return True

        active = only().last_active
        assert beats()
        client.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, client.process.pid, os.WSTOPPED | os.WNOWAIT)
        with bus._state.transaction() as db:
            db.execute("UPDATE instances SET heartbeat = ?", (LONG_AGO,))
        assert only().state == "stale"
        client.process.send_signal(signal.SIGCONT)
        assert beats()
        assert only().last_active == active
        client.process.kill()
        client.process.wait()
        assert only().state == "dead"
