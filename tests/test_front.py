"""What is answered without the SDK is what the SDK answers; all else waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intercom import Bus
from intercom.server import app, desk, front, plain, sdk, transport
from intercom.server.framing import Lines
from intercom.server.session import Session
from intercom.server.toolbox import TOOLS, visible
from tests.processes import patience
from tests.server_client import BareClient

Json = dict[str, Any]
T = TypeVar("T")
INITIALIZE: Json = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {"roots": {"listChanged": True}, "elicitation": {"form": {}}, "sampling": {}},
        "clientInfo": {"name": "c", "version": "1", "title": "C", "websiteUrl": "https://x.y/", "description": "d"},
    },
}
NOTE: Json = {"jsonrpc": "2.0", "method": "notifications/initialized"}
LIST: Json = {"jsonrpc": "2.0", "id": "a", "method": "tools/list", "params": {"_meta": {"progressToken": 1}}}


META: Json = {
    "io.modelcontextprotocol/protocolVersion": plain.MODERN,
    "io.modelcontextprotocol/clientInfo": INITIALIZE["params"]["clientInfo"],
    "io.modelcontextprotocol/clientCapabilities": {
        **INITIALIZE["params"]["capabilities"],
        "extensions": {"io.modelcontextprotocol/tasks": {}},
    },
}


def modern(raw: Json) -> Json:
    """The same request in the protocol without a handshake."""
    params = raw.get("params", {})
    return {**raw, "params": {**params, "_meta": {**params.get("_meta", {}), **META}}}


def call(tool: str, **arguments: Any) -> Json:
    """A call of a tool, as a client sends it."""
    meta = {"progressToken": 7, "client/use": "x"}
    return {
        "jsonrpc": "2.0",
        "id": 5,
        "method": "tools/call",
        "params": {"name": tool, "arguments": arguments, "_meta": meta},
    }


DISCOVER = modern({"jsonrpc": "2.0", "id": "probe", "method": "server/discover"})
CALLS = [
    call("intercomm_read"),
    call("intercomm_read", thread="x", limit=3, all=True),
    call("intercomm_read", wait=0, from_="nobody"),
    call("intercomm_send", to="nobody", message="hello"),
    call("intercomm_send", to="roo", message=1, status="working"),
    call("intercomm_status", receipts="x"),
    call("intercomm_get_protocol"),
    call("intercomm_clear"),
    call("intercomm_red"),
    {"jsonrpc": "2.0", "id": "7", "method": "ping"},
]
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)


@st.composite
def changed(draw: st.DrawFn, examples: list[Json]) -> Json:
    """One of the examples with something in it replaced, taken out, or put in."""
    raw: Json = json.loads(json.dumps(draw(st.sampled_from(examples))))
    for _ in range(draw(st.integers(0, 2))):
        place = raw
        while inner := [value for value in place.values() if isinstance(value, dict)]:
            if draw(st.booleans()):
                break
            place = draw(st.sampled_from(inner))
        key = draw(st.sampled_from([*place, "_meta", "cursor", "progressToken", "tasks", "wait", "x"]))
        if draw(st.booleans()):
            place[key] = draw(values | st.sampled_from(["2024-11-05", "2025-06-18", "2.0", {}]))
        else:
            place.pop(key, None)
    return raw


class Connection:
    """A connection to a server in this process that leaves all to the SDK."""

    def __init__(self, root: Path) -> None:
        self.served = app.App(Session(lambda: self._bus(root)))
        self._input, self._output = os.pipe(), os.pipe()
        self._rest = b""

    @staticmethod
    def _bus(root: Path) -> Bus:
        bus = Bus.open(root)
        bus.confirms = bus.tidies = False
        return bus

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Connection]:
        """Served, for as long as the block lasts."""
        pipes = os.fdopen(self._input[0], "rb", 0), os.fdopen(self._output[1], "wb", 0)
        lines = Lines()
        writer = transport.Writer(lines)
        one = front.Front(tools)
        one.open = False
        left = desk.Desk(self.served, one, lines, writer, lambda: sdk.run)
        async with self.served.running(bind=False):
            await transport.connect(*pipes, lines, writer, b"")
            task = asyncio.create_task(left.serve())
            try:
                yield self
            finally:
                lines.end()
                await task
                await writer.flush()
                for handle in (self._input[1], self._output[0]):
                    os.close(handle)
        self.served.bus_thread.close()

    async def say(self, raw: Json) -> Json:
        """What the SDK answers."""
        os.write(self._input[1], json.dumps(raw).encode() + b"\n")
        while True:
            while b"\n" not in self._rest:
                self._rest += await asyncio.to_thread(os.read, self._output[0], 1 << 20)
            found, _, self._rest = self._rest.partition(b"\n")
            if b'"method"' not in found[:40]:  # as a notification has
                return dict(json.loads(found))


def tools() -> list[Json]:
    """What a session without a role is shown."""
    return [tool.listing() for tool in visible(None)]


def line(raw: Json) -> bytes:
    """A message on the wire."""
    return json.dumps(raw).encode() + b"\n"


def timeless(raw: Json) -> str:
    """An answer without what differs from call to call."""
    return re.sub(r"\d{4}-\d\d-\d\dT[0-9:.]+Z|(?<=id.\": .\")[0-9a-z]{12}", "", json.dumps(raw, sort_keys=True))


@given(changed([INITIALIZE, DISCOVER]))
def test_initialize(raw: Json) -> None:
    """The front answers as the SDK does, or leaves the line to it, whole."""
    one = front.Front(tools)
    answer = one.take(line(raw))
    if not answer:
        assert (one.rest, one.heard, one.answered, one.client) == (line(raw), b"", None, None)
        return

    async def theirs() -> Json:
        async with Connection(Path("/nowhere")).running() as connection:
            return await connection.say(raw)

    assert json.loads(answer) == asyncio.run(theirs())
    assert (one.rest, one.heard) == (b"", line(raw))


def test_what_is_plain_is_answered() -> None:
    """A handshake as clients send it is over before anything is loaded; what comes next waits for that."""
    one = front.Front(tools)
    begun = line(INITIALIZE) + line(NOTE) + line(LIST)
    answers = [one.take(bytes([byte])) for byte in begun + line(call("intercomm_read")) + line(LIST)]
    assert [json.loads(answer)["id"] for answer in answers if answer] == [0, "a"]
    assert (one.heard, one.rest) == (line(INITIALIZE) + line(NOTE), line(call("intercomm_read")) + line(LIST))
    assert (one.answered, one.client) == (0, "c")
    assert not one.open


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a bus."""
    path = tmp_path_factory.mktemp("front")
    with Bus.open(path) as bus:
        bus.add_agents(["roo"])
    return path


class Said:
    """A way out that keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def write(self, said: bytes) -> None:
        """One line."""
        self.lines.append(said)

    def flows(self) -> bool:
        """Always."""
        return True

    async def flowing(self) -> None:
        """At once."""


def _never() -> desk.Behind:
    raise AssertionError


async def answered(served: app.App, first: Json, raw: Json) -> bytes | None:
    """What is answered without the SDK, after a connection's first line; None where that is left to it."""
    begun, out = front.Front(tools), Said()
    begun.take(line(first))
    one = desk.Desk(served, begun, Lines(), out, _never)  # type: ignore[arg-type]
    if not one.take(line(raw)):
        assert not out.lines
        return None
    await one.drain()
    served.session.closing = False
    (said,) = out.lines
    return said


@pytest.mark.parametrize("first", [INITIALIZE, DISCOVER], ids=["handshake", "modern"])
def test_lists_and_calls(root: Path, first: Json) -> None:
    """What clients ask in plain form is answered as by the SDK, bad calls too."""
    equal = 0
    asked = [LIST, *CALLS] if first is INITIALIZE else [DISCOVER, *map(modern, [LIST, *CALLS])]
    register = call("intercomm_register", name="roo")

    async def compare() -> None:
        nonlocal equal
        async with Connection(root).running() as theirs:
            await theirs.say(first)
            if first is INITIALIZE:
                os.write(theirs._input[1], line(NOTE))
            await theirs.say(register if first is INITIALIZE else modern(register))
            loop = asyncio.get_running_loop()

            def run(work: Coroutine[Any, Any, T]) -> T:
                return asyncio.run_coroutine_threadsafe(work, loop).result(patience(20))

            @given(changed(asked))
            def one(raw: Json) -> None:
                nonlocal equal
                ours = run(answered(theirs.served, first, raw))
                if ours is not None:
                    assert timeless(json.loads(ours)) == timeless(run(theirs.say(raw)))
                    equal += 1

            await asyncio.to_thread(one)

    asyncio.run(compare())
    assert settings.default is not None
    assert equal > settings.default.max_examples // 10


def test_a_request_that_was_given_up_is_not_answered(tmp_path: Path) -> None:
    """A read that waits is cancelled, by its number as a text; what is asked meanwhile is answered."""
    with BareClient(tmp_path) as client:
        client.call("intercomm_register")
        waiting = client.begin("intercomm_read", wait=60)
        client.call("intercomm_status")
        client.write({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": str(waiting)}})
        client.write({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "no such"}})
        client.call("intercomm_send", to="worker-1", message="hello")
        assert [one["body"] for one in client.call("intercomm_read")["messages"]] == ["hello"]


@pytest.mark.slow
def test_what_is_not_plain_has_the_sdk_called(tmp_path: Path) -> None:
    """In the middle of a call; then both answer, each its own, and the end of input waits for both."""
    with BareClient(tmp_path) as client:
        client.call("intercomm_register")
        waiting = client.begin("intercomm_read", wait=60)
        client.write({"jsonrpc": "2.0", "id": "odd", "method": "resources/list"})
        client.write({"jsonrpc": "2.0", "id": "plain", "method": "ping"})
        assert {client.line()["id"], client.line()["id"]} == {"odd", "plain"}
        client.call("intercomm_send", to="worker-1", message="hello")
        assert [one["body"] for one in client.finish(waiting)["messages"]] == ["hello"]
        odd = {"name": "intercomm_status", "arguments": {}, "x": 1}
        assert not client.request("tools/call", odd)["isError"]


@pytest.mark.slow
def test_a_request_is_given_up_while_the_sdk_is_loaded(tmp_path: Path) -> None:
    """What comes meanwhile waits for its turn, and then does what it would have done."""
    with BareClient(tmp_path) as client:
        client.call("intercomm_register")
        waiting = client.begin("intercomm_read", wait=60)
        client.write({"jsonrpc": "2.0", "id": "odd", "method": "resources/list"})
        client.write({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": waiting}})
        client.call("intercomm_send", to="worker-1", message="hello")
        assert [one["body"] for one in client.call("intercomm_read")["messages"]] == ["hello"]
        assert [other["id"] for other in client._others if "id" in other] == ["odd"]


@pytest.mark.slow
def test_without_the_sdk(tmp_path: Path) -> None:
    """Where its files are gone, what is plain is served all the same, and all else is told why it is not."""
    with BareClient(tmp_path, prelude="import sys\nsys.modules['mcp.server.lowlevel'] = None\n") as client:
        client.write({"jsonrpc": "2.0", "id": "odd", "method": "resources/list"})
        refused = client.line()
        assert refused["id"] == "odd"
        assert "Reconnect" in refused["error"]["message"]
        assert client.call("intercomm_register")["name"] == "worker-1"


def test_versions_are_the_sdks() -> None:
    """The front speaks for versions that the SDK agrees to, with the tools that the SDK's server lists."""
    from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

    assert set(front.VERSIONS) < set(HANDSHAKE_PROTOCOL_VERSIONS)
    assert [tool["name"] for tool in tools()] == [tool.name for tool in TOOLS]


def test_the_sdk_is_not_waited_for(tmp_path: Path) -> None:
    """Who speaks plainly has the handshake and its calls answered though the SDK never comes."""
    slow = (
        "import sys, time\n"
        "class Slow:\n"
        "    def find_spec(self, name, *_):\n"
        "        name == 'mcp' and time.sleep(600)\n"
        "sys.meta_path.insert(0, Slow())\n"
    )
    with BareClient(tmp_path, prelude=slow) as client:
        assert len(client.request("tools/list", {})["tools"]) == len(TOOLS)
        assert client.call("intercomm_register")["name"] == "worker-1"
        assert client.request("ping", {}) == {}
