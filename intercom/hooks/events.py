"""Owns what each event means: the state it tells, the messages it delivers, what it proves.

    SessionStart        ready; who this is. Messages wait for the waiter: text here starts no turn.
    UserPromptSubmit    running; proves a wake by its nonce; all that is unread
    PreToolUse          running with this tool; nothing is given: a tool that is refused takes it along
    PermissionRequest   blocked; see `ask`
    Notification        blocked, or idle
    PostToolUse(Failure) running; what was given before was seen; what is urgent
    Stop                all that is unread, and the turn goes on with it; else idle
    StopFailure         idle
    SessionEnd          gone
    wait                see `waiter`

What a hook gives counts as given to the agent process once it is out, and as received at a later hook.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from intercom.core.display import value
from intercom.core.errors import UnknownName
from intercom.fleet.sessions import Sessions
from intercom.hooks import Answer
from intercom.hooks.identity import Who, identify
from intercom.store.state.db import State

if TYPE_CHECKING:
    from intercom.bus.bus import Bus
    from intercom.core.config import Config

NONCE = re.compile(r"\[intercom:([0-9a-z]{4,40})\]")
_INTERACTIVE = ("AskUserQuestion", "ExitPlanMode")
_COMES = 2.0  #: seconds after which the transcript is asked for a wake that had no prompt of its own
_CAME = 60.0  #: seconds after which it must have come
_HEAD = 200  #: characters of a prompt or text kept as detail
Json = Mapping[str, Any]


class Call(NamedTuple):
    """One event of one session of ours."""

    config: Config
    state: State
    sessions: Sessions
    who: Who
    payload: Json
    environ: Mapping[str, str]

    @property
    def event(self) -> str:
        """As Claude Code names it in the payload."""
        return str(self.payload.get("hook_event_name") or "")

    def record(self, state: str, detail: Json | None = None, *, pane: str | None = None) -> None:
        """Note the state of the session."""
        path = self.payload.get("transcript_path")
        socket = (self.environ.get("TMUX") or "").split(",")[0] if pane else None
        self.sessions.record(
            self.who.name,
            state=state,
            detail=detail,
            session_id=self.who.session_id,
            pid=self.who.pid,
            transcript=path if isinstance(path, str) else None,
            pane=pane if socket else None,
            socket=socket or None,
        )

    def confirm(self, nonces: Iterable[str] = (), *, begins: bool = False, stopped: bool = False) -> None:
        """The session goes on: it has what hooks and its server gave it before, and the wakes with these nonces.

        Where a turn `begins` and the one before broke off, its transcript tells what it has; the rest is given again.
        """
        if begins:
            self._give_back()
        marks = {self.who.mark, *(waiter_mark(self.who.mark, nonce) for nonce in nonces)}
        if stopped:
            self.settle_wakes()
        instance = self.state.instance(self.who.name)
        if instance is not None and instance.pid is not None and instance.started is not None:
            marks.add(f"{instance.pid}.{instance.started}")
        self.sessions.confirm(self.who.name, marks)

    def settle_wakes(self) -> None:
        """A wake into a running turn has no prompt of its own: some time after it, it came, or it never will.

        It does not come where its waiter was killed on its way out; then what it gave is given again.
        """
        path, late = self.payload.get("transcript_path"), set(self.sessions.wakes(self.who.name, older=_CAME))
        for nonce in self.sessions.wakes(self.who.name, older=_COMES):
            mark = waiter_mark(self.who.mark, nonce)
            given = set(self.sessions.given(self.who.name, mark))
            if given and isinstance(path, str):
                from intercom.fleet.programs.claude.transcript import came

                if nonce in late:
                    self.sessions.give_back(self.who.name, mark, given - came(path, given, queued=True))
                elif given - came(path, given):
                    continue
            if given and (nonce in late or isinstance(path, str)):
                self.sessions.confirm(self.who.name, {mark})

    def _give_back(self) -> None:
        path = self.payload.get("transcript_path")
        given = self.sessions.given(self.who.name, self.who.mark)
        if given and isinstance(path, str):
            from intercom.fleet.programs.claude.transcript import kept

            lost = set(given) - kept(path, given)
            self.sessions.give_back(self.who.name, self.who.mark, lost)


def waiter_mark(mark: str, nonce: str) -> str:
    """Under which a session has what its waiter gave it, until it is seen to go on with it."""
    return f"{mark}.{nonce}.w"


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


# -- delivering ---------------------------------------------------------------------------------------


def deliver(call: Call, write: Callable[[str], None], *, urgent_only: bool = False, mark: str | None = None) -> bool:
    """Give what is unread to `write`, as far as a page goes; whether there was anything.

    First it counts as given to this process, and only when it is out, to the session: killed between, it is
    given again. Nothing is given inside a subagent, whose context ends with it.
    """
    if call.payload.get("agent_id"):
        return False
    from intercom.bus.bus import Bus

    with Bus(call.config) as bus:
        bus.confirms = False
        try:
            text = unread_page(bus, call.who.name, urgent_only=urgent_only)
        except UnknownName:
            return False  # its server has not registered it yet, or it has signed off
    if not text:
        return False
    write(text)
    call.sessions.adopt(call.who.name, mark or call.who.mark)
    return True


def unread_page(bus: Bus, name: str, *, urgent_only: bool = False) -> str:
    """One page of what is unread for `name`, noted as given to this process; "" if there is nothing."""
    if not bus.unread(name):
        return ""
    from intercom.hooks import wording as text

    masters = {known.name for known in bus.instances() if known.role == "master"}
    found = bus.read(name, fits=text.fitting(masters, urgent_only=urgent_only))
    if not found:
        return ""
    return text.page(name, found, masters, 0 if urgent_only else bus.unread(name))


def context(call: Call, *, urgent_only: bool = False) -> bool:
    """Deliver as context of this event, at once; whether there was anything."""

    def write(text: str) -> None:
        import json

        sys.stdout.write(json.dumps(added(call.event, text)))
        sys.stdout.flush()

    return deliver(call, write, urgent_only=urgent_only)


def added(event: str, text: str) -> Answer:
    """The answer that adds `text` to what the model sees."""
    return {"hookSpecificOutput": {"hookEventName": event, "additionalContext": text}}


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
