"""Owns an agent program of which Intercom knows hooks alone: what it cannot be asked, it says so.

Its sessions tell what they do, and get their messages. It has no screen that could be read, and is not started.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from intercom.core.errors import UsageError
from intercom.fleet.programs import event as events
from intercom.fleet.programs import payload as payload_of
from intercom.fleet.programs.event import Ask, Event
from intercom.fleet.programs.program import Connection, Prepared, Start, Status
from intercom.fleet.programs.screen import Dialog, Screen
from intercom.fleet.programs.usage import Call, Meter

SESSION = "SessionStart"


class Plain:
    """As `intercom.fleet.programs.program.Program` says; a program adds its names and what its hooks say."""

    name = ""
    title = ""
    command = ""
    install = ""
    switch = ""
    files: tuple[str, ...] = ()
    submit = "Enter"
    clear = "C-u"
    modes: Mapping[str, str] = {}
    needs_prompt = False
    version = ""  #: a pattern of what `--version` says, with the version as its group; "" where it is not started
    oldest = 0, 0  #: the first version that was tried as a worker
    kinds: Mapping[str, str] = {}  #: its events, each with our word for it
    session_variable = ""  #: in which it tells its servers and hooks the session
    project_variable = ""  #: and its hooks the project
    refused = "block"  #: the word by which a stop is refused, with a reason that the model reads

    # -- hooks ----------------------------------------------------------------------------------------

    def heard(self, event: str, payload: Mapping[str, Any]) -> Event | None:
        """Events in the form that several programs share."""
        kind = self.kinds.get(event)
        return None if kind is None else payload_of.event(kind, event, payload)

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

    # -- what is not known of it ----------------------------------------------------------------------

    def _cannot(self) -> NoReturn:
        raise UsageError(f"{self.title} cannot be started as a worker yet; nothing was started.")

    def check(self, argv: Sequence[str], environ: Mapping[str, str]) -> str:
        """By what it says, where it can be started."""
        if not self.version:
            self._cannot()
        import re

        from intercom.fleet.programs.version import checked

        said = re.compile(self.version)
        return checked(argv, environ, title=self.title, install=self.install, said=said, oldest=self.oldest)

    def untried(self, version: str) -> str:  # noqa: ARG002  # of one kind
        """Nothing is said of versions."""
        return ""

    def prepare(self, argv: Sequence[str], start: Start, write: Callable[[str, str], Path]) -> Prepared:  # noqa: ARG002
        """It is not started."""
        self._cannot()

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
