"""Owns hook input in the form that several agent programs share: names of fields, and their meaning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from intercom.fleet.programs import event as events
from intercom.fleet.programs.event import Event

_HEAD = 2_000  #: characters of an address, a description or a pattern
Json = Mapping[str, Any]


def event(kind: str, name: str, payload: Json) -> Event:
    """An event of this kind, from such a payload."""
    source = payload.get("source")
    said = payload.get("prompt") if kind == events.PROMPT else payload.get("last_assistant_message")
    return Event(
        kind,
        name,
        session=_text(payload, "session_id") or None,
        transcript=_text(payload, "transcript_path"),
        text=str(said or ""),
        source=_text(payload, "reason" if kind == events.ENDS else "source"),
        fresh=source in ("startup", "resume"),
        goes_on=payload.get("reason") in ("clear", "resume"),
        inside=bool(payload.get("agent_id")),
        cwd=_text(payload, "cwd"),
        tool=tool(payload),
        inputs=payload.get("tool_input"),
    )


def _text(payload: Json, key: str) -> str | None:
    found = payload.get(key)
    return found if isinstance(found, str) else None


def tool(payload: Json) -> dict[str, Any]:
    """A tool call for people and programs: tool, subject on one line, command, paths, url …"""
    given = payload.get("tool_input")
    inputs = given if isinstance(given, dict) else {}
    out: dict[str, Any] = {"tool": str(payload.get("tool_name") or "")}
    texts = {key: value for key, value in inputs.items() if isinstance(value, str)}
    if "command" in texts:
        out["command"] = texts["command"]
    paths = [texts[key] for key in ("file_path", "notebook_path", "path") if key in texts]
    if paths:
        out["paths"] = paths
    for key in ("url", "description", "query", "pattern"):
        if key in texts:
            out[key] = texts[key][:_HEAD]
    out["subject"] = out.get("command") or (paths[0] if paths else None) or texts.get("url") or texts.get("query") or ""
    if payload.get("agent_id"):
        out["subagent"] = str(payload.get("agent_type") or payload["agent_id"])
    return out
