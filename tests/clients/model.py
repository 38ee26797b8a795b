"""Owns a scripted model behind three APIs that agent programs speak: chat completions, responses, and Gemini's.

A user's text, or what a hook adds to it, may hold lines that say what the model does, one after the other, each in
a reply of its own, also where a message is quoted with a bar at its edge:

    %call TOOL JSON     calls the tool that is called so, or whose name ends so
    %wait SECONDS       thinks so long before each reply, until something else is said
    %hold NAME          from here on thinks before each reply for as long as the lab's folder has a file of that name
    %say TEXT           its last words (else "heard: " and the end of what it was told)

The newest user text with such lines counts. Every request is a line of `requests.jsonl`: the path, the names of the
tools, the texts of system, user and tool results.
"""

from __future__ import annotations

import itertools
import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

Json = dict[str, Any]
_LINE = re.compile(r"^\s*(?:\| )?%(call|wait|hold|say)\b[ \t]*(.*)$", re.MULTILINE)
_CONTRACT = re.compile(r'^\s*(?:\| )?(\{"kind": ?"task_contract".*"role_instructions".*\})$', re.MULTILINE)
_numbers = itertools.count(1)


class Heard(NamedTuple):
    """One request, in one form for all APIs. `said`: (user, call, result or model; text), oldest first."""

    system: str
    said: list[tuple[str, str]]
    tools: dict[str, str]  #: name → the group that it is called in, "" for none


class Reply(NamedTuple):
    """What the model does: a call (group, tool, arguments), or words."""

    call: tuple[str, str, Json] | None
    words: str
    wait: float
    hold: str = ""


def text_of(content: Any) -> str:
    """The plain text of any content."""
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, dict):
        return content["text"] if isinstance(content.get("text"), str) else json.dumps(content)
    return "\n".join(text_of(part) for part in content)


# -- what was asked -----------------------------------------------------------------------------------


def from_chat(body: Json) -> Heard:
    """OpenAI's chat completions."""
    said: list[tuple[str, str]] = []
    system = ""
    for message in body.get("messages", []):
        role, words = message.get("role"), text_of(message.get("content"))
        if role in ("system", "developer"):
            system += words + "\n"
        elif role == "assistant":
            said += [("model", words)] if words else []
            said += [("call", call["function"]["name"]) for call in message.get("tool_calls") or []]
        else:
            said.append(("result" if role == "tool" else "user", words))
    tools = {tool.get("function", tool)["name"]: "" for tool in body.get("tools") or []}
    return Heard(system, said, tools)


def from_responses(body: Json) -> Heard:
    """OpenAI's responses."""
    said: list[tuple[str, str]] = []
    system, tools = body.get("instructions") or "", {}
    given = body.get("input") or []
    for item in [{"role": "user", "content": given}] if isinstance(given, str) else given:
        kind = item.get("type", "message")
        if kind == "message":
            role = {"user": "user", "assistant": "model"}.get(str(item.get("role")), "")
            words = text_of(item.get("content"))
            late = any(who == "user" for who, _ in said)  # what a hook adds to a turn
            system += "" if role or late else words
            said += [(role or "added", words)] if role or late else []
        elif kind.endswith("_call"):
            said.append(("call", item.get("name") or kind))
        elif kind.endswith("_output"):
            said.append(("result", text_of(item.get("output"))))
    for tool in body.get("tools") or []:
        inner = tool.get("tools") if tool.get("type") == "namespace" else None
        for one in inner or [tool]:
            tools[one.get("name") or one.get("type")] = tool["name"] if inner else ""
    return Heard(system, said, tools)


def from_gemini(body: Json) -> Heard:
    """Gemini's generateContent."""
    said: list[tuple[str, str]] = []
    for message in body.get("contents", []):
        for part in message.get("parts", []):
            if "functionResponse" in part:
                said.append(("result", json.dumps(part["functionResponse"].get("response"))))
            elif "functionCall" in part:
                said.append(("call", part["functionCall"]["name"]))
            elif "text" in part:
                said.append(("model" if message.get("role") == "model" else "user", part["text"]))
    tools = {one["name"]: "" for tool in body.get("tools") or [] for one in tool.get("functionDeclarations") or []}
    return Heard(text_of((body.get("systemInstruction") or {}).get("parts")), said, tools)


def reply(heard: Heard) -> Reply:
    """What the script says next."""
    if not heard.tools:
        return Reply(None, "A title", 0)  # a side request
    start, lines = 0, []
    for place, (who, words) in enumerate(heard.said):
        found = _LINE.findall(_carried(_unquoted(words))) if who in ("user", "added") else []
        if any(word != "wait" for word, _ in found):
            start, lines = place, found
    new = all(who not in ("user", "added") for who, _ in heard.said[start + 1 :])
    wait = sum(float(rest) for word, rest in lines if word == "wait" and new)
    done = sum(who == "call" for who, _ in heard.said[start:])
    above = itertools.accumulate((word == "call" for word, _ in lines), initial=0)
    hold = next(
        (rest for (word, rest), calls in zip(lines, above, strict=False) if word == "hold" and calls <= done), ""
    )
    calls = [rest for word, rest in lines if word == "call"]
    if done < len(calls):
        name, _, given = calls[done].partition(" ")
        tool = next((one for one in heard.tools if one == name or one.endswith(f"_{name}")), None)
        if tool is None:
            return Reply(None, f"NO TOOL {name} among {sorted(heard.tools)}", wait)
        return Reply((heard.tools[tool], tool, json.loads(given or "{}")), "", wait, hold)
    last = next((rest for word, rest in lines if word == "say"), None)
    ends = heard.said[-1][1][-200:] if heard.said else ""
    return Reply(None, last if last is not None else f"heard: {ends}", wait, hold)


def _carried(words: str) -> str:
    """A task contract is one line of JSON, with the script in what is to be done."""
    return _CONTRACT.sub(lambda found: json.loads(found[1])["role_instructions"], words)


def _unquoted(words: str) -> str:
    """Some programs hand the prompt on as one JSON string."""
    if words[:1] == words[-1:] == '"':
        try:
            return str(json.loads(words, strict=False))
        except ValueError:
            pass
    return words


# -- how it is answered -------------------------------------------------------------------------------


def chat_events(said: Reply, model: str) -> Iterator[tuple[str, Any]]:
    """As chunks."""
    base: Json = {"id": f"c{next(_numbers)}", "object": "chat.completion.chunk", "created": 1, "model": model}
    delta: Json = {"role": "assistant", "content": said.words}
    if said.call:
        delta["tool_calls"] = [{"index": 0, **_chat_call(said.call)}]
    yield "", {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    end = "tool_calls" if said.call else "stop"
    yield "", {**base, "choices": [{"index": 0, "delta": {}, "finish_reason": end}]}
    yield "", {**base, "choices": [], "usage": _USAGE}
    yield "", "[DONE]"


_USAGE = {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}


def _chat_call(call: tuple[str, str, Json]) -> Json:
    function = {"name": call[1], "arguments": json.dumps(call[2])}
    return {"id": f"call_{next(_numbers)}", "type": "function", "function": function}


def chat_whole(said: Reply, model: str) -> Json:
    """In one piece."""
    message: Json = {"role": "assistant", "content": said.words}
    if said.call:
        message["tool_calls"] = [_chat_call(said.call)]
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if said.call else "stop"}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": model, "choices": [choice], "usage": _USAGE}


def responses_whole(said: Reply, model: str) -> Json:
    """In one piece."""
    if said.call:
        group, name, given = said.call
        item: Json = {"type": "function_call", "id": f"fc{next(_numbers)}", "call_id": f"call{next(_numbers)}"}
        item |= {"name": name, "arguments": json.dumps(given), "status": "completed"}
        item |= {"namespace": group} if group else {}
    else:
        part = {"type": "output_text", "text": said.words, "annotations": []}
        item = {"type": "message", "id": f"m{next(_numbers)}", "role": "assistant", "content": [part]}
    usage: Json = {"input_tokens": 1000, "output_tokens": 10, "total_tokens": 1010}
    usage |= {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    out: Json = {"id": f"r{next(_numbers)}", "object": "response", "created_at": 1, "status": "completed"}
    return {**out, "model": model, "output": [item], "usage": usage}


def responses_events(said: Reply, model: str) -> Iterator[tuple[str, Any]]:
    """As events."""
    whole = responses_whole(said, model)
    (item,) = whole["output"]
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    yield "response.created", {"type": "response.created", "response": begun}
    yield "response.output_item.added", {"type": "response.output_item.added", "output_index": 0, "item": item}
    if not said.call:
        delta = {"item_id": item["id"], "output_index": 0, "content_index": 0, "delta": said.words}
        yield "response.output_text.delta", {"type": "response.output_text.delta", **delta}
    yield "response.output_item.done", {"type": "response.output_item.done", "output_index": 0, "item": item}
    yield "response.completed", {"type": "response.completed", "response": whole}


def gemini_whole(said: Reply, model: str) -> Json:
    """In one piece."""
    part: Json = {"text": said.words}
    if said.call:
        part = {"functionCall": {"id": f"f{next(_numbers)}", "name": said.call[1], "args": said.call[2]}}
    candidate = {"content": {"role": "model", "parts": [part]}, "index": 0, "finishReason": "STOP"}
    usage = {"promptTokenCount": 1000, "candidatesTokenCount": 10, "totalTokenCount": 1010}
    return {"candidates": [candidate], "modelVersion": model, "usageMetadata": usage}


def gemini_events(said: Reply, model: str) -> Iterator[tuple[str, Any]]:
    """As one event."""
    yield "", gemini_whole(said, model)


APIS = (
    (re.compile(r"/chat/completions$"), from_chat, chat_events, chat_whole),
    (re.compile(r"/responses$"), from_responses, responses_events, responses_whole),
    (re.compile(r":(?:streamG|g)enerateContent$"), from_gemini, gemini_events, gemini_whole),
)


class Model(ThreadingHTTPServer):
    """The server, on any port of loopback."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        folder.mkdir(parents=True, exist_ok=True)
        self._log, self._guard = folder / "requests.jsonl", threading.Lock()

    def holds(self, name: str) -> bool:
        """Whether there is a file of that name."""
        return (self._log.parent / name).exists()

    def note(self, path: str, heard: Heard) -> None:
        """Write one request down."""
        line: Json = {"t": time.time(), "path": path, "tools": sorted(heard.tools)}
        line |= {"system": heard.system, "said": heard.said}
        with self._guard, self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Model

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """A list with one model, whatever is asked."""
        self._whole({"object": "list", "data": [{"id": "mock", "object": "model"}], "models": []})

    def do_POST(self) -> None:
        """A model's answer; nothing for what is none of its APIs."""
        raw = self._body()
        path = self.path.split("?")[0]
        found = next((api for api in APIS if api[0].search(path)), None)
        if found is None:
            self._whole({"totalTokens": 1})
            return
        body = json.loads(raw or b"{}")
        _, reads, events, whole = found
        heard = reads(body)
        self.server.note(path, heard)
        said = reply(heard)
        time.sleep(said.wait)
        while said.hold and self.server.holds(said.hold):
            time.sleep(0.05)
        model = str(body.get("model") or "mock")
        if body.get("stream") or "streamGenerate" in path:
            self._stream(events(said, model))
        else:
            self._whole(whole(said, model))

    def _whole(self, body: Json) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, events: Iterator[tuple[str, Any]]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for kind, data in events:
            line = data if isinstance(data, str) else json.dumps(data)
            out = f"{f'event: {kind}' + chr(10) if kind else ''}data: {line}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(out), out))
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _body(self) -> bytes:
        if "chunked" not in (self.headers.get("transfer-encoding") or "").lower():
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        out = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            out += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return out


def main() -> None:
    """Serve on its own, and say in `model.port` where."""
    folder = Path(sys.argv[1])
    model = Model(folder / "workers")
    (folder / "model.port").write_text(str(model.server_port))
    model.serve_forever()


if __name__ == "__main__":
    main()
