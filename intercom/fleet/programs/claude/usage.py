"""Owns reading token counts from Claude Code's transcripts.

A reply is written in blocks, one line each, and each line has the usage known at that time under the same
`message.id`: together they are one call, and its largest numbers count. Subagents' usage is in files of their own in
`SESSION/subagents/`, which may repeat replies of the session. Lines of the model `<synthetic>` are Claude Code's
own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intercom.core import document
from intercom.core.message import epoch
from intercom.fleet.programs.tail import Tail, count
from intercom.fleet.programs.usage import Call


class Meter:
    """Reads one session's transcript, and those of its subagents."""

    def __init__(self, transcript: str) -> None:
        self._path = Path(transcript)
        self._tail = Tail()
        self._calls: dict[str, Call] = {}

    def calls(self) -> Mapping[str, Call] | None:
        """As `intercom.fleet.programs.usage.Meter` says."""
        found = [self._path]
        if self._path.suffix == ".jsonl":
            found += sorted(self._path.with_suffix("").joinpath("subagents").rglob("*.jsonl"))
        there = [self._tail.more(path, self._line) for path in found]
        return self._calls if there[0] or self._calls else None

    def _line(self, line: bytes) -> None:
        if b'"usage"' in line and b'"assistant"' in line:
            self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            found = document.json(line)
            message = found["message"]
            usage, ident, model = message["usage"], message.get("id") or found["uuid"], message["model"]
            if found["type"] != "assistant" or not isinstance(ident, str) or not isinstance(model, str):
                return
            call = _call(usage, model, epoch(found["timestamp"]))
        except (ValueError, TypeError, KeyError, AttributeError):
            return  # incomplete, or of another version
        before = self._calls.get(ident)
        if before is not None:
            call = Call(
                min(call.at, before.at),
                model,
                max(call.input, before.input),
                max(call.output, before.output),
                max(call.read, before.read),
                max(call.write, before.write),
                max(call.keep, before.keep),
                fast=call.fast or before.fast,
            )
        if call.prompt or call.output:
            self._calls[ident] = call


def _call(usage: Mapping[str, Any], model: str, at: float) -> Call:
    parts = usage.get("cache_creation")
    hour = count(parts, "ephemeral_1h_input_tokens")
    written = max(0, count(usage, "cache_creation_input_tokens") - hour)
    numbers = (count(usage, "input_tokens"), count(usage, "output_tokens"), count(usage, "cache_read_input_tokens"))
    fast = usage.get("speed") not in (None, "standard")
    return Call(at, model, *numbers, written, hour, fast=fast)
