"""Owns the first answers of a server: `initialize` and `tools/list`, given before the MCP SDK is imported.

Importing the SDK takes longer than some clients wait. So the connection begins here, with the standard library alone,
and the SDK is loaded beside it; when it is there, what the client said is said to it again, and the one answer that
the client has already is left out. Only requests in the plain form that clients send are answered here, each as the
SDK would (tests compare the two); whatever else comes first waits for the SDK, and all after it.
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
#: Versions of the protocol in which the answers look as they do here; a client that asks for another waits.
VERSIONS: Final = ("2025-06-18", "2025-11-25")
_MODERN = "io.modelcontextprotocol/"  # begins what only later versions put into `_meta`
_FIRST = 0.02  # seconds in which most clients have said who they are
_SWITCH = 0.0005  # seconds after which a thread that loads lets the one that answers go on
_LONGEST = 2**53  # of an id that is a number
_READ = 1 << 16  # bytes

Json = dict[str, Any]


class Opening(NamedTuple):
    """How a connection began: what the server behind the front is to hear, and what it need not say."""

    said: bytes = b""  #: all that the client said that the server is to hear
    answered: str | int | None = None  #: the id of `initialize`, where that was answered
    client: str | None = None  #: the client's name then


class Front:
    """What is answered at the beginning of one connection. Bytes in, bytes out."""

    def __init__(self, tools: Callable[[], list[Json]]) -> None:
        self.open = True  #: whether anything more may be answered here
        self.answered: str | int | None = None
        self._client: str | None = None
        self._tools = tools
        self._heard = b""  # what the server behind is to hear again
        self._rest = b""  # what was not looked at

    def take(self, data: bytes) -> bytes:
        """The answers to what came; from the first line on that is not answered here everything is kept."""
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
        """What it leaves."""
        return Opening(self._heard + self._rest, self.answered, self._client)

    def _answer(self, line: bytes) -> bytes | None:
        """The answer to a line, b"" for one that has none; None where it is not for us."""
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
    """A request for this method whose form leaves no question; None for any other."""
    ident, params = raw.get("id"), raw.get("params", {})
    if raw.get("method") != method or raw.get("jsonrpc") != "2.0" or not raw.keys() <= _KEYS:
        return None
    if type(params) is not dict:
        return None
    if type(ident) is int:
        return Asked(ident, params) if abs(ident) < _LONGEST else None
    return Asked(ident, params) if type(ident) is str and ident.isascii() else None


def plain_meta(params: Json) -> bool:
    """Whether the `_meta` of a request, if it has one, is such as every version of the protocol takes."""
    meta = params.get("_meta", {})
    if type(meta) is not dict or any(key.startswith(_MODERN) for key in meta):
        return False
    return type(meta.get("progressToken", 0)) in (str, int)


def _plain_client(params: Json) -> bool:
    """Whether the parameters of `initialize` are what clients send."""
    if params.keys() != {"protocolVersion", "capabilities", "clientInfo"}:
        return False
    version, able, client = params["protocolVersion"], params["capabilities"], params["clientInfo"]
    if version not in VERSIONS or type(able) is not dict or type(client) is not dict:
        return False
    names = {"name", "version"} <= client.keys() <= {"name", "version", "title", "description", "websiteUrl"}
    texts = all(type(value) is str and value.isprintable() for value in client.values())
    return names and texts and all(_plain_ability(key, value) for key, value in able.items())


def _plain_ability(key: str, value: Any) -> bool:
    """Whether one of the client's capabilities is said as it usually is."""
    if type(value) is not dict:
        return False
    if key == "roots":
        return not value or (value.keys() == {"listChanged"} and type(value["listChanged"]) is bool)
    if key == "elicitation":
        return value.keys() <= {"form", "url"} and all(form == {} for form in value.values())
    return key == "sampling" and not value


def serve(source: int, sink: int, tools: Callable[[], list[Json]], load: Callable[[], Any]) -> tuple[Opening, Any]:
    """Answer on these descriptors until `load`, on a thread of its own, is done; how it began, and what that gave."""
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
                tools()  # soon to be asked for, and the rest needs the same modules
                loader.start()
                begun = True
    finally:
        sys.setswitchinterval(usual)
    os.close(done[0])
    for error in failed:
        raise error
    return front.opening(), loaded[0]


def _exchange(front: Front, source: int, sink: int) -> None:
    """Read once, and say what there is to say; at the end of the input, or of the output, the front is closed."""
    try:
        data = os.read(source, _READ)
        answer = front.take(data)
        front.open = front.open and bool(data)
        while answer:
            try:
                answer = answer[os.write(sink, answer) :]
            except BlockingIOError:  # somebody who shares the pipe has set it so
                select.select([], [sink], [])
    except OSError:
        front.open = False
