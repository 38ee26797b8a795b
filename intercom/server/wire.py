"""Owns JSON on the wire: one line in, one value out, and the reverse, for anything JSON can carry.

A message may contain lone surrogates (the escape of U+D800 alone is valid JSON). Most parsers on the other side
refuse them in raw form, so they leave this process only as escapes. A tool's result is read by a model as plain
text: there, every invisible character and line end is an escape too (and so escaped twice on the wire).
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from typing import Any

from intercom.core.escaping import escaped

MAX_LINE = 64 << 20  #: bytes in one line
PARSE_ERROR = -32700
INVALID_REQUEST = -32600
INTERNAL_ERROR = -32603
CONNECTION_CLOSED = -32000


class BadLine(Exception):
    """A line that cannot be served: the error code, and the id to answer where one was seen."""

    def __init__(self, code: int, reason: str, request_id: str | int | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.request_id = request_id

    def answer(self) -> bytes:
        """The JSON-RPC error line for the client."""
        error = {"code": self.code, "message": self.reason}
        return encode({"jsonrpc": "2.0", "id": self.request_id, "error": error})


def message(line: bytes | None) -> dict[str, Any]:
    """What a client says on a line (None: one that was too long). BadLine."""
    if line is None:
        raise BadLine(PARSE_ERROR, f"Parse error: a line of more than {MAX_LINE} bytes")
    raw = decode(line)
    if type(known := raw.get("id")) is float and known.is_integer():  # the same number to JSON
        raw["id"] = int(known)
    return raw


def answer(request_id: str | int, result: object) -> bytes:
    """The line that answers a request."""
    return encode({"jsonrpc": "2.0", "id": request_id, "result": result})


def decode(line: bytes) -> dict[str, Any]:
    """The JSON object on a line; BadLine for anything else, however large or deep."""
    try:
        value = _DECODER.decode(line.removeprefix(BOM_UTF8).decode("utf-8", "surrogatepass"))
    except RecursionError:
        raise BadLine(PARSE_ERROR, "Parse error: nested too deeply") from None
    except ValueError as error:
        reason = "not UTF-8" if isinstance(error, UnicodeError) else str(error)[:200]
        raise BadLine(PARSE_ERROR, f"Parse error: {reason}") from None
    if not isinstance(value, dict):
        raise BadLine(INVALID_REQUEST, "Invalid request: one JSON object per line (batches are not served)")
    return value


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


# Made once: `json.loads` and `dumps` with options make one each time.
_DECODER = json.JSONDecoder(parse_constant=_no_constant)
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def encode(value: object) -> bytes:
    """`value` as one line of UTF-8, escaped to ASCII only where it must be."""
    try:
        return _ENCODER.encode(value).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def result_text(value: object) -> str:
    """A tool's result as JSON text on one line, with active characters escaped; its value is exact."""
    return escaped(_ENCODER.encode(value))
