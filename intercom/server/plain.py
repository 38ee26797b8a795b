"""Owns which messages of a client are plain: in the form that clients send, with nothing that needs interpretation.

Plain messages are answered without the MCP SDK, exactly as the SDK would; all others are left to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

MODERN: Final = "2026-07-28"  #: the version of the protocol without a handshake
_PREFIX = "io.modelcontextprotocol/"  # of keys that only that version puts into `_meta`
_VERSION, _INFO, _ABLE = (_PREFIX + key for key in ("protocolVersion", "clientInfo", "clientCapabilities"))
_LONGEST = 2**53  # the largest numeric id
_KEYS = {"jsonrpc", "id", "method", "params"}
_OF_A_CALL = {"name", "arguments", "_meta"}
_CANCELLED = "notifications/cancelled"
#: Notifications that have no effect here, except for cancelling a request.
_UNHEARD: Final = frozenset({"notifications/progress", "notifications/roots/list_changed", _CANCELLED})

Json = dict[str, Any]


class Asked(NamedTuple):
    """A request in plain form."""

    id: str | int
    params: Json


class Call(NamedTuple):
    """A call of a tool."""

    id: str | int
    tool: str
    arguments: Json | None = None
    meta: Mapping[str, Any] = {}  # nobody changes it


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


def _plain_meta(params: Json, modern: bool) -> bool:
    """Whether a request's `_meta` is what clients put there in this version of the protocol."""
    meta = params.get("_meta", {})
    if type(meta) is not dict or type(meta.get("progressToken", 0)) not in (str, int):
        return False
    reserved = {key for key in meta if key.startswith(_PREFIX)}
    if not modern:
        return not reserved
    if reserved != {_VERSION, _INFO, _ABLE} or meta[_VERSION] != MODERN:
        return False
    return _client(meta[_ABLE], meta[_INFO])


def client_of(meta: Mapping[str, Any]) -> str:
    """The client's name, which a request bears in the protocol without a handshake."""
    name: str = meta[_INFO]["name"]
    return name


def discovery(raw: Json) -> Asked | None:
    """The request with which a client begins that speaks the protocol without a handshake."""
    return _bare(request(raw, "server/discover"), modern=True)


def ping(raw: Json, modern: bool) -> Asked | None:
    """A `ping`, which there is only with a handshake."""
    return None if modern else _bare(request(raw, "ping"), modern=False)


def listing(raw: Json, modern: bool) -> Asked | None:
    """A request for the list of tools, from its beginning."""
    return _bare(request(raw, "tools/list"), modern=modern)


def _bare(asked: Asked | None, *, modern: bool) -> Asked | None:
    return asked if asked and asked.params.keys() <= {"_meta"} and _plain_meta(asked.params, modern) else None


def call(raw: Json, modern: bool) -> Call | None:
    """A tool call, whether or not there is a tool of that name."""
    asked = request(raw, "tools/call")
    if asked is None or not asked.params.keys() <= _OF_A_CALL or not _plain_meta(asked.params, modern):
        return None
    name, arguments = asked.params.get("name"), asked.params.get("arguments", {})
    if type(name) is not str or type(arguments) is not dict:
        return None
    return Call(asked.id, name, arguments, asked.params.get("_meta") or {})


def told(raw: Json) -> bool:
    """Whether this is a notification that has no effect, except that it may cancel an open request."""
    if raw.get("jsonrpc") != "2.0" or not raw.keys() <= {"jsonrpc", "method", "params"}:
        return False
    return raw.get("method") in _UNHEARD and type(raw.get("params", {})) is dict


def given_up(raw: Json) -> str | int | None:
    """The id of the request that a notification cancels; None if it cancels none."""
    ident = raw.get("params", {}).get("requestId") if raw["method"] == _CANCELLED else None
    return ident if type(ident) in (str, int) else None


def same(ident: str | int) -> str | int:
    """An id in the form in which ids are compared: some clients give a number as a string."""
    try:
        return int(ident)
    except ValueError:
        return ident


def introduced(params: Json) -> bool:
    """Whether the parameters of `initialize` have the form that clients send, for whatever version."""
    if params.keys() != {"protocolVersion", "capabilities", "clientInfo"}:
        return False
    return type(params["protocolVersion"]) is str and _client(params["capabilities"], params["clientInfo"])


def _client(able: Any, client: Any) -> bool:
    """Whether what a client tells of itself has its usual form."""
    if type(able) is not dict or type(client) is not dict:
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
    if key == "extensions":  # none that we have
        return all(one == {} for one in value.values())
    return key == "sampling" and not value
