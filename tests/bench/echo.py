"""Owns the floor under an MCP call: a loop that reads a JSON line and answers it, on request after putting it on disk.

Started as a process of its own. With a file as its only argument, it appends as many bytes as a message takes there,
and syncs them.
"""

from __future__ import annotations

import json
import os
import sys

#: What a block of the log has around its body.
AROUND = b"x" * 124 + b"\n"


def main(path: str | None = None) -> None:
    """Serve until the input ends."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600) if path else -1
    for line in sys.stdin.buffer:
        request = json.loads(line)
        result: dict[str, object] = {}
        if path:
            os.write(handle, request["params"]["arguments"]["message"].encode() + AROUND)
            os.fdatasync(handle)
            result = {"content": [{"type": "text", "text": '{"id":"000000000000"}'}], "isError": False}
        answer = {"jsonrpc": "2.0", "id": request["id"], "result": result}
        sys.stdout.buffer.write(json.dumps(answer, separators=(",", ":")).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
