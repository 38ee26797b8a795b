"""Owns the figures of what every model is sent at connect: the tool list and the instructions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.bench.clients import SERVER, Client
from tests.bench.table import Row, Run, plain

TOLD = ("name", "description", "inputSchema")  #: of a tool, to a model; the rest is for its client


def words(run: Run) -> Iterator[Row]:
    """Bytes of `tools/list`, for everybody and for a worker, and characters of the instructions."""
    root = run.project("words")
    with Client(SERVER, root) as client:
        instructions = client.initialize().get("instructions", "")
        tools = client.request("tools/list", {})["tools"]
        yield plain(f"tools/list, all {len(tools)} tools", _size(tools), 9_000, "bytes")
        yield plain("… with titles, hints and output schemas", _size(tools, all=True), 9_900, "bytes")
    with Client(SERVER, root, INTERCOM_ROLE="worker", INTERCOM_NAME="worker-9") as client:
        client.initialize()
        tools = client.request("tools/list", {})["tools"]
        yield plain(f"tools/list for a worker, {len(tools)} tools", _size(tools), 4_000, "bytes")
    yield plain("instructions", len(instructions), 2_000, "characters")


def _size(tools: list[dict[str, Any]], *, all: bool = False) -> int:  # as the tools' own word
    """Bytes of what a model is told of the tools; `all`: and of what only its client reads."""
    said = tools if all else [{key: tool[key] for key in TOLD} for tool in tools]
    return len(json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode())
