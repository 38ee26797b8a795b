"""Owns the interface to a program's API without a terminal, and the pipes that carry it.

A `Wire` is line-based JSON-RPC over the standard input and output of a process; a `Talk` is one API on top.
"""

from __future__ import annotations

import itertools
import json
import queue
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from intercom.core.errors import CommandFailed
from intercom.core.fleet_words import PermissionDecision

Json = Mapping[str, Any]
START = 60.0  #: seconds for a program to connect to its servers and open a session
_NONE = {"code": -32601, "message": "this client has no such method"}


class Ended(CommandFailed):
    """The program ended, or closed its pipes."""


class Said(NamedTuple):
    """Something that a program did, for people who watch."""

    kind: str  #: said, calls or called; before, for a prompt replayed by a resumed session
    text: str  #: text, or the tool
    tool: Mapping[str, Any] = {}  # calls, called: tool_name and tool_input, as hooks have them


class Opening(NamedTuple):
    """The parameters for opening a session."""

    cwd: str
    mode: str  #: its permission mode
    server: Mapping[str, Any]  #: our server: command, args, env
    session: str | None  #: the id of an earlier session to resume
    words: Sequence[str] = ()  #: the command line that was started for it
    since: float = 0.0  #: when the earlier session was last opened, in seconds since 1970


class Wire:
    """The pipes to one process. Calls come from one thread; the process's messages are handled in another."""

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        heard: Callable[[str, Json], None],
        asked: Callable[[str, Json], Json | None],
    ) -> None:
        """`heard` gets notifications, one at a time; `asked` answers requests, each in a thread of its own."""
        self._child, self._heard, self._asked = child, heard, asked
        self._writing = threading.Lock()
        self._numbers = itertools.count(1)
        self._answers: dict[Any, queue.SimpleQueue[Json]] = {}
        self._open = True
        self._reader = threading.Thread(target=self._read, name="wire", daemon=True)
        self._reader.start()

    def call(self, method: str, params: Json, seconds: float | None = None) -> Json:
        """The result of a call. Ended; CommandFailed if it is refused, or not answered within `seconds`."""
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
        """Send a notification or, with a number, a response. Ended."""
        self._write({"method": method, "params": params, **({} if number is None else {"id": number})})

    @property
    def closed(self) -> bool:
        """Whether the process has closed its pipes."""
        return not self._open

    def close(self) -> None:
        """Close its input, which tells the process to exit."""
        with suppress(OSError):
            if self._child.stdin is not None:
                self._child.stdin.close()

    def _write(self, message: Json) -> None:
        line = json.dumps(self._outward(message)).encode() + b"\n"
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
                        self._take(self._inward(said))
        finally:
            self._open = False
            for answers in list(self._answers.values()):
                answers.put({})

    def _outward(self, message: Json) -> Json:
        """As the process reads it."""
        return {"jsonrpc": "2.0", **message}

    def _inward(self, said: dict[str, Any]) -> dict[str, Any]:
        """What the process wrote, as JSON-RPC has it."""
        return said

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
    """All strings in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from texts(one)


class Spoken:
    """What an API shares with others: plain JSON-RPC, and a command line that is the same each time."""

    wire: type[Wire] = Wire

    def words(self, words: list[str], session: str | None) -> list[str]:  # noqa: ARG002
        """The same."""
        return words


class Talk(Protocol):
    """The interface to one API. It has no state: the session's id comes with each call."""

    wire: type[Wire]  #: the pipes, in the form that it has for them

    def words(self, words: list[str], session: str | None) -> list[str]:
        """The command line that is started: for the first time, or for the session that is to go on."""

    def open(self, wire: Wire, opening: Opening) -> tuple[str, str]:
        """Open a session, or resume an earlier one. Ended, CommandFailed.

        Returns its id, and its former conversation if that is in the response instead of in notifications.
        """

    def turn(self, wire: Wire, session: str, text: str, over: Callable[[float | None], bool]) -> None:
        """Send a prompt, and wait for the end of the turn; `over(seconds)` waits for the notification of it. Ended."""

    def said(self, method: str, params: Json) -> Said | None:
        """The meaning of a notification; None if it does not matter."""

    def ends(self, method: str, params: Json) -> bool:
        """Whether this notification ends the turn."""

    def wants(self, method: str, params: Json) -> Json | None:
        """The tool call for which a request asks permission, in the form of hooks; None for any other request."""

    def ours(self, params: Json) -> bool:
        """Whether that request is about a tool of our own server, which needs no permission."""

    def answer(self, params: Json, decision: PermissionDecision) -> Json:
        """The response to that request: allow once, or deny."""
