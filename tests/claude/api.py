"""Owns a scripted stand-in for the Messages API: the model that the real claude talks to in tests.

The model says what the prompt tells it to. A prompt's lines that begin with `%` are its script:

    %say TEXT             a block of text
    %tool NAME {JSON}     a tool call (several: all in one reply)
    %next NAME {JSON}     a tool call in the reply to the results of the earlier ones
    %pause SECONDS        wait, there in the stream
    %drip SECONDS TEXT    the text, word by word over that time
    %fail STATUS          answer with this HTTP status

What hooks add to a prompt comes as a message of the role `system` behind it; it belongs to that turn.
A message of the bus that a hook puts before the model counts as well: its lines are quoted with `|`,
and a task contract is one line of JSON with the script in its `role_instructions`.

Without a script it answers `heard: …`, and `result: …` to a tool's result. Every request is one
line of JSON in the log (`t`, `prompt`, `reminders`, `results`, `tools`, `system`, `side`), its body
in `bodies/`. `side` marks requests that claude makes for itself, such as naming the session.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

Json = dict[str, Any]
_REMINDER = re.compile(r"<system-reminder>.*?</system-reminder>", re.DOTALL)
_ERRORS = {401: "authentication_error", 429: "rate_limit_error", 500: "api_error", 529: "overloaded_error"}


class Turn(NamedTuple):
    """What the newest user message of a request holds."""

    prompt: str  #: what a person or a paste said: the text without reminders
    reminders: str  #: what hooks and claude itself added
    results: list[str]  #: tool results


class Call(NamedTuple):
    """A line of script, cut up."""

    verb: str
    rest: str

    def block(self) -> Json:
        """The tool call of a `%tool` or `%next`. What stands behind the JSON was typed into it by somebody else."""
        name, _, data = self.rest.partition(" ")
        return {"type": "tool_use", "name": name, "input": json.JSONDecoder().raw_decode(data.strip() or "{}")[0]}


def plain(content: Any) -> str:
    """The text of a message's or a tool result's content."""
    if isinstance(content, str):
        return content
    return "\n".join(block.get("text", "") for block in content or [] if block.get("type") == "text")


def turn(message: Json) -> Turn:
    """Take a user message apart."""
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    text = plain(blocks)
    results = [plain(block.get("content")) for block in blocks if block.get("type") == "tool_result"]
    reminders = "\n".join(_REMINDER.findall(text))
    return Turn(_REMINDER.sub("", text).strip(), reminders, results)


def script(text: str) -> list[Call]:
    """The lines of script in a prompt."""
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith("%")]
    return [Call(*line[1:].partition(" ")[::2]) for line in lines]


def carried(reminders: str) -> str:
    """The bodies of the messages that hooks added, as they were sent."""
    found = []
    for line in reminders.splitlines():
        quoted = line.strip()
        if not quoted.startswith("| "):
            continue
        body = quoted[2:]
        with contextlib.suppress(ValueError):
            raw = json.loads(body)
            body = raw["role_instructions"] if isinstance(raw, dict) and "role_instructions" in raw else body
        found.append(body)
    return "\n".join(found)


def told(now: Turn) -> list[Call]:
    """The script of a turn: of its prompt, and of what came over the bus."""
    return script(now.prompt) + script(carried(f"{now.prompt}\n{now.reminders}"))  # a stop's comes as a prompt


def turns(request: Json) -> list[Turn]:
    """The user's messages, oldest first, each with what claude put behind it for the model."""
    found: list[Turn] = []
    for message in request.get("messages", []):
        if message["role"] == "user":
            found.append(turn(message))
        elif message["role"] == "system" and found:
            found[-1] = found[-1]._replace(reminders=f"{found[-1].reminders}\n{plain(message['content'])}")
    return found


def plan(request: Json) -> list[Call]:
    """What to answer to this request."""
    users = turns(request)
    if not users:
        return [Call("say", "nothing was asked")]
    now = users[-1]
    if not now.results or told(now):
        calls = [call for call in told(now) if call.verb != "next"]
        return calls or [Call("say", "heard: " + now.prompt[:200].replace("\n", " "))]
    since = list(itertools.takewhile(lambda one: not told(one), reversed(users)))
    first = users[-1 - len(since)] if len(since) < len(users) else None
    later = [call for call in told(first) if call.verb == "next"] if first else []
    if len(since) <= len(later):
        return [Call("tool", later[len(since) - 1].rest)]
    return [Call("say", "result: " + " | ".join(now.results)[:300].replace("\n", " "))]


def smallest(schema: Json) -> Any:
    """The smallest value that fits a JSON schema; what side requests ask for."""
    if schema.get("type") == "object":
        wanted = schema.get("required", [])
        return {name: smallest(part) for name, part in schema.get("properties", {}).items() if name in wanted}
    if "enum" in schema:
        return schema["enum"][0]
    return {"array": [], "boolean": False, "integer": 0, "number": 0}.get(schema.get("type", ""), "test")


class Api(ThreadingHTTPServer):
    """The server, on loopback; `folder` gets `requests.jsonl` and `bodies/`."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.log = folder / "requests.jsonl"
        self.bodies = folder / "bodies"
        self.bodies.mkdir(parents=True, exist_ok=True)
        self.numbers = itertools.count(1)
        self.guard = threading.Lock()

    def note(self, request: Json, *, side: bool) -> None:
        """Log a request before it is answered, so that a test can count on it."""
        now = (turns(request) or [Turn("", "", [])])[-1]
        system = plain(request.get("system"))
        entry = {
            "t": time.time(),
            **now._asdict(),
            "tools": [tool.get("name") for tool in request.get("tools", [])],
            "system": system[:200],
            "side": side,
        }
        with self.guard:
            number = next(self.numbers)
            (self.bodies / f"{number:05d}.json").write_text(json.dumps(request, indent=1))
            with self.log.open("a") as file:
                file.write(json.dumps({"n": number, **entry}) + "\n")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Api

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Say nothing; the log is the record."""

    def _reply(self, status: int, body: Json) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def do_GET(self) -> None:
        """Lists of models and the like: empty."""
        self._reply(200, {"data": [], "has_more": False})

    do_HEAD = do_GET  # noqa: N815 - the base class names it so

    def do_POST(self) -> None:
        """A message, a token count, or something that claude reports and nobody reads."""
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = self.path.partition("?")[0]
        if path != "/v1/messages":
            self._reply(200, {"input_tokens": len(raw) // 4})
            return
        request = json.loads(raw)
        form = (request.get("output_config") or {}).get("format") or {}
        side = form.get("type") == "json_schema" or not request.get("tools")
        self.server.note(request, side=side)
        calls = [Call("say", json.dumps(smallest(form["schema"])))] if form.get("schema") else plan(request)
        failure = next((int(call.rest) for call in calls if call.verb == "fail"), None)
        if failure:
            kind = _ERRORS.get(failure, "api_error")
            self._reply(failure, {"type": "error", "error": {"type": kind, "message": f"scripted {failure}"}})
        elif request.get("stream"):
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._stream(request, calls)
        else:
            blocks = [event for event in _blocks(calls) if isinstance(event, dict)]
            self._reply(200, {**_envelope(request), "content": blocks, "stop_reason": _stop(calls)})

    def _stream(self, request: Json, calls: list[Call]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self._event("message_start", message=_envelope(request))
        index = 0
        for block in _blocks(calls):
            if isinstance(block, float):
                time.sleep(block)
                continue
            if block["type"] == "text":
                start, deltas = dict[str, Any](type="text", text=""), _drops(block)
            else:
                start, deltas = {**block, "input": {}}, iter([("input_json_delta", json.dumps(block["input"]))])
            self._event("content_block_start", index=index, content_block=start)
            for kind, piece in deltas:
                key = "text" if kind == "text_delta" else "partial_json"
                self._event("content_block_delta", index=index, delta={"type": kind, key: piece})
            self._event("content_block_stop", index=index)
            index += 1
        delta = {"stop_reason": _stop(calls), "stop_sequence": None}
        self._event("message_delta", delta=delta, usage={"output_tokens": 5})
        self._event("message_stop")
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, kind: str, **fields: Any) -> None:
        data = f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()


_ids = itertools.count(1)


def _envelope(request: Json) -> Json:
    return {
        "id": f"msg_scripted_{next(_ids)}",
        "type": "message",
        "role": "assistant",
        "model": request.get("model", "scripted"),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 500, "output_tokens": 5},
    }


def _stop(calls: list[Call]) -> str:
    return "tool_use" if any(call.verb == "tool" for call in calls) else "end_turn"


def _blocks(calls: list[Call]) -> Iterator[Json | float]:
    """Content blocks, with pauses (seconds) between them; there is always one block."""
    empty = True
    for call in calls:
        if call.verb == "pause":
            yield float(call.rest)
        elif call.verb == "tool":
            empty = False
            yield {"id": f"toolu_scripted_{next(_ids)}", **call.block()}
        else:
            empty = False
            seconds, _, words = call.rest.partition(" ") if call.verb == "drip" else ("0", "", call.rest)
            yield {"type": "text", "text": words, "seconds": float(seconds)}
    if empty:
        yield {"type": "text", "text": "done"}


def _drops(block: Json) -> Iterator[tuple[str, str]]:
    seconds = block.get("seconds", 0.0)
    words = block["text"].split(" ") if seconds else [block["text"]]
    for number, word in enumerate(words):
        yield "text_delta", word + (" " if number < len(words) - 1 else "")
        if seconds:
            time.sleep(seconds / len(words))
