"""Owns what a program without a terminal is asked through its own API, whichever it is, and the pipes that carry it.

A `Wire` is JSON-RPC in lines over the standard input and output of a process; a `Talk` is what one API says there.
"""

from __future__ import annotations

import itertools
import json
import queue
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from intercom.core.errors import CommandFailed

Json = Mapping[str, Any]
START = 60.0  #: seconds that a program has to connect to its servers and open a session
_NONE = {"code": -32601, "message": "this client has no such method"}


class Ended(CommandFailed):
    """The program ended, or speaks no more."""


class Said(NamedTuple):
    """What a program did, for whoever looks."""

    kind: str  #: said, calls or called; before, of a prompt that a session tells of as it is taken up
    text: str  #: words, or the tool
    tool: Mapping[str, Any] = {}  # calls, called: tool_name and tool_input, as hooks have them


class Opening(NamedTuple):
    """The session that is to be opened."""

    cwd: str
    mode: str  #: its permission mode
    server: Mapping[str, Any]  #: our server: command, args, env
    session: str | None  #: the id of an earlier one that is to go on


class Wire:
    """The pipes to one process. Calls come from one thread; what the process says is heard in another."""

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        heard: Callable[[str, Json], None],
        asked: Callable[[str, Json], Json | None],
    ) -> None:
        """`heard` is told of notifications, one after the other; `asked` answers a request, in a thread for each."""
        self._child, self._heard, self._asked = child, heard, asked
        self._writing = threading.Lock()
        self._numbers = itertools.count(1)
        self._answers: dict[Any, queue.SimpleQueue[Json]] = {}
        self._open = True
        self._reader = threading.Thread(target=self._read, name="wire", daemon=True)
        self._reader.start()

    def call(self, method: str, params: Json, seconds: float | None = None) -> Json:
        """The result of a call. Ended; CommandFailed where it is refused, or not answered within so many seconds."""
        number = next(self._numbers)
        answers = self._answers[number] = queue.SimpleQueue()
        self.tell(method, params, number)
        try:
            said = answers.get(timeout=seconds)
        except queue.Empty:
            raise CommandFailed(f"{method} was not answered within {seconds:g} s.") from None
        finally:
            self._answers.pop(number, None)
        if "result" in said:
            return said["result"] or {}
        error = said.get("error")
        if not isinstance(error, Mapping):
            raise Ended("it ended.")
        about = error.get("data")
        more = f" ({json.dumps(about, ensure_ascii=False)[:300]})" if about else ""
        raise CommandFailed(f"{method}: {error.get('message')}{more}")

    def tell(self, method: str, params: Json, number: int | None = None) -> None:
        """Say something that is not answered; with a number, something that is. Ended."""
        self._write({"method": method, "params": params, **({} if number is None else {"id": number})})

    @property
    def closed(self) -> bool:
        """Whether the process speaks no more."""
        return not self._open

    def close(self) -> None:
        """End of input: the process is to end."""
        with suppress(OSError):
            if self._child.stdin is not None:
                self._child.stdin.close()

    def _write(self, message: Json) -> None:
        line = json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"
        try:
            with self._writing:
                if self._child.stdin is None or not self._open:
                    raise Ended("it ended.")
                self._child.stdin.write(line)
                self._child.stdin.flush()
        except (OSError, ValueError):
            raise Ended("it ended.") from None

    def _read(self) -> None:
        try:
            for line in self._child.stdout or ():
                with suppress(ValueError):
                    said = json.loads(line)
                    if isinstance(said, dict):
                        self._take(said)
        finally:
            self._open = False
            for answers in list(self._answers.values()):
                answers.put({})

    def _take(self, said: dict[str, Any]) -> None:
        params = said.get("params")
        given: Json = params if isinstance(params, dict) else {}
        if "method" not in said:
            if (answers := self._answers.get(said.get("id"))) is not None:
                answers.put(said)
        elif "id" in said:
            threading.Thread(target=self._serve, args=(said["method"], said["id"], given), daemon=True).start()
        else:
            self._heard(str(said["method"]), given)

    def _serve(self, method: str, number: Any, params: Json) -> None:
        answer = self._asked(method, params)
        with suppress(Ended):
            self._write({"id": number, **({"error": _NONE} if answer is None else {"result": answer})})


def texts(value: Any) -> Iterator[str]:
    """All texts in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from texts(one)


class Talk(Protocol):
    """What one API says. It holds no state: the session's id comes with each call."""

    def open(self, wire: Wire, opening: Opening) -> tuple[str, str]:
        """Begin a session, or take up an earlier one. Ended, CommandFailed.

        Its id, and what was said in it before, where its answer tells that, and not notifications.
        """

    def turn(self, wire: Wire, session: str, text: str, over: Callable[[float | None], bool]) -> None:
        """Prompt it, and wait until the turn is over; `over(seconds)` waits for the word that says so. Ended."""

    def said(self, method: str, params: Json) -> Said | None:
        """What a notification says; None for what nobody needs to know."""

    def ends(self, method: str, params: Json) -> bool:
        """Whether this notification says that the turn is over."""

    def wants(self, method: str, params: Json) -> Json | None:
        """The call of a tool that a request asks permission for, as hooks have it; None for any other request."""

    def ours(self, params: Json) -> bool:
        """Whether that request is about a tool of our own server, which needs no permission."""

    def answer(self, params: Json, decision: str) -> Json:
        """The answer to that request: allow once, or deny."""
