"""Owns the floor under an MCP send: a loop that reads a JSON line, puts as many bytes on disk, and answers.

Started as a process of its own, with the file to append to as its only argument.
"""

from __future__ import annotations

import json
import os
import sys

#: What a block of the log has around its body.
AROUND = b"x" * 124 + b"\n"


def main(path: str) -> None:
    """Serve until the input ends."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for line in sys.stdin.buffer:
        request = json.loads(line)
        os.write(handle, request["params"]["arguments"]["message"].encode() + AROUND)
        os.fdatasync(handle)
        content = [{"type": "text", "text": '{"id":"000000000000"}'}]
        answer = {"jsonrpc": "2.0", "id": request["id"], "result": {"content": content, "isError": False}}
        sys.stdout.buffer.write(json.dumps(answer, separators=(",", ":")).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1])
