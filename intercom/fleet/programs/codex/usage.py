"""Owns reading token counts from Codex's rollouts.

Each reply has a `token_usage_record` with its id. Earlier versions only have `token_count` events, which are
repeated when a rate limit changes: those with the same total are one reply. Input includes what came from a cache;
output includes reasoning. The model is that of the turn. Subagents' usage is in rollouts of their own, which are not
read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from intercom.core.message import epoch
from intercom.fleet.programs.lines import LineMeter
from intercom.fleet.programs.tail import count
from intercom.fleet.programs.usage import Call


class Meter(LineMeter):
    """Reads one session's rollout."""

    says = b'"token_usage_record"', b'"token_count"', b'"turn_context"', b'"session_meta"'
    _model = _session = ""
    _recorded = False  #: whether there are records, so that events are redundant

    def told(self, line: Any) -> Iterator[tuple[str, Call]]:
        """As `LineMeter` says."""
        kind, found = line["type"], line["payload"]
        if kind == "turn_context":
            self._model = str(found["model"])
        elif kind == "session_meta":
            self._session = str(found["id"])
        elif kind == "token_usage_record":
            self._recorded = True
            yield str(found["response_id"]), self._call(found["usage"], line["timestamp"])
        elif kind == "event_msg" and found["type"] == "token_count" and found["info"] and not self._recorded:
            total = count(found["info"]["total_token_usage"], "total_tokens")
            yield f"{self._session}:{total}", self._call(found["info"]["last_token_usage"], line["timestamp"])

    def _call(self, usage: object, stamp: str) -> Call:
        read, write = count(usage, "cached_input_tokens"), count(usage, "cache_write_input_tokens")
        fresh = max(0, count(usage, "input_tokens") - read - write)
        return Call(epoch(stamp), self._model, fresh, count(usage, "output_tokens"), read, write)
