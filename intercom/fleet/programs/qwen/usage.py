"""Owns reading token counts from Qwen Code's chats.

Each reply has a record of telemetry with its id, those of its subagents and of its own upkeep, too. Where there is
none, the reply itself has the counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from intercom.core.message import epoch
from intercom.fleet.programs.lines import LineMeter, google
from intercom.fleet.programs.usage import Call

_EVENT = "qwen-code.api_response"
_TELEMETRY = {
    "input": "input_token_count",
    "output": "output_token_count",
    "cached": "cached_content_token_count",
    "thoughts": "thoughts_token_count",
    "total": "total_token_count",
}
_REPLY = {
    "input": "promptTokenCount",
    "output": "candidatesTokenCount",
    "cached": "cachedContentTokenCount",
    "thoughts": "thoughtsTokenCount",
    "total": "totalTokenCount",
}


class Meter(LineMeter):
    """One session's chat."""

    says = (_EVENT.encode(), b'"usageMetadata"')
    _recorded = False  #: there is telemetry, so replies tell nothing more

    def told(self, line: Any) -> Iterator[tuple[str, Call]]:
        """As `LineMeter` says."""
        at = epoch(line["timestamp"])
        if line["type"] == "system":
            event = line["systemPayload"]["uiEvent"]
            if event["event.name"] == _EVENT:
                self._recorded = True
                yield str(event.get("response_id") or line["uuid"]), google(at, event["model"], event, _TELEMETRY)
        elif line["type"] == "assistant" and not self._recorded:
            yield str(line["uuid"]), google(at, line["model"], line["usageMetadata"], _REPLY)
