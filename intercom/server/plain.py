"""Owns which messages of a client are plain: in the form that clients send, with nothing that needs interpretation.

Plain messages are answered without the MCP SDK, exactly as the SDK would; all others are left to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

_MODERN = "io.modelcontextprotocol/"  # prefix of keys that only later versions put into `_meta`
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


def plain_meta(params: Json) -> bool:
    """Whether a request's `_meta`, if any, is acceptable in every version of the protocol."""
    meta = params.get("_meta", {})
    if type(meta) is not dict or any(key.startswith(_MODERN) for key in meta):
        return False
    return type(meta.get("progressToken", 0)) in (str, int)


def ping(raw: Json) -> Asked | None:
    """A `ping`."""
    return _bare(request(raw, "ping"))


def listing(raw: Json) -> Asked | None:
    """A request for the list of tools, from its beginning."""
    return _bare(request(raw, "tools/list"))


def _bare(asked: Asked | None) -> Asked | None:
    return asked if asked and asked.params.keys() <= {"_meta"} and plain_meta(asked.params) else None


def call(raw: Json) -> Call | None:
    """A tool call, whether or not there is a tool of that name."""
    asked = request(raw, "tools/call")
    if asked is None or not asked.params.keys() <= _OF_A_CALL or not plain_meta(asked.params):
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
