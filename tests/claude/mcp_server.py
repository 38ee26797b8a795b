"""Owns a small MCP server for tests, standard library only: `say` answers, `ask` asks the person back.

Given a path, it makes that file once its client has its tools.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}}
TOOLS = [
    {"name": "say", "description": "Say a text back.", "inputSchema": SCHEMA},
    {"name": "ask", "description": "Ask the person.", "inputSchema": {"type": "object"}},
]
FORM = {
    "message": "Approve the merge?",
    "requestedSchema": {
        "type": "object",
        "properties": {"ok": {"type": "boolean", "description": "Approve"}},
        "required": ["ok"],
    },
}


def send(**fields: Any) -> None:
    """One JSON-RPC message to the client."""
    print(json.dumps({"jsonrpc": "2.0", **fields}), flush=True)


def answer(request: dict[str, Any]) -> None:
    """Answer one request; the answer to `ask` waits for the person's."""
    method, number = request.get("method"), request.get("id")
    params = request.get("params") or {}
    if method == "initialize":
        info = {"name": "team", "version": "1"}
        send(
            id=number,
            result={"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info},
        )
    elif method == "tools/list":
        send(id=number, result={"tools": TOOLS})
        for path in sys.argv[1:]:
            Path(path).touch()
    elif method == "tools/call" and params["name"] == "ask":
        send(id=f"ask-{number}", method="elicitation/create", params=FORM)
    elif method == "tools/call":
        text = params.get("arguments", {}).get("text", "")
        send(id=number, result={"content": [{"type": "text", "text": f"said: {text}"}]})
    elif method is None and str(number).startswith("ask-"):
        text = json.dumps(request.get("result"))
        send(id=int(str(number)[4:]), result={"content": [{"type": "text", "text": text}]})
    elif number is not None:
        send(id=number, result={})


if __name__ == "__main__":
    for line in sys.stdin:
        answer(json.loads(line))
