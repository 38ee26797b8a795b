"""Owns talking to a server as cheaply as can be: raw pipes, one line out, one line in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

SOURCE = Path(__file__).resolve().parent.parent.parent
SERVER = [sys.executable, "-m", "intercom", "mcp"]
INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "bench", "version": "1"},
}
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")


def environment(root: Path, **more: str) -> dict[str, str]:
    """What a process of ours is started with: nothing from the session that runs the benchmark."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "PYTHONPATH": str(SOURCE), "INTERCOM_ROOT": str(root), "INTERCOM_MACHINE": "bench", **more}


class Client:
    """One server process over pipes; a context manager that ends it by closing its input."""

    def __init__(self, command: Sequence[str], root: Path, **environ: str) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd=root,
            env=environment(root, **environ),
        )
        assert self.process.stdin
        assert self.process.stdout
        self._input, self._output = self.process.stdin.fileno(), self.process.stdout.fileno()
        self._rest = b""
        self._id = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()

    def request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """The result of a request; notifications on the way are left out."""
        return self.timed(method, params)[1]

    def timed(self, method: str, params: dict[str, Any]) -> tuple[float, dict[str, Any]]:
        """Seconds from writing a request to having its answer, and the result."""
        self._id += 1
        line = json.dumps({"jsonrpc": "2.0", "id": self._id, "method": method, "params": params}).encode() + b"\n"
        mark = b'"id":%d' % self._id
        began = time.perf_counter()
        os.write(self._input, line)
        while mark not in (answer := self._line()):
            pass
        seconds = time.perf_counter() - began
        return seconds, json.loads(answer)["result"]

    def initialize(self) -> dict[str, Any]:
        """The handshake; the server's answer to it."""
        answer = self.request("initialize", INITIALIZE)
        os.write(self._input, b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
        return answer

    def ping(self) -> float:
        """Seconds of a ping as clients send it."""
        return self.timed("ping", {})[0]

    def ping_by_sdk(self) -> float:
        """Seconds of a ping that the SDK answers."""
        return self.timed("ping", {"_meta": {"io.modelcontextprotocol/any": 1}})[0]

    def tools(self) -> dict[str, Any]:
        """The tools that the server lists."""
        return self.request("tools/list", {})

    def first_call(self) -> float:
        """A call that works without a name; the seconds until it answered."""
        return self.call("intercomm_status")

    def call(self, tool: str, **arguments: Any) -> float:
        """Call a tool that works; the seconds until it answered."""
        seconds, result = self.timed("tools/call", {"name": tool, "arguments": arguments})
        if result["isError"]:
            raise RuntimeError(result["content"][0]["text"])
        return seconds

    def _line(self) -> bytes:
        while b"\n" not in self._rest:
            data = os.read(self._output, 1 << 16)
            if not data:
                raise RuntimeError(f"{self.process.args!r} ended")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line
