"""Owns how Claude Code is driven without a terminal: lines of JSON through its pipes, as its own SDK does.

user               a prompt; `result` says that its turn is over
control_request    of either side, with an id: to begin, or for permission; `control_response` answers it
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from intercom.core.fleet_words import PermissionDecision
from intercom.fleet.programs.claude.launch import AGAIN, FIRST, home
from intercom.fleet.programs.claude.transcript import prompts
from intercom.fleet.programs.talk import START, Ended, Json, Opening, Said, Spoken, Wire

_PERMISSION, _PROMPT, _RESULT = "can_use_tool", "user", "result"
_DENIED = "Nobody allowed this in time, or it was denied. Go on without it, or ask the master by intercomm_escalate."


class Lines(Wire):
    """The pipes, in the program's own form."""

    def _outward(self, message: Json) -> Json:
        if "method" not in message:
            failed = message.get("error")
            said = {"subtype": "error", "error": failed["message"]} if failed else {"subtype": "success"}
            answer = {} if failed else {"response": message["result"]}
            return {"type": "control_response", "response": {**said, "request_id": message["id"], **answer}}
        if "id" in message:
            request = {"subtype": message["method"], **message["params"]}
            return {"type": "control_request", "request_id": str(message["id"]), "request": request}
        return {"type": message["method"], **message["params"]}

    def _inward(self, said: dict[str, Any]) -> dict[str, Any]:
        kind = said.get("type")
        if kind == "control_request" and isinstance(request := said.get("request"), dict):
            return {"method": str(request.get("subtype")), "id": said.get("request_id"), "params": request}
        if kind == "control_response" and isinstance(answer := said.get("response"), dict):
            number = str(answer.get("request_id"))
            failed = {"error": {"message": str(answer.get("error"))}}
            result = {"result": answer.get("response") or {}} if answer.get("subtype") == "success" else failed
            return {"id": int(number) if number.isdecimal() else number, **result}
        return {"method": str(kind), "params": said}


class Stream(Spoken):
    """As `intercom.fleet.programs.talk.Talk` says. Its hooks run as they do in a terminal, but for a waiter."""

    wire: type[Wire] = Lines

    def words(self, words: list[str], session: str | None) -> list[str]:
        """An id is given to it once; a conversation that was never written down begins anew, under the same."""
        if session is None or not _conversation(session):
            return words
        place = words.index(FIRST)
        return [*words[:place], AGAIN, session, *words[place + 2 :]]

    def open(self, wire: Wire, opening: Opening) -> tuple[str, str]:
        """It opens its session by itself."""
        wire.call("initialize", {}, START)
        flag = AGAIN if AGAIN in opening.words else FIRST
        session = opening.words[opening.words.index(flag) + 1]
        path = _conversation(session) if flag == AGAIN else None
        return session, "\n".join(prompts(str(path))) if path is not None else ""

    def turn(self, wire: Wire, session: str, text: str, over: Callable[[float | None], bool]) -> None:
        """Send a prompt; nothing answers it but the turn's own messages."""
        wire.tell(_PROMPT, {"message": {"role": "user", "content": text}, "session_id": session})
        while not over(1.0):
            if wire.closed:
                raise Ended("it ended.")

    def said(self, method: str, params: Json) -> Said | None:
        """Words and calls of tools, of the first part that has any; a result that is an error."""
        if method == _RESULT and params.get("is_error"):
            return Said("said", f"! {params.get('result') or params.get('subtype')}\n")
        message = params.get("message")
        content = message.get("content") if isinstance(message, Mapping) else None
        for part in content if isinstance(content, list) and method == "assistant" else ():
            if not isinstance(part, Mapping):
                continue
            if part.get("type") == "text" and part.get("text"):
                return Said("said", f"{part['text']}\n")
            if part.get("type") == "tool_use":
                given = part.get("input")
                inputs = given if isinstance(given, Mapping) else {}
                words = str(inputs.get("command") or inputs.get("file_path") or part.get("name"))
                return Said("calls", words, {"tool_name": str(part.get("name")), "tool_input": inputs})
        return None

    def ends(self, method: str, params: Json) -> bool:  # noqa: ARG002  # one session is all there is
        """Whether it is the turn's result, whatever that says."""
        return method == _RESULT

    def wants(self, method: str, params: Json) -> Json | None:
        """The tool call that it would ask about on its screen, beside its hook."""
        if method != _PERMISSION:
            return None
        return {"tool_name": str(params.get("tool_name")), "tool_input": params.get("input") or {}}

    def ours(self, params: Json) -> bool:  # noqa: ARG002
        """Never: its settings approve our tools."""
        return False

    def answer(self, params: Json, decision: PermissionDecision) -> Json:
        """The decision for this once."""
        if decision == "allow":
            return {"behavior": "allow", "updatedInput": params.get("input") or {}}
        return {"behavior": "deny", "message": _DENIED}


def _conversation(session: str) -> Path | None:
    """The file of that conversation, None where nothing was written down."""
    pattern = os.path.join(glob.escape(str(home(os.environ))), "projects", "*", f"{glob.escape(session)}.jsonl")
    return next(map(Path, glob.glob(pattern)), None)
