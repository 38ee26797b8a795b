"""Owns the Agent Client Protocol, by which several programs are driven without a terminal."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from intercom.core.errors import CommandFailed
from intercom.core.fleet_words import PermissionDecision
from intercom.fleet.programs.program import SERVER
from intercom.fleet.programs.talk import START, Json, Opening, Said, Spoken, Wire

#: Capabilities that we do not offer.
_CLIENT = {"fs": {"readTextFile": False, "writeTextFile": False}, "terminal": False}
_OURS = re.compile(rf"intercomm_[a-z_]+ \({SERVER} MCP Server\)")
_WORDS = {"agent_message_chunk": "said", "user_message_chunk": "before"}
_KINDS = {"allow": ("allow_once",), "deny": ("reject_once", "reject_always")}


class Acp(Spoken):
    """The `intercom.fleet.programs.talk.Talk` of ACP. Modes are set by the program's own flags or settings."""

    def __init__(self, *, serves: bool = False) -> None:
        """`serves`: pass our server when opening a session; otherwise it is in the program's settings."""
        self._serves = serves

    def open(self, wire: Wire, opening: Opening) -> tuple[str, str]:
        """Open a session. An earlier one keeps its id, and its history is replayed while it loads."""
        about = {"protocolVersion": 1, "clientCapabilities": _CLIENT}
        wire.call("initialize", {**about, "clientInfo": {"name": "intercom", "version": "1"}}, START)
        where: Json = {"cwd": opening.cwd, "mcpServers": [_server(opening.server)] if self._serves else []}
        if opening.session is not None:
            try:
                wire.call("session/load", {**where, "sessionId": opening.session}, START)
            except CommandFailed:
                if wire.closed:
                    raise  # otherwise it was never saved, because it was empty
            else:
                return opening.session, ""
        return str(wire.call("session/new", where, START)["sessionId"]), ""

    def turn(self, wire: Wire, session: str, text: str, over: Callable[[float | None], bool]) -> None:  # noqa: ARG002
        """Send a prompt; its response is the end of the turn."""
        wire.call("session/prompt", {"sessionId": session, "prompt": [{"type": "text", "text": text}]})

    def said(self, method: str, params: Json) -> Said | None:
        """Text and tool calls."""
        update = params.get("update")
        if method != "session/update" or not isinstance(update, dict):
            return None
        kind = update.get("sessionUpdate")
        if kind in _WORDS:
            content = update.get("content")
            words = content.get("text") if isinstance(content, dict) else None
            return Said(_WORDS[kind], words) if isinstance(words, str) and words else None
        if kind not in ("tool_call", "tool_call_update"):
            return None
        ended = update.get("status") in ("completed", "failed")
        tool = _tool(update)
        return Said("called" if ended else "calls", str(update.get("title") or tool["tool_name"]), tool)

    def ends(self, method: str, params: Json) -> bool:  # noqa: ARG002  # the answer to the prompt says it
        """Never: only the response to the prompt ends a turn."""
        return False

    def ours(self, params: Json) -> bool:
        """Whether it is about our own server: Gemini CLI asks even then, and only the title tells."""
        call = params.get("toolCall")
        given = call if isinstance(call, dict) else {}
        return given.get("kind") == "other" and bool(_OURS.fullmatch(str(given.get("title"))))

    def wants(self, method: str, params: Json) -> Json | None:
        """The tool call that is asked about."""
        call = params.get("toolCall")
        return _tool(call) if method == "session/request_permission" and isinstance(call, dict) else None

    def answer(self, params: Json, decision: PermissionDecision) -> Json:
        """The option that means the decision, or a cancellation: then nothing is allowed."""
        options = [one for one in params.get("options") or () if isinstance(one, dict)]
        fitting = [one["optionId"] for kind in _KINDS[decision] for one in options if one.get("kind") == kind]
        outcome = {"outcome": "selected", "optionId": fitting[0]} if fitting else {"outcome": "cancelled"}
        return {"outcome": outcome}


def _server(entry: Json) -> dict[str, Any]:
    """Our server in ACP's form."""
    env = [{"name": key, "value": value} for key, value in entry["env"].items()]
    return {"name": SERVER, "command": entry["command"], "args": list(entry["args"]), "env": env}


def _tool(call: Json) -> dict[str, Any]:
    """A tool call in the form that hooks use: for a command, the title is the command."""
    given = call.get("rawInput")
    inputs: dict[str, Any] = dict(given) if isinstance(given, dict) else {}
    title, kind = str(call.get("title") or ""), str(call.get("kind") or "")
    lines = inputs.get("commands")
    if isinstance(lines, list) and lines and all(isinstance(line, str) for line in lines):
        inputs.setdefault("command", "\n".join(lines))  # where a call may run several
    if kind == "execute" and title:
        inputs.setdefault("command", title)
    paths = [one["path"] for one in call.get("locations") or () if isinstance(one, dict) and one.get("path")]
    for part in call.get("content") or ():
        if isinstance(part, dict) and part.get("type") == "diff":
            paths += [part["path"]] if part.get("path") else []
            inputs.setdefault("new_text", part.get("newText"))
    if paths and "command" not in inputs:
        inputs.setdefault("path", paths[0])
    if not {"command", "path"} & inputs.keys() and title:
        inputs.setdefault("description", title)
    return {"tool_name": _NAMES.get(kind, kind or "tool"), "tool_input": inputs}


_NAMES = {"execute": "shell", "edit": "edit", "delete": "delete", "move": "move", "fetch": "fetch", "read": "read"}
