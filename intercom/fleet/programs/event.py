"""Owns the program-independent form of what a hook reports.

begins    a session begins, or begins anew after its conversation was cleared or compacted
prompt    a turn begins
calls     a tool is about to run
asks      a tool wants permission, and the hook may give it
called    a tool ran, or failed
asked     a dialog is up
idle      it waits for a prompt
stops     a turn is over, unless the hook has something to read
fails     a turn broke off; nothing that the hook says is heard
ends      the session is over
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

BEGINS, PROMPT, CALLS, ASKS, CALLED = "begins", "prompt", "calls", "asks", "called"
ASKED, IDLE, STOPS, FAILS, ENDS = "asked", "idle", "stops", "fails", "ends"
KINDS = (BEGINS, PROMPT, CALLS, ASKS, CALLED, ASKED, IDLE, STOPS, FAILS, ENDS)
WAKE = 2  #: exit status by which a waiter wakes its session; what it wrote as errors is the prompt


class Event(NamedTuple):
    """One event of one session."""

    kind: str  #: one of KINDS, "" for one without meaning for us
    name: str  #: the program's name for it
    session: str | None = None  #: the program's own id of the session
    transcript: str | None = None  #: the file that its conversation is written to
    text: str = ""  #: the prompt, the last reply, a message, or an error
    source: str | None = None  #: begins: startup, resume, clear, compact; ends: why
    fresh: bool = False  #: begins: whether it still has to connect to its server
    goes_on: bool = False  #: ends: whether the same process starts another session at once
    inside: bool = False  #: whether it is within a subagent, whose context ends with it
    cwd: str | None = None  #: where a tool runs
    tool: Mapping[str, Any] = {}  # calls, asks, called: tool, subject, command, paths … (never changed in place)
    inputs: Any = None  #: the tool's input in the program's own form
    people: bool = False  #: asks: whether only a person can answer, as allowing it would be an answer


class Ask(NamedTuple):
    """A tool call that needs permission."""

    tool: str
    inputs: Mapping[str, Any]
    cwd: str
    project: str  #: what a leading / in a pattern stands for
