"""Owns reading token counts from Claude Code's transcripts.

A reply is written in blocks, one line each, and each line has the usage known at that time under the same
`message.id`: together they are one call, and its largest numbers count. Subagents' usage is in files of their own in
`SESSION/subagents/`, which may repeat replies of the session. Lines of the model `<synthetic>` are Claude Code's
own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from intercom.core.message import epoch
from intercom.fleet.programs.lines import LineMeter
from intercom.fleet.programs.tail import count
from intercom.fleet.programs.usage import Call


class Meter(LineMeter):
    """Reads one session's transcript, and those of its subagents."""

    says = (b'"usage"',)

    def others(self) -> Iterable[Path]:
        """As `LineMeter` says."""
        if self._path.suffix == ".jsonl":
            yield from sorted(self._path.with_suffix("").joinpath("subagents").rglob("*.jsonl"))

    def told(self, line: Any) -> Iterator[tuple[str, Call]]:
        """As `LineMeter` says."""
        message = line["message"]
        usage, ident, model = message["usage"], message.get("id") or line["uuid"], message["model"]
        if line["type"] == "assistant" and isinstance(ident, str) and isinstance(model, str):
            yield ident, _call(usage, model, epoch(line["timestamp"]))

    def joined(self, before: Call, now: Call) -> Call:
        """The largest numbers of its blocks."""
        return Call(
            min(now.at, before.at),
            now.model,
            max(now.input, before.input),
            max(now.output, before.output),
            max(now.read, before.read),
            max(now.write, before.write),
            max(now.keep, before.keep),
            fast=now.fast or before.fast,
        )


def _call(usage: Mapping[str, Any], model: str, at: float) -> Call:
    parts = usage.get("cache_creation")
    hour = count(parts, "ephemeral_1h_input_tokens")
    written = max(0, count(usage, "cache_creation_input_tokens") - hour)
    numbers = (count(usage, "input_tokens"), count(usage, "output_tokens"), count(usage, "cache_read_input_tokens"))
    fast = usage.get("speed") not in (None, "standard")
    return Call(at, model, *numbers, written, hour, fast=fast)
