"""Owns what each event means: the state it tells, the messages it delivers, what it proves.

SessionStart        ready; who this is. Messages wait for the waiter: text here starts no turn.
UserPromptSubmit    running; proves a wake by its nonce; all that is unread
PreToolUse          running with this tool; nothing is given: a tool that is refused takes it along
PermissionRequest   blocked; see `permission`
Notification        blocked, or idle
PostToolUse(Failure) running; what was given before was seen; what is urgent
Stop                all that is unread, and the turn goes on with it; else idle
StopFailure         idle
SessionEnd          gone
wait                see `waiter`
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from intercom.core.display import value
from intercom.fleet.sessions import Sessions
from intercom.hooks.call import Answer, Call, Json
from intercom.hooks.deliver import added, context
from intercom.hooks.identity import identify
from intercom.store.state.db import State

if TYPE_CHECKING:
    from intercom.core.config import Config

NONCE = re.compile(r"\[intercom:([0-9a-z]{4,40})\]")
_INTERACTIVE = ("AskUserQuestion", "ExitPlanMode")
_HEAD = 200  #: characters of a prompt or text kept as detail


def serve(config: Config, event: str, payload: Json, environ: Mapping[str, str]) -> tuple[Answer | None, int]:
    """Serve one event of whoever it is: the JSON for standard output, and the exit status."""
    handler = HANDLERS.get(event)
    if handler is None:
        return None, 0
    state = State(config.private)
    try:
        sessions = Sessions(state)
        who = identify(state, sessions, payload, environ)
        if who is None:
            return None, 0
        call = Call(config, state, sessions, who, payload, environ)
        if event == "wait":
            from intercom.hooks.waiter import wait

            return None, wait(call)
        return handler(call), 0
    finally:
        state.close()


# -- the events ---------------------------------------------------------------------------------------


def session_start(call: Call) -> Answer | None:
    """A session begins, or begins anew after /clear or compaction."""
    if call.payload.get("source") == "compact" and call.who.row is not None:
        call.record(call.who.row.state, call.who.row.about())
    else:
        row = call.who.row
        known = row is not None and row.pane and (row.pid, row.started) == (call.who.pid, call.who.started)
        pane = None if known else call.environ.get("TMUX_PANE")
        call.record("ready", {"source": call.payload.get("source")}, pane=pane)
    _withdraw(call)
    role = call.environ.get("INTERCOM_ROLE") or "worker"
    return added(
        "SessionStart",
        f"[intercom] You are {value(call.who.name)} ({value(role)}) on the Intercom message bus. Messages for you "
        "come by themselves, marked [intercom]; answer and report with the intercomm tools.",
    )


def prompt(call: Call) -> Answer | None:
    """A turn begins: by a person, by keys, or by the waiter."""
    text = str(call.payload.get("prompt") or "")
    call.record("running", {"prompt": text[:_HEAD]})
    nonces = NONCE.findall(text)
    for nonce in nonces:
        call.sessions.saw_nonce(nonce)
    _withdraw(call)
    call.confirm(nonces, begins=True)
    context(call)
    return None


def before_tool(call: Call) -> Answer | None:
    """A tool is about to run."""
    _running(call, tool_detail(call.payload))
    call.confirm()
    return None


def after_tool(call: Call) -> Answer | None:
    """A tool ran: the results of those before it have been seen."""
    detail = tool_detail(call.payload)
    _withdraw(call, detail)
    _running(call, {**detail, "finished": True})
    call.confirm()
    context(call, urgent_only=True)
    return None


def _running(call: Call, detail: Json) -> None:
    """Tools run; but a tool beside one that waits for permission does not hide that."""
    row = call.who.row
    if row is None or row.state != "blocked" or not call.sessions.open_requests(call.who.name):
        call.record("running", detail)


def permission(call: Call) -> Answer | None:
    """A dialog is up: rules or the master may answer it."""
    detail = tool_detail(call.payload)
    call.record("blocked", {**detail, "dialog": "question" if detail.get("tool") in _INTERACTIVE else "permission"})
    from intercom.hooks.permission import decide

    return decide(call, detail)


def notification(call: Call) -> Answer | None:
    """Claude Code waits for somebody."""
    kind = str(call.payload.get("notification_type") or "")
    said = {"message": str(call.payload.get("message") or "")[:_HEAD]}
    row = call.who.row
    if kind == "idle_prompt":
        call.record("idle", said)
    elif kind in {"permission_prompt", "elicitation_dialog"}:
        before = row.about() if row is not None and row.state == "blocked" else {}
        call.record("blocked", {**before, **said})
    return None


def stop(call: Call) -> Answer | None:
    """The turn is over, unless there is something to read."""
    call.confirm(stopped=True)
    _withdraw(call)
    if not context(call):
        call.record("idle", {"said": str(call.payload.get("last_assistant_message") or "")[:_HEAD]})
    return None


def stop_failure(call: Call) -> Answer | None:
    """The turn broke off with an error of the API; nothing that is said here is heard."""
    call.record("idle", {"error": str(call.payload.get("last_assistant_message") or call.payload.get("error"))[:_HEAD]})
    _withdraw(call)
    return None


def session_end(call: Call) -> Answer | None:
    """The session is over; after /clear the same process begins another at once."""
    if call.payload.get("reason") not in {"clear", "resume"}:
        call.record("gone", {"reason": call.payload.get("reason")})
        _withdraw(call)
    return None


def _withdraw(call: Call, detail: Json | None = None) -> None:
    """Close requests that the session no longer waits for: all, or the one that is about this call of a tool."""
    for request in call.sessions.open_requests(call.who.name):
        if detail is None or (request.request.get("tool"), request.request.get("input")) == (
            detail.get("tool"),
            call.payload.get("tool_input"),
        ):
            call.sessions.close(request.id)


def tool_detail(payload: Json) -> dict[str, Any]:
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
            out[key] = texts[key][: 10 * _HEAD]
    out["subject"] = out.get("command") or (paths[0] if paths else None) or texts.get("url") or texts.get("query") or ""
    if payload.get("agent_id"):
        out["subagent"] = str(payload.get("agent_type") or payload["agent_id"])
    return out


Handler = Callable[[Call], Answer | None]
HANDLERS: dict[str, Handler] = {
    "SessionStart": session_start,
    "UserPromptSubmit": prompt,
    "PreToolUse": before_tool,
    "PermissionRequest": permission,
    "Notification": notification,
    "PostToolUse": after_tool,
    "PostToolUseFailure": after_tool,
    "Stop": stop,
    "StopFailure": stop_failure,
    "SessionEnd": session_end,
    "wait": lambda _: None,
}
