"""Owns Claude Code's hooks: what its events and their payloads say, and the JSON by which one is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from intercom.fleet.programs import event as events
from intercom.fleet.programs.event import Event

WAIT = "wait"  #: not an event: the waiter, begun by one
KINDS = {
    "SessionStart": events.BEGINS,
    "UserPromptSubmit": events.PROMPT,
    "PreToolUse": events.CALLS,
    "PermissionRequest": events.ASKS,
    "Notification": "",
    "PostToolUse": events.CALLED,
    "PostToolUseFailure": events.CALLED,
    "Stop": events.STOPS,
    "StopFailure": events.FAILS,
    "SessionEnd": events.ENDS,
}
_NOTIFICATIONS = {
    "idle_prompt": events.IDLE,
    "permission_prompt": events.ASKED,
    "elicitation_dialog": events.ASKED,
}
_INTERACTIVE = ("AskUserQuestion", "ExitPlanMode")
_HEAD = 2_000  #: characters of an address, a description or a pattern
Json = Mapping[str, Any]


def heard(event: str, payload: Json) -> Event | None:
    """What `intercom hook EVENT` was told; None for an event that we do not know."""
    name = str(payload.get("hook_event_name") or "")
    kind = KINDS.get(name, "") if event == WAIT else KINDS.get(event)
    if kind is None:
        return None
    if event == "Notification":
        kind = _NOTIFICATIONS.get(str(payload.get("notification_type") or ""), "")
    source, about = payload.get("source"), tool(payload)
    return Event(
        kind,
        name,
        session=_text(payload, "session_id") or None,
        transcript=_text(payload, "transcript_path"),
        text=_said(kind, payload),
        source=_text(payload, "reason" if kind == events.ENDS else "source"),
        fresh=source in ("startup", "resume"),
        goes_on=payload.get("reason") in ("clear", "resume"),
        inside=bool(payload.get("agent_id")),
        cwd=_text(payload, "cwd"),
        tool=about,
        inputs=payload.get("tool_input"),
        people=about["tool"] in _INTERACTIVE,
    )


def _text(payload: Json, key: str) -> str | None:
    found = payload.get(key)
    return found if isinstance(found, str) else None


def _said(kind: str, payload: Json) -> str:
    """The words of an event."""
    if kind == events.PROMPT:
        return str(payload.get("prompt") or "")
    if kind in (events.ASKED, events.IDLE):
        return str(payload.get("message") or "")
    if kind == events.FAILS:
        return str(payload.get("last_assistant_message") or payload.get("error"))
    return str(payload.get("last_assistant_message") or "")


def tool(payload: Json) -> dict[str, Any]:
    """A call of a tool for people and programs: tool, subject on one line, command, paths, url …"""
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


def context(event: Event, text: str) -> dict[str, Any]:
    """The answer that adds `text` to what the model sees.

    Other programs that call Claude Code's hooks know only a reason why the turn goes on; from Claude Code itself
    the model would be shown that one twice since 2.1.300.
    """
    if event.kind == events.STOPS and not _is_own(event):
        return {"decision": "block", "reason": text}
    return {"hookSpecificOutput": {"hookEventName": event.name, "additionalContext": text}}


def _is_own(event: Event) -> bool:
    """Whether it comes from Claude Code itself, which keeps conversations as `projects/FOLDER/SESSION.jsonl`."""
    parts = (event.transcript or "").replace("\\", "/").split("/")
    return len(parts) > 2 and parts[-3] == "projects"


def decision(behavior: str, message: str | None) -> dict[str, Any]:
    """The answer that allows or denies a tool; `message` says why."""
    answer = {"behavior": behavior, **({"message": message} if message else {})}
    return {"hookSpecificOutput": {"hookEventName": "PermissionRequest", "decision": answer}}
