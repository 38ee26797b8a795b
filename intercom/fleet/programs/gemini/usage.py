"""Owns reading token counts from Gemini CLI's chats, and finding a session's chat.

Each reply is a message with its counts; it is written again with each result of a tool, and as a whole where the
history is. What its subagents use stands in a folder beside, which has the session's id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from glob import escape
from pathlib import Path
from typing import Any

from intercom.core.message import epoch
from intercom.fleet.programs.lines import LineMeter, google
from intercom.fleet.programs.usage import Call

_NAMES = {name: name for name in ("input", "output", "cached", "thoughts", "tool", "total")}
_HEAD = 8  #: characters of the session's id that the name of its file has


class Meter(LineMeter):
    """One session's chat, and those of its subagents."""

    says = (b'"tokens"', b'"sessionId"')

    def __init__(self, transcript: str) -> None:
        super().__init__(transcript)
        self._session = ""

    def others(self) -> Iterable[Path]:
        """As `LineMeter` says."""
        return sorted((self._path.parent / self._session).glob("*.jsonl")) if self._session else ()

    def told(self, line: Any) -> Iterator[tuple[str, Call]]:
        """As `LineMeter` says."""
        if not self._session and "sessionId" in line:
            self._session = Path(str(line["sessionId"])).name
        changed = line.get("$set")
        for one in [line, *(changed.get("messages") or () if isinstance(changed, dict) else ())]:
            if one.get("type") == "gemini" and one.get("tokens"):
                call = google(epoch(one["timestamp"]), one.get("model", ""), one["tokens"], _NAMES)
                yield str(one["id"]), call


def chat(session: str, environ: Mapping[str, str]) -> str | None:
    """The file of a session's chat; None for none, or several."""
    found = chats(session, environ)
    return str(found[0]) if len(found) == 1 else None


def chats(session: str, environ: Mapping[str, str]) -> list[Path]:
    """The files that may be of a session's chat: their names have a part of its id."""
    home = environ.get("GEMINI_CLI_HOME") or environ.get("HOME") or environ.get("USERPROFILE") or ""
    if not home or len(session) < _HEAD:
        return []
    return [*Path(home, ".gemini", "tmp").glob(f"*/chats/session-*-{escape(session[:_HEAD])}.jsonl")]
