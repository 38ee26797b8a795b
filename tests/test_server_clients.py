"""Clients as they are: those that give up a call, with or without a word, and those that leave after an answer."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from intercom import Bus
from intercom.fleet.clients.habits import habits
from intercom.server import threads
from intercom.server.framing import Lines
from intercom.server.toolbox import BY_NAME, TOOLS
from intercom.server.transport import Writer
from intercom.system import resources
from tests.people_kit import until
from tests.server_client import HERE, INITIALIZE, BareClient

pytestmark = pytest.mark.slow

#: Runs in a server's process: a client that nobody knows may have given up while there is a file of this name.
SOON = """
import os
import intercom.server.tools.messages as messages
class Late:
    def __lt__(self, seconds):
        return os.path.exists("given-up")
messages.LATE = Late()
"""
#: The same, and a call of a client that cuts at 60 seconds is answered after half a second.
BRIEF = "import intercom.fleet.clients.habits as habits; habits._MARGIN = 59.5\n"
#: A client that registers, reads, says how many there were, and stays.
CLIENT = (
    "import pathlib, sys\n"
    "from tests.server_client import BareClient\n"
    "with BareClient(pathlib.Path(sys.argv[1])) as client:\n"
    "    client.call('intercomm_register', name='roo')\n"
    "    print(len(client.call('intercomm_read')['messages']), flush=True)\n"
    "    sys.stdin.read()\n"
)


def connected(project: Path, name: str, **more: Any) -> BareClient:
    """A client of this name, connected."""
    client = BareClient(project, **more)
    client.request("initialize", {**INITIALIZE, "clientInfo": {"name": name, "version": "1"}})
    client.write({"jsonrpc": "2.0", "method": "notifications/initialized"})
    return client


def _told_to_stop(client: BareClient) -> None:
    client.process.terminate()


def read(client: BareClient, **how: Any) -> list[tuple[str, bool]]:
    """What is new, each with whether it came before."""
    found = client.call("intercomm_read", **how)["messages"]
    return [(row["body"], row.get("redelivered", False)) for row in found]


def test_a_late_answer_does_not_count_as_read(project: Path) -> None:
    """A client that gave up without a word gets the message once more, marked; then never again."""
    with BareClient(project, prelude=SOON) as client, Bus.open(project) as bus:
        client.call("intercomm_register")
        given_up = client.begin("intercomm_read", wait=20)
        (project / "given-up").touch()
        bus.send("worker-1", "too late", sender="roo")
        client.finish(given_up)
        (project / "given-up").unlink()
        client.call("intercomm_send", to="roo", message="going on")
        assert read(client) == [("too late", True)]
        assert read(client) == []
        assert bus.receipts("roo")[0].shown


def test_an_answer_that_the_client_speaks_of_did_arrive(project: Path) -> None:
    """Whoever names the message has it."""
    with BareClient(project, prelude=SOON) as client, Bus.open(project) as bus:
        client.call("intercomm_register")
        reading = client.begin("intercomm_read", wait=20)
        client.call("intercomm_status")
        sent = bus.send("worker-1", "which?", sender="roo", type="question")
        assert client.finish(reading)["messages"][0]["id"] == sent.id
        client.call("intercomm_send", to="roo", message="that", type="answer", reply_to=sent.id)
        assert read(client) == []


def test_a_client_that_cancels_is_believed(project: Path) -> None:
    """Its late answers arrive; nothing comes twice."""
    client = connected(project, "codex-mcp-client", prelude=SOON)
    with Bus.open(project) as bus:
        client.call("intercomm_register")
        reading = client.begin("intercomm_read", wait=20)
        (project / "given-up").touch()
        bus.send("worker-1", "late", sender="roo")
        client.finish(reading)
        assert read(client) == []
    assert client.close() == 0


def test_a_read_that_was_overtaken_may_have_been_given_up(project: Path) -> None:
    """A second read beside one that waits gets what the first was given, at once and marked."""
    with BareClient(project) as client, Bus.open(project) as bus:
        client.call("intercomm_register")
        client.begin("intercomm_read", wait=20)
        client.call("intercomm_status")
        second = client.begin("intercomm_read", wait=20)
        bus.send("worker-1", "news", sender="roo")
        assert [row["body"] for row in client.finish(second)["messages"]] == ["news"]
        client.call("intercomm_status")
    with Bus.open(project) as bus:
        assert bus.unread("worker-1") == 0


@pytest.mark.parametrize("name", ["Cline", "@cline/core", "opencode", "kilo", "continue-cli-client"])
def test_a_client_that_cuts_calls_is_answered_before(project: Path, name: str) -> None:
    """And its model is told why it is empty."""
    client = connected(project, name, prelude=BRIEF)
    client.call("intercomm_register")
    answer = client.call("intercomm_read", wait=600)
    assert answer["messages"] == []
    assert "Waited 0.5 of the 600 seconds" in answer["note"]
    assert client.close() == 0


def test_how_long_clients_wait() -> None:
    """By name, whatever its letters; of an unknown one nothing is known."""
    assert habits("Cline").longest == 50
    assert habits("qwen-cli-mcp-client-intercomm").longest == 290
    assert habits("claude-code").longest is None
    assert habits("claude-code").says_so
    assert habits("something new") == habits("") == (None, False, False, "")


def test_an_agent_of_the_settings_is_nobodys_worker(project: Path) -> None:
    """It keeps its name and role, sees every tool, learns how agents work together; leading is a step of its own."""
    with BareClient(project) as client:
        every = set(client.tools())
        assert client.call("intercomm_register", name="roo")["role"] == "agent"
        assert set(client.tools()) == every
        assert 'intercomm_register(role="master")' in client.refused("intercomm_clear")
        assert client.call("intercomm_register")["name"] == "roo"
        told = client.request("tools/call", {"name": "intercomm_get_protocol", "arguments": {}})
        assert "neither master nor worker" in told["content"][0]["text"]
        assert "# For a worker" not in told["content"][0]["text"]
        assert client.call("intercomm_register", role="master")["role"] == "master"
        assert "archived" in client.call("intercomm_clear")
    with BareClient(project, INTERCOM_NAME="claude-code") as client:
        assert client.call("intercomm_status")["you"] == {"name": "claude-code", "role": "agent"}
    with BareClient(project) as client:
        assert "init --agent" in client.refused("intercomm_register", role="agent", name="stranger")
        assert client.call("intercomm_register", name="stranger")["role"] == "worker"
        assert client.call("intercomm_register", name="stranger")["role"] == "worker"


def test_an_agent_comes_back_as_an_agent(project: Path) -> None:
    """A client session that is resumed has its name and role again."""
    for _ in range(2):
        with BareClient(project, CLAUDE_CODE_SESSION_ID="s-1") as client:
            if client.call("intercomm_status")["you"] is None:
                client.call("intercomm_register", name="roo")
            assert client.call("intercomm_status")["you"] == {"name": "roo", "role": "agent"}


def test_no_schema_has_a_list_of_types() -> None:
    """Strict readers of schemas complain of one at every call."""
    for tool in TOOLS:
        assert all(isinstance(one.get("type", ""), str) for one in tool.properties.values()), tool.name
    (either,) = [one for one in BY_NAME["intercomm_status"].properties.values() if "anyOf" in one]
    assert either["anyOf"] == [{"type": "boolean"}, {"type": "string"}]


def test_who_sees_no_instructions_sees_the_essentials() -> None:
    """Some clients never show a server's instructions: the first tool says what must be known."""
    said = BY_NAME["intercomm_register"].description
    for word in ("intercomm_get_protocol", "intercomm_read", "wait=50", "before you stop", "never by editing"):
        assert word in said
    assert "wait=60" not in resources.text("protocol.md") + resources.text("instructions.md")


def test_who_leaves_after_the_answer_has_it(project: Path) -> None:
    """A run that ends with a read, by the end of input or told to stop, does not get the same again in the next."""
    with Bus.open(project) as bus:
        told = [_told_to_stop] if os.name != "nt" else []  # there, nobody can be told
        for number, end in enumerate((BareClient.close, *told)):
            bus.send("roo", f"n{number}", sender="claude-code")
            with BareClient(project) as client:
                client.call("intercomm_register", name="roo")
                assert read(client) == [(f"n{number}", False)]
                end(client)
                assert client.process.wait(10) == 0
            with BareClient(project) as client:
                client.call("intercomm_register", name="roo")
                assert read(client) == []


def test_who_is_killed_after_the_answer_gets_it_again(project: Path) -> None:
    """A client that is gone lets go of both pipes: nobody knows what it did with the answer."""
    with Bus.open(project) as bus:
        bus.send("roo", "was it read?", sender="claude-code")
        line = [sys.executable, "-c", CLIENT, str(project)]
        with subprocess.Popen(line, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
            assert client.stdout
            assert client.stdout.readline().strip() == b"1"
            client.kill()
        until(lambda: bus.instances()[0].state == "dead")
        with BareClient(project) as again:
            again.call("intercomm_register", name="roo")
            assert read(again) == [("was it read?", True)]


@pytest.mark.parametrize("stays", [True, False])
def test_a_reader_that_left_is_noticed_without_a_write(stays: bool) -> None:
    """Also by the threads that serve where no event loop can watch a pipe."""

    async def heard(mine: int, file: BinaryIO) -> bool:
        writer = Writer(Lines())
        sink = threads.Sink(file, writer)
        sink.write(b"an answer\n")
        assert os.read(mine, 100) == b"an answer\n"
        if not stays:
            os.close(mine)
        try:
            return await writer.heard()
        finally:
            sink.close()
            if stays:
                os.close(mine)

    mine, theirs = os.pipe()
    with os.fdopen(theirs, "wb", 0) as file:  # the loop may end before the sink has closed it
        assert asyncio.run(heard(mine, file)) is stays


def test_a_worker_that_ends_leaves_the_answer_to_its_heir(project: Path) -> None:
    """Whoever ends a worker ends its client and its server as politely."""
    with Bus.open(project) as bus:
        bus.send("roo", "was it done?", sender="claude-code")
        for again in (False, True):
            with BareClient(project, INTERCOM_SPAWN="s-1") as client:
                client.call("intercomm_register", name="roo")
                assert read(client) == [("was it done?", again)]


def test_a_session_that_is_told_with_the_call(project: Path) -> None:
    """Codex names its session in `_meta`; resumed, it has its name again, and its hooks know whose they are."""
    for turn in range(2):
        client = connected(project, "codex-mcp-client")
        call = {
            "name": "intercomm_register",
            "arguments": {} if turn else {"name": "roo"},
            "_meta": {"sessionId": "t-1"},
        }
        said = json.loads(client.request("tools/call", call)["content"][0]["text"])
        assert (said["name"], said["role"]) == ("roo", "agent")
        with Bus.open(project) as bus:
            assert [(known.name, known.session) for known in bus.instances()] == [("roo", "t-1")]
        assert client.close() == 0
    client = connected(project, "codex-mcp-client")
    call = {"name": "intercomm_status", "arguments": {}, "_meta": {"sessionId": "t-2"}}
    assert json.loads(client.request("tools/call", call)["content"][0]["text"])["you"] is None
    assert client.close() == 0


def test_tools_say_that_they_stay_on_the_bus() -> None:
    """Codex refuses whatever may reach out into the world, where nobody is there to be asked."""
    assert all(tool.listing()["annotations"]["openWorldHint"] is False for tool in TOOLS)
