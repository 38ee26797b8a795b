"""Owns a server's first answers: `initialize` and `tools/list`, given before anything large is imported.

The connection begins here, with the standard library alone, while what calls need loads on another thread; then `desk`
takes over. If the MCP SDK is needed later, the handshake is replayed to it, and the answer that the client already has
is left out. Only requests in the plain form that clients send are answered here, exactly as the SDK would (tests
compare the two); anything else, and everything after it, waits for the desk.
"""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

from intercom.core.version import __version__
from intercom.server import plain, protocol, wire
from intercom.server.plain import Json
from intercom.server.wire import BadLine, decode

NAME: Final = "intercomm"
SERVER: Final = {"name": NAME, "version": __version__}
CAPABILITIES: Final = {"tools": {"listChanged": True}}
#: What each result says in the protocol without a handshake; and one that may be kept.
_COMPLETE: Final = {"resultType": "complete", "_meta": {"io.modelcontextprotocol/serverInfo": SERVER}}
_KEPT: Final = {**_COMPLETE, "ttlMs": 0, "cacheScope": "private"}
#: Protocol versions with answers of this form; a client that asks for another waits.
VERSIONS: Final = ("2025-06-18", "2025-11-25")
_FIRST = 0.02  # seconds within which most clients have introduced themselves
_SWITCH = 0.0005  # thread switch interval in seconds, so that loading does not delay answers
_READ = 1 << 16  # bytes


class Front:
    """Answers the beginning of one connection. Bytes in, bytes out."""

    def __init__(self, tools: Callable[[], list[Json]]) -> None:
        self.modern = False  #: whether the client speaks the protocol without a handshake
        self.open = True  #: whether more may be answered here
        self.answered: str | int | None = None  #: the id of `initialize`, if it was answered here
        self.client: str | None = None  #: the client's name, if it was answered here
        self.heard = b""  #: the handshake, to be replayed to the SDK
        self.rest = b""  #: what came and was not answered
        self._tools = tools

    def take(self, data: bytes) -> bytes:
        """The answers to new data; from the first line that is not answered here, everything is kept."""
        self.rest += data
        out = b""
        while self.open and b"\n" in self.rest:
            line, _, rest = self.rest.partition(b"\n")
            answer = self._answer(line)
            if answer is None:
                self.open = False
            else:
                out, self.rest = out + answer, rest
        return out

    def _answer(self, line: bytes) -> bytes | None:
        """The answer to a line, b"" for one that has none; None if it is not answered here."""
        try:
            raw = decode(line)
        except BadLine:
            return None
        answer = self.greeted(raw, line)
        if answer is None and self.answered is not None and (asked := plain.listing(raw, self.modern)) is not None:
            return wire.answer(asked.id, self.listed(self._tools()))
        return answer

    def listed(self, tools: list[Json]) -> Json:
        """The result of a request for the list of tools."""
        return {"tools": tools, **_KEPT} if self.modern else {"tools": tools}

    def complete(self, result: Json) -> Json:
        """The result of a call, as this client's version of the protocol has it."""
        return {**result, **_COMPLETE} if self.modern else result

    def greeted(self, raw: Json, line: bytes) -> bytes | None:
        """The answer to a message of the handshake (b"" if it needs none), which is `line`; None for any other."""
        if self.answered is not None:
            if self.modern or raw not in _INITIALIZED:
                return None
            self.heard += line + b"\n"
            return b""
        if (asked := plain.discovery(raw)) is not None:
            self.modern = True
            self.answered, self.client = asked.id, plain.client_of(asked.params["_meta"])
            self.heard = line + b"\n"
            return wire.answer(asked.id, discovered())
        asked = plain.request(raw, "initialize")
        if asked is None or not plain.introduced(asked.params) or asked.params["protocolVersion"] not in VERSIONS:
            return None
        self.answered, self.client = asked.id, asked.params["clientInfo"]["name"]
        self.heard = line + b"\n"
        result = {
            "capabilities": CAPABILITIES,
            "instructions": protocol.instructions(),
            "protocolVersion": asked.params["protocolVersion"],
            "serverInfo": SERVER,
        }
        return wire.answer(asked.id, result)


def discovered() -> Json:
    """The answer to `server/discover`."""
    return {
        "capabilities": {"tools": {"listChanged": False}},
        "instructions": protocol.instructions(),
        "supportedVersions": [plain.MODERN],
        **_KEPT,
    }


_NOTE = {"jsonrpc": "2.0", "method": "notifications/initialized"}
_INITIALIZED: Final = (_NOTE, {**_NOTE, "params": {}})


def serve(source: int, sink: int, tools: Callable[[], list[Json]], load: Callable[[], Any]) -> tuple[Front, Any]:
    """Answer on these descriptors until `load`, on a thread, is done; returns the front, and the result of `load`."""
    front, done = Front(tools), os.pipe()
    loaded: list[Any] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            loaded.append(load())
        except BaseException as error:  # noqa: BLE001  # raised where it is waited for
            failed.append(error)
        os.close(done[1])

    loader, usual = threading.Thread(target=work, daemon=True), sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH)
    begun = False
    try:
        while True:
            watched = [done[0], *([source] if front.open else [])]
            ready, _, _ = select.select(watched, [], [], None if begun else _FIRST)
            if source in ready:
                _exchange(front, source, sink)
            if done[0] in ready:
                break
            if not begun:
                tools()  # needed soon, and the rest needs the same modules
                loader.start()
                begun = True
    finally:
        sys.setswitchinterval(usual)
    os.close(done[0])
    for error in failed:
        raise error
    return front, loaded[0]


def _exchange(front: Front, source: int, sink: int) -> None:
    """Read once and write the answers; the front closes at the end of the input or the output."""
    try:
        data = os.read(source, _READ)
        answer = front.take(data)
        front.open = front.open and bool(data)
        while answer:
            try:
                answer = answer[os.write(sink, answer) :]
            except BlockingIOError:  # somebody who shares the pipe made it non-blocking
                select.select([], [sink], [])
    except OSError:
        front.open = False
