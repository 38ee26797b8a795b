"""Owns Codex's app server, the API by which it is driven without a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from intercom.core.errors import CommandFailed
from intercom.core.fleet_words import PermissionDecision
from intercom.fleet.programs.talk import START, Ended, Json, Opening, Said, Spoken, Wire, texts

#: By our permission modes: when it asks, and what its sandbox allows.
_POLICIES: Mapping[str, tuple[str, str]] = {
    "default": ("on-request", "read-only"),
    "acceptEdits": ("on-request", "workspace-write"),
    "bypassPermissions": ("never", "danger-full-access"),
}
_COMMAND, _CHANGE = "item/commandExecution/requestApproval", "item/fileChange/requestApproval"
_TOOLS = {"commandExecution": "Bash", "fileChange": "apply_patch", "mcpToolCall": "mcp"}


class AppServer(Spoken):
    """The `intercom.fleet.programs.talk.Talk` of the app server. Its hooks run as they do in a terminal."""

    def open(self, wire: Wire, opening: Opening) -> tuple[str, str]:
        """Start a thread, or resume an earlier one."""
        wire.call("initialize", {"clientInfo": {"name": "intercom", "version": "1"}}, START)
        wire.tell("initialized", {})
        policy, sandbox = _POLICIES[opening.mode]
        about: dict[str, Any] = {"cwd": opening.cwd, "approvalPolicy": policy, "sandbox": sandbox}
        about["config"] = {"bypass_hook_trust": True}  # for the hooks on its command line
        if opening.session is not None:
            try:
                found = wire.call("thread/resume", {"threadId": opening.session, **about}, START)
            except CommandFailed:
                if wire.closed:
                    raise  # otherwise it was never saved, because it was empty
            else:
                return opening.session, "\n".join(texts(found.get("thread")))
        return str(wire.call("thread/start", about, START)["thread"]["id"]), ""

    def turn(self, wire: Wire, session: str, text: str, over: Callable[[float | None], bool]) -> None:
        """Send a prompt. The response says that the turn began; a notification says that it ended."""
        wire.call("turn/start", {"threadId": session, "input": [{"type": "text", "text": text}]}, START)
        while not over(1.0):
            if wire.closed:
                raise Ended("it ended.")

    def said(self, method: str, params: Json) -> Said | None:
        """Text and tool calls."""
        item = params.get("item")
        if method not in ("item/started", "item/completed") or not isinstance(item, Mapping):
            return None
        kind, ended = item.get("type"), method == "item/completed"
        if kind == "agentMessage":
            return Said("said", str(item.get("text") or "")) if ended and item.get("text") else None
        if kind not in _TOOLS:
            return None
        words = str(item.get("command") or item.get("tool") or _TOOLS[kind])
        return Said("called" if ended else "calls", words, {"tool_name": _TOOLS[kind], "tool_input": {}})

    def ends(self, method: str, params: Json) -> bool:  # noqa: ARG002  # one thread is all there is
        """Whether the turn is completed, interrupted or failed."""
        return method == "turn/completed"

    def wants(self, method: str, params: Json) -> Json | None:
        """The request for a permission that nobody answered through its hook."""
        if method not in (_COMMAND, _CHANGE):
            return None
        tool = "Bash" if method == _COMMAND else "apply_patch"
        return {"tool_name": tool, "tool_input": {"command": str(params.get("command") or "")}}

    def ours(self, params: Json) -> bool:  # noqa: ARG002
        """Never: its settings approve our tools."""
        return False

    def answer(self, params: Json, decision: PermissionDecision) -> Json:  # noqa: ARG002  # of one kind
        """The decision for this once."""
        return {"decision": "accept" if decision == "allow" else "decline"}
