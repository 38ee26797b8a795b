"""Owns a bare JSON-RPC client for the server's tests: bytes out, lines in, no SDK between us and the wire."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).resolve().parent.parent
MAIN = "import intercom.server; raise SystemExit(intercom.server.main())"
PATIENCE = 60  # seconds until a missing answer is a failure

INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "bare", "version": "1"},
}


class BareClient:
    """One `intercom.server` process over pipes. A context manager; leaving it closes stdin and waits."""

    def __init__(self, root: Path, *, prelude: str = "", **environ: str) -> None:
        """Start a server for the bus at `root`; `prelude` is Python that runs in its process first."""
        env = {**os.environ, "PYTHONPATH": str(HERE), "INTERCOM_ROOT": str(root), **environ}
        self.process = subprocess.Popen(
            [sys.executable, "-c", prelude + MAIN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            cwd=root,
        )
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._others: list[dict[str, Any]] = []
        self._next = 0
        self._pump = threading.Thread(target=self._read, daemon=True)
        self._pump.start()

    def __enter__(self) -> Self:
        """The client, initialized."""
        self.request("initialize", INITIALIZE)
        self.write({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> int:
        """End of input; the exit status of the server."""
        assert self.process.stdin
        assert self.process.stdout
        assert self.process.stderr
        if not self.process.stdin.closed:
            self.process.stdin.close()
        status = self.process.wait(PATIENCE)
        self._pump.join(PATIENCE)
        self.process.stdout.close()
        self.process.stderr.close()
        return status

    def raw(self, data: bytes) -> None:
        """Write bytes as they are."""
        assert self.process.stdin
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def write(self, message: object) -> None:
        """Write one JSON line."""
        self.raw(json.dumps(message).encode() + b"\n")

    def line(self) -> dict[str, Any]:
        """The next line from the server, whatever it is."""
        found = self._lines.get(timeout=PATIENCE)
        assert found, "the server ended"
        parsed: dict[str, Any] = json.loads(found)
        return parsed

    def start(self, method: str, params: dict[str, Any] | None = None) -> int:
        """Send a request and give its id, without waiting."""
        self._next += 1
        self.write({"jsonrpc": "2.0", "id": self._next, "method": method, "params": params or {}})
        return self._next

    def answer(self, request_id: int) -> dict[str, Any]:
        """The response to a request; other messages stay for later."""
        for index, other in enumerate(self._others):
            if other.get("id") == request_id:
                return self._others.pop(index)
        while (found := self.line()).get("id") != request_id:
            self._others.append(found)
        return found

    def request(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a request and wait for its result."""
        answer = self.answer(self.start(method, params))
        assert "result" in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def begin(self, tool: str, /, **arguments: Any) -> int:
        """Start a tool call."""
        return self.start("tools/call", {"name": tool, "arguments": arguments})

    def finish(self, request_id: int) -> Any:
        """The JSON of a tool call that worked."""
        result = self.answer(request_id)["result"]
        assert not result["isError"], result
        return json.loads(result["content"][0]["text"])

    def call(self, tool: str, /, **arguments: Any) -> Any:
        """Call a tool that works."""
        return self.finish(self.begin(tool, **arguments))

    def refused(self, tool: str, /, **arguments: Any) -> str:
        """Call a tool that refuses, and give what it says."""
        result = self.answer(self.begin(tool, **arguments))["result"]
        assert result["isError"], result
        said: str = result["content"][0]["text"]
        return said

    def tools(self) -> dict[str, dict[str, Any]]:
        """The tools by name."""
        return {tool["name"]: tool for tool in self.request("tools/list")["tools"]}

    def notifications(self) -> list[str]:
        """The methods of the notifications met so far."""
        return [other["method"] for other in self._others if "method" in other]

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(b"")
