"""Owns a server's first answers: `initialize` and `tools/list`, given before the MCP SDK is imported.

Importing the SDK takes longer than some clients wait. So the connection begins here, with the standard library
alone, while the SDK loads on another thread; then the client's messages are replayed to it, and the answer that the
client already has is left out. Only requests in the plain form that clients send are answered here, exactly as the
SDK would (tests compare the two); anything else, and everything after it, waits for the SDK.
"""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from intercom.core.version import __version__
from intercom.server import protocol
from intercom.server.wire import BadLine, decode, encode

NAME: Final = "intercomm"
CAPABILITIES: Final = {"tools": {"listChanged": True}}
#: Protocol versions with answers of this form; a client that asks for another waits.
VERSIONS: Final = ("2025-06-18", "2025-11-25")
_MODERN = "io.modelcontextprotocol/"  # prefix of keys that only later versions put into `_meta`
_FIRST = 0.02  # seconds within which most clients have introduced themselves
_SWITCH = 0.0005  # thread switch interval in seconds, so that loading does not delay answers
_LONGEST = 2**53  # the largest numeric id
_READ = 1 << 16  # bytes

Json = dict[str, Any]


class Opening(NamedTuple):
    """How a connection began: what the SDK's server must hear, and what it need not answer."""

    said: bytes = b""  #: the client's messages, to be replayed
    answered: str | int | None = None  #: the id of `initialize`, if it was answered here
    client: str | None = None  #: the client's name, if it was answered here


class Front:
    """Answers the beginning of one connection. Bytes in, bytes out."""

    def __init__(self, tools: Callable[[], list[Json]]) -> None:
        self.open = True  #: whether more may be answered here
        self.answered: str | int | None = None
        self._client: str | None = None
        self._tools = tools
        self._heard = b""  # what to replay to the SDK's server
        self._rest = b""  # what was not examined

    def take(self, data: bytes) -> bytes:
        """The answers to new data; from the first line that is not answered here, everything is kept."""
        self._rest += data
        out = b""
        while self.open and b"\n" in self._rest:
            line, _, rest = self._rest.partition(b"\n")
            answer = self._answer(line)
            if answer is None:
                self.open = False
            else:
                out, self._rest = out + answer, rest
        return out

    def opening(self) -> Opening:
        """The state to hand over."""
        return Opening(self._heard + self._rest, self.answered, self._client)

    def _answer(self, line: bytes) -> bytes | None:
        """The answer to a line, b"" for one that has none; None if it is not answered here."""
        try:
            raw = decode(line)
        except BadLine:
            return None
        if self.answered is None:
            return self._initialize(raw, line)
        if raw in _INITIALIZED:
            self._heard += line + b"\n"
            return b""
        asked = request(raw, "tools/list")
        if asked is None or not asked.params.keys() <= {"_meta"} or not plain_meta(asked.params):
            return None
        return encode({"jsonrpc": "2.0", "id": asked.id, "result": {"tools": self._tools()}})

    def _initialize(self, raw: Json, line: bytes) -> bytes | None:
        asked = request(raw, "initialize")
        if asked is None or not _plain_client(asked.params):
            return None
        self.answered, self._client = asked.id, asked.params["clientInfo"]["name"]
        self._heard = line + b"\n"
        result = {
            "capabilities": CAPABILITIES,
            "instructions": protocol.instructions(),
            "protocolVersion": asked.params["protocolVersion"],
            "serverInfo": {"name": NAME, "version": __version__},
        }
        return encode({"jsonrpc": "2.0", "id": asked.id, "result": result})


class Asked(NamedTuple):
    """A request in plain form."""

    id: str | int
    params: Json


_NOTE = {"jsonrpc": "2.0", "method": "notifications/initialized"}
_INITIALIZED: Final = (_NOTE, {**_NOTE, "params": {}})
_KEYS = {"jsonrpc", "id", "method", "params"}


def request(raw: Json, method: str) -> Asked | None:
    """Parse a request for this method if its form leaves no question; otherwise None."""
    ident, params = raw.get("id"), raw.get("params", {})
    if raw.get("method") != method or raw.get("jsonrpc") != "2.0" or not raw.keys() <= _KEYS:
        return None
    if type(params) is not dict:
        return None
    if type(ident) is int:
        return Asked(ident, params) if abs(ident) < _LONGEST else None
    return Asked(ident, params) if type(ident) is str and ident.isascii() else None


def plain_meta(params: Json) -> bool:
    """Whether a request's `_meta`, if any, is acceptable in every version of the protocol."""
    meta = params.get("_meta", {})
    if type(meta) is not dict or any(key.startswith(_MODERN) for key in meta):
        return False
    return type(meta.get("progressToken", 0)) in (str, int)


def _plain_client(params: Json) -> bool:
    """Whether the parameters of `initialize` have the form that clients send."""
    if params.keys() != {"protocolVersion", "capabilities", "clientInfo"}:
        return False
    version, able, client = params["protocolVersion"], params["capabilities"], params["clientInfo"]
    if version not in VERSIONS or type(able) is not dict or type(client) is not dict:
        return False
    names = {"name", "version"} <= client.keys() <= {"name", "version", "title", "description", "websiteUrl"}
    texts = all(type(value) is str and value.isprintable() for value in client.values())
    return names and texts and all(_plain_ability(key, value) for key, value in able.items())


def _plain_ability(key: str, value: Any) -> bool:
    """Whether one of the client's capabilities has its usual form."""
    if type(value) is not dict:
        return False
    if key == "roots":
        return not value or (value.keys() == {"listChanged"} and type(value["listChanged"]) is bool)
    if key == "elicitation":
        return value.keys() <= {"form", "url"} and all(form == {} for form in value.values())
    return key == "sampling" and not value


def serve(source: int, sink: int, tools: Callable[[], list[Json]], load: Callable[[], Any]) -> tuple[Opening, Any]:
    """Answer on these descriptors until `load`, on a thread, is done; returns the opening, and the result of `load`."""
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
    return front.opening(), loaded[0]


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
