"""Owns reading token counts from Codex's rollouts.

Each reply has a `token_usage_record` with its id. Earlier versions only have `token_count` events, which are
repeated when a rate limit changes: those with the same total are one reply. Input includes what came from a cache;
output includes reasoning. The model is that of the turn. Subagents' usage is in rollouts of their own, which are not
read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intercom.core import document
from intercom.core.message import epoch
from intercom.fleet.programs.tail import Tail, count
from intercom.fleet.programs.usage import Call

_SAYS = (b'"token_usage_record"', b'"token_count"', b'"turn_context"', b'"session_meta"')


class Meter:
    """Reads one session's rollout."""

    def __init__(self, transcript: str) -> None:
        self._path = Path(transcript)
        self._tail = Tail()
        self._calls: dict[str, Call] = {}
        self._model = self._session = ""
        self._recorded = False  #: whether there are records, so that events are redundant

    def calls(self) -> Mapping[str, Call] | None:
        """As `intercom.fleet.programs.usage.Meter` says."""
        return self._calls if self._tail.more(self._path, self._line) or self._calls else None

    def _line(self, line: bytes) -> None:
        if not any(word in line for word in _SAYS):
            return
        try:
            found = document.json(line)
            self._take(found["type"], found["payload"], found["timestamp"])
        except (ValueError, TypeError, KeyError, AttributeError):
            return  # incomplete, or of another version

    def _take(self, kind: str, told: Mapping[str, Any], stamp: str) -> None:
        if kind == "turn_context":
            self._model = str(told["model"])
        elif kind == "session_meta":
            self._session = str(told["id"])
        elif kind == "token_usage_record":
            self._recorded = True
            self._add(str(told["response_id"]), told["usage"], stamp)
        elif kind == "event_msg" and told["type"] == "token_count" and told["info"] and not self._recorded:
            total = count(told["info"]["total_token_usage"], "total_tokens")
            self._add(f"{self._session}:{total}", told["info"]["last_token_usage"], stamp)

    def _add(self, ident: str, usage: object, stamp: str) -> None:
        read, write = count(usage, "cached_input_tokens"), count(usage, "cache_write_input_tokens")
        fresh = max(0, count(usage, "input_tokens") - read - write)
        call = Call(epoch(stamp), self._model, fresh, count(usage, "output_tokens"), read, write)
        if (call.prompt or call.output) and ident not in self._calls:
            self._calls[ident] = call
