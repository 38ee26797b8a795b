"""Owns Claude Code's hooks: its events and their payloads, and the JSON that answers one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from intercom.fleet.programs import event as events
from intercom.fleet.programs import payload as payload_of
from intercom.fleet.programs.event import Event

WAIT = "wait"  #: not an event, but the waiter that an event starts
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
    "agent_needs_input": events.ASKED,  # since 2.1.300: auto mode asks, which has no other event
    "elicitation_dialog": events.ASKED,
}
_INTERACTIVE = ("AskUserQuestion", "ExitPlanMode")
Json = Mapping[str, Any]


def heard(event: str, payload: Json) -> Event | None:
    """Parse the input of `intercom hook EVENT`; None for an unknown event."""
    name = str(payload.get("hook_event_name") or "")
    kind = KINDS.get(name, "") if event == WAIT else KINDS.get(event)
    if kind is None:
        return None
    if event == "Notification":
        kind = _NOTIFICATIONS.get(str(payload.get("notification_type") or ""), "")
    found = payload_of.event(kind, name, payload)
    return found._replace(text=_said(kind, payload), people=found.tool["tool"] in _INTERACTIVE)


def _said(kind: str, payload: Json) -> str:
    """The text of an event."""
    if kind == events.PROMPT:
        return str(payload.get("prompt") or "")
    if kind in (events.ASKED, events.IDLE):
        return str(payload.get("message") or "")
    if kind == events.FAILS:
        return str(payload.get("last_assistant_message") or payload.get("error"))
    return str(payload.get("last_assistant_message") or "")


def context(event: Event, text: str) -> dict[str, Any]:
    """The answer that adds `text` to the model's context.

    Other programs that call Claude Code's hooks only support a reason why the turn continues; Claude Code itself
    would show that to the model twice since 2.1.300.
    """
    if event.kind == events.STOPS and not _is_own(event):
        return {"decision": "block", "reason": text}
    return {"hookSpecificOutput": {"hookEventName": event.name, "additionalContext": text}}


def _is_own(event: Event) -> bool:
    """Whether it comes from Claude Code itself, which stores conversations as `projects/FOLDER/SESSION.jsonl`."""
    parts = (event.transcript or "").replace("\\", "/").split("/")
    return len(parts) > 2 and parts[-3] == "projects"


def decision(behavior: str, message: str | None) -> dict[str, Any]:
    """The answer that allows or denies a tool call; `message` says why."""
    answer = {"behavior": behavior, **({"message": message} if message else {})}
    return {"hookSpecificOutput": {"hookEventName": "PermissionRequest", "decision": answer}}
