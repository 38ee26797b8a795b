"""A server as a process: bad input, ends of input, signals, files, and a project with nothing in it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.client import Client
from mcp.client.stdio import stdio_client

from intercom import Bus
from intercom.server.protocol import INSTRUCTIONS_LIMIT
from tests.server_client import HERE, INITIALIZE, MAIN, BareClient

pytestmark = pytest.mark.slow


def test_the_official_client_gets_along(project: Path) -> None:
    """Handshake, instructions, tools, a call, an error."""

    async def talk() -> None:
        parameters = StdioServerParameters(
            command=sys.executable, args=["-c", MAIN], env={**os.environ, "PYTHONPATH": str(HERE)}, cwd=project
        )
        async with stdio_client(parameters) as (source, sink), ClientSession(source, sink) as session:
            hello = await session.initialize()
            assert hello.server_info.name == "intercomm"
            assert hello.instructions
            assert len(hello.instructions) <= INSTRUCTIONS_LIMIT
            assert len((await session.list_tools()).tools) >= 10
            said = await session.call_tool("intercomm_register", {"role": "master"})
            assert not said.is_error
            said = await session.call_tool("intercomm_send", {"to": "nobody-at-all", "message": "x"})
            assert said.is_error

    asyncio.run(talk())


def test_a_client_without_a_handshake_is_served_too(project: Path) -> None:
    """The newest protocol has no `initialize`; the SDK's own client uses it where the server can."""

    async def talk() -> str:
        parameters = StdioServerParameters(
            command=sys.executable, args=["-c", MAIN], env={**os.environ, "PYTHONPATH": str(HERE)}, cwd=project
        )
        async with Client(stdio_client(parameters)) as client:
            assert len((await client.list_tools()).tools) >= 10
            assert not (await client.call_tool("intercomm_register", {})).is_error
            assert (await client.call_tool("intercomm_clear", {})).is_error
            return client.protocol_version

    assert asyncio.run(talk()) > "2026"


@pytest.mark.parametrize("version", ["2024-11-05", "2025-11-25"])
def test_it_speaks_the_version_it_is_asked_for(project: Path, version: str) -> None:
    """From the first protocol version to the newest with a handshake."""
    client = BareClient(project)
    answer = client.request("initialize", {**INITIALIZE, "protocolVersion": version})
    assert answer["protocolVersion"] == version
    assert client.close() == 0


@pytest.fixture(scope="module")
def abused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareClient]:
    """One server for all bad lines: each has to leave it as good as new."""
    with BareClient(tmp_path_factory.mktemp("abused")) as client:
        yield client


@pytest.mark.parametrize(
    ("line", "code", "known"),
    [
        (b"this is not JSON\n", -32700, None),
        (b'{"jsonrpc": "2.0", "id": 5, "met\n', -32700, None),
        (b'\xff\xfe{"a": 1}\n', -32700, None),
        (b"[" * 100_000 + b"\n", -32700, None),
        (b'{"jsonrpc": "2.0", "id": 77, "params": {}}\n', -32600, 77),
        (b'{"jsonrpc": "1.0", "id": "x", "method": "ping"}\n', -32600, "x"),
        (b"[]\n", -32600, None),
        (b'{"jsonrpc": "2.0", "id": null, "method": "ping"}\n', -32600, None),
        (b'{"jsonrpc": "2.0", "id": 1.5, "method": "tools/list"}\n', -32600, None),
        (b'{"jsonrpc": "2.0", "id": [1], "method": "ping"}\n', -32600, None),
        (b'{"jsonrpc": "2.0", "id": true, "method": "ping"}\n', -32600, None),
    ],
)
def test_a_bad_line_is_answered_and_the_next_is_served(
    abused: BareClient, line: bytes, code: int, known: int | str | None
) -> None:
    """A JSON-RPC error with the id where there was one; then business as usual."""
    abused.raw(line)
    answer = abused.line()
    assert answer["error"]["code"] == code
    assert answer["id"] == known
    assert abused.request("ping") == {}


def test_to_json_a_whole_number_may_have_a_point(abused: BareClient) -> None:
    """A client that knows no other numbers than floats is answered."""
    abused.raw(b'{"jsonrpc": "2.0", "id": 900000.0, "method": "ping"}\n')
    assert abused.line() == {"jsonrpc": "2.0", "id": 900000, "result": {}}


def test_a_notification_with_an_empty_id_is_taken_as_one(abused: BareClient) -> None:
    """Nobody waits for its answer, so none is sent: the next line answers the next request."""
    abused.raw(b'{"jsonrpc": "2.0", "id": null, "method": "notifications/initialized"}\n')
    number = abused.start("ping")
    assert abused.line() == {"jsonrpc": "2.0", "id": number, "result": {}}


def test_ten_megabytes_in_one_line(project: Path) -> None:
    """A huge message is stored whole; reading it says where the whole of it stands."""
    with BareClient(project) as client, Bus.open(project) as bus:
        client.call("intercomm_register")
        body = "0123456789" * 1_000_000
        client.call("intercomm_send", to="roo", message=body)
        client.call("intercomm_send", to="worker-1", message=body)
        (got,) = bus.read("roo")
        assert got.body == body
        found = client.call("intercomm_read")["messages"]
        assert all(len(row["body"]) < 45_000 and got.file in row["cut"] for row in found)


def test_lone_surrogates_pass(project: Path) -> None:
    """In a message, in an argument's name, in a request's id: nothing breaks, the message is the same."""
    with BareClient(project) as client, Bus.open(project) as bus:
        client.call("intercomm_register")
        client.call("intercomm_send", to="roo", message="a\ud800b")
        assert [message.body for message in bus.read("roo")] == ["a\ud800b"]
        client.refused("intercomm_send", to="roo", message="x", **{"\udfff": 1})
        client.refused("intercomm_send", to="\ud800", message="x")
        client.write({"jsonrpc": "2.0", "id": "\udc00", "method": "ping"})
        assert client.line()["id"] == "\udc00"


def test_what_was_asked_before_the_end_of_input_is_answered(project: Path) -> None:
    """As from a script that writes everything and closes: all answers come, then exit 0."""
    call = {"name": "intercomm_register", "arguments": {}}
    send = {"name": "intercomm_send", "arguments": {"to": "roo", "message": "by pipe"}}
    asked = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call},
        {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": send},
    ]
    text = "\n".join(json.dumps(line) for line in asked)  # no newline at the end
    done = subprocess.run(
        [sys.executable, "-c", MAIN],
        input=text.encode(),
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(HERE)},
        timeout=60,
        check=True,
    )
    assert {json.loads(line).get("id") for line in done.stdout.splitlines()} - {None} == {1, 2, 3}
    with Bus.open(project) as bus:
        assert [message.body for message in bus.read("roo")] == ["by pipe"]


def test_files_as_input_and_output(project: Path) -> None:
    """Where there are no pipes, the same answers come."""
    lines = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
    ]
    (project / "in").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    with (project / "in").open("rb") as source, (project / "out").open("wb") as sink:
        env = {**os.environ, "PYTHONPATH": str(HERE)}
        subprocess.run([sys.executable, "-c", MAIN], stdin=source, stdout=sink, env=env, timeout=60, check=True)
    assert json.loads((project / "out").read_text(encoding="utf-8").splitlines()[0])["id"] == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly(project: Path, number: signal.Signals) -> None:
    """Also while a read waits; what it was given is not received, and nobody is signed off."""
    with BareClient(project) as client, Bus.open(project) as bus:
        client.call("intercomm_register")
        client.begin("intercomm_read", wait=60)
        client.call("intercomm_status")
        client.process.send_signal(number)
        assert client.process.wait(10) == 0
        assert [(known.name, known.state) for known in bus.instances()] == [("worker-1", "dead")]


def test_the_end_of_input_ends_it_while_a_read_waits(project: Path) -> None:
    """A client that leaves is not waited for."""
    client = BareClient(project)
    with client:
        client.call("intercomm_register")
        client.begin("intercomm_read", wait=600)
        client.call("intercomm_status")
        assert client.close() == 0


def test_many_requests_at_once_are_all_answered(project: Path) -> None:
    """One after the other for the bus, in the order in which they came."""
    with BareClient(project) as client, Bus.open(project) as bus:
        client.call("intercomm_register")
        started = [client.begin("intercomm_send", to="roo", message=str(number)) for number in range(50)]
        for request_id in reversed(started):
            client.finish(request_id)
        assert [message.body for message in bus.read("roo")] == [str(number) for number in range(50)]


def test_what_is_printed_does_not_reach_the_client(project: Path) -> None:
    """Python's print, a child's output, a write to descriptor 1: the protocol stays whole."""
    noise = (
        "import os, intercom.server.protocol as p; "
        "noise = lambda: (print('noise', flush=True), os.system('echo noise'), os.write(1, b'noise')); "
        "p.for_role = lambda role: noise() and 'clean'; "
    )
    with BareClient(project, prelude=noise) as client:
        result = client.request("tools/call", {"name": "intercomm_get_protocol", "arguments": {}})
        assert result["content"][0]["text"] == "clean"
        assert client.request("ping") == {}


def test_a_start_makes_no_folder(project: Path) -> None:
    """A project that does not use the bus is left as it is, until somebody registers."""
    with BareClient(project, CLAUDE_CODE_SESSION_ID="s") as client:
        assert client.tools()
        assert list(project.iterdir()) == []
        client.call("intercomm_register")
        assert (project / ".claude" / "local").is_dir()


def test_it_starts_over_a_broken_index(project: Path) -> None:
    """The handshake needs no bus; the first call rebuilds what is derived."""
    with Bus.open(project) as bus:
        bus.send("roo", "kept", sender="claude-code")
        private = bus.config.private
    for left in private.glob("index2.db*"):
        left.write_bytes(b"no database at all" * 100)
    with BareClient(project) as client:
        client.call("intercomm_register", name="roo")
        assert [row["body"] for row in client.call("intercomm_read")["messages"]] == ["kept"]
