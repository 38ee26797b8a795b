"""What is answered before the SDK is there, or without it, is what the SDK answers; all else waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intercom import Bus
from intercom.server import app, front, transport
from intercom.server.session import Session
from intercom.server.toolbox import TOOLS, visible
from tests.server_client import BareClient

Json = dict[str, Any]
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


def call(tool: str, **arguments: Any) -> Json:
    """A call of a tool, as a client sends it."""
    meta = {"progressToken": 7, "client/use": "x"}
    return {
        "jsonrpc": "2.0",
        "id": 5,
        "method": "tools/call",
        "params": {"name": tool, "arguments": arguments, "_meta": meta},
    }


CALLS = [
    call("intercomm_read"),
    call("intercomm_read", thread="x", limit=3, all=True),
    call("intercomm_read", wait=0, from_="nobody"),
    call("intercomm_send", to="nobody", message="hello"),
    call("intercomm_send", to="roo", message=1, status="working"),
    call("intercomm_status", receipts="x"),
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
    """A connection to the SDK's own server in this process, without a front."""

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
        lines, reader, writer = await transport.connect(*pipes, lambda: None, front.Opening())
        async with self.served.running(bind=False):
            task = asyncio.create_task(self.served.server.run(reader, writer, self.served.options()))
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


@given(changed([INITIALIZE]))
def test_initialize(raw: Json) -> None:
    """The front answers as the SDK does, or leaves the line to it, whole."""
    one = front.Front(tools)
    answer = one.take(line(raw))
    if not answer:
        assert one.opening() == (line(raw), None, None)
        return

    async def theirs() -> Json:
        async with Connection(Path("/nowhere")).running() as connection:
            return await connection.say(raw)

    assert json.loads(answer) == asyncio.run(theirs())
    assert one.opening().said == line(raw)


def test_what_is_plain_is_answered() -> None:
    """A handshake as clients send it is over before the SDK is there; what comes next waits for that."""
    one = front.Front(tools)
    begun = line(INITIALIZE) + line(NOTE) + line(LIST)
    answers = [one.take(bytes([byte])) for byte in begun + line(call("intercomm_read")) + line(LIST)]
    assert [json.loads(answer)["id"] for answer in answers if answer] == [0, "a"]
    assert one.opening() == (line(INITIALIZE) + line(NOTE) + line(call("intercomm_read")) + line(LIST), 0, "c")
    assert not one.open


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a bus."""
    path = tmp_path_factory.mktemp("front")
    with Bus.open(path) as bus:
        bus.add_agents(["roo"])
    return path


def test_lists_and_calls(root: Path) -> None:
    """`tools/list` at the front, and calls that need not wait, are answered as by the SDK, bad ones too."""
    plain = 0

    async def compare() -> None:
        nonlocal plain
        async with Connection(root).running() as sdk:
            await sdk.say(INITIALIZE)
            os.write(sdk._input[1], line(NOTE))
            await sdk.say(call("intercomm_register", name="roo"))
            loop = asyncio.get_running_loop()

            @given(changed([LIST, *CALLS]))
            def one(raw: Json) -> None:
                nonlocal plain
                begun = front.Front(tools)
                begun.take(line(INITIALIZE))
                ours = begun.take(line(raw)) or sdk.served.at_once("c", json.loads(line(raw)))
                if ours is not None:
                    theirs = asyncio.run_coroutine_threadsafe(sdk.say(raw), loop).result(20)
                    assert timeless(json.loads(ours)) == timeless(theirs)
                    plain += 1

            await asyncio.to_thread(one)

    asyncio.run(compare())
    assert settings.default is not None
    assert plain > settings.default.max_examples // 10


def test_versions_are_the_sdks() -> None:
    """The front speaks for versions that the SDK agrees to, with the tools that the SDK's server lists."""
    from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

    assert set(front.VERSIONS) < set(HANDSHAKE_PROTOCOL_VERSIONS)
    assert [tool["name"] for tool in tools()] == [tool.name for tool in TOOLS]


def test_the_sdk_is_not_waited_for(tmp_path: Path) -> None:
    """The handshake is answered though the SDK takes its time; the first call is answered when it is there."""
    slow = (
        "import sys, time\n"
        "class Slow:\n"
        "    def find_spec(self, name, *_):\n"
        "        name == 'mcp' and time.sleep(2)\n"
        "sys.meta_path.insert(0, Slow())\n"
    )
    began = time.monotonic()
    with BareClient(tmp_path, prelude=slow) as client:
        assert len(client.request("tools/list", {})["tools"]) == len(TOOLS)
        assert time.monotonic() - began < 2
        assert client.call("intercomm_register")["name"] == "worker-1"
        assert time.monotonic() - began > 2
