"""Owns what is common to agent programs that have hooks, but no readable screen: defaults for the Program interface.

Their sessions report what they do, and get their messages. Starting one as a worker is up to a module in its
package.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from intercom.core.errors import UsageError
from intercom.core.fleet_words import PermissionDecision, Ruling
from intercom.fleet.programs import event as events
from intercom.fleet.programs import payload as payload_of
from intercom.fleet.programs.event import Ask, Event
from intercom.fleet.programs.program import Connection, Prepared, Start, Status
from intercom.fleet.programs.screen import Dialog, Screen
from intercom.fleet.programs.usage import Call, Meter
from intercom.system import host

if TYPE_CHECKING:
    from intercom.fleet.programs.talk import Talk

#: Event names that several programs share, each with our word for it.
KINDS: Mapping[str, str] = {
    "SessionStart": events.BEGINS,
    "UserPromptSubmit": events.PROMPT,
    "PreToolUse": events.CALLS,
    "PermissionRequest": events.ASKS,
    "PostToolUse": events.CALLED,
    "Stop": events.STOPS,
    "SessionEnd": events.ENDS,
}
#: Our permission modes, for a program that has all, each with what passes without a question.
MODES: Mapping[str, str] = {
    "default": "it reads; every change, command and page of the web is asked for",
    "plan": "it reads and plans; it changes nothing",
    "acceptEdits": "it changes files in its folder; commands and the web are asked for",
    "bypassPermissions": "everything: nothing is ever asked",
}
_ANSWER = 600  #: seconds for the permission hook, which waits for a master's answer
_HOOK = 30  #: seconds for any other hook


def hook_line(start: Start, event: str, program: str) -> tuple[str, int]:
    """The shell line of a worker's hook, and its time limit in seconds."""
    line = host.shell_line([*start.command, "hook", event, "--program", program, "--spawned"])
    return line, _ANSWER if KINDS.get(event) == events.ASKS else _HOOK


class Launching(Protocol):
    """A module that starts a program. What it does not support raises UsageError."""

    def prepare(self, argv: Sequence[str], start: Start, write: Callable[[str, str], Path]) -> Prepared:
        """Prepare a start with a terminal."""

    def alone(self, argv: Sequence[str], start: Start, write: Callable[[str, str], Path]) -> Prepared:
        """Prepare a start without one."""

    def talk(self) -> Talk:
        """The API to drive it with."""


class Plain:
    """Default implementation of `intercom.fleet.programs.program.Program`; a program adds names and hook details."""

    name = ""
    title = ""
    command = ""
    install = ""
    switch = ""
    files: tuple[str, ...] = ()
    reads = ""
    door = ""
    submit = "Enter"
    clear = "C-u"
    modes: Mapping[str, str] = {}
    needs_prompt = True
    version = ""  #: a pattern for the output of `--version`, with the version as its group
    oldest: tuple[int, ...] = (0,)  #: the oldest version that was tried as a worker
    newest: tuple[int, ...] = (0,)  #: the newest one; its last numbers may be left out
    forms: tuple[str, ...] = ()
    speaks_alone = False
    hooked = False
    wakes_itself = False
    kinds: Mapping[str, str] = {}  #: its events, each with our word for it
    session_variable = ""  #: variable that tells its servers and hooks the session
    project_variable = ""  #: variable that tells its hooks the project
    refused = "block"  #: the decision that refuses a stop, with a reason for the model

    # -- hooks ----------------------------------------------------------------------------------------

    def heard(self, event: str, payload: Mapping[str, Any]) -> Event | None:
        """Parse an event in the shared form; a waiter belongs to the event that started it."""
        name = str(payload.get("hook_event_name") or "") if event == "wait" else event
        kind = self.kinds.get(name)
        return None if kind is None else payload_of.event(kind, name, payload)

    def context(self, event: Event, text: str) -> dict[str, Any]:
        """The answer in the shared form; at a stop, a reason to continue the turn."""
        if event.kind == events.STOPS:
            return {"decision": self.refused, "reason": text}
        return {"hookSpecificOutput": {"hookEventName": event.name, "additionalContext": text}}

    def decision(self, event: Event, decision: PermissionDecision, message: str | None) -> dict[str, Any]:
        """The decision in the shared form."""
        answer = {"behavior": decision, **({"message": message} if message else {})}
        return {"hookSpecificOutput": {"hookEventName": event.name, "decision": answer}}

    def session_of(self, environ: Mapping[str, str]) -> str | None:
        """From its variable, if it has one."""
        return (environ.get(self.session_variable) or None) if self.session_variable else None

    def project_of(self, environ: Mapping[str, str]) -> str | None:
        """From its variable, if it has one."""
        return (environ.get(self.project_variable) or None) if self.project_variable else None

    # -- its start ------------------------------------------------------------------------------------

    def launching(self) -> Launching | None:
        """The module that starts it as a worker; None if it cannot be one."""
        return None

    def _launching(self) -> Launching:
        found = self.launching()
        if found is None:
            raise UsageError(f"{self.title} cannot be started as a worker; nothing was started.")
        return found

    def check(self, argv: Sequence[str], environ: Mapping[str, str]) -> str:
        """From the output of `--version`."""
        self._launching()
        from intercom.fleet.programs.version import checked

        said = re.compile(self.version, re.MULTILINE)
        return checked(argv, environ, title=self.title, install=self.install, said=said, oldest=self.oldest)

    def untried(self, version: str) -> str:
        """As `version.untried`."""
        from intercom.fleet.programs.version import untried

        return untried(self.newest, version)

    def prepare(self, argv: Sequence[str], start: Start, write: Callable[[str, str], Path]) -> Prepared:
        """As `prepare` of the launching module."""
        return self._launching().prepare(argv, start, write)

    def alone(self, argv: Sequence[str], start: Start, write: Callable[[str, str], Path]) -> Prepared:
        """As `alone` of the launching module."""
        return self._launching().alone(argv, start, write)

    def talk(self) -> Talk:
        """As `talk` of the launching module."""
        return self._launching().talk()

    def prompting(self, session: str, text: str, door: Path | None = None) -> list[str] | None:  # noqa: ARG002
        """None: it has no such command."""
        return None

    def prompt_line(self, text: str) -> str:
        """The text unchanged: it reads no prompts from a file."""
        return text

    # -- what is not known of it ----------------------------------------------------------------------

    def connection(self, root: Path, environ: Mapping[str, str]) -> Connection:  # noqa: ARG002
        """Nothing here: its files are checked as those of an MCP client."""
        return Connection((), "", ())

    def add_server(self, entry: Mapping[str, Any]) -> str:  # noqa: ARG002
        """`intercom init`, which adds it."""
        return f"intercom init --client {self.name}"

    def inherits(self, variable: str) -> bool:  # noqa: ARG002
        """Nothing, as it is not started by us."""
        return False

    def status(self, pid: int, environ: Mapping[str, str]) -> Status | None:  # noqa: ARG002
        """None: it reports nothing besides its hooks."""
        return None

    def ruled(self, ask: Ask, allow: Iterable[str], deny: Iterable[str]) -> Ruling | None:  # noqa: ARG002
        """None: there are no rules in its syntax."""
        return None

    def speaks(self, rule: str) -> bool:  # noqa: ARG002
        """False: there are no rules in its syntax."""
        return False

    def retained(self, transcript: str, idents: Iterable[str]) -> set[str]:  # noqa: ARG002
        """All of them: its conversations are not read, and hook output is assumed to stay."""
        return set(idents)

    def came(self, transcript: str, idents: Iterable[str], *, queued: bool = False) -> set[str]:  # noqa: ARG002
        """None of them: no waiter wakes it."""
        return set()

    def transcript(self, session: str, environ: Mapping[str, str]) -> str | None:  # noqa: ARG002
        """Its hooks name it, or nothing is known of it."""
        return None

    def meter(self, transcript: str) -> Meter | None:  # noqa: ARG002
        """None: its conversations are not read."""
        return None

    def cost(self, call: Call) -> float | None:
        """What the program itself says, if it does."""
        return call.dollars

    def price_list(self) -> str:
        """Empty: there is none."""
        return ""

    def import_ahead(self) -> None:
        """Nothing: everything is in this module."""

    def read(self, text: str, *, title: str = "", in_mode: bool = False, dead: bool = False) -> Screen:  # noqa: ARG002
        """An unknown screen, so that nothing is typed there."""
        return Screen("gone") if dead else Screen("unknown", reason=f"what {self.title} shows is not known")

    def choice_for(self, dialog: Dialog, decision: PermissionDecision) -> int | None:  # noqa: ARG002
        """None: its dialogs are unknown."""
        return None
