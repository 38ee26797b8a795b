"""Owns what agent programs share that have hooks, and no screen that could be read: what one cannot be asked, it says.

Its sessions tell what they do, and get their messages. What it needs to be started, as a worker, stands in its package.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from intercom.core.errors import UsageError
from intercom.fleet.programs import event as events
from intercom.fleet.programs import payload as payload_of
from intercom.fleet.programs.event import Ask, Event
from intercom.fleet.programs.program import Connection, Prepared, Start, Status
from intercom.fleet.programs.screen import Dialog, Screen
from intercom.fleet.programs.usage import Call, Meter
from intercom.system import host

if TYPE_CHECKING:
    from intercom.fleet.programs.talk import Talk

#: Events under the names that several programs have for them, each with our word for it.
KINDS: Mapping[str, str] = {
    "SessionStart": events.BEGINS,
    "UserPromptSubmit": events.PROMPT,
    "PreToolUse": events.CALLS,
    "PermissionRequest": events.ASKS,
    "PostToolUse": events.CALLED,
    "Stop": events.STOPS,
    "SessionEnd": events.ENDS,
}
#: Our permission modes where a program has all of them, each with what passes without a question.
MODES: Mapping[str, str] = {
    "default": "it reads; every change, command and page of the web is asked for",
    "plan": "it reads and plans; it changes nothing",
    "acceptEdits": "it changes files in its folder; commands and the web are asked for",
    "bypassPermissions": "everything: nothing is ever asked",
}
_ANSWER = 600  #: seconds that the hook of a permission may take, as a master's answer does
_HOOK = 30  #: seconds for any other


def hook_line(start: Start, event: str, program: str) -> tuple[str, int]:
    """The shell line of a worker's hook, and how many seconds it is given."""
    line = host.shell_line([*start.command, "hook", event, "--program", program])
    return line, _ANSWER if KINDS.get(event) == events.ASKS else _HOOK


class Launching(Protocol):
    """A module that knows how a program is started. What it cannot do, it says by UsageError."""

    def prepare(self, argv: Sequence[str], start: Start, write: Callable[[str, str], Path]) -> Prepared:
        """With a terminal."""

    def alone(self, argv: Sequence[str], start: Start, write: Callable[[str, str], Path]) -> Prepared:
        """Without one."""

    def talk(self) -> Talk:
        """How it is driven then."""


class Plain:
    """As `intercom.fleet.programs.program.Program` says; a program adds its names and what its hooks say."""

    name = ""
    title = ""
    command = ""
    install = ""
    switch = ""
    files: tuple[str, ...] = ()
    reads = ""
    submit = "Enter"
    clear = "C-u"
    modes: Mapping[str, str] = {}
    needs_prompt = True
    version = ""  #: a pattern of what `--version` says, with the version as its group
    oldest: tuple[int, ...] = (0,)  #: the first version that was tried as a worker
    newest: tuple[int, ...] = (0,)  #: and the newest; its last numbers may be left out
    forms: tuple[str, ...] = ()
    speaks_alone = False
    wakes_itself = False
    kinds: Mapping[str, str] = {}  #: its events, each with our word for it
    session_variable = ""  #: in which it tells its servers and hooks the session
    project_variable = ""  #: and its hooks the project
    refused = "block"  #: the word by which a stop is refused, with a reason that the model reads

    # -- hooks ----------------------------------------------------------------------------------------

    def heard(self, event: str, payload: Mapping[str, Any]) -> Event | None:
        """Events in the form that several programs share; a waiter was begun by one."""
        name = str(payload.get("hook_event_name") or "") if event == "wait" else event
        kind = self.kinds.get(name)
        return None if kind is None else payload_of.event(kind, name, payload)

    def context(self, event: Event, text: str) -> dict[str, Any]:
        """In the same form; at a stop, why the turn goes on."""
        if event.kind == events.STOPS:
            return {"decision": self.refused, "reason": text}
        return {"hookSpecificOutput": {"hookEventName": event.name, "additionalContext": text}}

    def decision(self, event: Event, decision: str, message: str | None) -> dict[str, Any]:  # of one kind
        """The same."""
        answer = {"behavior": decision, **({"message": message} if message else {})}
        return {"hookSpecificOutput": {"hookEventName": event.name, "decision": answer}}

    def session_of(self, environ: Mapping[str, str]) -> str | None:
        """By its variable, where it has one."""
        return (environ.get(self.session_variable) or None) if self.session_variable else None

    def project_of(self, environ: Mapping[str, str]) -> str | None:
        """By its variable, where it has one."""
        return (environ.get(self.project_variable) or None) if self.project_variable else None

    # -- its start ------------------------------------------------------------------------------------

    def launching(self) -> Launching | None:
        """The module of its package that knows how it is started; None where it is not."""
        return None

    def _launching(self) -> Launching:
        found = self.launching()
        if found is None:
            raise UsageError(f"{self.title} cannot be started as a worker; nothing was started.")
        return found

    def check(self, argv: Sequence[str], environ: Mapping[str, str]) -> str:
        """By what it says."""
        self._launching()
        from intercom.fleet.programs.version import checked

        said = re.compile(self.version, re.MULTILINE)
        return checked(argv, environ, title=self.title, install=self.install, said=said, oldest=self.oldest)

    def untried(self, version: str) -> str:
        """As `version.untried`."""
        from intercom.fleet.programs.version import untried

        return untried(self.newest, version)

    def prepare(self, argv: Sequence[str], start: Start, write: Callable[[str, str], Path]) -> Prepared:
        """As `prepare` there."""
        return self._launching().prepare(argv, start, write)

    def alone(self, argv: Sequence[str], start: Start, write: Callable[[str, str], Path]) -> Prepared:
        """As `alone` there."""
        return self._launching().alone(argv, start, write)

    def talk(self) -> Talk:
        """As `talk` there."""
        return self._launching().talk()

    def prompting(self, session: str, text: str) -> list[str] | None:  # noqa: ARG002
        """It has no command for that."""
        return None

    def prompt_line(self, text: str) -> str:
        """It reads none."""
        return text

    # -- what is not known of it ----------------------------------------------------------------------

    def connection(self, root: Path, environ: Mapping[str, str]) -> Connection:  # noqa: ARG002
        """Its files are looked at as a client's."""
        return Connection((), "", ())

    def add_server(self, entry: Mapping[str, Any]) -> str:  # noqa: ARG002
        """By `init`."""
        return f"intercom init --client {self.name}"

    def inherits(self, variable: str) -> bool:  # noqa: ARG002
        """Nothing: it is not started."""
        return False

    def status(self, pid: int, environ: Mapping[str, str]) -> Status | None:  # noqa: ARG002
        """It says nothing beside its hooks."""
        return None

    def ruled(self, ask: Ask, allow: Iterable[str], deny: Iterable[str]) -> tuple[str, str] | None:  # noqa: ARG002
        """No rule is in its syntax."""
        return None

    def speaks(self, rule: str) -> bool:  # noqa: ARG002
        """No rule is."""
        return False

    def kept(self, transcript: str, idents: Iterable[str]) -> set[str]:  # noqa: ARG002
        """Its conversations are not read: what a hook gave is taken to be there."""
        return set(idents)

    def came(self, transcript: str, idents: Iterable[str], *, queued: bool = False) -> set[str]:  # noqa: ARG002
        """No wake comes by a waiter."""
        return set()

    def meter(self, transcript: str) -> Meter | None:  # noqa: ARG002
        """Its conversations are not read."""
        return None

    def cost(self, call: Call) -> float | None:  # noqa: ARG002
        """Nothing is known of it."""
        return None

    def price_list(self) -> str:
        """Nor of prices."""
        return ""

    def import_ahead(self) -> None:
        """All of it is here."""

    def read(self, text: str, *, title: str = "", in_mode: bool = False, dead: bool = False) -> Screen:  # noqa: ARG002
        """Nothing on its screen is known, so nothing is typed there."""
        return Screen("gone") if dead else Screen("unknown", reason=f"what {self.title} shows is not known")

    def choice_for(self, dialog: Dialog, decision: str) -> int | None:  # noqa: ARG002
        """No dialog of it is."""
        return None
